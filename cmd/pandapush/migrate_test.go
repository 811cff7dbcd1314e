package main

import (
	"strings"
	"testing"
)

// TestServeWantsTheSchema holds back a server whose Postgres has a migration pending, until that is applied.
func TestServeWantsTheSchema(t *testing.T) {
	env := shared(t, settings(t))
	_, _, err := command(t, env, "serve")
	if err == nil || !strings.Contains(err.Error(), "run pandapush migrate up") {
		t.Errorf("serve on an empty database: %v", err)
	}
	if out, _, err := command(t, env, "app", "list"); err == nil || !strings.Contains(err.Error(), "run pandapush migrate up") || out != "" {
		t.Errorf("app list on an empty database: %v, %q", err, out)
	}
	if out := mustCommand(t, env, "migrate", "version"); !strings.HasPrefix(out, "schema version 0 of ") {
		t.Errorf("migrate version before: %s", out)
	}
	out, _, err := command(t, env, "migrate", "status")
	if err == nil || !strings.Contains(err.Error(), "run pandapush migrate up") || !strings.Contains(out, "pending") {
		t.Errorf("migrate status before: %v\n%s", err, out)
	}

	up := mustCommand(t, env, "migrate", "up")
	if up != mustCommand(t, env, "migrate", "version") || mustCommand(t, env, "migrate", "up") != up {
		t.Errorf("migrate up printed %s, which is not the version, or a second time something else", up)
	}
	type state struct {
		Name    string  `json:"name"`
		Applied *string `json:"applied_at"`
	}
	states := decoded[[]state](t, env, "migrate", "status", "--json")
	if len(states) == 0 {
		t.Error("migrate status lists nothing")
	}
	for _, m := range states {
		if m.Applied == nil || !strings.HasSuffix(m.Name, ".sql") {
			t.Errorf("migrate status after: %+v", m)
		}
	}
	for range len(states) - 1 {
		mustCommand(t, env, "migrate", "down")
	}
	if _, _, err := command(t, env, "migrate", "down"); err == nil {
		t.Error("migrate down undid the first migration, which may have adopted tables of the Node version")
	}
	mustCommand(t, env, "migrate", "up")
	n := startNode(t, env)
	n.mustPublish(t, devKey.sign, "/devapp/public/a", `{}`)
}

// TestManyMigrateAtOnce starts ten servers on an empty database, as a deployment of ten pods does.
func TestManyMigrateAtOnce(t *testing.T) {
	env := shared(t, settings(t))
	var starting []*program
	for range 10 {
		starting = append(starting, begin(t, env.with(vars{"DATA_DIR": t.TempDir()}), "serve", "--migrate"))
	}
	for _, p := range starting {
		n := newNode(t, p)
		n.mustPublish(t, devKey.sign, "/devapp/public/a", `{}`)
	}
}

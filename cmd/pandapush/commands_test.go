package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
)

// newKey adds a key, as a script does.
func newKey(t *testing.T, env vars, app string, flags ...string) keyPair {
	t.Helper()
	printed := mustCommand(t, env, append([]string{"key", "add", app}, flags...)...)
	shell := exec.CommandContext(t.Context(), "bash", "-c", `eval "$1" && printf '%s\n%s' "$KEY" "$SECRET"`, "bash", printed)
	out, err := shell.Output()
	if err != nil {
		t.Fatalf("bash can't evaluate %q: %v", printed, err)
	}
	id, secret, _ := strings.Cut(string(out), "\n")
	if len(id) != 20 || len(secret) != 256 {
		t.Fatalf("key add gave the id %q and the secret %q", id, secret)
	}
	return keyPair{id, secret}
}

// decoded is mustCommand for one that prints JSON.
func decoded[T any](t *testing.T, env vars, args ...string) (v T) {
	t.Helper()
	text := mustCommand(t, env, args...)
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("pandapush %s: %v in %s", strings.Join(args, " "), err, text)
	}
	return v
}

// TestApps adds, lists and removes applications and keys without a server.
func TestApps(t *testing.T) {
	env := settings(t)
	first := decoded[appJSON](t, env, "app", "add", "first", "--as", "alice", "--json")
	if first.Name != "first" || first.CreatedBy != "alice" || first.CreatedAt == nil || len(first.Admins) != 1 {
		t.Errorf("app add: %+v", first)
	}
	second := mustCommand(t, env, "app", "add", "second")
	apps := decoded[[]appJSON](t, env, "app", "list", "--json")
	if len(apps) != 2 || apps[0].ID != first.ID || string(apps[1].ID) != second {
		t.Errorf("app list: %+v", apps)
	}
	if table := mustCommand(t, env, "app", "list"); !strings.HasPrefix(table, "ID ") || strings.Count(table, "\n") != 2 {
		t.Errorf("app list prints\n%s", table)
	}

	key := newKey(t, env, second, "--purpose", "test", "--expires", "1h")
	added := decoded[keyJSON](t, env, "key", "add", second, "--json")
	if added.Secret == "" || added.Expires != nil || string(added.App) != second {
		t.Errorf("key add: %+v", added)
	}
	mustCommand(t, env, "key", "revoke", second, string(added.ID))
	for _, args := range [][]string{{"token", "/" + second + "/private/a", "--key", string(added.ID), "--pub"}, {"key", "rotate", second, string(added.ID)}} {
		if out, _, err := command(t, env, args...); err == nil || out != "" || !strings.Contains(err.Error(), "Revoked key") {
			t.Errorf("%s of a revoked key: %q, %v", args[0], out, err)
		}
	}
	keys := decoded[[]keyJSON](t, env, "key", "list", second, "--json")
	if len(keys) != 2 {
		t.Fatalf("key list: %+v", keys)
	}
	if k := keys[0]; string(k.ID) != key.id || k.Purpose != "test" || k.Status != "active" || k.Expires == nil || k.Secret != "" {
		t.Errorf("the first key is listed as %+v", k)
	}
	if k := keys[1]; k.ID != added.ID || k.Status != "revoked" || k.Revoked == nil || k.Secret != "" {
		t.Errorf("the revoked key is listed as %+v", k)
	}
	if table := mustCommand(t, env, "key", "list", second); !strings.Contains(table, "revoked") || strings.Contains(table, added.Secret) {
		t.Errorf("key list prints\n%s", table)
	}

	mustCommand(t, env, "app", "remove", second)
	if apps := decoded[[]appJSON](t, env, "app", "list", "--json"); len(apps) != 1 {
		t.Errorf("after app remove: %+v", apps)
	}
}

// TestRemoteCommands publishes and subscribes with the commands, with keys and with tokens.
func TestRemoteCommands(t *testing.T) {
	env := settings(t)
	n := startNode(t, env)
	env = vars{"DATA_DIR": env["DATA_DIR"], "PANDAPUSH_URL": n.url}
	withKey := env.with(vars{"PANDAPUSH_KEY": "devkey", "PANDAPUSH_SECRET": "devsecret"})
	sub := mustCommand(t, env, "token", "/devapp/private/**", "--key", "devkey", "--sub")
	pub := mustCommand(t, withKey, "token", "/devapp/private/a/*", "--pub", "--expires", "1m") // without the database

	byKey := subscribeCommand(t, n, withKey, "/devapp/private/a/b", "--count", "2")
	byToken := subscribeCommand(t, n, env.with(vars{"PANDAPUSH_TOKEN": sub}), "/devapp/private/**", "/devapp/public/x", "--count", "3")
	published := []string{
		mustCommand(t, withKey, "publish", "/devapp/private/a/b", `{"n":1}`),
		decoded[struct{ ID string }](t, env.with(vars{"PANDAPUSH_TOKEN": pub}), "publish", "/devapp/private/a/b", `{"n":2}`, "--json").ID,
		mustCommand(t, withKey, "publish", "/devapp/public/x", `{"n":3}`),
	}
	for _, subscriber := range []*program{byKey, byToken} {
		if err := subscriber.wait(t); err != nil {
			t.Error("subscribe:", err)
		}
	}
	line := func(channel, data, id string) string {
		return `{"channel":"` + channel + `","data":` + data + `,"id":"` + id + "\"}\n"
	}
	want := line("/devapp/private/a/b", `{"n":1}`, published[0]) + line("/devapp/private/a/b", `{"n":2}`, published[1])
	if got := byKey.stdout.String(); got != want {
		t.Errorf("subscribe with a key printed\n%swant\n%s", got, want)
	}
	if got := byToken.stdout.String(); got != want+line("/devapp/public/x", `{"n":3}`, published[2]) {
		t.Errorf("subscribe with a token printed\n%s", got)
	}

	if out := mustCommand(t, env, "health"); out != "ready" {
		t.Errorf("health printed %q", out)
	}
	health := decoded[struct {
		Status string
		Checks map[string]string
	}](t, env, "health", "--json")
	if health.Status != "ok" || len(health.Checks) != 3 {
		t.Errorf("health --json printed %+v", health)
	}
	if v := decoded[map[string]string](t, env, "version", "--json"); v["version"] != version || v["rev"] == "" || v["built"] == "" {
		t.Errorf("version --json printed %v", v)
	}
	if out := mustCommand(t, env, "version"); !strings.HasPrefix(out, "pandapush "+version) {
		t.Errorf("version printed %q", out)
	}
}

// subscribeCommand runs the command and waits until the server has confirmed its subscriptions.
func subscribeCommand(t *testing.T, n *node, env vars, args ...string) *program {
	t.Helper()
	polls := func() string {
		for line := range strings.Lines(n.get(t, "/metrics").body) {
			if strings.HasPrefix(line, "pandapush_edge_polls ") {
				return line
			}
		}
		return ""
	}
	before := polls()
	p := begin(t, env, append([]string{"subscribe"}, args...)...)
	eventually(t, "the subscriber's poll is held", func() bool { return polls() != before })
	return p
}

// TestCommandErrors runs what can't work: exit status 1, one line on standard error, nothing on standard output.
func TestCommandErrors(t *testing.T) {
	env := settings(t)
	n := startNode(t, env)
	mustCommand(t, env, "app", "add", "an application")
	env = vars{"DATA_DIR": env["DATA_DIR"], "PANDAPUSH_URL": n.url}
	for _, row := range []struct {
		args string
		want string // part of the line
	}{
		{"", "expected one of"},
		{"nonsense", "unexpected argument nonsense"},
		{"serve --port x", "--port: it takes a port number, 0 to 65535"},
		{"serve --nonsense", "unknown flag --nonsense"},
		{"app add", `expected "<name>"`},
		{"app remove nope", `no application has the id "nope"`},
		{"key add nope", `no application has the id "nope"`},
		{"key list nope", `no application has the id "nope"`},
		{"key add devapp --expires soon", "--expires: it takes a time with its unit"},
		{"key revoke devapp nope", `no key of devapp has the id "nope"`},
		{"token /devapp/nope/a --key devkey --sub", "/devapp/nope/a: Invalid channel name"},
		{"token /devapp/private/a --key devkey", "a token that allows nothing"},
		{"token /devapp/private/a --key nope --sub", `no key of devapp has the id "nope"`},
		{"token /devapp/presence/a --key devkey --sub --presence x", "--presence is not valid JSON"},
		{"token /devapp/presence/a --key devkey --sub --presence {}", "No presence id"},
		{"publish /devapp/public/a {}", "403 Forbidden: Unauthorized"},
		{"publish /devapp/public/a {} --key devkey --secret wrong", "400 Bad Request: Invalid secret"},
		{"publish /devapp/public/a nonsense --key devkey --secret devsecret", "400 Bad Request: Invalid JSON at byte 2"},
		{"publish devapp {}", "devapp: Invalid channel name"},
		{"publish /devapp/public/a {} --url http://127.0.0.1:1", "connection refused"},
		{"subscribe /devapp/private/a", "No auth supplied"},
		{"subscribe /nope/public/a", "Could not find application"},
		{"health --url http://127.0.0.1:1", "connection refused"},
	} {
		t.Run(row.args, func(t *testing.T) {
			p := fork(t, env, strings.Fields(row.args)...)
			var exit *exec.ExitError
			if err := p.wait(t); !errors.As(err, &exit) || exit.ExitCode() != 1 {
				t.Errorf("ended with %v", err)
			}
			said := p.stderr.String()
			if !strings.HasPrefix(said, "pandapush: ") || strings.Count(said, "\n") != 1 || !strings.Contains(said, row.want) {
				t.Errorf("said %q, want one line with %q", said, row.want)
			}
			if out := p.stdout.String(); out != "" {
				t.Errorf("printed %q", out)
			}
		})
	}
}

// TestTokenExpires holds a token to the time that it was minted for.
func TestTokenExpires(t *testing.T) {
	env := settings(t)
	n := startNode(t, env)
	token := mustCommand(t, env, "token", "/devapp/public/a", "--key", "devkey", "--pub", "--expires", "1ns")
	r := n.publish(t, func(r *http.Request) { r.Header.Set("Authorization", "Token "+token) }, "/devapp/public/a", "{}")
	if r.status != http.StatusBadRequest || !strings.Contains(r.body, "Invalid token provided") {
		t.Errorf("an expired token: %d %s", r.status, r.body)
	}
}

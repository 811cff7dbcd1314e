package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// withAdmin are the settings of a server that an administrator may log in to.
var withAdmin = vars{
	"AUTH_METHOD": "basic", "ADMIN_USERNAME": "admin", "ADMIN_PASSWORD": "testpassword123", "SESSION_PRIVATE_KEY": "sixteen characters",
	"ENVIRONMENTS": "staging,https://staging.example", "CG_GIT_COMMIT_ID": "abc",
}

// asAdmin signs a request as clients of the Node version do.
func asAdmin(r *http.Request) {
	r.SetBasicAuth("admin", "testpassword123")
	r.Header.Set("Accept", "application/json, text/plain, */*") // axios
}

// admin sends a request to the admin API and decodes the answer, which must have that status.
func (n *node) admin(t *testing.T, method, path, body string, status int) map[string]any {
	t.Helper()
	r, err := n.send(t.Context(), method, "/admin/api"+path, body, asAdmin)
	if err != nil || r.status != status {
		t.Fatalf("%s %s: %d %s, %v; want %d", method, path, r.status, r.body, err, status)
	}
	var v map[string]any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil && strings.HasPrefix(r.body, "{") {
		t.Fatalf("%s %s: %v in %s", method, path, err, r.body)
	}
	return v
}

// has checks that an object has fields, and maybe others.
func has(t *testing.T, what string, object map[string]any, fields ...string) {
	t.Helper()
	for _, field := range fields {
		if _, ok := object[field]; !ok {
			t.Errorf("%s has no %s, only %q", what, field, slices.Sorted(maps.Keys(object)))
		}
	}
}

// TestAdminAPIAsOldClientsKnowIt does what the Node version's smoke tests and UI did, and expects what they got.
func TestAdminAPIAsOldClientsKnowIt(t *testing.T) {
	n := startNode(t, settings(t).with(withAdmin))
	for _, path := range []string{"/admin", "/admin/", "/admin/application/x/keys", "/admin/api/info", "/admin/api/applications"} {
		r := n.get(t, path)
		if r.status != http.StatusUnauthorized || r.body != "Unauthorized" || r.header.Get("WWW-Authenticate") != `Basic realm="Authorization Required"` {
			t.Errorf("%s without a password: %d %s %v", path, r.status, r.body, r.header)
		}
	}
	other, err := n.send(t.Context(), http.MethodGet, "/admin/api/info", "", func(r *http.Request) { r.Header.Set("Authorization", "Token x") })
	if err != nil || other.status != http.StatusBadRequest {
		t.Errorf("with another scheme: %d, %v", other.status, err)
	}
	info := n.admin(t, http.MethodGet, "/info", "", http.StatusOK)
	if info["username"] != "admin" || info["environment"] != "local" || info["version"] != "abc" || !strings.Contains(fmt.Sprint(info["environments"]), "staging.example") {
		t.Errorf("info %v", info)
	}

	app := n.admin(t, http.MethodPost, "/applications", `{"name":"test-app-1"}`, http.StatusCreated)
	has(t, "a new application", app, "id", "name", "created_by", "created_at")
	id := app["id"].(string)
	path := "/application/" + id
	if updated := n.admin(t, http.MethodPost, path, `{"name":"renamed","admins":["admin","other"]}`, http.StatusOK); updated["id"] != id {
		t.Errorf("updated %v", updated)
	}
	detail := n.admin(t, http.MethodGet, path, "", http.StatusOK)
	has(t, "an application", detail, "id", "name", "created_by", "created_at", "updated_at", "keys", "admins")
	if detail["name"] != "renamed" || fmt.Sprint(detail["admins"]) != "[admin other]" {
		t.Errorf("application %v", detail)
	}

	key := n.admin(t, http.MethodPost, path+"/keys", `{"purpose":"test","expires":"2099-01-01T00:00:00.000Z"}`, http.StatusOK)
	has(t, "a new key", key, "application_id", "created_by", "expires", "purpose", "created_at", "id", "secret")
	if key["expires"] != "2099-01-01T00:00:00.000Z" {
		t.Errorf("expires %v", key["expires"])
	}
	pair := keyPair{key["id"].(string), key["secret"].(string)}
	n.mustPublish(t, pair.sign, "/"+id+"/public/a", `{"text":"hello"}`) // at once
	listed := n.admin(t, http.MethodGet, path, "", http.StatusOK)["keys"].([]any)[0].(map[string]any)
	has(t, "a listed key", listed, "id", "application_id", "created_by", "expires", "purpose", "created_at", "updated_at", "last_used", "use_count")
	if _, ok := listed["secret"]; ok {
		t.Error("a list has the secret")
	}

	for _, route := range []string{"/token", "/keys/" + pair.id + "/token"} {
		token := n.admin(t, http.MethodPost, path+route, `{"channel":"/`+id+`/private/a","pub":true,"sub":true}`, http.StatusOK)["token"].(string)
		n.mustPublish(t, func(r *http.Request) { r.Header.Set("Authorization", "Token "+token) }, "/"+id+"/private/a", `{}`)
	}
	unknown, err := n.send(t.Context(), http.MethodPost, "/admin/api"+path+"/keys/nosuch/token", `{"channel":"/`+id+`/private/a"}`, asAdmin)
	if err != nil || unknown.status != http.StatusNotFound || unknown.body != "could not find key" {
		t.Errorf("a token of no key: %d %s, %v", unknown.status, unknown.body, err)
	}
	gone, err := n.send(t.Context(), http.MethodDelete, "/admin/api"+path, "", asAdmin)
	if err != nil || gone.status != http.StatusOK || gone.body != "OK" {
		t.Errorf("delete: %d %s, %v", gone.status, gone.body, err)
	}
	missing, err := n.send(t.Context(), http.MethodGet, "/admin/api"+path, "", asAdmin)
	if err != nil || missing.status != http.StatusNotFound || missing.body != "Not found" {
		t.Errorf("after the delete: %d %s, %v", missing.status, missing.body, err)
	}
	if r := n.publish(t, pair.sign, "/"+id+"/public/a", `{}`); r.status != http.StatusBadRequest || !strings.Contains(r.body, "Could not find key") {
		t.Errorf("a publish with the key of a deleted application: %d %s", r.status, r.body)
	}
}

// TestAdminAcrossNodes administers on one node and looks at the other.
func TestAdminAcrossNodes(t *testing.T) {
	env := shared(t, settings(t).with(withAdmin))
	mustCommand(t, env, "migrate", "up")
	one, two := startNode(t, env.with(vars{"DATA_DIR": t.TempDir()})), startNode(t, env.with(vars{"DATA_DIR": t.TempDir()}))
	made := one.admin(t, http.MethodPost, "/application/devapp/keys", `{"purpose":"both"}`, http.StatusOK)
	key := keyPair{made["id"].(string), made["secret"].(string)}
	eventually(t, "the other node knows the key", func() bool {
		return two.publish(t, key.sign, "/devapp/private/a", `{}`).status == http.StatusOK
	})
	s := one.dial(t)
	s.subscribe(key, "/devapp/private/a")
	list := two.admin(t, http.MethodGet, "/application/devapp/connections", "", http.StatusOK)["connections"].([]any)
	if len(list) != 1 || strings.Contains(fmt.Sprint(list), s.clientID) {
		t.Fatalf("connections %v", list)
	}
	two.admin(t, http.MethodDelete, "/application/devapp/connections/"+list[0].(map[string]any)["id"].(string), "", http.StatusNoContent)
	<-s.closed

	again := two.dial(t)
	again.subscribe(key, "/devapp/private/a")
	one.admin(t, http.MethodPut, "/application/devapp/settings", `{"suspended":true}`, http.StatusOK)
	eventually(t, "the application is suspended on the other node", func() bool {
		return two.publish(t, key.sign, "/devapp/private/a", `{}`).status != http.StatusOK
	})
	one.admin(t, http.MethodPut, "/application/devapp/settings", `{}`, http.StatusOK)
	eventually(t, "both nodes are listed", func() bool {
		r, err := one.send(t.Context(), http.MethodGet, "/admin/api/nodes", "", asAdmin)
		return err == nil && strings.Count(r.body, `"started_at"`) == 2
	})
}

// TestEventStreamsEndWithTheServer keeps a server that is stopped from waiting for those who watch.
func TestEventStreamsEndWithTheServer(t *testing.T) {
	n := startNode(t, settings(t).with(withAdmin))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/admin/api/stats/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	asAdmin(request)
	answer, err := n.http.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	body := bufio.NewReader(answer.Body)
	if line, err := body.ReadString('\n'); err != nil || line != "event: sample\n" {
		t.Fatalf("%s: %q, %v", answer.Status, line, err)
	}
	n.stop()
	if err := n.wait(t); err != nil {
		t.Error(err)
	}
}

// TestSessionKeyIsKept gives the sealed names of connections the same key after a restart.
func TestSessionKeyIsKept(t *testing.T) {
	env := settings(t)
	if _, err := os.Stat(filepath.Join(env["DATA_DIR"], "session.key")); err == nil {
		t.Fatal("there is a key already")
	}
	var keys []string
	for range 2 {
		n := startNode(t, env.with(vars{"AUTH_METHOD": "basic", "ADMIN_USERNAME": "admin", "ADMIN_PASSWORD": "testpassword123"}))
		n.admin(t, http.MethodGet, "/info", "", http.StatusOK)
		n.stop()
		if err := n.wait(t); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(env["DATA_DIR"], "session.key")
		info, err1 := os.Stat(file)
		key, err2 := os.ReadFile(file)
		if err1 != nil || err2 != nil || info.Mode().Perm() != 0o600 || len(key) < 40 {
			t.Fatalf("key of %d bytes, %v, %v", len(key), err1, err2)
		}
		keys = append(keys, string(key))
	}
	if keys[0] != keys[1] {
		t.Error("the key was made anew")
	}
}

// TestAdminSettings are those that can't work.
func TestAdminSettings(t *testing.T) {
	for want, wrong := range map[string]vars{
		"ADMIN_PASSWORD must be set":                 {"AUTH_METHOD": "basic", "ADMIN_USERNAME": "a"},
		"ADMIN_USERNAME must be set":                 {"AUTH_METHOD": "basic", "ADMIN_PASSWORD": "a"},
		"OIDC_CLIENT_SECRET must be set":             {"AUTH_METHOD": "okta", "OKTA_ISSUER": "https://a.b", "OKTA_CLIENT_ID": "x", "OKTA_REDIRECT_URI": "https://c.d"},
		"the redirect address is not a URL":          {"AUTH_METHOD": "oidc", "OIDC_ISSUER": "https://a.b", "OIDC_CLIENT_ID": "x", "OIDC_CLIENT_SECRET": "y", "OIDC_REDIRECT_URI": "z"},
		`AUTH_METHOD is "cas": it takes basic`:       {"AUTH_METHOD": "cas"},
		"SESSION_PRIVATE_KEY is wrong":               {"SESSION_PRIVATE_KEY": "short"},
		`ENVIRONMENTS is "x": it takes`:              {"ENVIRONMENTS": "x"},
		`ENVIRONMENTS is "x,javascript:y": it takes`: {"ENVIRONMENTS": "x,javascript:y"},
	} {
		if _, _, err := command(t, settings(t).with(wrong), "serve"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", wrong, err, want)
		}
	}
}

// TestAdminCommands does by commands what the UI does.
func TestAdminCommands(t *testing.T) {
	env := settings(t)
	n := startNode(t, env)
	env = vars{"DATA_DIR": env["DATA_DIR"]}
	app := mustCommand(t, env, "app", "add", "before", "--as", "alice")
	mustCommand(t, env, "app", "rename", app, "after", "--as", "bob")
	if got := mustCommand(t, env, "app", "admins", app, "--add", "bob", "--add", "carol", "--remove", "alice"); got != "bob\ncarol" {
		t.Errorf("app admins printed %q", got)
	}
	if got := mustCommand(t, env, "app", "admins", app); got != "bob\ncarol" {
		t.Errorf("app admins printed %q", got)
	}
	if got := mustCommand(t, env, "app", "admins", app, "--json"); strings.Join(strings.Fields(got), "") != `["bob","carol"]` {
		t.Errorf("app admins --json printed %s", got)
	}
	type set struct {
		Origins   []string
		Suspended bool
		Rate      float64 `json:"publish_rate"`
	}
	got := decoded[set](t, env, "app", "settings", app, "publish_rate=0.5", "origins=https://a.b,https://c.d", "suspended=true")
	if got.Rate != 0.5 || len(got.Origins) != 2 || !got.Suspended {
		t.Errorf("app settings printed %+v", got)
	}
	if table := mustCommand(t, env, "app", "list"); !strings.Contains(table, "alice  suspended\n") || !strings.HasSuffix(table, "active") {
		t.Errorf("app list printed\n%s", table)
	}
	for _, listed := range decoded[[]appJSON](t, env, "app", "list", "--json") {
		if suspended := string(listed.ID) == app; listed.Settings.Suspended != suspended || suspended && listed.UpdatedAt == nil {
			t.Errorf("app list --json printed %+v", listed)
		}
	}
	if got := decoded[set](t, env, "app", "settings", app, "origins=", "suspended=false"); got.Rate != 0.5 || len(got.Origins) != 0 || got.Suspended {
		t.Errorf("app settings printed %+v", got)
	}

	key := newKey(t, env, app)
	rotated := decoded[keyJSON](t, env, "key", "rotate", app, key.id, "--overlap", "1h", "--json")
	if rotated.Secret == key.secret || len(rotated.Secret) != 256 || rotated.Previous == nil || rotated.UpdatedAt == nil {
		t.Errorf("key rotate printed %+v", rotated)
	}
	for _, secret := range []string{key.secret, rotated.Secret} {
		eventually(t, "both secrets are good", func() bool {
			return n.publish(t, keyPair{key.id, secret}.sign, "/"+app+"/public/a", `{}`).status == http.StatusOK
		})
	}
	mustCommand(t, env, "key", "delete", app, key.id)
	eventually(t, "the key is gone", func() bool {
		return strings.Contains(n.publish(t, keyPair{key.id, rotated.Secret}.sign, "/"+app+"/public/a", `{}`).body, "Could not find key")
	})

	changes := decoded[[]changeJSON](t, env, "audit", "list", "--app", app, "--json")
	var actions []string
	for _, c := range changes {
		actions = append(actions, c.Action)
	}
	want := []string{"key.delete", "key.rotate", "key.create", "app.update", "app.update", "app.update", "app.update", "app.create"}
	if !slices.Equal(actions, want) || changes[6].By != "bob" || changes[6].After["name"] != "after" {
		t.Errorf("audit list printed %+v", changes)
	}
	if table := mustCommand(t, env, "audit", "list", "--action", "key", "--limit", "2"); strings.Count(table, "\n") != 2 || strings.Contains(table, rotated.Secret) {
		t.Errorf("audit list printed\n%s", table)
	}
	for args, want := range map[string]string{
		"app rename nope x":                       `no application has the id "nope"`,
		"app settings " + app + " color=red":      `"color=red" is not NAME=VALUE`,
		"app settings " + app + " suspended=9":    "suspended cannot be 9: it takes true or false",
		"app settings " + app + " history_age=1h": `history_age cannot be "1h": it takes a number of seconds`,
		"app settings " + app + " connections=-1": "invalid connections",
		"app settings nope":                       `no application has the id "nope"`,
		"app admins nope --add x":                 `no application has the id "nope"`,
		"key rotate " + app + " nope":             "has the id \"nope\"",
		"key delete " + app + " nope":             "has the id \"nope\"",
	} {
		if _, _, err := command(t, env, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
}

// TestConfigShow prints what serve would run with, and no secret.
func TestConfigShow(t *testing.T) {
	env := settings(t).with(withAdmin).with(vars{"HISTORY_AGE": "90m", "ROOT_ADMINS": "a, b c", "OIDC_CLIENT_SECRET": "hidden"})
	out := mustCommand(t, env, "config", "show")
	for _, line := range []string{"HISTORY_AGE 1h30m 24h", "ROOT_ADMINS a,b c", "ADMIN_PASSWORD [secret]", "OIDC_CLIENT_SECRET [secret]", "AUTH_METHOD basic none"} {
		if !slices.ContainsFunc(strings.Split(out, "\n"), func(l string) bool { return strings.HasPrefix(strings.Join(strings.Fields(l), " "), line) }) {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
	for _, hidden := range []string{"testpassword123", "hidden", "devsecret", "sixteen"} {
		if strings.Contains(out, hidden) {
			t.Errorf("config show printed %s", hidden)
		}
	}
	if strings.Contains(out, "PING_INTERVAL") || !strings.Contains(mustCommand(t, env, "config", "show", "--all"), "PING_INTERVAL") {
		t.Error("defaults are printed without --all, or not with it")
	}
	type setting struct {
		Name  string
		Value *string
	}
	for _, s := range decoded[[]setting](t, env, "config", "show", "--json") {
		if s.Name == "ADMIN_PASSWORD" && s.Value != nil {
			t.Error("config show --json printed a secret")
		}
	}
	// What is at its default must be told from what is not, for every setting.
	bare := mustCommand(t, vars{}, "config", "show")
	if strings.Count(bare, "\n") != 0 {
		t.Errorf("without any setting, these are said to be set:\n%s", bare)
	}
	if _, _, err := command(t, env.with(vars{"ADMIN_PASSWORD": ""}), "config", "show"); err == nil {
		t.Error("settings that can't work together are fine")
	}
}

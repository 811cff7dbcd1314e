package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// TestPublishWithCurl publishes as back ends do, on a server that nothing was set up for.
func TestPublishWithCurl(t *testing.T) {
	env := settings(t)
	n := startNode(t, env.with(vars{"LISTEN": "", "PORT": "0"}))
	n.url = strings.Replace(n.url, "[::]", "127.0.0.1", 1)
	pub := mustCommand(t, env, "token", "/devapp/private/**", "--key", "devkey", "--pub")
	sub := mustCommand(t, env, "token", "/devapp/private/**", "--key", "devkey", "--sub")
	narrow := mustCommand(t, env, "token", "/devapp/private/b/*", "--key", "devkey", "--pub")
	large := filepath.Join(t.TempDir(), "large.json")
	if err := os.WriteFile(large, []byte(`{"text":"`+strings.Repeat("x", 128<<10)+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	asJSON := []string{"-H", "Content-Type: application/json"}
	withAuth := func(args ...string) []string { return append([]string{"-u", "devkey:devsecret"}, args...) }
	header := func(value string) []string { return []string{"-H", "Authorization: " + value} }
	refused := func(text string) string { return `400 {"code":null,"params":[],"message":"` + text + `"}` }

	const channel = "/channel/devapp/private/a"
	for _, row := range []struct {
		name string
		path string
		args []string
		want string // status and body, of which what comes after "…" does not count
	}{
		{"key", channel, withAuth(), "200 OK"},
		{"token in header", channel, header("Token " + pub), "200 OK"},
		{"bearer", channel, header("Bearer " + pub), "200 OK"},
		{"scheme in lower case", channel, header("bearer " + pub), "200 OK"},
		{"token in query", channel + "?token=" + pub, nil, "200 OK"},
		{"the query wins", channel + "?token=" + pub, []string{"-u", "devkey:wrong"}, "200 OK"},
		{"also when it is bad", channel + "?token=bad", withAuth(), refused("Invalid token")},
		{"presence", "/channel/devapp/presence/a", withAuth(), "200 OK"},
		{"none", channel, nil, "403 Unauthorized"},
		{"unknown scheme", channel, header("Digest x"), "403 Unauthorized"},
		{"empty token", channel + "?token=", header("Token "), "403 Unauthorized"},
		{"wrong secret", channel, []string{"-u", "devkey:wrong"}, refused("Invalid secret")},
		{"unknown key", channel, []string{"-u", "nokey:devsecret"}, refused("Could not find key")},
		{"key of another application", "/channel/other/private/a", withAuth(), refused("Could not find key")},
		{"token that only subscribes", channel, header("Token " + sub), refused("Token does not allow publishing")},
		{"token for elsewhere", channel, header("Token " + narrow), refused("Token does not match channel")},

		{"JSON", channel, withAuth(asJSON...), "200 OK"},
		{"form", channel, withAuth("-d", "a=b"), "200 OK"},
		{"not JSON", channel, withAuth(append(asJSON, "-d", `{text:"hello"}`)...), refused("Invalid JSON at byte 2: …")},
		{"not an object", channel, withAuth("-d", "[1]"), refused("Payload must be an object")},
		{"too large", channel, withAuth("-d", "@"+large), `413 {"code":null,"params":[],"message":"Message too large"}`},
		{"wrong charset", channel, withAuth("-H", "Content-Type: application/json; charset=latin1"), "415 …"},
		{"not a channel", "/channel/devapp/secret/a", withAuth(), "404 …"},
		{"meta", "/channel/devapp/meta/a", withAuth(), "404 …"},
		{"unknown route", "/nope", withAuth(), "404 …"},
		{"wrong method", channel, withAuth("-X", "PUT"), "405 …"},
	} {
		t.Run(row.name, func(t *testing.T) {
			args := row.args
			if !slices.Contains(args, "-d") {
				args = append(slices.Clone(args), "-d", "{}")
			}
			got := curl(t, append(args, n.url+row.path)...)
			if begin, _, open := strings.Cut(row.want, "…"); got != row.want && (!open || !strings.HasPrefix(got, begin)) {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

// curl runs the real one and returns the response as "<status> <body>".
func curl(t *testing.T, args ...string) string {
	t.Helper()
	body := filepath.Join(t.TempDir(), "body")
	args = append([]string{"--silent", "--show-error", "--noproxy", "*", "-o", body, "-w", "%{http_code}"}, args...)
	cmd := exec.CommandContext(t.Context(), "curl", args...)
	var problem bytes.Buffer
	cmd.Stderr = &problem
	status, err := cmd.Output()
	if err != nil {
		t.Fatalf("curl: %v: %s", err, &problem)
	}
	text, err := os.ReadFile(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(status) + " " + string(text)
}

// TestRestart ends a server, in order and with kill -9, and starts it again on the same data folder: what was made and
// published is still there.
func TestRestart(t *testing.T) {
	env := settings(t)
	n := forkNode(t, env)
	app := mustCommand(t, env, "app", "add", "first")
	key := newKey(t, env, app)
	channel := "/" + app + "/private/a"
	var id string
	eventually(t, "the new key is known", func() bool {
		r := n.publish(t, key.sign, channel, `{"n":1}`)
		id = r.header.Get("X-Message-Id")
		return id != ""
	})
	n.stop()
	if err := n.wait(t); err != nil {
		t.Fatal("serve:", err)
	}

	n = forkNode(t, env)
	second := n.mustPublish(t, key.sign, channel, `{"n":2}`)
	stream := storedIDs(t, embedded(t, env), app)
	if !slices.Equal(stream, []string{position(id), position(second)}) {
		t.Errorf("stream holds %v; published were %s and %s", stream, id, second)
	}
	if id[:12] != second[:12] {
		t.Errorf("the stream's epoch has changed: %s, then %s", id, second)
	}

	other := fork(t, env, "serve")
	if err := other.wait(t); err == nil {
		t.Error("a second server runs on the same data folder")
	}
	if said := other.stderr.String(); !strings.Contains(said, "is in use by another process") || strings.Count(said, "\n") != 1 {
		t.Errorf("it says %q", said)
	}
	third := n.mustPublish(t, key.sign, channel, `{"n":3}`)

	if err := syscall.Kill(n.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := n.wait(t); err == nil {
		t.Error("serve outlived SIGKILL")
	}
	forkNode(t, env)
	if stream := storedIDs(t, embedded(t, env), app); len(stream) != 3 || stream[2] != position(third) {
		t.Errorf("after SIGKILL, the stream holds %v; the last published was %s", stream, third)
	}
}

// TestEmbeddedRedisHeals kills the server's own redis-server.
func TestEmbeddedRedisHeals(t *testing.T) {
	env := settings(t)
	n := startNode(t, env)
	subscriber := n.dial(t)
	subscriber.subscribe(devKey, "/devapp/private/a")
	n.mustPublish(t, devKey.sign, "/devapp/private/a", `{"n":1}`)

	client := embedded(t, env)
	if err := syscall.Kill(serverPID(t, client), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	n.stderr.await(t, "embedded Redis is back")
	eventually(t, "the server is ready", func() bool { return n.get(t, "/readyz").status == 200 })
	n.mustPublish(t, devKey.sign, "/devapp/private/a", `{"n":2}`)
	for _, want := range []string{`{"n":1}`, `{"n":2}`} {
		if got := subscriber.delivery(); string(got.Data) != want {
			t.Errorf("got %s, want %s", got.Data, want)
		}
	}
}

// embedded returns a client of the Redis of the server with these settings.
func embedded(t *testing.T, env vars) *redis.Client {
	t.Helper()
	topology, ok, err := embeddedTopology(dataFlags{DataDir: env["DATA_DIR"]})
	if err != nil || !ok {
		t.Fatalf("no embedded Redis: %v", err)
	}
	options, err := redis.ParseURL(topology.URLs[0])
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// serverPID returns the process id of a Redis.
func serverPID(t *testing.T, client *redis.Client) int {
	t.Helper()
	info, err := client.InfoMap(t.Context(), "server").Result()
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	for _, digit := range info["Server"]["process_id"] {
		pid = 10*pid + int(digit-'0')
	}
	return pid
}

// storedIDs returns the ids of the entries of an application's stream.
func storedIDs(t *testing.T, client *redis.Client, app string) (ids []string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	names, err := client.Keys(ctx, "*:"+app+":log").Result()
	if err != nil || len(names) != 1 {
		t.Fatalf("streams of %s: %v, %v", app, names, err)
	}
	entries, err := client.XRange(ctx, names[0], "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		ids = append(ids, entry.ID)
	}
	return ids
}

// position returns the stream id in a message id.
func position(id string) string {
	_, entry, _ := strings.Cut(id, "-")
	return entry
}

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// startTwoTold is startTwo with administration, for what one node must be told by the other: by themselves they look into the
// database once an hour.
func startTwoTold(t *testing.T) (one, two *node) {
	t.Helper()
	env := shared(t, settings(t).with(withAdmin)).with(vars{"CACHE_TTL_MS": "3600000"})
	mustCommand(t, env, "migrate", "up")
	return forkNode(t, env.with(vars{"DATA_DIR": t.TempDir()})), forkNode(t, env.with(vars{"DATA_DIR": t.TempDir()}))
}

// TestEndsOnTheOtherNode has the event streams of one node end by what is done on the other. How long that takes from the
// answer on is logged, and is no matter of this test: the design's bound is a second.
func TestEndsOnTheOtherNode(t *testing.T) {
	one, two := startTwoTold(t)
	for _, row := range []struct {
		what, method, path, body string // below the application, or "" for it; with the key's id in it
		status                   int
		reason                   string
	}{
		{"a revoked key", http.MethodPost, "/keys/%s/revoke", "", http.StatusOK, "Revoked key"},
		{"a deleted key", http.MethodDelete, "/keys/%s", "", http.StatusNoContent, "Could not find key"},
		{"a suspended application", http.MethodPut, "/settings", `{"suspended":true}`, http.StatusOK, "Application is suspended"},
		{"a deleted application", http.MethodDelete, "", "", http.StatusOK, "Could not find application"},
	} {
		id := one.admin(t, http.MethodPost, "/applications", `{"name":"app"}`, http.StatusCreated)["id"].(string)
		made := one.admin(t, http.MethodPost, "/application/"+id+"/keys", `{}`, http.StatusOK)
		key := keyPair{made["id"].(string), made["secret"].(string)}
		awaitAnswer(t, two, key, "/"+id+"/private/other", "Could not find key", "OK")
		events := curlStream(t, "-H", "Accept: text/event-stream", "-u", key.id+":"+key.secret, two.url+"/channel/"+id+"/private/a")
		socket := two.dial(t)
		socket.subscribe(key, "/"+id+"/private/a")
		events.await(t, "id: ")
		path := row.path
		if path == "/keys/%s/revoke" || path == "/keys/%s" {
			path = fmt.Sprintf(path, key.id)
		}
		one.admin(t, row.method, "/application/"+id+path, row.body, row.status)
		answered := time.Now()
		if got := events.await(t, "reason"); got != fmt.Sprintf(`data: {"reason":%q}`, row.reason) {
			t.Errorf("%s: %s", row.what, got)
		}
		t.Logf("%s: the event stream of the other node ended %v after the answer", row.what, time.Since(answered).Round(100*time.Microsecond))
		socket.revoked(map[string]string{"/" + id + "/private/a": row.reason})
	}
}

// TestSettingsOnTheOtherNode sets limits of an application on one node, and meets each on both.
func TestSettingsOnTheOtherNode(t *testing.T) {
	one, two := startTwoTold(t)
	const app = "/application/devapp"
	publish := func(n *node, headers ...string) int {
		r, err := n.send(t.Context(), http.MethodPost, "/channel/devapp/private/a", `{"text":"twenty characters, or more"}`, func(r *http.Request) {
			devKey.sign(r)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return r.status
	}
	for _, row := range []struct {
		settings string
		met      func(n *node) bool
	}{
		{`{"max_message_bytes":10}`, func(n *node) bool { return publish(n) == http.StatusRequestEntityTooLarge }},
		{`{"origins":["https://a.example"]}`, func(n *node) bool {
			return publish(n, "Origin", "https://b.example") == http.StatusForbidden && publish(n, "Origin", "https://a.example") == http.StatusOK
		}},
		{`{"publish_rate":0.001,"publish_burst":1}`, func(n *node) bool {
			publish(n) // the first of a burst is taken
			return publish(n) == http.StatusTooManyRequests
		}},
		{`{"suspended":true}`, func(n *node) bool { return publish(n) == http.StatusBadRequest }},
		{`{"history_length":7,"history_age":60}`, func(n *node) bool {
			kept := n.admin(t, http.MethodGet, app+"/stream", "", http.StatusOK)["stream"].(map[string]any)
			return kept["max_length"] == 7.0 && kept["max_age"] == 60.0
		}},
	} {
		one.admin(t, http.MethodPut, app+"/settings", row.settings, http.StatusOK)
		answered := time.Now()
		if !row.met(one) {
			t.Errorf("%s does not hold on the node that has answered", row.settings)
		}
		eventually(t, row.settings+" holds on the other node", func() bool { return row.met(two) })
		t.Logf("%s held on both nodes %v after the answer", row.settings, time.Since(answered).Round(time.Millisecond))
		one.admin(t, http.MethodPut, app+"/settings", `{}`, http.StatusOK)
		eventually(t, row.settings+" is over on the other node", func() bool { return !row.met(two) })
	}

	one.admin(t, http.MethodPut, app+"/settings", `{"connections":1}`, http.StatusOK)
	for _, n := range []*node{one, two} {
		n.dial(t).subscribe(devKey, "/devapp/private/a")
		eventually(t, "there is room for no more", func() bool {
			s := n.dial(t)
			s.send(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/devapp/private/a","ext":{"auth":%s}}`, s.clientID, devKey.auth()))
			reply := s.await("the reply", func(m wireMessage) bool { return m.Channel == "/meta/subscribe" })
			s.send(fmt.Sprintf(`{"channel":"/meta/disconnect","clientId":%q}`, s.clientID))
			s.await("the goodbye", func(m wireMessage) bool { return m.Channel == "/meta/disconnect" })
			return !*reply.Successful
		})
	}
}

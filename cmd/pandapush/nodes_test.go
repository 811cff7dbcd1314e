package main

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pandapush/pandapush/db/dbtest"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// shared adds a Redis and an empty Postgres database of the test's own to env, with the names that deployments use.
func shared(t *testing.T, env vars) vars {
	t.Helper()
	database, err := url.Parse(dbtest.PostgresURL(t))
	if err != nil {
		t.Fatal(err)
	}
	return env.with(vars{
		"REDIS_URL_ENV_VARS": "TEST_REDIS", "TEST_REDIS": streamstest.Redis(t),
		"DATABASE": "postgres", "DATABASE_ADDRESS": database.Query().Get("host"), "DATABASE_PORT": database.Query().Get("port"),
		"DATABASE_NAME": strings.TrimPrefix(database.Path, "/"), "DATABASE_USERNAME": database.User.Username(),
	})
}

// startTwo runs two nodes on one Redis and one Postgres, each in a process of its own.
func startTwo(t *testing.T) (env vars, nodes []*node) {
	t.Helper()
	env = shared(t, settings(t))
	mustCommand(t, env, "migrate", "up")
	for range 2 {
		nodes = append(nodes, forkNode(t, env.with(vars{"DATA_DIR": t.TempDir()})))
	}
	return env, nodes
}

// TestTwoNodes publishes on either node, and reads what comes out of both.
func TestTwoNodes(t *testing.T) {
	_, nodes := startTwo(t)
	const channel = "/devapp/private/a"
	var subscribers []*bayeuxSocket
	for _, n := range nodes {
		s := n.dial(t)
		s.subscribe(devKey, "/devapp/private/*")
		subscribers = append(subscribers, s)
	}
	publisher := nodes[1].dial(t)
	nodes[0].mustPublish(t, devKey.sign, channel, `{"n":1}`)
	publisher.publish(devKey, channel, `{"n":2}`)
	nodes[1].mustPublish(t, devKey.sign, channel, `{"n":3}`)

	var ids []string
	for i, s := range subscribers {
		var got []string
		for _, want := range []string{`{"n":1}`, `{"n":2}`, `{"n":3}`} {
			m := s.delivery()
			if string(m.Data) != want || m.Channel != channel {
				t.Errorf("node %d delivered %s on %s, want %s", i, m.Data, m.Channel, want)
			}
			got = append(got, string(m.ID))
		}
		if i > 0 && !slices.Equal(got, ids) {
			t.Errorf("one node has the ids %v, the other %v", ids, got)
		}
		ids = got
	}
}

// TestKeysOnAllNodes adds, revokes and removes with commands, while two nodes run and are not restarted.
func TestKeysOnAllNodes(t *testing.T) {
	env, nodes := startTwo(t)
	app := mustCommand(t, env, "app", "add", "test")
	key, other := newKey(t, env, app), newKey(t, env, app)
	private, marker, public := "/"+app+"/private/a", "/"+app+"/private/b", "/"+app+"/public/a"

	var subscribers []*bayeuxSocket
	for _, n := range nodes {
		awaitAnswer(t, n, key, private, "Could not find key", "OK")
		awaitAnswer(t, n, other, private, "Could not find key", "OK")
		s := n.dial(t)
		s.subscribe(key, private)
		s.subscribe(other, marker)
		s.subscribe(other, public)
		subscribers = append(subscribers, s)
	}

	mustCommand(t, env, "key", "revoke", app, key.id)
	for _, n := range nodes {
		awaitAnswer(t, n, key, private, "OK", "Revoked key")
	}
	for _, s := range subscribers {
		s.revoked(map[string]string{private: "Revoked key"})
	}
	nodes[0].mustPublish(t, other.sign, private, `{}`)
	nodes[0].mustPublish(t, other.sign, marker, `{}`)
	for _, s := range subscribers {
		if m := s.delivery(); m.Channel != marker {
			t.Errorf("%s is delivered to a subscription made with a revoked key", m.Channel)
		}
	}

	mustCommand(t, env, "app", "remove", app)
	for _, n := range nodes {
		awaitAnswer(t, n, other, public, "OK", "Could not find key")
	}
	for _, s := range subscribers {
		s.revoked(map[string]string{marker: "Could not find application", public: "Could not find application"})
	}
}

// awaitAnswer publishes until the node's answer is to and no longer from; nothing else may come between. What is published
// so is on the channel for whoever listens.
func awaitAnswer(t *testing.T, n *node, key keyPair, channel, from, to string) {
	t.Helper()
	eventually(t, "publishing is answered with "+to, func() bool {
		r := n.publish(t, key.sign, channel, `{}`)
		said := r.body
		if r.status != http.StatusOK {
			said = reasonOf([]byte(said))
		}
		if said != from && said != to {
			t.Fatalf("publishing is answered with %d %s", r.status, r.body)
		}
		return said == to
	})
}

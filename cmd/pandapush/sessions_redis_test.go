package main

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pandapush/pandapush/streams/streamstest"
)

// TestSessionsOnEveryRedis: clients of a node that is killed go on at another with nothing lost, however Redis is laid out. There
// are enough of them for each server to have records of some.
func TestSessionsOnEveryRedis(t *testing.T) {
	for name, redis := range map[string]func(*testing.T) vars{
		"independent servers": func(t *testing.T) vars {
			t.Helper()
			return vars{"REDIS_URL_ENV_VARS": "ONE,TWO,THREE", "ONE": streamstest.Redis(t), "TWO": streamstest.Redis(t), "THREE": streamstest.Redis(t)}
		},
		"Cluster": func(t *testing.T) vars {
			t.Helper()
			return vars{"REDIS_CLUSTER": strings.Join(streamstest.Cluster(t), ",")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := redis(t)
			first, second := forkNode(t, settings(t).with(env)), forkNode(t, settings(t).with(env))
			var clients []*bayeuxSocket
			for range 30 {
				s := first.dial(t)
				s.subscribe(devKey, "/devapp/private/*")
				clients = append(clients, s)
			}
			second.mustPublish(t, devKey.sign, "/devapp/private/a", `{"n":1}`)
			for _, s := range clients {
				s.wantUpTo(`{"n":1}`)
			}
			first.killNow(t)
			second.mustPublish(t, devKey.sign, "/devapp/private/a", `{"n":2}`)
			for i, s := range clients {
				clients[i] = s.moveTo(second)
				clients[i].wantUpTo(`{"n":2}`)
			}
			list := decoded[[]sessionJSON](t, settings(t).with(env), "sessions", "list", "--json")
			if len(list) != len(clients) {
				t.Errorf("%d sessions are listed, want %d", len(list), len(clients))
			}
		})
	}
}

// TestFailover kills the primary that a Sentinel watches: sockets stay and get what is published then, and sessions are
// known to the replica.
func TestFailover(t *testing.T) {
	w := streamstest.Sentinel(t)
	env := vars{"REDIS_SENTINELS": w.Sentinel, "REDIS_SENTINEL_MASTER": streamstest.SentinelMaster}
	first, second := forkNode(t, settings(t).with(env)), forkNode(t, settings(t).with(env))
	s := first.dial(t)
	s.subscribe(devKey, "/devapp/private/*")
	first.mustPublish(t, devKey.sign, "/devapp/private/a", `{"n":1}`)
	s.wantUpTo(`{"n":1}`)
	if n, err := w.Primary.Client().Wait(t.Context(), 1, patience).Result(); err != nil || n != 1 {
		t.Fatalf("%d replicas have everything, %v", n, err)
	}
	w.Primary.Kill()
	eventually(t, "there is a primary again", func() bool {
		return second.publish(t, devKey.sign, "/devapp/private/a", `{"n":2}`).status == http.StatusOK
	})
	s.wantUpTo(`{"n":2}`)
	first.killNow(t)
	second.mustPublish(t, devKey.sign, "/devapp/private/a", `{"n":3}`)
	s.moveTo(second).wantUpTo(`{"n":3}`)
}

// killNow ends the node as a power cut does, and returns when it has.
func (n *node) killNow(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(n.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := n.wait(t); err == nil {
		t.Error("serve outlived SIGKILL")
	}
}

// wantUpTo reads messages up to one with that data. Before it there may be repeats of those before it, and nothing else.
func (s *bayeuxSocket) wantUpTo(last string) {
	s.tb.Helper()
	for timeout := time.After(patience); ; {
		select {
		case m := <-s.messages:
			got := string(m.Data)
			if m.Successful == nil && got == last {
				return
			}
			if m.Channel == "/meta/gap" || m.Successful == nil && got > last {
				s.tb.Fatalf("got %s before %s", fmt.Sprint(m.Channel, " ", got), last)
			}
		case <-timeout:
			s.tb.Fatalf("did not get %s", last)
		}
	}
}

// TestOlderRedisIsTold brings Redis back without its newest message, as a failover to a replica that lagged does. Who had it
// and who was away before it are both told that something is missing, on any node, and get what comes next.
func TestOlderRedisIsTold(t *testing.T) {
	server := streamstest.Start(t, streamstest.Options{})
	env := settings(t).with(vars{"REDIS_URL_ENV_VARS": "ONE", "ONE": server.URL()})
	first, second := forkNode(t, env), forkNode(t, env)
	s := first.dial(t)
	s.subscribe(devKey, "/devapp/public/*")
	kept := first.mustPublish(t, devKey.sign, "/devapp/public/a", `{"n":1}`)
	if err := server.Client().Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	first.mustPublish(t, devKey.sign, "/devapp/public/a", `{"n":2}`)
	s.wantUpTo(`{"n":2}`)
	server.Kill()
	server.Restart()
	eventually(t, "Redis is back", func() bool {
		return second.publish(t, devKey.sign, "/devapp/public/a", `{"n":3}`).status == http.StatusOK
	})

	const lost = `"reason":"ahead"`
	gap := `"from":"` + kept + `"`
	out := curlStream(t, "-H", "Accept: text/event-stream", "-H", "Last-Event-ID: "+kept, second.url+"/channel/devapp/public/a")
	if got := out.await(t, lost); !strings.Contains(got, gap) {
		t.Errorf("who was away is told %s", got)
	}
	if text := out.String(); strings.Contains(text, `"n":1`) || strings.Contains(text, `"n":2`) {
		t.Errorf("and gets %s", text)
	}
	out.await(t, `"n":3`)
	if r := second.get(t, "/channel/devapp/public/a?order=oldest&since="+kept); !strings.Contains(r.body, lost) || !strings.Contains(r.body, gap) {
		t.Errorf("who asks for what was is told %s", r.body)
	}
	for told, next := false, false; !told || !next; { // in the order in which the stream has them
		select {
		case m := <-s.messages:
			told = told || m.Channel == "/meta/gap"
			next = next || string(m.Data) == `{"n":3}`
		case <-time.After(patience):
			t.Fatalf("who was there is told %t, and gets what comes next %t", told, next)
		}
	}
}

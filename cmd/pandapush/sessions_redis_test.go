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

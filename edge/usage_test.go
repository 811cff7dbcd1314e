package edge

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

func TestUsageCountsWhatAnApplicationGets(t *testing.T) {
	n := startNode(t, nil)
	first, second := n.handshake(t), n.handshake(t)
	n.subscribe(t, first, "/app/public/a")
	n.subscribe(t, first, "/app/public/b")
	n.subscribe(t, second, "/app/public/a")
	clients := []*wsClient{n.dial(t), n.dial(t)}
	for i, id := range []string{first, second} {
		clients[i].attach(id)
		n.awaitLevel(t, id)
	}
	n.publish(t, "/app/public/a", `"x"`)
	for _, c := range clients {
		c.deliveries(1)
	}
	got := n.Usage()["app"]
	if got.Sessions != 2 || got.Subscriptions != 3 || got.Delivered != 2 || got.BytesOut < 2*uint64(len(`{"channel":"/app/public/a","data":"x"}`)) {
		t.Errorf("%+v", got)
	}
	if other := n.Usage()["other"]; other != (pandapush.Usage{}) {
		t.Errorf("another application has %+v", other)
	}
}

func TestUsageCountsWhatAPollIsAnsweredWith(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	for range 3 {
		n.publish(t, "/app/public/a", `"x"`)
	}
	n.poll(t, id, "1")
	if got := n.Usage()["app"]; got.Delivered != 3 || got.BytesOut < 3*uint64(len(`{"channel":"/app/public/a","data":"x"}`)) {
		t.Errorf("%+v", got)
	}
}

func TestFollowersAreCountedByTheirKeys(t *testing.T) {
	n := startNode(t, nil)
	n.follow(t, "/app/private/**", "/app/private/b")
	n.follow(t, "/app/private/b")
	n.subscribe(t, n.handshake(t), "/app/public/a") // is no follower
	want := map[pandapush.Follower]pandapush.FollowerCount{{App: "app", Key: "key"}: {Connections: 2, Subscriptions: 3}}
	if got := n.Followers(); !maps.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}

// awaitLevel waits until a session has caught up, so that what is published reaches it as it comes.
func (n *node) awaitLevel(t *testing.T, id string) {
	t.Helper()
	s := n.awaitAttached(t, id)
	for level := false; !level; {
		s.mu.Lock()
		level = !slices.ContainsFunc(s.feeds, func(f *feed) bool { return !f.level })
		s.mu.Unlock()
		<-time.After(time.Millisecond) // there is no signal to wait for
	}
}

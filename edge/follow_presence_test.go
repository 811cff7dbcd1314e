package edge

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/pandapush/pandapush"
)

// in is what a follower of channels is allowed as a user of rooms.
func in(user string, channels ...string) map[pandapush.Pattern]pandapush.Grant {
	wanted := wants(channels...)
	for pattern, grant := range wanted {
		grant.User, grant.Presence = user, json.RawMessage("{\n\"id\":\""+user+"\"}")
		wanted[pattern] = grant
	}
	return wanted
}

// wantEvent reads the next event with data.
func (c *sse) wantEvent(kind, data string) {
	c.t.Helper()
	if e, ok := c.next(); !ok || e.kind != kind || e.data != data {
		c.t.Errorf("got %+v, want %s %s", e, kind, data)
	}
}

// wantNotice reads the next message, which is a notice.
func (c *sse) wantNotice(data string) {
	c.t.Helper()
	m := c.messages(1)[0]
	if string(m.Data) != data || string(m.Ext) != `{"notice":"presence"}` {
		c.t.Errorf("got %s %s, want %s", m.Data, m.Ext, data)
	}
}

func TestFollowerIsInItsRooms(t *testing.T) {
	n := startNode(t, nil)
	ann := openEvents(t, n.followURL(t, in("ann", room, "/app/presence/**")), "")
	ann.wantEvent("presence", `{"channel":"`+room+`","presence":{"subscribe":{"ann":{ "id":"ann"}}}}`)
	ann.wantNotice(`{"subscribe":{"ann":{"id":"ann"}}}`) // the wildcard is in no room, and hears of all
	bob := openEvents(t, n.followURL(t, in("bob", room)), "")
	if e, _ := bob.next(); e.kind != "presence" {
		t.Errorf("got %+v", e)
	}
	ann.wantNotice(`{"subscribe":{"bob":{"id":"bob"}}}`)
	n.publish(t, room, `"hello"`)
	for _, c := range []*sse{ann, bob} {
		if got := c.messages(1); texts(got) != `"hello"` || got[0].Ext != nil {
			t.Errorf("got %+v", got)
		}
	}
	bob.close()
	ann.wantNotice(`{"unsubscribe":{"bob":null}}`)
}

func TestFollowerThatComesBackIsNoNews(t *testing.T) {
	shared := newMemory()
	n, other := startNodeOn(t, shared, "one", nil), startNodeOn(t, shared, "two", nil)
	watcher := openEvents(t, other.followURL(t, wants("/app/presence/**")), "")
	watcher.block()
	bob := openEvents(t, n.followURL(t, in("bob", room)), "")
	bob.next()
	watcher.wantNotice(`{"subscribe":{"bob":{"id":"bob"}}}`)
	n.Drain(t.Context(), 0)
	bob = openEvents(t, other.followURL(t, in("bob", room)), bob.id)
	bob.wantEvent("presence", `{"channel":"`+room+`","presence":{"subscribe":{"bob":{ "id":"bob"}}}}`)
	other.publish(t, room, `"still there"`)
	watcher.messages(1)
	bob.messages(1) // and nothing of its own coming, which was before it was told who is there
	if seats := other.seated(t, room); seats != 2 {
		t.Errorf("%d seats, and not one that is left to end by itself", seats)
	}
}

func TestRefusedFollowerLeavesNobody(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.PresenceBytes = 10 })
	wanted := in("bob", room)
	if c := openEvents(t, n.followURL(t, wanted), ""); c.response.StatusCode == http.StatusOK {
		t.Error("data of any size is taken")
	}
	if n.seated(t, room) != 0 || n.subscribers() != 0 {
		t.Error("somebody is left")
	}
}

// seated returns how many seats of a room are taken.
func (n *node) seated(tb testing.TB, room string) int {
	tb.Helper()
	channel, err := pandapush.ParseChannel(room)
	if err != nil {
		tb.Fatal(err)
	}
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	return len(n.log.roomLocked(channel).seats)
}

package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// awaitQueued waits until the newest message that waits to be written to a session has a text in it.
func (n *node) awaitQueued(t *testing.T, id, text string) {
	t.Helper()
	s, ok := n.sessions.get(id)
	if !ok {
		t.Fatal("no session")
	}
	for found := false; !found; {
		s.mu.Lock()
		last := len(s.queue) - 1
		found = last >= 0 && bytes.Contains(s.queue[last].wire, []byte(text))
		s.mu.Unlock()
		<-time.After(time.Millisecond) // there is no signal to wait for
	}
}

// TestRoomToldAnewTakesBackWhatWaitsForASocket subscribes again while notices wait to be written to the session's socket: it
// acknowledges, and has no connect under way. They are not told after the room, of which they would say what was before.
func TestRoomToldAnewTakesBackWhatWaitsForASocket(t *testing.T) {
	for _, by := range []string{"the socket", "a request"} {
		t.Run("by "+by, func(t *testing.T) {
			n := startNode(t, nil)
			ann := n.say(t, fmt.Sprintf(cometdHandshake, `{"ack":true}`))[0].ClientID
			n.enter(t, ann, room, `{"id":"ann"}`)
			socket := n.dial(t)
			connect := fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","ext":{"ack":0}%%s}`, ann)
			socket.ask(fmt.Sprintf(connect, `,"id":"1","advice":{"timeout":0}`))
			bob := n.handshake(t)
			n.enter(t, bob, room, `{"id":"bob"}`)
			n.unsubscribe(t, bob, room)
			n.enter(t, bob, room, `{"id":"bob","v":2}`)
			n.awaitQueued(t, ann, `"v":2`)

			again := enterBody(t, ann, room, `{"id":"ann"}`, "")
			var reply message
			if by == "the socket" {
				reply = socket.ask(again)
			} else {
				reply = n.say(t, again)[0]
			}
			if got := snapshotIn(t, reply); got != `{"subscribe":{"ann":{"id":"ann"},"bob":{"id":"bob","v":2}}}` {
				t.Errorf("the room is %s", got)
			}
			n.unsubscribe(t, bob, room)
			n.publish(t, room, `"end"`)
			n.awaitQueued(t, ann, `"end"`)
			socket.send(fmt.Sprintf(connect, `,"id":"2"`))
			if got := texts(socket.deliveries(2)); got != `{"unsubscribe":{"bob":null}} "end"` {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestRoomIsToldAsOfItsCursor: whoever reads on from the cursor of the reply learns what is new, and not that it has come itself.
func TestRoomIsToldAsOfItsCursor(t *testing.T) {
	n := startNode(t, nil)
	n.enter(t, n.handshake(t), room, `{"id":"bob"}`)
	reply := n.tryEnter(t, n.handshake(t), room, `{"id":"ann"}`, "")
	var ext struct{ Cursor string }
	if err := json.Unmarshal(reply.Ext, &ext); err != nil {
		t.Fatal(err)
	}
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	s := n.log.streamLocked("app")
	if now := (pandapush.Cursor{Epoch: s.epoch, Position: s.last}); ext.Cursor != now.String() {
		t.Errorf("the cursor is %s, the room's was %s", ext.Cursor, now)
	}
}

// meddledPresence lets a test act before seats are taken again.
type meddledPresence struct {
	Presence

	before func()
}

func (p *meddledPresence) RejoinPresence(ctx context.Context, seats []pandapush.Seat, ttl time.Duration) error {
	p.before()
	return p.Presence.RejoinPresence(ctx, seats, ttl)
}

// TestSeatIsNotTakenAgainByWhoHasLeft has a session leave at the moment when the seat that it has lost is taken again.
func TestSeatIsNotTakenAgainByWhoHasLeft(t *testing.T) {
	for what, row := range map[string]struct {
		leave func(n *node, id string)
		seats int
	}{
		"unsubscribes": {func(n *node, id string) { n.unsubscribe(t, id, room) }, 0},
		"disconnects":  {func(n *node, id string) { n.disconnect(t, id) }, 0},
		"stays":        {func(*node, string) {}, 1},
	} {
		t.Run(what, func(t *testing.T) {
			p := &meddledPresence{before: func() {}}
			n := startNode(t, func(c *Config) { p.Presence, c.Presence = c.Presence, p })
			id := n.handshake(t)
			n.enter(t, id, room, `{"id":"ann"}`)
			n.dial(t).attach(id)
			channel, err := pandapush.ParseChannel(room)
			if err != nil {
				t.Fatal(err)
			}
			if err := n.log.LeavePresence(t.Context(), []pandapush.Seat{{Room: channel, Session: id}}); err != nil {
				t.Fatal(err)
			}
			p.before = func() { row.leave(n, id) }
			if err := n.touchSeats(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := n.seated(t, room); got != row.seats {
				t.Errorf("%d seats are taken, want %d", got, row.seats)
			}
		})
	}
}

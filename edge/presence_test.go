package edge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

const room = "/app/presence/room"

// presenceToken returns a token that lets its bearer be in rooms as what presence says.
func presenceToken(tb testing.TB, channel, presence string) string {
	tb.Helper()
	token, err := pandapush.MintToken(testKey, pandapush.TokenClaims{
		Channel: channel, Sub: true, Pub: true, Presence: json.RawMessage(presence), Issued: time.Now(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// enterBody is a subscribe to a channel as what presence says. more is put into its "ext".
func enterBody(tb testing.TB, id, channel, presence, more string) string {
	tb.Helper()
	return fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"auth":{"token":%q}%s}}`,
		id, channel, presenceToken(tb, channel, presence), more)
}

// tryEnter subscribes a session to a channel as what presence says.
func (n *node) tryEnter(tb testing.TB, id, channel, presence, more string) message {
	tb.Helper()
	return n.say(tb, enterBody(tb, id, channel, presence, more))[0]
}

// enter is tryEnter for what has to work. It returns what the reply says of who is there.
func (n *node) enter(tb testing.TB, id, channel, presence string) string {
	tb.Helper()
	reply := n.tryEnter(tb, id, channel, presence, "")
	if !reply.ok() {
		tb.Fatalf("enter %s: %+v", channel, reply)
	}
	return snapshotIn(tb, reply)
}

// snapshotIn returns the presence in the "ext" of a reply, with its names in order.
func snapshotIn(tb testing.TB, reply message) string {
	tb.Helper()
	var ext struct{ Presence any }
	if err := json.Unmarshal(reply.Ext, &ext); err != nil {
		tb.Fatalf("%v in %s", err, reply.Ext)
	}
	text, err := json.Marshal(ext.Presence)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

func (n *node) unsubscribe(tb testing.TB, id, channel string) {
	tb.Helper()
	n.say(tb, fmt.Sprintf(`{"channel":"/meta/unsubscribe","clientId":%q,"subscription":%q}`, id, channel))
}

func (n *node) disconnect(tb testing.TB, id string) {
	tb.Helper()
	n.say(tb, fmt.Sprintf(`{"channel":"/meta/disconnect","clientId":%q}`, id))
}

// observe returns a socket that gets all that is sent to rooms, notices included, and is in none of them.
func (n *node) observe(tb testing.TB) *wsClient {
	tb.Helper()
	id, c := n.handshake(tb), n.dial(tb)
	c.attach(id)
	if got := n.enter(tb, id, "/app/presence/**", `{"id":"observer"}`); got != "null" {
		tb.Errorf("whoever subscribes to all rooms is told %s", got)
	}
	return c
}

// want checks that the next deliveries have these data, after all that has happened.
func (c *wsClient) want(n *node, data ...string) {
	c.t.Helper()
	n.publish(c.t, "/app/presence/end", `"end"`)
	want := append(data, `"end"`)
	if got := texts(c.deliveries(len(want))); got != strings.Join(want, " ") {
		c.t.Errorf("got  %s\nwant %s", got, strings.Join(want, " "))
	}
}

func TestRoomIsToldWhoComesAndGoes(t *testing.T) {
	n := startNode(t, nil)
	ann, socket := n.handshake(t), n.dial(t)
	if got := n.enter(t, ann, room, `{"id":"ann","name":"Ann"}`); got != `{"subscribe":{"ann":{"id":"ann","name":"Ann"}}}` {
		t.Errorf("the first is told %s", got)
	}
	socket.attach(ann)
	bob := n.handshake(t)
	if got := n.enter(t, bob, room, `{"id":7}`); got != `{"subscribe":{"7":{"id":7},"ann":{"id":"ann","name":"Ann"}}}` {
		t.Errorf("the second is told %s", got)
	}
	n.publish(t, room, `{"subscribe":{"eve":{"id":"eve"}}}`)
	n.say(t, fmt.Sprintf(`{"channel":%q,"data":"hello","ext":{"notice":"presence","auth":{"key":"key","secret":"secret"}},"notice":true}`, room))
	n.unsubscribe(t, bob, room)
	got := socket.deliveries(4)
	if texts(got) != `{"subscribe":{"7":{"id":7}}} {"subscribe":{"eve":{"id":"eve"}}} "hello" {"unsubscribe":{"7":null}}` {
		t.Errorf("the first gets %s", texts(got))
	}
	for i, notice := range []bool{true, false, false, true} {
		if marked := string(got[i].Ext) == `{"notice":"presence"}`; marked != notice || !marked && got[i].Ext != nil {
			t.Errorf("%s comes with %s", got[i].Data, got[i].Ext)
		}
	}
}

func TestEveryWayToLeave(t *testing.T) {
	shared := newMemory()
	a, b := startNodeOn(t, shared, "a", nil), startNodeOn(t, shared, "b", nil)
	watch := a.observe(t)
	enter := func(n *node, user string) string {
		id := n.handshake(t)
		n.enter(t, id, room, fmt.Sprintf(`{"id":%q}`, user))
		return id
	}
	come := func(user string) string { return fmt.Sprintf(`{"subscribe":{%q:{"id":%q}}}`, user, user) }
	gone := func(user string) string { return fmt.Sprintf(`{"unsubscribe":{%q:null}}`, user) }

	b.unsubscribe(t, enter(a, "u1"), room)
	b.disconnect(t, enter(a, "u2"))
	watch.want(a, come("u1"), gone("u1"), come("u2"), gone("u2"))

	// Attached on one node, ended or unsubscribed by another.
	u3, u4 := enter(a, "u3"), enter(a, "u4")
	a.dial(t).attach(u3)
	a.dial(t).attach(u4)
	b.unsubscribe(t, u3, room)
	b.disconnect(t, u4)
	watch.want(a, come("u3"), come("u4"), gone("u3"), gone("u4"))

	// Its key is revoked.
	u5 := enter(b, "u5")
	b.dial(t).attach(u5)
	revoked := testKey
	revoked.RevokedAt = time.Now().Add(-time.Second)
	b.keys.put(revoked)
	b.Revalidate()
	if got := texts(watch.deliveries(2)); got != come("u5")+" "+gone("u5") {
		t.Errorf("after the key was revoked: %s", got)
	}
}

func TestComingBackIsNotNews(t *testing.T) {
	shared := newMemory()
	a, b := startNodeOn(t, shared, "a", nil), startNodeOn(t, shared, "b", nil)
	watch := b.observe(t)
	id := a.handshake(t)
	a.enter(t, id, room, `{"id":"ann"}`)
	first := a.dial(t)
	first.attach(id)
	_ = first.conn.NetConn().Close()
	a.awaitNoSockets()
	b.dial(t).attach(id) // resumes elsewhere
	a.dial(t).attach(id) // and is taken over
	a.Drain(t.Context(), 0)
	b.dial(t).attach(id)
	watch.want(b, `{"subscribe":{"ann":{"id":"ann"}}}`)

	// A seat that was lost meanwhile is taken again, when the session comes back and when it is touched.
	c, err := pandapush.ParseChannel(room)
	if err != nil {
		t.Fatal(err)
	}
	lose := func() {
		if err := b.log.LeavePresence(t.Context(), []pandapush.Seat{{Room: c, Session: id}}); err != nil {
			t.Fatal(err)
		}
	}
	lose()
	if err := b.touchSeats(t.Context()); err != nil {
		t.Fatal(err)
	}
	watch.want(b, `{"unsubscribe":{"ann":null}}`, `{"subscribe":{"ann":{"id":"ann"}}}`)
	b.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0}}`, id))
	lose()
	b.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0}}`, id))
	watch.want(b, `{"unsubscribe":{"ann":null}}`, `{"subscribe":{"ann":{"id":"ann"}}}`)
}

func TestRefusedSubscriptionsLeaveNobody(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.Subscriptions, c.Limits.PresenceBytes = 2, 100 })
	watch := n.observe(t)
	id := n.handshake(t)
	refused := func(id, channel, presence, want string) {
		t.Helper()
		if reply := n.tryEnter(t, id, channel, presence, ""); reply.ok() || reply.Error != want {
			t.Errorf("entering %s as %.20s: %q, want %q", channel, presence, reply.Error, want)
		}
	}
	nobody := strings.Repeat("0", len(id))
	refused(nobody, room, `{"id":"ghost"}`, "401:"+nobody+":Unknown client")
	refused(id, room, `{"id":"large","x":"`+strings.Repeat("x", 100)+`"}`, "Presence data too large")
	for _, name := range []string{"a", "b"} {
		n.enter(t, id, "/app/presence/"+name, `{"id":"ann"}`)
	}
	refused(id, room, `{"id":"ann"}`, "Too many subscriptions")
	watch.want(n, `{"subscribe":{"ann":{"id":"ann"}}}`, `{"subscribe":{"ann":{"id":"ann"}}}`,
		`{"subscribe":{"ann":{"id":"ann"}}}`, `{"unsubscribe":{"ann":null}}`) // the room's: it was known to be too many only then

	n.log.setAway(pandapush.ErrUnavailable)
	if reply := n.tryEnter(t, id, room, `{"id":"ann"}`, ""); reply.ok() {
		t.Error("entered while the streams are away")
	}
	n.log.setAway(nil)
}

// TestOldNoticesAreNotToldAfterTheRoom subscribes to the past of a room: what was said then comes, who came and went does
// not, since the reply has said who is there.
func TestOldNoticesAreNotToldAfterTheRoom(t *testing.T) {
	n := startNode(t, nil)
	bob := n.handshake(t)
	n.enter(t, bob, room, `{"id":"bob"}`)
	n.publish(t, room, `"one"`)
	n.unsubscribe(t, bob, room)
	n.publish(t, room, `"two"`)
	ann, socket := n.handshake(t), n.dial(t)
	socket.attach(ann)
	reply := n.tryEnter(t, ann, room, `{"id":"ann"}`, `,"since":"10"`)
	if got := snapshotIn(t, reply); got != `{"subscribe":{"ann":{"id":"ann"}}}` {
		t.Errorf("the room is %s", got)
	}
	n.enter(t, n.handshake(t), room, `{"id":"eve"}`)
	if got := texts(socket.deliveries(3)); got != `"one" "two" {"subscribe":{"eve":{"id":"eve"}}}` {
		t.Errorf("got %s", got)
	}

	// It goes on so elsewhere.
	back := n.dial(t)
	other := n.handshake(t)
	n.tryEnter(t, other, room, `{"id":"ann"}`, `,"since":"10"`)
	back.attach(other)
	if got := texts(back.deliveries(2)); got != `"one" "two"` {
		t.Errorf("a session that is attached later gets %s", got)
	}
}

// TestRoomToldAnewReplacesWhatWaits subscribes again while notices wait to be written: they are not told after the room.
func TestRoomToldAnewReplacesWhatWaits(t *testing.T) {
	n := startNode(t, nil)
	ann := n.handshake(t)
	n.enter(t, ann, room, `{"id":"ann"}`)
	bob := n.handshake(t)
	n.enter(t, bob, room, `{"id":"bob"}`)
	n.publish(t, room, `"hello"`)
	if got := n.enter(t, ann, room, `{"id":"ann"}`); !strings.Contains(got, "bob") {
		t.Errorf("the room is %s", got)
	}
	n.unsubscribe(t, bob, room)
	socket := n.dial(t)
	socket.attach(ann)
	if got := texts(socket.deliveries(2)); got != `"hello" {"unsubscribe":{"bob":null}}` {
		t.Errorf("got %s", got)
	}
}

func TestSeveralRoomsAtOnce(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	token := presenceToken(t, "/app/presence/*", `{"id":"ann"}`)
	reply := n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":["/app/presence/a","/app/public/x","/app/presence/b"],"ext":{"auth":{"token":%q}}}`, id, token))[0]
	if got := snapshotIn(t, reply); got != `{"/app/presence/a":{"subscribe":{"ann":{"id":"ann"}}},"/app/presence/b":{"subscribe":{"ann":{"id":"ann"}}}}` {
		t.Errorf("told %s", got)
	}
}

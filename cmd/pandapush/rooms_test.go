package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// inRoom is a token to be in a room as a user.
func inRoom(tb testing.TB, room, user string) string {
	tb.Helper()
	channel, err := pandapush.ParsePattern(room)
	if err != nil {
		tb.Fatal(err)
	}
	key := pandapush.Key{ID: pandapush.KeyID(devKey.id), App: channel.App(), Secret: pandapush.Secret(devKey.secret)}
	token, err := pandapush.MintToken(key, pandapush.TokenClaims{
		Channel: room, Sub: true, Presence: json.RawMessage(`{"id":"` + user + `"}`), Issued: time.Now(), Expires: time.Now().Add(time.Hour),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// roomReply is what the reply to a subscribe says of a room.
type roomReply struct {
	Successful bool
	Error      string
	Ext        struct {
		Presence struct {
			Subscribe map[string]any
			Count     int
			Next      string
		}
	}
}

// say sends a message by a request, and decodes its reply.
func say[T any](t *testing.T, n *node, text string) (reply T) {
	t.Helper()
	r, err := n.send(t.Context(), http.MethodPost, "/push", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	if err := json.Unmarshal([]byte(r.body), &all); err != nil || len(all) == 0 {
		t.Fatalf("%s: %d %s, %v", text, r.status, r.body, err)
	}
	return all[0]
}

// enterBy subscribes a new session to a room by requests, and keeps no connection.
func (n *node) enterBy(t *testing.T, room, user string) (id string, reply roomReply) {
	t.Helper()
	id = say[answer](t, n, `{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]}`).ClientID
	return id, say[roomReply](t, n, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"auth":{"token":%q}}}`,
		id, room, inRoom(t, room, user)))
}

// enterAs subscribes to rooms as a user, and waits until that is confirmed.
func (s *bayeuxSocket) enterAs(rooms, user string) {
	s.tb.Helper()
	s.send(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"auth":{"token":%q}}}`, s.clientID, rooms, inRoom(s.tb, rooms, user)))
	if reply := s.await("the reply to a subscribe", func(m wireMessage) bool { return m.Channel == "/meta/subscribe" }); !*reply.Successful {
		s.tb.Fatalf("enter %s: %s", rooms, reply.Error)
	}
}

// roomAnswer is an answer to a query of a room.
type roomAnswer struct {
	Members map[string]any
	Count   int
	Cursor  string
	Next    string
}

// room asks who is in a room.
func (n *node) room(t *testing.T, path string) (page roomAnswer) {
	t.Helper()
	r, err := n.send(t.Context(), http.MethodGet, "/presence"+path, "", devKey.sign)
	if err != nil || r.status != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", path, r.status, r.body, err)
	}
	if err := json.Unmarshal([]byte(r.body), &page); err != nil {
		t.Fatalf("%s: %v", r.body, err)
	}
	return page
}

// TestRoomOfMoreThanAPage fills a room beyond what is told at once. Who comes then is told how many there are and gets a page with
// itself on it; the pages together have everybody, and the notices of who comes and goes are those of any room.
func TestRoomOfMoreThanAPage(t *testing.T) {
	const members = 1100
	const room = "/devapp/presence/large"
	n := startNode(t, settings(t).with(vars{"PRESENCE_TTL": "10m"}))
	watch := n.dial(t)
	watch.enterAs("/devapp/presence/**", "watcher") // which is in none of them
	want := map[string]bool{}
	var last roomReply
	var id string
	for i := range members {
		user := fmt.Sprint("user-", i)
		want[user] = true
		if id, last = n.enterBy(t, room, user); !last.Successful {
			t.Fatalf("%s: %s", user, last.Error)
		}
		if got, notice := string(watch.delivery().Data), fmt.Sprintf(`{"subscribe":{%q:{"id":%q}}}`, user, user); got != notice {
			t.Fatalf("the room was told %s, want %s", got, notice)
		}
	}
	told := last.Ext.Presence
	if _, itself := told.Subscribe[fmt.Sprint("user-", members-1)]; !itself || len(told.Subscribe) < 1000 || told.Count != members || told.Next == "" {
		t.Errorf("the last to come is told of %d (itself: %t) of %d, next page %q", len(told.Subscribe), itself, told.Count, told.Next)
	}
	got := map[string]bool{}
	for path := strings.Replace(room, "/presence", "", 1); ; {
		page := n.room(t, path)
		for user := range page.Members {
			got[user] = true
		}
		if page.Count != members || page.Cursor == "" {
			t.Errorf("%s: %d members at %q", path, page.Count, page.Cursor)
		}
		if page.Next == "" {
			break
		}
		path = "/devapp/large?page=" + page.Next
	}
	if !maps.Equal(got, want) {
		t.Errorf("the pages have %d members", len(got))
	}
	say[answer](t, n, fmt.Sprintf(`{"channel":"/meta/disconnect","clientId":%q}`, id))
	if got := string(watch.delivery().Data); got != fmt.Sprintf(`{"unsubscribe":{"user-%d":null}}`, members-1) {
		t.Errorf("the room was told %s", got)
	}
	if page := n.room(t, "/devapp/large"); page.Count != members-1 {
		t.Errorf("then there are %d", page.Count)
	}
}

// TestRoomsWhileRedisIsAway has somebody stay in a room, somebody go and somebody try to come while Redis is away: afterwards
// the room has who is there.
func TestRoomsWhileRedisIsAway(t *testing.T) {
	const room = "/devapp/presence/room"
	server := streamstest.Start(t, streamstest.Options{AOF: true})
	env := settings(t).with(vars{"REDIS_URL_ENV_VARS": "TEST_REDIS", "TEST_REDIS": server.URL(), "PRESENCE_TTL": "2s"})
	n := startNode(t, env)
	ann, bob := n.dial(t), n.dial(t)
	for user, s := range map[string]*bayeuxSocket{"ann": ann, "bob": bob} {
		s.enterAs(room, user)
	}
	server.Kill()
	eventually(t, "publishing is refused", func() bool {
		return n.publish(t, devKey.sign, room, `{}`).status == http.StatusServiceUnavailable
	})
	_ = bob.conn.NetConn().Close()
	eve := n.open(t)
	eve.send(`{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"]}`)
	if reply := eve.await("the handshake's reply", func(m wireMessage) bool { return m.Channel == "/meta/handshake" }); *reply.Successful {
		eve.clientID = reply.ClientID
		eve.send(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"auth":{"token":%q}}}`, eve.clientID, room, inRoom(t, room, "eve")))
		if reply := eve.await("the reply to a subscribe", func(m wireMessage) bool { return m.Channel == "/meta/subscribe" }); *reply.Successful {
			t.Error("whoever comes while Redis is away is told who is there")
		}
	}
	server.Restart()
	eventually(t, "the room has who is there, and nobody else", func() bool {
		r, err := n.send(t.Context(), http.MethodGet, "/presence/devapp/room", "", devKey.sign)
		return err == nil && r.status == http.StatusOK && strings.Contains(r.body, `"ann"`) && strings.Contains(r.body, `"count":1`)
	})
	if _, reply := n.enterBy(t, room, "eve"); !reply.Successful || reply.Ext.Presence.Subscribe["eve"] == nil || reply.Ext.Presence.Subscribe["bob"] != nil {
		t.Errorf("who comes then is told %+v", reply)
	}
	roster := map[string]bool{"ann": true} // as ann knows it
	for !maps.Equal(roster, map[string]bool{"ann": true, "eve": true}) {
		var notice struct{ Subscribe, Unsubscribe map[string]any }
		m := ann.delivery()
		if err := json.Unmarshal(m.Data, &notice); err != nil {
			t.Fatalf("%s: %v", m.Data, err)
		}
		for user := range notice.Subscribe {
			roster[user] = true
		}
		for user := range notice.Unsubscribe {
			delete(roster, user)
		}
	}
}

// TestDeletedApplicationHasNoRooms deletes an application with people in its rooms: they are told, and
// nothing of the rooms is left in Redis: of those who have no connection, when their time is over.
func TestDeletedApplicationHasNoRooms(t *testing.T) {
	const room = "/devapp/presence/room"
	server := streamstest.Start(t, streamstest.Options{})
	env := settings(t).with(vars{"REDIS_URL_ENV_VARS": "TEST_REDIS", "TEST_REDIS": server.URL(), "PRESENCE_TTL": "2s"})
	one, two := startNode(t, env.with(withAdmin)), startNode(t, env)
	members := map[string]*bayeuxSocket{"ann": one.dial(t), "bob": two.dial(t)}
	for user, s := range members {
		s.enterAs(room, user)
	}
	two.enterBy(t, room, "carol") // has no connection
	one.mustPublish(t, devKey.sign, "/devapp/private/a", `{"text":"a message that is kept"}`)
	one.admin(t, http.MethodDelete, "/application/devapp", "", http.StatusOK)
	for _, s := range members {
		s.revoked(map[string]string{room: "Could not find application"})
	}
	for _, log := range server.Client().Keys(t.Context(), "pp:{*}:devapp:log").Val() {
		if entries := fmt.Sprint(server.Client().XRange(t.Context(), log, "-", "+").Val()); strings.Contains(entries, "kept") {
			t.Errorf("of the deleted application there is %s", entries)
		}
	}
	eventually(t, "the rooms are gone", func() bool {
		left := server.Client().Keys(t.Context(), "pp:{*}:*"+room+"*").Val()
		leases := server.Client().Keys(t.Context(), "pp:{*}:leases").Val()
		return len(left)+len(leases) == 0
	})
}

package streamstest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
)

var presenceStories = []story{
	{"a room is the same on every node, and its notices are in the stream", room},
	{"a user is in a room once, however many tabs it has", tabs},
	{"new data of a user is told, and what a session that comes back says is not", renewal},
	{"a session that changes its user leaves nobody behind", changedUser},
	{"a seat that nobody touches is given up, and others are not", lostSeats},
	{"a session that ends leaves its rooms", endingSeats},
	{"a large room comes in pages", largeRoom},
	{"rooms of one name in two applications are two", roomIsolation},
	{"names and data of any kind", strangeMembers},
	{"channels in use are announced once, while somebody watches", occupiedChannels},
}

// seat is a session's place in the room of these tests. The data is {"id":user} and what more says.
func seat(tb testing.TB, session, user, more string) pandapush.Seat {
	tb.Helper()
	return pandapush.Seat{
		Room: Message(tb, "/shop/presence/r", "").Channel, Session: session,
		Member: pandapush.Member{User: user, Data: json.RawMessage(`{"id":"` + user + `"` + more + `}`)},
	}
}

func join(t *testing.T, n *Node, s pandapush.Seat) pandapush.Room {
	t.Helper()
	room, _, err := n.JoinPresence(t.Context(), s, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return room
}

func leave(t *testing.T, n *Node, s ...pandapush.Seat) {
	t.Helper()
	if err := n.LeavePresence(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// who lists the users of a room.
func who(members []pandapush.Member) string {
	var users []string
	for _, m := range members {
		users = append(users, m.User)
	}
	slices.Sort(users)
	return strings.Join(users, " ")
}

// wantRoom checks who is in the room, as n sees it.
func wantRoom(t *testing.T, n *Node, want string) pandapush.Room {
	t.Helper()
	room, err := n.Presence(t.Context(), Message(t, "/shop/presence/r", "").Channel, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := who(room.Members); got != want || int(room.Count) != len(room.Members) || room.Next != "" {
		t.Errorf("in the room are %q, %d in all, want %q", got, room.Count, want)
	}
	return room
}

// wantNotices waits for the message at the end of a's stream, and checks the notices of shop so far.
func wantNotices(t *testing.T, a *Node, want ...string) {
	t.Helper()
	end := a.Send("/shop/public/end", `0`)
	var got []string
	for _, m := range a.Await("shop", end) {
		if m.Notice {
			got = append(got, string(m.Data))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("notices:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func room(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	ann := join(t, a, seat(t, "s1", "ann", `,"n":1`))
	if who(ann.Members) != "ann" || string(ann.Members[0].Data) != `{"id":"ann","n":1}` || ann.Count != 1 {
		t.Errorf("the first in the room sees %+v", ann)
	}
	bob := join(t, b, seat(t, "s2", "bob", ""))
	if who(bob.Members) != "ann bob" {
		t.Errorf("the second sees %+v", bob)
	}
	all := a.Await("shop", bob.Cursor)
	if all[0].Cursor != ann.Cursor || !all[0].Notice {
		t.Errorf("the first one's notice is %+v, its room is at %v", all[0], ann.Cursor)
	}
	wantRoom(t, a, "ann bob")
	leave(t, b, seat(t, "s1", "", ""), seat(t, "nobody", "", ""))
	if now := wantRoom(t, b, "bob"); now.Cursor.Position.Compare(bob.Cursor.Position) <= 0 {
		t.Errorf("the room is at %v after somebody left, and was at %v before", now.Cursor, bob.Cursor)
	}
	leave(t, a, seat(t, "s2", "", ""))
	wantRoom(t, a, "")
	wantNotices(t, a, `{"subscribe":{"ann":{"id":"ann","n":1}}}`, `{"subscribe":{"bob":{"id":"bob"}}}`,
		`{"unsubscribe":{"ann":null}}`, `{"unsubscribe":{"bob":null}}`)
}

func tabs(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	first := join(t, a, seat(t, "s1", "ann", ""))
	second := join(t, b, seat(t, "s2", "ann", ""))
	if who(second.Members) != "ann" || second.Cursor != first.Cursor {
		t.Errorf("the second tab sees %+v", second)
	}
	if _, again, err := a.JoinPresence(t.Context(), seat(t, "s2", "ann", ""), ttl); err != nil || again {
		t.Errorf("a tab that joins twice has a new seat: %v, %v", again, err)
	}
	leave(t, b, seat(t, "s1", "", ""))
	leave(t, b, seat(t, "s1", "", ""))
	wantRoom(t, b, "ann")
	leave(t, a, seat(t, "s2", "", ""))
	wantRoom(t, b, "")
	wantNotices(t, a, `{"subscribe":{"ann":{"id":"ann"}}}`, `{"unsubscribe":{"ann":null}}`)
}

func renewal(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	old := seat(t, "s1", "ann", `,"v":1`)
	join(t, a, old)
	join(t, b, seat(t, "s2", "ann", `, "v" : 2`))
	if err := a.RejoinPresence(t.Context(), []pandapush.Seat{old}, ttl); err != nil {
		t.Fatal(err)
	}
	if room := wantRoom(t, a, "ann"); string(room.Members[0].Data) != `{"id":"ann","v":2}` {
		t.Errorf("the room has %s", room.Members[0].Data)
	}
	leave(t, a, old)
	if err := a.RejoinPresence(t.Context(), []pandapush.Seat{old}, ttl); err != nil { // has lost its seat, and is not new
		t.Fatal(err)
	}
	leave(t, a, seat(t, "s2", "", ""))
	wantRoom(t, a, "ann")
	leave(t, a, old)
	if err := a.RejoinPresence(t.Context(), []pandapush.Seat{old}, ttl); err != nil { // is new again
		t.Fatal(err)
	}
	wantNotices(t, a, `{"subscribe":{"ann":{"id":"ann","v":1}}}`, `{"subscribe":{"ann":{"id":"ann","v":2}}}`,
		`{"unsubscribe":{"ann":null}}`, `{"subscribe":{"ann":{"id":"ann","v":1}}}`)
}

func changedUser(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	join(t, a, seat(t, "s1", "ann", ""))
	room := join(t, b, seat(t, "s1", "bob", ""))
	if who(room.Members) != "bob" {
		t.Errorf("in the room are %s", who(room.Members))
	}
	leave(t, a, seat(t, "s1", "", ""))
	wantRoom(t, a, "")
	wantNotices(t, a, `{"subscribe":{"ann":{"id":"ann"}}}`, `{"unsubscribe":{"ann":null}}`, `{"subscribe":{"bob":{"id":"bob"}}}`,
		`{"unsubscribe":{"bob":null}}`)
}

func lostSeats(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	b.MustJoin("shop")
	const short = time.Millisecond
	stays, goes := seat(t, "s1", "ann", ""), seat(t, "s2", "bob", "")
	join(t, a, stays)
	if _, _, err := a.JoinPresence(t.Context(), goes, short); err != nil {
		t.Fatal(err)
	}
	b.await("the end of a seat", func() bool {
		return slices.ContainsFunc(b.messages["shop"], func(m pandapush.Message) bool { return string(m.Data) == `{"unsubscribe":{"bob":null}}` })
	})
	wantRoom(t, b, "ann")
	gone, err := b.TouchPresence(t.Context(), []pandapush.Seat{goes, stays}, ttl)
	if err != nil || len(gone) != 1 || gone[0].Session != "s2" || gone[0].Member.User != "bob" {
		t.Errorf("touching finds %v gone, %v", gone, err)
	}
}

func endingSeats(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	create(t, a, "s1", map[string]pandapush.Subscription{
		"/shop/presence/r": sub("shop", at("shop", 1)), "/shop/presence/*": sub("shop", at("shop", 1)), "/shop/private/r": sub("shop", at("shop", 1)),
	})
	join(t, a, seat(t, "s1", "ann", ""))
	join(t, a, seat(t, "s2", "bob", ""))
	if _, _, err := b.EndSession(t.Context(), "s1"); err != nil {
		t.Fatal(err)
	}
	wantRoom(t, b, "bob")
}

func largeRoom(t *testing.T, a, b *Node) {
	t.Helper()
	const members = streams.DefaultRoomPage + 500
	seats := make([]pandapush.Seat, members)
	for i := range seats {
		seats[i] = seat(t, fmt.Sprint("s", i), fmt.Sprint("u", i), "")
	}
	if err := a.RejoinPresence(t.Context(), seats, ttl); err != nil {
		t.Fatal(err)
	}
	room := join(t, b, seat(t, "s0", "u0", ""))
	if !slices.ContainsFunc(room.Members, func(m pandapush.Member) bool { return m.User == "u0" }) {
		t.Error("the member itself is not on the first page")
	}
	found := map[string]bool{}
	for pages := 1; ; pages++ {
		for _, m := range room.Members {
			found[m.User] = true
		}
		if room.Count != members {
			t.Errorf("page %d says that there are %d", pages, room.Count)
		}
		if room.Next == "" {
			break
		}
		var err error
		if room, err = b.Presence(t.Context(), seats[0].Room, room.Next); err != nil {
			t.Fatal(err)
		}
	}
	if len(found) != members {
		t.Errorf("%d of %d were on the pages", len(found), members)
	}
	for _, page := range []string{"x", "0", "-1", "1 2", "99999999999999999999999"} {
		if _, err := a.Presence(t.Context(), seats[0].Room, page); !errors.Is(err, pandapush.ErrInvalidCursor) {
			t.Errorf("page %q: %v", page, err)
		}
	}
}

func roomIsolation(t *testing.T, a, b *Node) {
	t.Helper()
	here := seat(t, "s1", "ann", "")
	there := here
	there.Room = Message(t, "/other/presence/r", "").Channel
	join(t, a, here)
	join(t, b, there)
	leave(t, a, there)
	wantRoom(t, b, "ann")
}

// strangeMembers has users whose names and data are no trouble to JSON, whatever Lua thinks of them.
func strangeMembers(t *testing.T, a, _ *Node) {
	t.Helper()
	a.MustJoin("shop")
	users := []string{`1 2`, "a\"b\\c", "é\u2028\x00/%d", "%1", "-", "{}"}
	want := map[string]string{}
	for i, user := range users {
		data, err := json.Marshal(map[string]any{"id": user, "v": "1 \n é"})
		if err != nil {
			t.Fatal(err)
		}
		s := pandapush.Seat{Room: Message(t, "/shop/presence/r", "").Channel, Session: fmt.Sprint("s", i), Member: pandapush.Member{User: user, Data: data}}
		room := join(t, a, s)
		want[user] = string(data)
		got := map[string]string{}
		for _, m := range room.Members {
			got[m.User] = string(m.Data)
		}
		if !maps.Equal(got, want) {
			t.Errorf("the room is %v, want %v", got, want)
		}
		if i%2 == 0 {
			leave(t, a, s)
			delete(want, user)
		}
	}
	end := a.Send("/shop/public/end", `0`)
	told := map[string]bool{}
	for _, m := range a.Await("shop", end) {
		if !m.Notice {
			continue
		}
		var notice struct{ Subscribe, Unsubscribe map[string]json.RawMessage }
		if err := json.Unmarshal(m.Data, &notice); err != nil {
			t.Fatalf("notice %s: %v", m.Data, err)
		}
		for user := range notice.Subscribe {
			told[user] = true
		}
		for user := range notice.Unsubscribe {
			delete(told, user)
		}
	}
	if !maps.EqualFunc(told, want, func(bool, string) bool { return true }) {
		t.Errorf("by the notices there are %v, want %v", told, want)
	}
}

func occupiedChannels(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	report := func(n *Node, ttl time.Duration, channels ...string) {
		t.Helper()
		if err := n.ReportChannels(t.Context(), "shop", channels, ttl); err != nil {
			t.Fatal(err)
		}
	}
	watch := func(announce bool) (channels int64) {
		t.Helper()
		channels, _, err := a.WatchChannels(t.Context(), "shop", announce, ttl)
		if err != nil {
			t.Fatal(err)
		}
		return channels
	}
	if n := watch(false); n != 0 {
		t.Errorf("%d channels are in use before anybody said so", n)
	}
	if apps, err := b.WatchedApps(t.Context()); err != nil || fmt.Sprint(apps) != "[shop]" {
		t.Errorf("watched are %v, %v", apps, err)
	}
	report(b, ttl, "/shop/public/a")
	if n := watch(true); n != 1 {
		t.Errorf("%d channels are in use, want 1", n)
	}
	report(a, ttl, "/shop/public/a", "/shop/public/b")
	report(b, time.Nanosecond, "/shop/public/c")
	list, cursor, err := b.OccupiedChannels(t.Context(), "shop")
	if err != nil || fmt.Sprint(slices.Sorted(slices.Values(list))) != "[/shop/public/a /shop/public/b /shop/public/c]" {
		t.Errorf("in use are %v, %v", list, err)
	}
	if all := a.Await("shop", cursor); len(all) != 2 || all[1].Cursor != cursor {
		t.Errorf("the list is of %v, after %v", cursor, all)
	}
	for len(list) == 3 { // its time runs by Redis' clock
		report(a, ttl)
		if list, _, err = b.OccupiedChannels(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
	}
	wantNotices(t, a, `{"occupied":["/shop/public/b"]}`, `{"occupied":["/shop/public/c"]}`, `{"vacated":["/shop/public/c"]}`)
}

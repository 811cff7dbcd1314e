package streamstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

var sessionStories = []story{
	{"a session is the same on every node", sessionRoundTrip},
	{"a session has one owner, and the one before can't write any more", fencing},
	{"a session that nobody touches ends", expiry},
	{"what has ended is gone for everybody", ending},
	{"many sessions", manySessions},
	{"sessions are listed", listing},
	{"positions outlive their node", positions},
	{"mail reaches its node alone, in order", mail},
	{"a node that has ended is known to be gone", gone},
}

// ttl is how long sessions of these tests live, if that is not what the test is about.
const ttl = time.Minute

// at is a cursor of a stream that need not exist.
func at(app pandapush.AppID, millis uint64) pandapush.Cursor {
	const random = "aaaaaaaa" // an epoch begins with what is the application's
	epoch := pandapush.NewEpoch(app)
	return pandapush.Cursor{Epoch: epoch[:len(epoch)-len(random)] + random, Position: pandapush.Position{Millis: millis, Seq: 1}}
}

// sub is a subscription of a pattern of app that begins at from; zero if it does not say.
func sub(app pandapush.AppID, from pandapush.Cursor) pandapush.Subscription {
	return pandapush.Subscription{Grant: pandapush.Grant{App: app, Scope: "/" + string(app) + "/**", Sub: true}, From: from}
}

// create stores a session with these subscriptions.
func create(t *testing.T, n *Node, id string, subscriptions map[string]pandapush.Subscription) {
	t.Helper()
	s := pandapush.Session{Created: time.UnixMilli(1e12)}
	if err := n.CreateSession(t.Context(), id, s, ttl); err != nil {
		t.Fatal(err)
	}
	change(t, n, id, subscriptions)
}

func change(t *testing.T, n *Node, id string, add map[string]pandapush.Subscription, remove ...string) {
	t.Helper()
	if _, _, err := n.ChangeSubscriptions(t.Context(), id, add, remove, 100); err != nil {
		t.Fatal(err)
	}
}

func claim(t *testing.T, n *Node, id string) pandapush.Session {
	t.Helper()
	s, _, err := n.ClaimSession(t.Context(), id, pandapush.TransportWebSocket, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(t *testing.T, n *Node, id string, s pandapush.Session) {
	t.Helper()
	if err := n.SaveSession(t.Context(), id, s, ttl); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func sessionRoundTrip(t *testing.T, a, b *Node) {
	t.Helper()
	want := pandapush.Session{
		Owner: "x", Fence: 7, Behind: true, Created: time.UnixMilli(1_700_000_000_123).UTC(), Ack: true,
		Transport: pandapush.TransportLongPolling, UserAgent: "Mozilla/5.0 (ä <&>)",
		Subscriptions: map[string]pandapush.Subscription{
			"/shop/public/x": {Grant: pandapush.Grant{App: "shop", Scope: "/shop/public/x", Sub: true}},
			"/shop/presence/**": {
				Grant: pandapush.Grant{
					App: "shop", Scope: "/**", Pub: true, Sub: true, Presence: json.RawMessage(`{"id":"ä <&>  ","n":1e2}`),
					User: "ä <&> ", Key: "k1", Expires: time.UnixMilli(1_800_000_000_456).UTC(),
				},
				From: at("shop", 3),
			},
			"/bank/private/a!b": {Grant: pandapush.Grant{App: "bank"}, From: at("bank", 9)},
		},
		Cursors: map[pandapush.AppID]pandapush.Cursor{"shop": at("shop", 5), "bank": at("bank", 1<<63)},
		Answer: pandapush.Answer{
			ID: `"1 <a>"`, Batch: 1 << 60, From: map[pandapush.AppID]pandapush.Cursor{"shop": at("shop", 4)},
		},
	}
	if err := a.CreateSession(t.Context(), "id", want, ttl); err != nil {
		t.Fatal(err)
	}
	expect(t, "made a second time", b.CreateSession(t.Context(), "id", pandapush.Session{}, ttl), pandapush.ErrExists)
	got := claim(t, b, "id")
	want.Owner, want.Fence, want.Attached, want.Transport = "b", 8, true, pandapush.TransportWebSocket
	if !reflect.DeepEqual(got, want) {
		t.Errorf("claimed %+v\nwant %+v", got, want)
	}
	want.Answer, want.Attached, want.Behind = pandapush.Answer{}, false, false
	save(t, b, "id", want)
	want.Owner, want.Fence, want.Attached = "a", 9, true
	if got = claim(t, a, "id"); !reflect.DeepEqual(got, want) {
		t.Errorf("claimed again %+v\nwant %+v", got, want)
	}
	if !claim(t, b, "id").Behind {
		t.Error("a node that has only just claimed a session speaks for it")
	}
}

func fencing(t *testing.T, a, b *Node) {
	t.Helper()
	ctx := t.Context()
	create(t, a, "id", map[string]pandapush.Subscription{"/shop/public/x": sub("shop", at("shop", 1))})
	first, former, err := a.ClaimSession(ctx, "id", pandapush.TransportWebSocket, ttl)
	if err != nil || former != "" || first.Fence != 1 {
		t.Fatalf("first claim: fence %d, former %q, %v", first.Fence, former, err)
	}
	if again, former, err := a.ClaimSession(ctx, "id", pandapush.TransportWebSocket, ttl); err != nil || former != "" || again.Fence != 2 {
		t.Errorf("claimed by its owner: fence %d, former %q, %v", again.Fence, former, err)
	}
	expect(t, "saved under the fence before", a.SaveSession(ctx, "id", first, ttl), pandapush.ErrNotOwner)

	second, former, err := b.ClaimSession(ctx, "id", pandapush.TransportWebSocket, ttl)
	if err != nil || former != "a" || second.Owner != "b" || second.Fence != 3 {
		t.Fatalf("taken over: fence %d, former %q, %v", second.Fence, former, err)
	}
	first.Fence, first.Cursors["shop"] = 2, at("shop", 99)
	expect(t, "saved by the former owner", a.SaveSession(ctx, "id", first, ttl), pandapush.ErrNotOwner)
	second.Cursors["shop"], second.Attached = at("shop", 5), false
	save(t, b, "id", second)
	third, former, err := a.ClaimSession(ctx, "id", pandapush.TransportWebSocket, ttl)
	if err != nil || former != "" || third.Cursors["shop"] != at("shop", 5) {
		t.Errorf("claimed after it was let go: former %q, cursor %v, %v", former, third.Cursors["shop"], err)
	}

	formerOwner(t, a, b)

	var wg sync.WaitGroup
	fences := make([]int64, 50)
	for i := range fences {
		wg.Go(func() {
			s, _, err := []*Node{a, b}[i%2].ClaimSession(ctx, "id", pandapush.TransportWebSocket, ttl)
			if err != nil {
				t.Error(err)
			}
			fences[i] = s.Fence
		})
	}
	wg.Wait()
	slices.Sort(fences)
	if len(slices.Compact(fences)) != 50 {
		t.Errorf("claims at the same time got the fences %v", fences)
	}
}

// formerOwner claims a session several times without saving it: whose positions hold for it is not forgotten over that.
func formerOwner(t *testing.T, a, b *Node) {
	t.Helper()
	create(t, a, "level", nil)
	level := claim(t, a, "level")
	level.Behind = false
	save(t, a, "level", level)
	if first := claim(t, b, "level"); first.Former != "" {
		t.Errorf("its owner is named as its former one: %+v", first)
	}
	second := claim(t, a, "level")
	if second.Former != "a" || time.Since(second.FormerAt).Abs() > time.Minute || !second.Behind {
		t.Errorf("claimed after a claim that came to nothing: %+v", second)
	}
	third := claim(t, b, "level")
	if third.Former != "a" || third.FormerAt != second.FormerAt {
		t.Errorf("claimed after two claims that came to nothing: %+v", third)
	}
	save(t, b, "level", third)
	if fourth := claim(t, a, "level"); fourth.Former != "" {
		t.Errorf("claimed after it was saved: %+v", fourth)
	}
}

func expiry(t *testing.T, a, b *Node) {
	t.Helper()
	if err := a.CreateSession(t.Context(), "short", pandapush.Session{}, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	create(t, a, "long", nil)
	if gone, err := b.TouchSessions(t.Context(), []string{"long"}, time.Hour); err != nil || len(gone) > 0 {
		t.Errorf("touched: %v are gone, %v", gone, err)
	}
	await(t, "the session to end", func() bool {
		_, _, err := b.ChangeSubscriptions(t.Context(), "short", nil, nil, 1) // does not prolong it
		if err != nil {
			expect(t, "change", err, pandapush.ErrNotFound)
		}
		return err != nil
	})
	_, _, err := b.ClaimSession(t.Context(), "short", pandapush.TransportWebSocket, ttl)
	expect(t, "claim", err, pandapush.ErrNotFound)
	if err := b.ListSessions(t.Context(), func(id string, _ pandapush.Session, left time.Duration) bool {
		if id != "long" || left < time.Minute || left > time.Hour {
			t.Errorf("%s has %v to live", id, left)
		}
		return true
	}); err != nil {
		t.Error(err)
	}
}

func ending(t *testing.T, a, b *Node) {
	t.Helper()
	ctx := t.Context()
	create(t, a, "id", nil)
	owned := claim(t, a, "id")
	if owner, attached, err := b.EndSession(ctx, "id"); owner != "a" || !attached || err != nil {
		t.Errorf("ended: owner %q, attached %t, %v", owner, attached, err)
	}
	_, _, err := b.EndSession(ctx, "id")
	expect(t, "ended twice", err, pandapush.ErrNotFound)
	_, _, err = a.ClaimSession(ctx, "id", pandapush.TransportWebSocket, ttl)
	expect(t, "claimed", err, pandapush.ErrNotFound)
	expect(t, "saved", a.SaveSession(ctx, "id", owned, ttl), pandapush.ErrNotFound)
	if gone, err := a.TouchSessions(ctx, []string{"id"}, ttl); err != nil || !slices.Equal(gone, []string{"id"}) {
		t.Errorf("touched: %v are gone, %v", gone, err)
	}
	for _, id := range []string{"", string(make([]byte, 1000))} {
		_, _, err = a.ClaimSession(ctx, id, pandapush.TransportWebSocket, ttl)
		expect(t, "claimed under an impossible name", err, pandapush.ErrNotFound)
	}
}

func manySessions(t *testing.T, a, b *Node) {
	t.Helper()
	const sessions = 300
	all := make([]pandapush.Session, sessions)
	ids := make([]string, sessions)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			ids[i] = "session" + strconv.Itoa(i)
			s := pandapush.Session{Subscriptions: map[string]pandapush.Subscription{"/shop/public/x": sub("shop", at("shop", 1))}}
			if err := a.CreateSession(t.Context(), ids[i], s, ttl); err != nil {
				t.Error(err)
				return
			}
			s, _, err := a.ClaimSession(t.Context(), ids[i], pandapush.TransportWebSocket, ttl)
			if err != nil {
				t.Error(err)
				return
			}
			s.Cursors["shop"] = at("shop", uint64(i+1))
			all[i] = s
		})
	}
	wg.Wait()
	claim(t, b, ids[7])
	if _, _, err := b.EndSession(t.Context(), ids[8]); err != nil {
		t.Error(err)
	}
	for i, s := range all {
		wg.Go(func() {
			want := map[int]error{7: pandapush.ErrNotOwner, 8: pandapush.ErrNotFound}[i]
			expect(t, ids[i], a.SaveSession(t.Context(), ids[i], s, ttl), want)
		})
	}
	wg.Wait()
	if gone, err := b.TouchSessions(t.Context(), ids, ttl); err != nil || !slices.Equal(gone, ids[8:9]) {
		t.Errorf("touched: %v are gone, %v", gone, err)
	}
	if s := claim(t, b, ids[299]); s.Cursors["shop"] != at("shop", 300) {
		t.Errorf("claimed %+v", s)
	}
}

func listing(t *testing.T, a, b *Node) {
	t.Helper()
	a.Send("/session/public/x", `1`) // whose keys have names like those of sessions
	want := make(map[string]bool)
	for i := range 30 {
		id := "id-" + strconv.Itoa(i)
		create(t, a, id, nil)
		want[id] = true
	}
	got := make(map[string]bool)
	visit := func(id string, s pandapush.Session, left time.Duration) bool {
		got[id] = true
		return len(got) < 40 && left > 0 && s.Created.UnixMilli() == 1e12
	}
	if err := b.ListSessions(t.Context(), visit); err != nil || !maps.Equal(got, want) {
		t.Errorf("listed %v, %v", got, err)
	}
	for id := range got {
		one, left, err := b.Session(t.Context(), id)
		if err != nil || one.Created.UnixMilli() != 1e12 || left <= 0 || left > ttl {
			t.Errorf("Session(%s) = %+v, %v, %v", id, one, left, err)
		}
	}
	for _, id := range []string{"nosuch", "", strings.Repeat("x", 1000)} {
		_, _, err := b.Session(t.Context(), id)
		expect(t, "a session that is not there", err, pandapush.ErrNotFound)
	}
	n := 0
	if err := b.ListSessions(t.Context(), func(string, pandapush.Session, time.Duration) bool { n++; return n < 3 }); err != nil || n != 3 {
		t.Errorf("visited %d sessions, want 3; %v", n, err)
	}
}

func positions(t *testing.T, a, b *Node) {
	t.Helper()
	ctx := t.Context()
	all := make(map[pandapush.AppID]pandapush.Cursor)
	for i := range 300 {
		app := pandapush.AppID("app" + strconv.Itoa(i))
		all[app] = at(app, uint64(i+1))
	}
	if err := a.SavePositions(ctx, all); err != nil {
		t.Fatal(err)
	}
	all["app7"] = at("app7", 1000)
	if err := a.SavePositions(ctx, map[pandapush.AppID]pandapush.Cursor{"app7": all["app7"]}); err != nil {
		t.Fatal(err)
	}
	a.Stop()
	got, err := b.Position(ctx, "a", append(slices.Collect(maps.Keys(all)), "other"))
	if err != nil || !maps.Equal(got, all) {
		t.Errorf("%d positions, %v; want %d", len(got), err, len(all))
	}
	for _, node := range []string{"b", "no such:node", ""} {
		if got, err = b.Position(ctx, node, []pandapush.AppID{"app7"}); err != nil || len(got) > 0 {
			t.Errorf("positions of %q: %v, %v", node, got, err)
		}
	}
	if err := b.SavePositions(ctx, nil); err != nil {
		t.Error(err)
	}
}

func mail(t *testing.T, a, b *Node) {
	t.Helper()
	ctx := t.Context()
	want := []pandapush.Mail{
		{Kind: "taken", From: "a", Session: "id", Fence: 1 << 60, Body: []byte("\x00\xff{}")},
		{Kind: "handoff", From: "a", Body: []byte{}},
	}
	for i := range 200 {
		want = append(want, pandapush.Mail{Kind: "n" + strconv.Itoa(i), From: "a", Fence: -1, Body: []byte(" ")})
	}
	for _, m := range want {
		m.From = "somebody else"
		if err := a.Streams.Send(ctx, "b", m); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.AwaitMails(len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
	if err := b.Streams.Send(ctx, "b", pandapush.Mail{Kind: "to itself"}); err != nil {
		t.Error(err)
	}
	b.AwaitMails(len(want) + 1)
	if err := b.Streams.Send(ctx, "a", pandapush.Mail{Kind: "back"}); err != nil {
		t.Error(err)
	}
	if got := a.AwaitMails(1); len(got) != 1 || got[0].From != "b" {
		t.Errorf("a got %v", got)
	}
	for node, kind := range map[string]string{"a:b": "x", "": "y", "a": ""} {
		if err := a.Streams.Send(ctx, node, pandapush.Mail{Kind: kind}); err == nil {
			t.Errorf("mail of kind %q to %q was sent", kind, node)
		}
	}
}

// await asks until ok, for what there is nothing to wait on.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for !ok() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func gone(t *testing.T, a, b *Node) {
	t.Helper()
	is := func(node string) bool {
		t.Helper()
		gone, err := b.Gone(t.Context(), node)
		if err != nil {
			t.Fatal(err)
		}
		return gone
	}
	until := time.Now().Add(patience)
	for !is("none") { // b is sure of itself only after a while
		if time.Now().After(until) {
			t.Fatal("a node that there never was seems to live")
		}
		<-time.After(10 * time.Millisecond)
	}
	if is("a") || is("b") {
		t.Error("a node that runs is said to be gone")
	}
	a.Stop()
	for !is("a") {
		if time.Now().After(until) {
			t.Fatal("a node that has ended seems to live")
		}
		<-time.After(time.Millisecond)
	}
	if is("b") {
		t.Error("a node that runs is said to be gone")
	}
}

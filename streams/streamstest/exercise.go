package streamstest

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
)

// story is a test of two nodes that share their streams with nobody else.
type story struct {
	name string
	tell func(t *testing.T, a, b *Node)
}

var messageStories = []story{
	{"a message reaches every node, as it was sent", everyNode},
	{"a stream can be joined before it exists", joinFirst},
	{"messages before a join are not delivered", notThePast},
	{"joins at the same time agree", joinTogether},
	{"leaving and joining again loses nothing", leaveAndReturn},
	{"applications do not see each other's messages", isolation},
	{"many applications", manyApps},
	{"concurrent appends are delivered once, in the order of their cursors", concurrent},
	{"notices reach every node", notices},
	{"every server answers", ping},
}

// Exercise runs the conformance suite. open returns the configuration of streams that nobody else uses; Node is filled in.
func Exercise(t *testing.T, open func(t *testing.T) streams.Config) {
	t.Helper()
	for _, story := range slices.Concat(messageStories, sessionStories, subscriptionStories, historyStories, presenceStories, shareStories) {
		t.Run(story.name, func(t *testing.T) {
			cfg := open(t)
			cfg.Node = "a"
			a := Open(t, cfg)
			cfg.Node = "b"
			story.tell(t, a, Open(t, cfg))
		})
	}
}

func everyNode(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	b.MustJoin("shop")
	first := a.Send("/shop/public/x", `{"n":1,"s":"é\u0000"}`)
	second := b.Send("/shop/private/y/z", `[1, 2]`)
	for _, n := range []*Node{a, b} {
		got := n.Await("shop", second)
		want := []pandapush.Message{
			{Channel: Message(t, "/shop/public/x", "").Channel, Data: []byte(`{"n":1,"s":"é\u0000"}`), Cursor: first},
			{Channel: Message(t, "/shop/private/y/z", "").Channel, Data: []byte(`[1, 2]`), Cursor: second},
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("delivered %v, want %v", got, want)
		}
	}
}

func joinFirst(t *testing.T, a, b *Node) {
	t.Helper()
	start := a.MustJoin("fresh")
	if !start.Epoch.Of("fresh") {
		t.Errorf("the epoch of %v is not one of the application's", start)
	}
	if again := b.MustJoin("fresh"); again != start {
		t.Errorf("another node begins at %v, want %v", again, start)
	}
	c := b.Send("/fresh/public/x", `1`)
	if c.Epoch != start.Epoch || c.Position.Compare(start.Position) <= 0 {
		t.Errorf("first message at %v, want it after %v", c, start)
	}
	a.Await("fresh", c)
	if here := a.MustJoin("fresh"); here != c {
		t.Errorf("joined at %v after the message %v", here, c)
	}
}

func notThePast(t *testing.T, a, b *Node) {
	t.Helper()
	old := b.Send("/late/public/x", `"old"`)
	if start := a.MustJoin("late"); start != old {
		t.Errorf("joined at %v, want %v", start, old)
	}
	got := a.Await("late", b.Send("/late/public/x", `"new"`))
	if len(got) != 1 || string(got[0].Data) != `"new"` {
		t.Errorf("delivered %v", got)
	}
}

func joinTogether(t *testing.T, a, _ *Node) {
	t.Helper()
	var wg sync.WaitGroup
	cursors := make([]pandapush.Cursor, 50)
	for i := range cursors {
		wg.Go(func() {
			var err error
			if cursors[i], err = a.Join(t.Context(), "crowd"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, c := range cursors {
		if c != cursors[0] {
			t.Errorf("joined at %v and at %v", c, cursors[0])
		}
	}
}

func leaveAndReturn(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("door")
	a.Await("door", b.Send("/door/public/x", `1`))
	for range 5 {
		a.Leave("door")
		b.Send("/door/public/x", `"perhaps not delivered"`)
		start := a.MustJoin("door")
		want := b.Send("/door/public/x", `2`)
		for i, m := range a.Await("door", want) {
			if m.Cursor == want && string(m.Data) != `2` {
				t.Errorf("message %d is %s", i, m.Data)
			}
		}
		if start.Position.Compare(want.Position) >= 0 {
			t.Errorf("joined at %v, after %v", start, want)
		}
	}
	increasing(t, a.Delivered("door"))
}

func isolation(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("one")
	a.MustJoin("two")
	one := b.Send("/one/public/x", `1`)
	two := b.Send("/two/public/x", `2`)
	for app, c := range map[pandapush.AppID]pandapush.Cursor{"one": one, "two": two} {
		if got := a.Await(app, c); len(got) != 1 || got[0].Channel.App() != app {
			t.Errorf("%s got %v", app, got)
		}
	}
}

func manyApps(t *testing.T, a, b *Node) {
	t.Helper()
	const apps = 100 // more than a reader takes for few
	var wg sync.WaitGroup
	for i := range apps {
		app := pandapush.AppID("app" + strconv.Itoa(i))
		wg.Go(func() {
			if _, err := a.Join(t.Context(), app); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range apps {
		app := "app" + strconv.Itoa(i)
		c := b.Send("/"+app+"/public/x", strconv.Itoa(i))
		if got := a.Await(pandapush.AppID(app), c); len(got) != 1 || string(got[0].Data) != strconv.Itoa(i) {
			t.Errorf("%s got %v", app, got)
		}
	}
}

func concurrent(t *testing.T, a, b *Node) {
	t.Helper()
	const publishers, each = 20, 50
	a.MustJoin("busy")
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		sent = make(map[pandapush.Cursor]string)
	)
	for p := range publishers {
		node := []*Node{a, b}[p%2]
		wg.Go(func() {
			var before pandapush.Cursor
			for i := range each {
				data := fmt.Sprintf(`"%d %d"`, p, i)
				c, err := node.Append(t.Context(), Message(t, "/busy/public/x", data))
				if err != nil {
					t.Error(err)
					return
				}
				if c.Position.Compare(before.Position) <= 0 {
					t.Errorf("%v after %v", c, before)
				}
				before = c
				mu.Lock()
				sent[c] = data
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	got := a.Await("busy", a.Send("/busy/public/x", `"end"`))
	increasing(t, got)
	if len(got) != publishers*each+1 {
		t.Errorf("delivered %d messages, want %d", len(got), publishers*each+1)
	}
	for _, m := range got[:len(got)-1] {
		if sent[m.Cursor] != string(m.Data) {
			t.Errorf("%v is %s, want %s", m.Cursor, m.Data, sent[m.Cursor])
		}
	}
}

func notices(t *testing.T, a, b *Node) {
	t.Helper()
	all := streams.Notice{Kind: streams.NoticeKeys}
	for _, n := range []*Node{a, b} {
		n.AwaitNotice(all) // the stream is followed from here on
	}
	notice := streams.Notice{Kind: streams.NoticeKeys, App: "shop", Key: "k1"}
	if err := a.Notify(t.Context(), notice); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Node{a, b} {
		n.AwaitNotice(notice)
	}
}

func ping(t *testing.T, a, _ *Node) {
	t.Helper()
	if err := a.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// increasing fails the test if messages are repeated or out of order.
func increasing(t *testing.T, messages []pandapush.Message) {
	t.Helper()
	for i := 1; i < len(messages); i++ {
		if messages[i-1].Cursor.Position.Compare(messages[i].Cursor.Position) >= 0 {
			t.Errorf("message %d at %v comes after %v", i, messages[i].Cursor, messages[i-1].Cursor)
		}
	}
}

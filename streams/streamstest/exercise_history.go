package streamstest

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

var historyStories = []story{
	{"the tail is where the stream ends at the moment", tail},
	{"ranges", ranges},
	{"rewinding by count and by age", rewind},
	{"what is kept of a stream", span},
	{"ranges from the end", rangesBack},
	{"what comes again under its key is stored once", once},
	{"a batch under a key is stored once, as a whole", onceTogether},
	{"what depends on a cursor", conditional},
	{"a batch is stored in its order", together},
	{"what a message says besides its data", fields},
}

func tail(t *testing.T, a, b *Node) {
	t.Helper()
	ask := func() pandapush.Cursor {
		c, err := b.Tail(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	start := ask()
	if !start.Epoch.Of("shop") || start.Position != (pandapush.Position{}) {
		t.Errorf("a stream that did not exist ends at %v", start)
	}
	if joined := a.MustJoin("shop"); joined != start {
		t.Errorf("joined at %v, want %v", joined, start)
	}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 20 {
				c, err := a.Append(t.Context(), Message(t, "/shop/public/x", `1`))
				if err != nil {
					t.Error(err)
					return
				}
				if end := ask(); end.Epoch != c.Epoch || end.Position.Compare(c.Position) < 0 {
					t.Errorf("the stream ends at %v, after a message at %v", end, c)
				}
			}
		})
	}
	wg.Wait()
}

// fill sends so many messages to /shop/public/x and returns them.
func fill(n *Node, count int) []pandapush.Message {
	n.t.Helper()
	sent := make([]pandapush.Message, count)
	for i := range sent {
		sent[i] = Message(n.t, "/shop/public/x", strconv.Itoa(i))
		sent[i].Cursor = n.Send("/shop/public/x", strconv.Itoa(i))
	}
	return sent
}

func ranges(t *testing.T, a, b *Node) {
	t.Helper()
	sent := fill(a, 20)
	zero, last := pandapush.Position{}, sent[19].Cursor.Position
	at := func(i int) pandapush.Position { return sent[i].Cursor.Position }
	for name, c := range map[string]struct {
		after, upTo pandapush.Position
		count       int
		want        []pandapush.Message
	}{
		"all":                     {zero, zero, 100, sent},
		"just all":                {zero, last, 20, sent},
		"the first":               {zero, zero, 3, sent[:3]},
		"after one":               {at(4), zero, 100, sent[5:]},
		"after one, some":         {at(4), zero, 2, sent[5:7]},
		"between two":             {at(4), at(9), 100, sent[5:10]},
		"after the last":          {last, zero, 100, nil},
		"the wrong way round":     {at(9), at(4), 100, nil},
		"none":                    {zero, zero, 0, nil},
		"after a time":            {pandapush.Position{Millis: at(0).Millis - 1, Seq: math.MaxUint64}, zero, 100, sent},
		"after the end of a time": {pandapush.Position{Millis: last.Millis, Seq: math.MaxUint64}, zero, 100, nil},
	} {
		got, err := b.Range(t.Context(), "shop", c.after, c.upTo, c.count)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v\nwant %v", name, got, err, c.want)
		}
	}
	if got, err := b.Range(t.Context(), "nothing", zero, zero, 10); err != nil || len(got) > 0 {
		t.Errorf("range of a stream that does not exist: %v, %v", got, err)
	}
}

func rewind(t *testing.T, a, b *Node) {
	t.Helper()
	follows := func(count int64, age time.Duration) int {
		t.Helper()
		c, err := b.Rewind(t.Context(), "shop", count, age)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := b.Span(t.Context(), "shop")
		if err != nil || kept.Gap(c) != "" {
			t.Errorf("rewound to %v, which has a gap in %+v, %v", c, kept, err)
		}
		after, err := b.Range(t.Context(), "shop", c.Position, pandapush.Position{}, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(after)
	}
	if n := follows(10, 0); n != 0 {
		t.Errorf("%d messages follow in a stream that did not exist", n)
	}
	fill(a, 20)
	for _, c := range []struct {
		count int64
		age   time.Duration
		want  int
	}{
		{1, 0, 1},
		{19, 0, 19},
		{20, 0, 20},
		{21, 0, 20},
		{math.MaxInt64, 0, 20},
		{0, 0, 0},
		{-1, -1, 0},
		{0, time.Hour, 20},
		{5, time.Hour, 5},
		{0, 100 * 365 * 24 * time.Hour, 20},
	} {
		if n := follows(c.count, c.age); n != c.want {
			t.Errorf("rewound by %d and %v: %d messages follow, want %d", c.count, c.age, n, c.want)
		}
	}
	await(t, "messages to grow old", func() bool { return follows(0, time.Millisecond) == 0 })
}

func span(t *testing.T, a, b *Node) {
	t.Helper()
	ask := func() pandapush.Span {
		s, err := b.Span(t.Context(), "shop")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := ask(); !s.Epoch.Of("shop") || s != (pandapush.Span{Epoch: s.Epoch}) || s.Gap(pandapush.Cursor{Epoch: s.Epoch}) != "" {
		t.Errorf("a stream that did not exist has the span %+v", s)
	}
	sent := fill(a, 20)
	s := ask()
	if s.Length != 20 || s.Last != sent[19].Cursor.Position || s.First.Compare(sent[0].Cursor.Position) >= 0 {
		t.Errorf("span %+v", s)
	}
	for _, m := range sent {
		if s.Gap(m.Cursor) != "" {
			t.Errorf("%v has a gap in %+v", m.Cursor, s)
		}
	}
	ahead := sent[19].Cursor
	ahead.Position.Seq++
	foreign := sent[5].Cursor
	foreign.Epoch = pandapush.NewEpoch("shop")
	for _, c := range []pandapush.Cursor{ahead, foreign} {
		if s.Gap(c) == "" {
			t.Errorf("%v has no gap in %+v", c, s)
		}
	}
}

func once(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	message := Message(t, "/shop/public/x", `"once"`)
	var wg sync.WaitGroup
	cursors := make([]pandapush.Cursor, 100)
	fresh := make([]bool, len(cursors))
	for i := range cursors {
		wg.Go(func() {
			c, repeated, err := []*Node{a, b}[i%2].AppendOnce(t.Context(), message, "key", time.Minute)
			if err != nil {
				t.Error(err)
			}
			cursors[i], fresh[i] = c, !repeated
		})
	}
	wg.Wait()
	first := 0
	for i, c := range cursors {
		if c != cursors[0] {
			t.Errorf("stored at %v and at %v", c, cursors[0])
		}
		if fresh[i] {
			first++
		}
	}
	other, repeated, err := a.AppendOnce(t.Context(), message, "other", time.Millisecond)
	if err != nil || repeated || other == cursors[0] || other.Epoch != cursors[0].Epoch {
		t.Errorf("under another key at %v, %t, %v", other, repeated, err)
	}
	if got := a.Await("shop", other); len(got) != 2 || got[0].Cursor != cursors[0] || string(got[0].Data) != `"once"` || first != 1 {
		t.Errorf("delivered %v; %d calls said that they were the first", got, first)
	}
	await(t, "the key to be forgotten", func() bool {
		again, repeated, err := b.AppendOnce(t.Context(), message, "other", time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		return !repeated && again != other
	})
	if c, repeated, err := a.AppendOnce(t.Context(), Message(t, "/bank/public/x", `1`), "key", time.Minute); err != nil || repeated || !c.Epoch.Of("bank") {
		t.Errorf("the same key of another application: %v, %t, %v", c, repeated, err)
	}
	for _, key := range []string{"", string(make([]byte, 1000))} {
		if _, _, err := a.AppendOnce(t.Context(), message, key, time.Minute); err == nil {
			t.Errorf("a key of %d bytes was taken", len(key))
		}
	}
}

func rangesBack(t *testing.T, a, b *Node) {
	t.Helper()
	sent := fill(a, 25)
	backwards := slices.Clone(sent)
	slices.Reverse(backwards)
	zero := pandapush.Position{}
	at := func(i int) pandapush.Position { return sent[i].Cursor.Position }
	for name, c := range map[string]struct {
		after, upTo pandapush.Position
		count       int
		want        []pandapush.Message
	}{
		"all":            {zero, zero, 100, backwards},
		"the last":       {zero, zero, 3, backwards[:3]},
		"after one":      {at(4), zero, 100, backwards[:20]},
		"up to one":      {zero, at(4), 2, backwards[20:22]},
		"between two":    {at(4), at(9), 100, backwards[15:20]},
		"after the last": {at(24), zero, 100, nil},
		"none":           {zero, zero, 0, nil},
	} {
		got, err := b.RangeBack(t.Context(), "shop", c.after, c.upTo, c.count)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v\nwant %v", name, got, err, c.want)
		}
	}
}

// batch makes so many messages on channels of shop.
func batch(t *testing.T, count int) []pandapush.Message {
	t.Helper()
	all := make([]pandapush.Message, count)
	for i := range all {
		all[i] = Message(t, "/shop/public/"+strconv.Itoa(i%7), strconv.Itoa(i))
	}
	return all
}

// wantStored fails the test unless app's stream is just messages, at cursors.
func wantStored(t *testing.T, n *Node, messages []pandapush.Message, cursors []pandapush.Cursor) {
	t.Helper()
	got, err := n.Range(t.Context(), "shop", pandapush.Position{}, pandapush.Position{}, 10_000)
	if err != nil || len(got) != len(messages) || len(cursors) != len(messages) {
		t.Fatalf("%d messages are stored, at %d cursors, %v; want %d", len(got), len(cursors), err, len(messages))
	}
	for i, m := range got {
		if m.Channel != messages[i].Channel || string(m.Data) != string(messages[i].Data) || m.Cursor != cursors[i] {
			t.Fatalf("message %d is %v, want %v at %v", i, m, messages[i], cursors[i])
		}
	}
}

func together(t *testing.T, a, b *Node) {
	t.Helper()
	messages := batch(t, 1500)
	first, err := a.AppendAll(t.Context(), messages[:500])
	if err != nil {
		t.Fatal(err)
	}
	second, err := a.AppendAll(t.Context(), messages[500:])
	if err != nil {
		t.Fatal(err)
	}
	wantStored(t, b, messages, slices.Concat(first, second))
	for _, count := range []int{0, 1001} {
		if _, err := a.AppendAll(t.Context(), batch(t, count)); err == nil {
			t.Errorf("a batch of %d was taken", count)
		}
	}
}

func onceTogether(t *testing.T, a, b *Node) {
	t.Helper()
	messages := batch(t, 1000)
	c := pandapush.Condition{Key: "key", Window: time.Minute, Print: "one"}
	var wg sync.WaitGroup
	cursors := make([][]pandapush.Cursor, 8)
	for i := range cursors {
		wg.Go(func() {
			var err error
			if cursors[i], _, err = []*Node{a, b}[i%2].AppendIf(t.Context(), messages, c); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, again := range cursors {
		wantStored(t, b, messages, again)
	}
	c.Print = "two"
	if _, _, err := a.AppendIf(t.Context(), messages[1:], c); !errors.Is(err, pandapush.ErrKeyReused) {
		t.Errorf("other messages under the same key: %v", err)
	}
	mixed := append(batch(t, 1), Message(t, "/bank/public/x", `1`))
	for _, bad := range []struct {
		messages []pandapush.Message
		c        pandapush.Condition
	}{
		{messages, pandapush.Condition{}},
		{messages, pandapush.Condition{Key: "x"}},
		{messages, pandapush.Condition{After: cursors[0][0]}},
		{mixed, pandapush.Condition{Key: "x", Window: time.Minute}},
		{nil, pandapush.Condition{Key: "x", Window: time.Minute}},
	} {
		if _, _, err := a.AppendIf(t.Context(), bad.messages, bad.c); err == nil {
			t.Errorf("%d messages were taken under %+v", len(bad.messages), bad.c)
		}
	}
}

func conditional(t *testing.T, a, b *Node) {
	t.Helper()
	first := a.Send("/shop/public/x", `1`)
	a.Send("/shop/public/y", `2`)
	try := func(n *Node, c pandapush.Condition) (pandapush.Cursor, error) {
		cursors, _, err := n.AppendIf(t.Context(), []pandapush.Message{Message(t, "/shop/public/x", `3`)}, c)
		if err != nil {
			return pandapush.Cursor{}, err
		}
		return cursors[0], nil
	}
	once := pandapush.Condition{After: first, Key: "key", Window: time.Minute}
	second, err := try(a, once)
	if err != nil || second.Epoch != first.Epoch {
		t.Fatalf("stored at %v, %v", second, err)
	}
	var changed *pandapush.ChangedError
	if _, err := try(b, pandapush.Condition{After: first}); !errors.As(err, &changed) || changed.Newest != second || changed.Tail != second {
		t.Errorf("after the first again: %v, %+v", err, changed)
	}
	if again, err := try(b, once); again != second || err != nil {
		t.Errorf("the same under its key: %v, %v, want what came of it", again, err)
	}
	var wg sync.WaitGroup
	var won atomic.Int32
	for i := range 20 {
		wg.Go(func() {
			if _, err := try([]*Node{a, b}[i%2], pandapush.Condition{After: second}); err == nil {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 20 at the same time were the first", won.Load())
	}
}

func fields(t *testing.T, a, b *Node) {
	t.Helper()
	a.MustJoin("shop")
	sent := []pandapush.Message{Message(t, "/shop/public/x", `1`), Message(t, "/shop/presence/x", `2`), Message(t, "/shop/public/x", `3`)}
	sent[0].Exclude = "someone"
	sent[1].Notice = true
	sent[2].Expires = time.UnixMilli(1_800_000_000_123)
	for i := range sent {
		var err error
		if sent[i].Cursor, err = b.Append(t.Context(), sent[i]); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.Await("shop", sent[2].Cursor); !reflect.DeepEqual(got, sent) {
		t.Errorf("delivered %+v\nwant %+v", got, sent)
	}
	now := sent[2].Expires
	if sent[0].Expired(now) || !sent[2].Expired(now) || sent[2].Expired(now.Add(-1)) {
		t.Error("what has expired?")
	}
}

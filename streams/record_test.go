package streams

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
)

var (
	apps       = rapid.SampledFrom([]pandapush.AppID{"shop", "bank", "a1"})
	whenever   = rapid.Custom(func(t *rapid.T) time.Time { return time.UnixMilli(rapid.Int64Range(1, 1<<45).Draw(t, "time")).UTC() })
	anyPattern = rapid.StringMatching(`/(shop|bank|a1)/(public|private|presence|meta)/[A-Za-z0-9_~!($)@-]{1,9}(/\*\*?)?`)
)

func anyCursor(t *rapid.T, app pandapush.AppID) pandapush.Cursor {
	return pandapush.Cursor{Epoch: pandapush.NewEpoch(app), Position: pandapush.Position{
		Millis: rapid.Uint64().Draw(t, "millis"), Seq: rapid.Uint64().Draw(t, "seq"),
	}}
}

func anyCursors(t *rapid.T) map[pandapush.AppID]pandapush.Cursor {
	cursors := make(map[pandapush.AppID]pandapush.Cursor)
	for _, app := range rapid.SliceOfDistinct(apps, rapid.ID).Draw(t, "apps") {
		cursors[app] = anyCursor(t, app)
	}
	return cursors
}

func anyGrant(t *rapid.T, app pandapush.AppID) pandapush.Grant {
	g := pandapush.Grant{
		App: app, Scope: rapid.String().Draw(t, "scope"), Pub: rapid.Bool().Draw(t, "pub"), Sub: rapid.Bool().Draw(t, "sub"),
		User: rapid.String().Draw(t, "user"), Key: pandapush.KeyID(rapid.String().Draw(t, "key")),
	}
	if rapid.Bool().Draw(t, "expires") {
		g.Expires = whenever.Draw(t, "expiry")
	}
	if g.User != "" {
		g.Presence = json.RawMessage(fmt.Sprintf(`{"id":"<%d>"}`, rapid.Int().Draw(t, "id")))
	}
	return g
}

// TestRecord: a session that is stored is the session that is read.
func TestRecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := pandapush.Session{
			Owner: rapid.String().Draw(t, "owner"), Fence: rapid.Int64().Draw(t, "fence"), Attached: rapid.Bool().Draw(t, "attached"), Behind: rapid.Bool().Draw(t, "behind"),
			Created: whenever.Draw(t, "created"), Ack: rapid.Bool().Draw(t, "ack"), Expiry: rapid.Bool().Draw(t, "expiry wanted"), Cursors: anyCursors(t),
			Transport: rapid.String().Draw(t, "transport"), UserAgent: rapid.String().Draw(t, "agent"),
			Subscriptions: make(map[string]pandapush.Subscription),
			Answer:        pandapush.Answer{ID: rapid.String().Draw(t, "answer"), Batch: rapid.Int64().Draw(t, "batch")},
		}
		for _, cursors := range []*map[pandapush.AppID]pandapush.Cursor{&s.Answer.From, &s.Answer.PolledFrom, &s.Answer.PolledTo} {
			if any := anyCursors(t); len(any) > 0 {
				*cursors = any
			}
		}
		if rapid.Bool().Draw(t, "stream lost") {
			s.Answer.StreamLost = whenever.Draw(t, "when")
		}
		for _, pattern := range rapid.SliceOf(anyPattern).Draw(t, "patterns") {
			p, err := pandapush.ParsePattern(pattern)
			if err != nil {
				t.Fatal(err)
			}
			sub := pandapush.Subscription{Grant: anyGrant(t, p.App())}
			if rapid.Bool().Draw(t, "begins") {
				sub.From = anyCursor(t, p.App())
			}
			s.Subscriptions[pattern] = sub
		}
		fields, err := encodeSession(s)
		if err != nil {
			t.Fatal(err)
		}
		record := make(map[string]string)
		for i := 0; i < len(fields); i += 2 {
			record[fmt.Sprint(fields[i])] = fmt.Sprint(fields[i+1])
		}
		record["a later version's"] = "field"
		if got, err := decodeSession(record); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("stored %+v\nread   %+v, %v", s, got, err)
		}
	})
}

func TestBrokenGrant(t *testing.T) {
	t.Parallel()
	broken := pandapush.Subscription{Grant: pandapush.Grant{Presence: json.RawMessage(`{`)}}
	s := pandapush.Session{Subscriptions: map[string]pandapush.Subscription{"/shop/public/x": broken}}
	if fields, err := encodeSession(s); err == nil {
		t.Errorf("stored %v", fields)
	}
}

func FuzzDecodeSession(f *testing.F) {
	f.Add("1", "1", `{"i":"x","b":1,"f":{"shop":"x"}}`, "s:/shop/public/x", ` {"a":"shop","x":1}`)
	f.Add("", "", "", "c:shop", "x-1-1")
	f.Add("-1", "9", "null", "s:/shop/public/x", "x {}")
	f.Add("1", "1", "[]", "s:", " null")
	f.Fuzz(func(t *testing.T, fence, created, answer, field, value string) {
		s, err := decodeSession(map[string]string{"fence": fence, "created": created, "answer": answer, field: value})
		if err != nil {
			return
		}
		for pattern := range s.Subscriptions {
			if _, err := pandapush.ParsePattern(pattern); err != nil {
				t.Errorf("read a subscription of %q", pattern)
			}
		}
		if _, err := encodeSession(s); err != nil {
			t.Errorf("read what can't be stored: %v", err)
		}
	})
}

func FuzzDecodeMail(f *testing.F) {
	f.Add("taken", "a", "id", "7", "{}")
	f.Add("", "", "", "x", "")
	f.Fuzz(func(t *testing.T, kind, from, session, fence, body string) {
		m, err := decodeMail(redis.XMessage{ID: "1-1", Values: map[string]any{
			"kind": kind, "from": from, "session": session, "fence": fence, "body": body,
		}})
		if err == nil && (m.Kind != kind || kind == "" || m.From != from || m.Session != session || string(m.Body) != body) {
			t.Errorf("mail %v", m)
		}
	})
}

func TestForeignMail(t *testing.T) {
	t.Parallel()
	for _, values := range []map[string]any{
		{},
		{"kind": "x"},
		{"kind": "x", "from": "a", "session": "", "fence": "1"},
		{"kind": 1, "from": "a", "session": "", "fence": "1", "body": ""},
	} {
		if m, err := decodeMail(redis.XMessage{ID: "1-1", Values: values}); err == nil {
			t.Errorf("%v became %v", values, m)
		}
	}
}

// TestSpanOfSilentRedis: one that does not say how many entries were ever added may have removed some.
func TestSpanOfSilentRedis(t *testing.T) {
	t.Parallel()
	cursor := func(millis, seq uint64) pandapush.Cursor {
		return pandapush.Cursor{Position: pandapush.Position{Millis: millis, Seq: seq}}
	}
	for _, c := range []struct {
		reply  []string
		whole  []pandapush.Cursor
		broken []pandapush.Cursor
	}{
		{[]string{"", "", "0", ""}, []pandapush.Cursor{{}}, []pandapush.Cursor{cursor(1, 0)}},
		{[]string{"0-0", "", "0", "0"}, []pandapush.Cursor{{}}, []pandapush.Cursor{cursor(1, 0)}},
		{[]string{"9-3", "7-0", "2", ""}, []pandapush.Cursor{cursor(7, 0), cursor(8, 5), cursor(9, 3)}, []pandapush.Cursor{{}, cursor(6, 9), cursor(9, 4)}},
		{[]string{"9-3", "7-0", "2", "3"}, []pandapush.Cursor{cursor(7, 0), cursor(6, 1<<64-1)}, []pandapush.Cursor{{}, cursor(6, 9), cursor(10, 0)}},
		{[]string{"9-3", "7-0", "2", "2"}, []pandapush.Cursor{{}, cursor(7, 0), cursor(9, 3)}, []pandapush.Cursor{cursor(9, 4)}},
		{[]string{"9-3", "", "0", "2"}, []pandapush.Cursor{cursor(9, 3)}, []pandapush.Cursor{{}, cursor(9, 2)}},
	} {
		span, err := newSpan(c.reply)
		if err != nil {
			t.Errorf("%v: %v", c.reply, err)
		}
		for _, at := range c.whole {
			if span.Gap(at) != "" {
				t.Errorf("%v has a gap in %+v", at, span)
			}
		}
		for _, at := range c.broken {
			if span.Gap(at) == "" {
				t.Errorf("%v has no gap in %+v", at, span)
			}
		}
	}
}

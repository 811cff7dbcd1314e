package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// requests is one call of everything that asks Redis a question, by name.
func requests(t *testing.T, n *streamstest.Node) map[string]func(ctx context.Context) error {
	t.Helper()
	m := streamstest.Message(t, "/shop/public/x", `1`)
	zero, none := pandapush.Position{}, pandapush.Session{}
	return map[string]func(ctx context.Context) error{
		"create": func(ctx context.Context) error { return n.CreateSession(ctx, "id", none, time.Minute) },
		"claim": func(ctx context.Context) error {
			_, _, err := n.ClaimSession(ctx, "id", pandapush.TransportWebSocket, time.Minute)
			return err
		},
		"save": func(ctx context.Context) error { return n.SaveSession(ctx, "id", none, time.Minute) },
		"change": func(ctx context.Context) error {
			_, _, err := n.ChangeSubscriptions(ctx, "id", nil, nil, 1)
			return err
		},
		"end": func(ctx context.Context) error { _, _, err := n.EndSession(ctx, "id"); return err },
		"touch": func(ctx context.Context) error {
			_, err := n.TouchSessions(ctx, []string{"id"}, time.Minute)
			return err
		},
		"list": func(ctx context.Context) error {
			return n.ListSessions(ctx, func(string, pandapush.Session, time.Duration) bool { return true })
		},
		"save positions": func(ctx context.Context) error {
			return n.SavePositions(ctx, map[pandapush.AppID]pandapush.Cursor{"shop": {Epoch: pandapush.NewEpoch("shop")}})
		},
		"position":    func(ctx context.Context) error { _, err := n.Position(ctx, "b", []pandapush.AppID{"shop"}); return err },
		"send":        func(ctx context.Context) error { return n.Streams.Send(ctx, "b", pandapush.Mail{Kind: "x"}) },
		"tail":        func(ctx context.Context) error { _, err := n.Tail(ctx, "shop"); return err },
		"range":       func(ctx context.Context) error { _, err := n.Range(ctx, "shop", zero, zero, 10); return err },
		"rewind":      func(ctx context.Context) error { _, err := n.Rewind(ctx, "shop", 10, 0); return err },
		"span":        func(ctx context.Context) error { _, err := n.Span(ctx, "shop"); return err },
		"append once": func(ctx context.Context) error { _, _, err := n.AppendOnce(ctx, m, "key", time.Minute); return err },
	}
}

// TestNoAnswer: whoever asks a Redis that is away, or hangs, is told so; whoever gives up, at once.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a := streamstest.Open(t, on(server, "a"))
	all := requests(t, a)
	fail := func(what string, ctx context.Context, want error) {
		t.Helper()
		var wg sync.WaitGroup
		for name, request := range all {
			wg.Go(func() {
				if err := request(ctx); !errors.Is(err, want) {
					t.Errorf("%s, %s: %v, want %v", what, name, err, want)
				}
			})
		}
		wg.Wait()
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	fail("given up", ended, context.Canceled)
	server.Freeze()
	fail("hanging", t.Context(), pandapush.ErrUnavailable)
	server.Thaw()
	server.Kill()
	fail("away", t.Context(), pandapush.ErrUnavailable)
	a.Stop()
	fail("closed", t.Context(), pandapush.ErrUnavailable)
}

// TestForgottenScripts: a Redis that has forgotten the scripts is given them again.
func TestForgottenScripts(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	client := server.Client()
	a := streamstest.Open(t, on(server, "a"))
	for name, request := range requests(t, a) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := a.CreateSession(t.Context(), "id", pandapush.Session{}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if err := request(t.Context()); err != nil && !errors.Is(err, pandapush.ErrExists) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestScriptIsSentInFullOnce: an append under a key calls its script by the hash, whatever else has been appended before, and Redis
// is given the text once.
func TestScriptIsSentInFullOnce(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	client := server.Client()
	a := streamstest.Open(t, on(server, "a"))
	m := streamstest.Message(t, "/shop/public/x", `1`)
	for _, forgotten := range []int{0, 1} {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Append(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if err := client.ConfigResetStat(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			if _, _, err := a.AppendOnce(t.Context(), m, fmt.Sprint(forgotten, i), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		stats := client.Info(t.Context(), "commandstats").Val()
		// By the hash in vain and then by another script in full; or in full at once. Then in full, if that had to be found out.
		if calls := commandCalls(t, stats, "eval"); calls != 1+forgotten {
			t.Errorf("forgotten %d times: in full %d times", forgotten, calls)
		}
		if calls := commandCalls(t, stats, "evalsha"); calls != 9 {
			t.Errorf("forgotten %d times: by the hash %d times", forgotten, calls)
		}
	}
}

// commandCalls returns how often a command was called.
func commandCalls(t *testing.T, stats, command string) int {
	t.Helper()
	_, rest, _ := strings.Cut(stats, "cmdstat_"+command+":calls=")
	count, _, _ := strings.Cut(rest, ",")
	calls, err := strconv.Atoi(count)
	if err != nil {
		t.Fatalf("no calls of %s: %v", command, err)
	}
	return calls
}

// TestNothingStays: what nodes leave in Redis for each other ends by itself.
func TestNothingStays(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a := streamstest.Open(t, on(server, "a"))
	for name, request := range requests(t, a) {
		if err := request(t.Context()); err != nil && name != "claim" && name != "change" && name != "end" && name != "save" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.CreateSession(t.Context(), "other", pandapush.Session{}, time.Minute); err != nil {
		t.Error(err)
	}
	client := server.Client()
	other := client.Keys(t.Context(), "*session-other").Val()
	if len(other) != 1 {
		t.Fatalf("keys of the session: %v", other)
	}
	for key, limit := range map[string]time.Duration{
		"pp:{0}:inbox-b": 10 * time.Minute, "pp:{41}:positions-a": 10 * time.Minute, other[0]: time.Minute,
		"pp:{41}:shop:idem:key": time.Minute,
	} {
		if left := client.TTL(t.Context(), key).Val(); left <= 0 || left > limit {
			t.Errorf("%s ends in %v, want at most %v", key, left, limit)
		}
	}
}

// TestUnreadableSession: a record that nobody can read is no session, and does not stop a listing.
func TestUnreadableSession(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a := streamstest.Open(t, on(server, "a"))
	if err := a.CreateSession(t.Context(), "id", pandapush.Session{}, time.Minute); err != nil {
		t.Fatal(err)
	}
	client := server.Client()
	keys := client.Keys(t.Context(), "*session-id").Val()
	if len(keys) != 1 {
		t.Fatalf("keys %v", keys)
	}
	client.HSet(t.Context(), keys[0], "c:shop", "rubbish")
	if _, _, err := a.ClaimSession(t.Context(), "id", pandapush.TransportWebSocket, time.Minute); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("claimed: %v, want %v", err, pandapush.ErrNotFound)
	}
	err := a.ListSessions(t.Context(), func(id string, s pandapush.Session, _ time.Duration) bool {
		t.Errorf("listed %s: %v", id, s)
		return true
	})
	if err != nil {
		t.Error(err)
	}
}

// TestMailAfterOutage: an inbox goes on where it was, also when Redis comes back empty.
func TestMailAfterOutage(t *testing.T) {
	t.Parallel()
	for _, aof := range []bool{true, false} {
		t.Run(fmt.Sprintf("kept=%t", aof), func(t *testing.T) {
			t.Parallel()
			server := streamstest.Start(t, streamstest.Options{AOF: aof})
			a, b := streamstest.Open(t, on(server, "a")), streamstest.Open(t, on(server, "b"))
			send := func(kind string) {
				for { // until Redis is back
					err := a.Streams.Send(t.Context(), "b", pandapush.Mail{Kind: kind})
					if err == nil {
						return
					}
					if !errors.Is(err, pandapush.ErrUnavailable) {
						t.Fatal(err)
					}
				}
			}
			send("before")
			b.AwaitMails(1)
			server.Kill()
			server.Restart()
			send("after")
			if got := b.AwaitMails(2); len(got) != 2 || got[0].Kind != "before" || got[1].Kind != "after" {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestHistory compares ranges, spans and rewinds with a list, whatever has been trimmed.
func TestHistory(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a := streamstest.Open(t, on(server, "a"))
	client := server.Client()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		app := pandapush.AppID(fmt.Sprintf("run%d", run))
		sent := rapid.IntRange(1, 30).Draw(rt, "sent")
		trimmed := rapid.IntRange(0, sent).Draw(rt, "trimmed")
		all := make([]pandapush.Cursor, sent)
		for i := range all {
			all[i] = a.Send("/"+string(app)+"/public/x", `1`)
		}
		if err := client.XTrimMaxLen(t.Context(), streams.LogKey(app), int64(sent-trimmed)).Err(); err != nil {
			rt.Fatal(err)
		}
		kept := all[trimmed:]

		span, err := a.Span(t.Context(), app)
		if err != nil || span.Last != all[sent-1].Position || span.Length != int64(len(kept)) || span.Trimmed != (trimmed > 0) {
			rt.Fatalf("span %+v, %v", span, err)
		}
		from := rapid.IntRange(0, sent-1).Draw(rt, "from")
		whole := from+1 >= trimmed && (from >= trimmed || from == sent-1 || adjacent(all, from))
		if gap := span.Gap(all[from]); (gap == "") != whole {
			rt.Fatalf("message %d of %d, of which %d are trimmed, has the gap %q", from, sent, trimmed, gap)
		}
		upTo := rapid.IntRange(0, sent-1).Draw(rt, "upTo")
		count := rapid.IntRange(0, sent+1).Draw(rt, "count")
		var want []pandapush.Cursor
		for i := max(from+1, trimmed); i <= upTo && len(want) < count; i++ {
			want = append(want, all[i])
		}
		got, err := a.Range(t.Context(), app, all[from].Position, all[upTo].Position, count)
		if err != nil || len(got) != len(want) {
			rt.Fatalf("%d messages after %d up to %d, %v; want %d", len(got), from, upTo, err, len(want))
		}
		for i, m := range got {
			if m.Cursor != want[i] {
				rt.Fatalf("message %d of the range is %v, want %v", i, m.Cursor, want[i])
			}
		}
		checkRewind(rt, a, app, kept, count)
	})
}

// adjacent reports whether no message can lie between one and the next, so that it is whole though it is trimmed.
func adjacent(all []pandapush.Cursor, i int) bool {
	next := all[i].Position
	next.Seq++
	return i+1 < len(all) && all[i+1].Position == next
}

func checkRewind(t *rapid.T, n *streamstest.Node, app pandapush.AppID, kept []pandapush.Cursor, count int) {
	c, err := n.Rewind(context.Background(), app, int64(count), 0)
	if err != nil {
		t.Fatal(err)
	}
	following := 0
	for _, k := range kept {
		if k.Position.Compare(c.Position) > 0 {
			following++
		}
	}
	if want := min(count, len(kept)); following != want {
		t.Fatalf("rewound by %d: %d messages follow, want %d", count, following, want)
	}
}

// TestForeignInRange: what others have put into a stream is not in its ranges, and does not make them end early.
func TestForeignInRange(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a := streamstest.Open(t, on(server, "a"))
	first := a.Send("/shop/public/x", `1`)
	for range 5 {
		if err := server.Client().XAdd(t.Context(), &redis.XAddArgs{Stream: streams.LogKey("shop"), Values: []string{"x", "y"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	last := a.Send("/shop/public/x", `2`)
	got, err := a.Range(t.Context(), "shop", pandapush.Position{}, pandapush.Position{}, 2)
	if err != nil || len(got) != 2 || got[0].Cursor != first || got[1].Cursor != last {
		t.Errorf("range %v, %v", got, err)
	}
}

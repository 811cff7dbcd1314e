package streams

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams/internal/redisserver"
)

// eachRedis runs a test on a real server and on the in-process one: the scripts must work on both.
func eachRedis(t *testing.T, test func(t *testing.T, client *redis.Client)) {
	t.Helper()
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		path, ok := redisserver.Find()
		if !ok {
			t.Fatal("no redis-server is installed: scripts/test installs it")
		}
		dir, err := os.MkdirTemp("", "pp") //nolint:usetesting // t.TempDir's paths are too long for sockets
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		server, err := redisserver.Start(t.Context(), redisserver.Options{Path: path, Dir: dir, Socket: filepath.Join(dir, "s")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Kill)
		withClient(t, &redis.Options{Network: "unix", Addr: filepath.Join(dir, "s")}, test)
	})
	t.Run("in-process", func(t *testing.T) {
		t.Parallel()
		withClient(t, &redis.Options{Addr: miniredis.RunT(t).Addr()}, test)
	})
}

func withClient(t *testing.T, o *redis.Options, test func(t *testing.T, client *redis.Client)) {
	t.Helper()
	client := redis.NewClient(o)
	t.Cleanup(func() { _ = client.Close() })
	test(t, client)
}

func position(millis uint64) pandapush.Position { return pandapush.Position{Millis: millis} }

// ask runs activate.lua for the application "shop".
func ask(t *testing.T, client *redis.Client, at pandapush.Cursor) standing {
	t.Helper()
	pipe := client.Pipeline()
	asked := activate(t.Context(), pipe, keys("pp").app("shop"), "shop", at)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := asked.result()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// add adds entries with the given ids to the stream of "shop".
func add(t *testing.T, client *redis.Client, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: keys("pp").log("shop"), ID: id, Values: []string{"c", "x", "d", "1"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestActivateScript(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, client *redis.Client) {
		t.Helper()
		ctx, k := t.Context(), keys("pp").app("shop")
		first := ask(t, client, pandapush.Cursor{})
		at := func(millis uint64) pandapush.Cursor {
			return pandapush.Cursor{Epoch: first.epoch, Position: position(millis)}
		}
		if !first.epoch.Of("shop") || first.last != position(0) || first.lost {
			t.Errorf("a new stream stands at %+v", first)
		}
		if apps := client.SMembers(ctx, k.apps).Val(); len(apps) != 1 || apps[0] != "shop" {
			t.Errorf("applications with a stream: %v", apps)
		}
		if again := ask(t, client, pandapush.Cursor{}); again != first {
			t.Errorf("asked again: %+v, want %+v", again, first)
		}

		add(t, client, "5-0", "7-0", "9-0")
		for _, millis := range []uint64{5, 9, 3} {
			if s := ask(t, client, at(millis)); s.last != position(9) || s.lost || s.epoch != first.epoch {
				t.Errorf("asked for %d: %+v, want last 9 and no loss", millis, s)
			}
		}
		client.XTrimMaxLen(ctx, k.log, 0)
		if s := ask(t, client, at(7)); s.last != position(9) || s.lost {
			t.Errorf("trimmed to nothing: %+v", s)
		}
		client.Del(ctx, k.log)
		if s := ask(t, client, at(7)); s.epoch == first.epoch || s.last != position(0) || s.lost {
			t.Errorf("deleted: %+v has the epoch of the lost stream", s)
		}
		add(t, client, "5-0")
		client.Del(ctx, k.epoch)
		if s := ask(t, client, at(5)); !s.epoch.Of("shop") || s.epoch == first.epoch || s.last != position(5) {
			t.Errorf("without an epoch: %+v", s)
		}
	})
}

// TestLossIsMarked: where entries are missing that somebody has seen, an entry says so, once, after all that may be lost.
func TestLossIsMarked(t *testing.T) {
	t.Parallel()
	const soon = 1 << 45 // a clock that is far ahead of this machine's
	for name, c := range map[string]struct {
		left []string // ids
		seen uint64
		from string
	}{
		"the newest are lost":                  {[]string{"5-0", "7-0"}, 9, "7-0"},
		"and others were appended since":       {[]string{"5-0", "7-0", "12-0"}, 9, "7-0"},
		"they are of a machine that is ahead":  {[]string{"5-0", "7-0"}, soon, "7-0"},
		"and so is the one with the stream":    {[]string{"5-0", "70368744177664-0"}, soon, "5-0"},
		"all that was left has been trimmed":   {[]string{}, 9, "7-0"},
		"there was one more than there is now": {[]string{"9-0"}, 10, "9-0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachRedis(t, func(t *testing.T, client *redis.Client) {
				t.Helper()
				ctx, log := t.Context(), keys("pp").log("shop")
				epoch := ask(t, client, pandapush.Cursor{}).epoch
				if len(c.left) == 0 {
					add(t, client, "7-0")
					client.XTrimMaxLen(ctx, log, 0)
				}
				add(t, client, c.left...)
				seen := pandapush.Cursor{Epoch: epoch, Position: position(c.seen)}
				s := ask(t, client, seen)
				if !s.lost || s.last.Compare(seen.Position) <= 0 {
					t.Fatalf("%+v", s)
				}
				entries := client.XRange(ctx, log, s.last.String(), "+").Val()
				if len(entries) != 1 {
					t.Fatalf("entries from the mark on: %v", entries)
				}
				m, err := decodeEntry("shop", entries[0])
				if err != nil {
					t.Fatal(err)
				}
				from, reason, ok := m.Gap()
				if want := string(epoch) + "-" + c.from; !ok || from.String() != want || reason != pandapush.GapAhead {
					t.Errorf("the mark says %s, want from %s", m.Data, want)
				}
				// Who comes next and has seen as much comes to the mark; who has seen more has another one made.
				for _, again := range []pandapush.Cursor{seen, {Epoch: epoch, Position: s.last}} {
					if next := ask(t, client, again); next.lost || next.last != s.last {
						t.Errorf("asked again for %v: %+v", again, next)
					}
				}
				more := pandapush.Cursor{Epoch: epoch, Position: pandapush.Position{Millis: s.last.Millis + 1}}
				if next := ask(t, client, more); !next.lost || next.last.Compare(more.Position) <= 0 {
					t.Errorf("asked for more: %+v", next)
				}
				if other := ask(t, client, pandapush.Cursor{Epoch: pandapush.NewEpoch("shop"), Position: position(soon)}); other.lost {
					t.Error("a position in another stream is missed")
				}
			})
		})
	}
}

// appendVia runs append.lua for messages of "shop".
func appendVia(t *testing.T, client *redis.Client, c pandapush.Condition, messages ...pandapush.Message) ([]pandapush.Cursor, bool, error) {
	t.Helper()
	pipe := client.Pipeline()
	cmd := eval(t.Context(), pipe, newAppend(t.Context(), keys("pp"), 100, messages, c))
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	return appended("shop", cmd, len(messages))
}

// info returns what XINFO STREAM says.
func info(t *testing.T, client *redis.Client, log string) map[any]any {
	t.Helper()
	reply, err := client.Do(t.Context(), "xinfo", "stream", log).Result()
	if err != nil {
		t.Fatal(err)
	}
	if all, ok := reply.(map[any]any); ok {
		return all
	}
	t.Fatalf("XINFO replies %T", reply)
	return nil
}

// on makes a message of "shop".
func on(t *testing.T, channel, data string) pandapush.Message {
	t.Helper()
	c, err := pandapush.ParseChannel("/shop/public/" + channel)
	if err != nil {
		t.Fatal(err)
	}
	return pandapush.Message{Channel: c, Data: []byte(data)}
}

func TestAppendScript(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, client *redis.Client) {
		t.Helper()
		ctx, k := t.Context(), keys("pp").app("shop")
		run := func() pandapush.Cursor {
			cursors, _, err := appendVia(t, client, pandapush.Condition{}, on(t, "x", `"hello"`))
			if err != nil {
				t.Fatal(err)
			}
			return cursors[0]
		}
		first, second := run(), run()
		if !first.Epoch.Of("shop") || second.Epoch != first.Epoch || second.Position.Compare(first.Position) <= 0 {
			t.Errorf("created at %v and %v", first, second)
		}
		entries := client.XRange(ctx, k.log, "-", "+").Val()
		if len(entries) != 2 || entries[0].ID != first.Position.String() || entries[0].Values["c"] != "/shop/public/x" || entries[0].Values["d"] != `"hello"` {
			t.Errorf("entries %v", entries)
		}
		if s := ask(t, client, second); s.epoch != first.Epoch || s.last != second.Position {
			t.Errorf("activate says %+v", s)
		}
		client.Del(ctx, k.log)
		if third := run(); third.Epoch == first.Epoch {
			t.Error("a stream made after another was lost has its epoch")
		}
	})
}

// TestAppendOnceScript: what one script has stored, the other knows, too.
func TestAppendOnceScript(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, client *redis.Client) {
		t.Helper()
		k, m := keys("pp").app("shop"), on(t, "x", `"hello"`)
		under := func(key, print string) pandapush.Condition {
			return pandapush.Condition{Key: key, Print: print, Window: time.Minute}
		}
		a := newAppender(client, keys("pp"), func(pandapush.AppID) int64 { return 100 }, nil)
		// once appends m under each condition by one call, and returns what became of that.
		once := func(conditions ...pandapush.Condition) []*pendingAppend {
			var calls []*onceCall
			for _, c := range conditions {
				calls = addOnce(calls, &pendingAppend{message: m, once: c})
			}
			cmd := a.newAppendOnce(t.Context(), calls[0])
			if err := client.Process(t.Context(), cmd); err != nil || len(calls) != 1 {
				t.Fatal(len(calls), err)
			}
			calls[0].cmd = cmd
			a.settleOnce(calls[0], a.epochs.generation())
			return calls[0].appends
		}
		expect := func(p *pendingAppend, want pandapush.Cursor, repeated bool, err error) {
			t.Helper()
			if p.cursor != want || p.repeated != repeated || !errors.Is(p.err, err) {
				t.Errorf("%+v: %v, %t, %v; want %v, %t, %v", p.once, p.cursor, p.repeated, p.err, want, repeated, err)
			}
		}
		none := pandapush.Cursor{}
		expect(once(under("a", ""))[0], none, false, nil) // not settled: there is no stream
		stored, _, err := appendVia(t, client, under("a", "p"), m)
		if err != nil {
			t.Fatal(err)
		}
		expect(once(under("a", "p"))[0], stored[0], true, nil)
		for _, print := range []string{"", "p"} {
			first := once(under("b"+print, print))[0]
			if first.err != nil || first.repeated || first.cursor.Epoch != stored[0].Epoch {
				t.Errorf("stored at %v, %t, %v", first.cursor, first.repeated, first.err)
			}
			again, repeated, err := appendVia(t, client, under("b"+print, print), m)
			if err != nil || !repeated || again[0] != first.cursor {
				t.Errorf("known as %v, %t, %v; want %v", again, repeated, err, first.cursor)
			}
			expect(once(under("b"+print, "other"))[0], none, false, pandapush.ErrKeyReused)
		}
		several := once(under("c", ""), under("a", "p"), under("c", ""), under("b", "other"), under("d", ""))
		expect(several[1], stored[0], true, nil)
		expect(several[2], several[0].cursor, true, nil)
		expect(several[3], none, false, pandapush.ErrKeyReused)
		if c, d := several[0], several[4]; c.err != nil || c.repeated || d.err != nil || d.cursor.Position.Compare(c.cursor.Position) <= 0 {
			t.Errorf("stored at %v and %v, %v, %v", c.cursor, d.cursor, c.err, d.err)
		}
		if entries := client.XRange(t.Context(), k.log, "-", "+").Val(); len(entries) != 5 || entries[4].Values["d"] != `"hello"` {
			t.Errorf("entries %v", entries)
		}
		client.Del(t.Context(), k.log)
		expect(once(under("e", ""))[0], none, false, nil)
		if client.Exists(t.Context(), k.log).Val() != 0 {
			t.Error("a stream was made for an epoch without one")
		}
	})
}

// TestAppendScriptCondition: nothing newer may be on the channel, and what can't be told is no.
func TestAppendScriptCondition(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, client *redis.Client) {
		t.Helper()
		ctx, k := t.Context(), keys("pp").app("shop")
		try := func(after pandapush.Cursor, want string) {
			t.Helper()
			length := client.XLen(ctx, k.log).Val()
			_, _, err := appendVia(t, client, pandapush.Condition{After: after}, on(t, "x", `1`))
			var e *pandapush.ChangedError
			switch {
			case want == "" && err == nil:
				return
			case !errors.As(err, &e):
				t.Errorf("after %v: %v, want %q", after, err, want)
			case want == "unknown" && e.Newest != pandapush.Cursor{}, want != "unknown" && e.Newest.Position.String() != want:
				t.Errorf("after %v: newest is %v, want %s", after, e.Newest, want)
			case client.XLen(ctx, k.log).Val() != length:
				t.Errorf("after %v: stored nevertheless", after)
			}
		}
		epoch := ask(t, client, pandapush.Cursor{}).epoch
		at := func(millis uint64) pandapush.Cursor {
			return pandapush.Cursor{Epoch: epoch, Position: position(millis)}
		}
		add := func(id, channel string, more ...string) {
			t.Helper()
			values := append([]string{"c", "/shop/public/" + channel, "d", "1"}, more...)
			if err := client.XAdd(ctx, &redis.XAddArgs{Stream: k.log, ID: id, Values: values}).Err(); err != nil {
				t.Fatal(err)
			}
		}
		add("5-0", "x")
		add("7-0", "y")
		add("8-0", "x", "n", "1") // a notice of the server's is no news
		if _, counts := info(t, client, k.log)["entries-added"]; counts {
			try(at(4), "5-0") // nothing has been trimmed; the in-process one can't tell
		}
		try(at(5), "")                                                                             // stored, at the present time
		client.XTrimMaxLen(ctx, k.log, 3)                                                          // which loses 5-0
		try(at(4), "unknown")                                                                      // something on x may have been trimmed
		try(at(7), client.XRevRangeN(ctx, k.log, "+", "-", 1).Val()[0].ID)                         // what was stored above
		try(pandapush.Cursor{Epoch: pandapush.NewEpoch("shop"), Position: position(7)}, "unknown") // a lost stream
		end := ask(t, client, pandapush.Cursor{}).last
		try(pandapush.Cursor{Epoch: epoch, Position: pandapush.Position{Millis: end.Millis + 1}}, "unknown") // ahead of it
		try(pandapush.Cursor{Epoch: epoch, Position: end}, "")

		far := ask(t, client, pandapush.Cursor{}).last
		pipe := client.Pipeline()
		for range 1100 {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: k.log, Values: []string{"c", "/shop/public/y", "d", "1"}})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
		try(pandapush.Cursor{Epoch: epoch, Position: far}, "unknown")
		client.Del(ctx, k.log)
		try(at(5), "unknown")
	})
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"", "e", "e 1-0", "e 1-0+", "e 1-0+0", "e 1-0+-1", "e 1-0+1001", "e x+1", "e 1-0+1 ", "e 1-0+999 2-0+2"} {
		if cursors, err := parseRuns(where); err == nil {
			t.Errorf("%q is read as %v", where, cursors)
		}
	}
	cursors, err := parseRuns("e 1-7+2 2-0+1")
	if want := "[e-1-7 e-1-8 e-2-0]"; err != nil || fmt.Sprint(cursors) != want {
		t.Errorf("%v, %v, want %s", cursors, err, want)
	}
}

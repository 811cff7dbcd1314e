package streams_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

func on(server *streamstest.Server, node string) streams.Config {
	return streams.Config{Redis: streams.Topology{URLs: []string{server.URL()}}, Node: node}
}

// TestKilledRedis kills Redis under concurrent appends, several times: what was acknowledged is there afterwards and has
// been delivered once, in order, and everybody goes on without being told to (P1, P5).
func TestKilledRedis(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{AOF: true})
	a, b := streamstest.Open(t, on(server, "a")), streamstest.Open(t, on(server, "b"))
	a.MustJoin("bank")
	b.MustJoin("bank")
	p := publish(t, a, "/bank/public/x", 8)
	for range 3 {
		p.await(t, true) // some more were acknowledged
		server.Kill()
		p.await(t, false) // and somebody has seen it
		server.Restart()
	}
	p.await(t, true)
	acknowledged := p.stop(t)

	last := sendWhenBack(t, a, "/bank/public/x")
	stored := server.Client().XRange(t.Context(), streams.LogKey("bank"), "-", "+").Val()
	for _, n := range []*streamstest.Node{a, b} {
		got := n.Await("bank", last)
		if len(got) != len(stored) {
			t.Errorf("%d messages delivered, %d are in the stream", len(got), len(stored))
		}
		for i := range min(len(got), len(stored)) {
			if got[i].Cursor.Position.String() != stored[i].ID || string(got[i].Data) != stored[i].Values["d"] {
				t.Fatalf("message %d is %v, want %v", i, got[i], stored[i])
			}
			delete(acknowledged, got[i].Cursor)
		}
		if gaps := n.Gaps(); len(gaps) > 0 {
			t.Errorf("gaps %v, though nothing was lost", gaps)
		}
	}
	if len(acknowledged) > 0 {
		t.Errorf("%d acknowledged messages are missing", len(acknowledged))
	}
}

// TestEmptyRedis restarts Redis without its data: a gap is announced, and what comes then is delivered.
func TestEmptyRedis(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a, b := streamstest.Open(t, on(server, "a")), streamstest.Open(t, on(server, "b"))
	a.MustJoin("shop")
	last := b.Send("/shop/public/x", `1`)
	a.Await("shop", last)
	server.Kill()
	server.Restart()
	again := sendWhenBack(t, b, "/shop/public/x")
	gap := a.AwaitGap("shop")
	if gap.From != last || gap.To.Epoch != again.Epoch || gap.To.Position != (pandapush.Position{}) || again.Epoch == last.Epoch {
		t.Errorf("gap %+v between %v and %v", gap, last, again)
	}
	a.Await("shop", again)
}

// TestOlderRedis restarts Redis with the data of a moment before: of what was published since, the node knows that appended it,
// and marks the place in the stream for all who read it ever after.
func TestOlderRedis(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a := streamstest.Open(t, on(server, "a"))
	kept := a.Send("/shop/public/x", `1`)
	if err := server.Client().Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	lost := a.Send("/shop/public/x", `2`)
	server.Kill()
	server.Restart()
	after := sendWhenBack(t, a, "/shop/public/x")
	all, err := a.Range(t.Context(), "shop", pandapush.Position{}, pandapush.Position{}, 10)
	if err != nil || len(all) != 3 || all[0].Cursor != kept || all[1].Cursor != after {
		t.Fatalf("the stream has %v, %v", all, err)
	}
	from, reason, ok := all[2].Gap()
	if !ok || from != kept || reason != pandapush.GapAhead || all[2].Cursor.Position.Compare(lost.Position) <= 0 {
		t.Errorf("the mark is %+v", all[2])
	}
}

// TestOlderRedisIsNoticedByReaders: a node that had read what is lost marks the place, and every reader comes to the mark.
func TestOlderRedisIsNoticedByReaders(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a, b := streamstest.Open(t, on(server, "a")), streamstest.Open(t, on(server, "b"))
	a.MustJoin("shop")
	b.MustJoin("shop")
	kept := a.Send("/shop/public/x", `1`)
	if err := server.Client().Save(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	lost := streamstest.Open(t, on(server, "c")).Send("/shop/public/x", `2`)
	a.Await("shop", lost)
	b.Await("shop", lost)
	server.Kill()
	server.Restart()
	mark := a.AwaitMark("shop")
	if from, _, _ := mark.Gap(); from != kept || mark.Cursor.Position.Compare(lost.Position) <= 0 {
		t.Errorf("mark at %v: %s", mark.Cursor, mark.Data)
	}
	after := sendWhenBack(t, a, "/shop/public/x")
	for _, n := range []*streamstest.Node{a, b} {
		got := n.Await("shop", after)
		if len(got) != 4 || got[2].Cursor != mark.Cursor {
			t.Errorf("delivered %v", got)
		}
		if len(n.Gaps()) > 0 {
			t.Errorf("gaps %v beside the mark", n.Gaps())
		}
	}
}

// TestAwayRedis: while Redis is away everything that needs it says so, and what does not goes on.
func TestAwayRedis(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{AOF: true})
	a := streamstest.Open(t, on(server, "a"))
	here := a.MustJoin("shop")
	server.Kill()
	message := streamstest.Message(t, "/shop/public/x", `1`)
	_, appended := a.Append(t.Context(), message)
	_, joined := a.Join(t.Context(), "other")
	noticed := a.Notify(t.Context(), streams.Notice{Kind: streams.NoticeKeys})
	for name, err := range map[string]error{"append": appended, "join": joined, "notify": noticed, "ping": a.Ping(t.Context())} {
		if !errors.Is(err, pandapush.ErrUnavailable) {
			t.Errorf("%s: error %v, want ErrUnavailable", name, err)
		}
	}
	if again, err := a.Join(t.Context(), "shop"); err != nil || again != here {
		t.Errorf("joined what is joined at %v, %v; want %v", again, err, here)
	}
	server.Restart()
	a.Await("shop", sendWhenBack(t, a, "/shop/public/x"))
}

// TestHungRedis: a Redis that takes connections and never answers does not hold up appends for ever.
func TestHungRedis(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a := streamstest.Open(t, on(server, "a"))
	a.Send("/shop/public/x", `1`)
	server.Freeze()
	defer server.Thaw()
	var wg sync.WaitGroup
	message := streamstest.Message(t, "/shop/public/x", `2`)
	for range 1000 {
		wg.Go(func() {
			if _, err := a.Append(t.Context(), message); !errors.Is(err, pandapush.ErrUnavailable) {
				t.Errorf("append: error %v, want ErrUnavailable", err)
			}
		})
	}
	wg.Wait()
}

func TestGivenUpAppend(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a := streamstest.Open(t, on(server, "a"))
	server.Freeze()
	defer server.Thaw()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Append(ctx, streamstest.Message(t, "/shop/public/x", `1`)); !errors.Is(err, context.Canceled) {
		t.Errorf("append with an ended context: error %v", err)
	}
	if _, err := a.Join(ctx, "shop"); !errors.Is(err, context.Canceled) {
		t.Errorf("join with an ended context: error %v", err)
	}
}

func TestAfterRun(t *testing.T) {
	t.Parallel()
	a := streamstest.Open(t, on(streamstest.Start(t, streamstest.Options{}), "a"))
	a.Stop()
	if _, err := a.Append(t.Context(), streamstest.Message(t, "/shop/public/x", `1`)); !errors.Is(err, pandapush.ErrUnavailable) {
		t.Errorf("append: error %v, want ErrUnavailable", err)
	}
	if _, err := a.Join(t.Context(), "shop"); !errors.Is(err, pandapush.ErrUnavailable) {
		t.Errorf("join: error %v, want ErrUnavailable", err)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	if err := server.Client().Set(t.Context(), "old:buckets", "16", 0).Err(); err != nil {
		t.Fatal(err)
	}
	wrong := on(server, "a")
	wrong.Prefix = "old"
	away := streams.Config{Redis: streams.Topology{URLs: []string{"unix:///nowhere"}}, Node: "a"}
	for name, c := range map[string]struct {
		cfg     streams.Config
		problem string
	}{
		"other buckets": {wrong, `old:buckets is "16"`},
		"no Redis":      {away, "unavailable"},
		"no node":       {on(server, ""), "node name"},
	} {
		if _, err := streams.Open(t.Context(), c.cfg); err == nil || !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.problem)
		}
	}
}

// TestForeignEntries: what others have put into a stream is skipped, and stops nothing.
func TestForeignEntries(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	cfg := on(server, "a")
	var log strings.Builder
	cfg.Log = slog.New(slog.NewTextHandler(&lockedWriter{w: &log}, nil))
	a := streamstest.Open(t, cfg)
	a.MustJoin("shop")
	client := server.Client()
	for _, values := range [][]string{{"x", "y"}, {"c", "/other/public/x", "d", "1"}} {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: streams.LogKey("shop"), Values: values}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.Await("shop", a.Send("/shop/public/x", `1`)); len(got) != 1 {
		t.Errorf("delivered %v", got)
	}
	a.Stop()
	if n := strings.Count(log.String(), "skipped an entry"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, log.String())
	}
}

func TestTrimByCount(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	cfg := on(server, "a")
	cfg.MaxLen = 100
	a := streamstest.Open(t, cfg)
	for range 1000 {
		a.Send("/shop/public/x", `1`)
	}
	// Redis trims whole nodes of a hundred entries.
	if n := server.Client().XLen(t.Context(), streams.LogKey("shop")).Val(); n < 100 || n > 300 {
		t.Errorf("%d entries are left of 1000, want about 100", n)
	}
}

func TestTrimByAge(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	cfg := on(server, "a")
	cfg.MaxAge = time.Hour
	a := streamstest.Open(t, cfg)
	client, log := server.Client(), streams.LogKey("shop")
	a.MustJoin("shop")
	for _, id := range []string{"1-1", "2-1"} {
		if err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: log, ID: id, Values: []string{"c", "/shop/public/x", "d", "1"}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	young := a.Send("/shop/public/x", `2`)
	if err := streams.SweepOnce(a.Streams, t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := client.XRange(t.Context(), log, "-", "+").Val(); len(left) != 1 || left[0].ID != young.Position.String() {
		t.Errorf("left in the stream: %v", left)
	}
	if ttl := client.TTL(t.Context(), "pp:{0}:trim").Val(); ttl <= 0 {
		t.Errorf("the sweep's lock ends in %v", ttl)
	}
}

// lockedWriter lets several goroutines write.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// publishing is several goroutines that append without pause, whatever becomes of it.
type publishing struct {
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	results chan error // of appends, when somebody waits for them

	mu           sync.Mutex
	acknowledged map[pandapush.Cursor]string
}

func publish(t *testing.T, n *streamstest.Node, channel string, publishers int) *publishing {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &publishing{cancel: cancel, results: make(chan error), acknowledged: make(map[pandapush.Cursor]string)}
	for i := range publishers {
		p.wg.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				data := fmt.Sprintf(`"%d %d"`, i, k)
				c, err := n.Append(context.WithoutCancel(ctx), streamstest.Message(t, channel, data))
				if err == nil {
					p.mu.Lock()
					p.acknowledged[c] = data
					p.mu.Unlock()
				} else if !errors.Is(err, pandapush.ErrUnavailable) {
					t.Errorf("append: error %v, want ErrUnavailable", err)
				}
				select {
				case p.results <- err:
				case <-ctx.Done():
				}
			}
		})
	}
	return p
}

// await lets publishers go on until 200 appends have succeeded, or failed, in the end.
func (p *publishing) await(t *testing.T, success bool) {
	t.Helper()
	for n := 0; n < 200; {
		select {
		case err := <-p.results:
			if (err == nil) == success {
				n++
			}
		case <-t.Context().Done():
			t.Fatal("the test ended")
		}
	}
}

// stop ends the publishers and returns what was acknowledged.
func (p *publishing) stop(t *testing.T) map[pandapush.Cursor]string {
	t.Helper()
	p.cancel()
	p.wg.Wait()
	return p.acknowledged
}

// sendWhenBack appends until that works.
func sendWhenBack(t *testing.T, n *streamstest.Node, channel string) pandapush.Cursor {
	t.Helper()
	for {
		c, err := n.Append(t.Context(), streamstest.Message(t, channel, `"back"`))
		if err == nil {
			return c
		}
		if !errors.Is(err, pandapush.ErrUnavailable) {
			t.Fatal(err)
		}
	}
}

// TestRetention: an application may have a length and an age of its own.
func TestRetention(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	cfg := on(server, "a")
	var length atomic.Int64
	cfg.Retention = func(app pandapush.AppID) (int64, time.Duration) {
		if app == "shop" {
			return length.Load(), time.Hour
		}
		return 0, 0
	}
	a, client := streamstest.Open(t, cfg), server.Client()
	for _, app := range []string{"shop", "bank"} {
		old := &redis.XAddArgs{Stream: streams.LogKey(pandapush.AppID(app)), ID: strconv.FormatInt(time.Now().Add(-2*time.Hour).UnixMilli(), 10), Values: []string{"c", "/" + app + "/public/x", "d", "1"}}
		if err := client.XAdd(t.Context(), old).Err(); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			a.Send("/"+app+"/public/x", `2`)
		}
	}
	left := func(app pandapush.AppID) int64 { return client.XLen(t.Context(), streams.LogKey(app)).Val() }
	if err := streams.SweepOnce(a.Streams, t.Context()); err != nil {
		t.Fatal(err)
	}
	if left("shop") != 20 || left("bank") != 21 {
		t.Errorf("%d entries of shop are left, want 20; %d of bank, want 21", left("shop"), left("bank"))
	}
	length.Store(5) // set later, with nothing published since
	client.Del(t.Context(), "pp:{0}:trim")
	if err := streams.SweepOnce(a.Streams, t.Context()); err != nil {
		t.Fatal(err)
	}
	if left("shop") != 5 || left("bank") != 21 {
		t.Errorf("%d entries of shop are left, want 5; %d of bank, want 21", left("shop"), left("bank"))
	}
}

package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
)

// board keeps the shares of nodes in memory, by the clock of the test.
type board struct {
	mu     sync.Mutex
	shares map[string][]byte
	ends   map[string]time.Time
	away   bool
}

func newBoard() *board { return &board{shares: map[string][]byte{}, ends: map[string]time.Time{}} }

// of returns what one node sees of the board.
func (b *board) of(node string) Board {
	return boardFunc(func(share []byte, ttl time.Duration) (map[string][]byte, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.away {
			return nil, errors.New("away")
		}
		b.shares[node], b.ends[node] = share, time.Now().Add(ttl)
		maps.DeleteFunc(b.shares, func(node string, _ []byte) bool { return !time.Now().Before(b.ends[node]) })
		return maps.Clone(b.shares), nil
	})
}

type boardFunc func(share []byte, ttl time.Duration) (map[string][]byte, error)

func (f boardFunc) Share(_ context.Context, share []byte, ttl time.Duration) (map[string][]byte, error) {
	return f(share, ttl)
}

// node is a sampler whose counters a test sets.
type node struct {
	*Sampler
	mu    sync.Mutex
	usage map[pandapush.AppID]pandapush.Usage
	// follow is set before the node runs.
	follow map[pandapush.Follower]pandapush.FollowerCount
}

func newNode(name string, b *board) *node {
	n := &node{usage: map[pandapush.AppID]pandapush.Usage{}}
	n.Sampler = NewSampler(Config{
		Node: name, Board: b.of(name), Gatherer: prometheus.NewRegistry(), About: About{Version: "v"},
		Sources: []func() map[pandapush.AppID]pandapush.Usage{n.read, func() map[pandapush.AppID]pandapush.Usage {
			return map[pandapush.AppID]pandapush.Usage{"app": {Sessions: 1}}
		}},
		Followers: func() map[pandapush.Follower]pandapush.FollowerCount { return n.follow },
	})
	return n
}

func (n *node) read() map[pandapush.AppID]pandapush.Usage {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.usage)
}

func (n *node) set(app pandapush.AppID, u pandapush.Usage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.usage[app] = u
}

// run runs samplers in a synctest bubble, and returns a function that stops each.
func run(t *testing.T, nodes ...*node) (stops []func()) {
	t.Helper()
	for _, n := range nodes {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			n.Run(ctx)
			close(done)
		}()
		stop := sync.OnceFunc(func() {
			cancel()
			<-done
		})
		t.Cleanup(stop)
		stops = append(stops, stop)
		synctest.Wait()
	}
	return stops
}

// pass lets time pass until the next samples have been taken.
func pass(intervals int) {
	time.Sleep(time.Duration(intervals) * Interval) // of the bubble's clock
	synctest.Wait()
}

func TestFollowersAddUpAndTheFewestAreLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		one, two := newNode("one", b), newNode("two", b)
		mine, foreign := pandapush.Follower{App: "app", Key: "key"}, pandapush.Follower{App: "other", Key: "key"}
		one.follow = map[pandapush.Follower]pandapush.FollowerCount{mine: {Connections: 2, Subscriptions: 5}, foreign: {Connections: 9, Subscriptions: 9}}
		two.follow = map[pandapush.Follower]pandapush.FollowerCount{mine: {Connections: 10, Subscriptions: 10}}
		for n := range maxShared {
			two.follow[pandapush.Follower{App: "app", Key: pandapush.KeyID(fmt.Sprint("small", n))}] = pandapush.FollowerCount{Connections: 1, Subscriptions: 1}
		}
		run(t, one, two)
		pass(1)
		got := one.Followers("app")
		if want := (pandapush.FollowerCount{Connections: 12, Subscriptions: 15}); got["key"] != want || len(got) != maxShared {
			t.Errorf("%d kinds, with the key %+v, want %+v", len(got), got["key"], want)
		}
	})
}

func TestNodeThatDrainsSaysSoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		one, two := newNode("one", b), newNode("two", b)
		var draining atomic.Bool
		one.cfg.Draining = draining.Load
		run(t, one, two)
		pass(1)
		draining.Store(true)
		one.Refresh()
		synctest.Wait()
		pass(1)
		if nodes := two.Nodes(); len(nodes) != 2 || !nodes[0].Draining || nodes[1].Draining {
			t.Errorf("the other node sees %+v", nodes)
		}
		if n := len(one.History()); n != 4 {
			t.Errorf("%d samples, want 4", n)
		}
	})
}

func TestNodesAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		one, two := newNode("one", b), newNode("two", b)
		stops := run(t, one, two)
		var next <-chan struct{}
		for n := range uint64(recent + 2) { // steadily: two may sample before one has
			one.set("app", pandapush.Usage{Sessions: 2, Subscriptions: 3, Published: 50 * n, BytesIn: 500 * n})
			two.set("app", pandapush.Usage{Sessions: 4, Delivered: 100 * n, BytesOut: 1000 * n})
			next = two.Next()
			pass(1)
		}
		select {
		case <-next:
		default:
			t.Error("who waits for a sample is not told")
		}
		// Each source counts a session of its own besides.
		want := Numbers{Connections: 8, Subscriptions: 3, Published: 10, BytesIn: 100, Delivered: 20, BytesOut: 200}
		if got := two.App("app"); got == nil || *got != want {
			t.Errorf("the application has %+v, want %+v", got, want)
		}
		if got := two.App("other"); got == nil || *got != (Numbers{}) {
			t.Errorf("an application where nothing happens has %+v", got)
		}
		history := two.History()
		last := history[len(history)-1]
		if last.Total != want || len(last.Nodes) != 2 || last.Nodes["one"].Numbers.Published != 10 {
			t.Errorf("the newest sample is %+v", last)
		}
		samples := two.AppHistory("app")
		if newest := samples[len(samples)-1]; newest.Total != want || newest.Nodes["two"].Delivered != 20 || samples[0].Nodes != nil {
			t.Errorf("the application's samples are %+v", samples)
		}

		stops[0]()
		pass(4)
		if nodes := two.Nodes(); len(nodes) != 1 || nodes[0].ID != "two" || !nodes[0].Self {
			t.Errorf("after one has stopped there are %+v", nodes)
		}
	})
}

func TestANodeAloneGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		n := newNode("one", b)
		run(t, n)
		b.mu.Lock()
		b.away = true
		b.mu.Unlock()
		n.set("app", pandapush.Usage{Published: 5})
		pass(1)
		if got := n.App("app"); got == nil || got.Published != 1 {
			t.Errorf("while the board is away: %+v", got)
		}
	})
}

func TestAListHasTheRatesOfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("one", newBoard())
		if got := n.App("app"); got != nil {
			t.Errorf("before the first sample: %+v", got)
		}
		run(t, n)
		n.set("app", pandapush.Usage{Sessions: 3, Published: 60, BytesIn: 600})
		pass(1)
		if got, want := *n.App("app"), (Numbers{Connections: 4, Published: 12, BytesIn: 120}); got != want {
			t.Errorf("at once: %+v, want %+v", got, want)
		}
		n.set("app", pandapush.Usage{Published: 60, BytesIn: 600}) // and nothing more
		pass(recent - 1)
		if got, want := *n.App("app"), (Numbers{Connections: 1, Published: 1, BytesIn: 10}); got != want {
			t.Errorf("at the end of the minute: %+v, want %+v", got, want)
		}
		pass(1)
		if got, want := *n.App("app"), (Numbers{Connections: 1}); got != want {
			t.Errorf("after the minute: %+v, want %+v", got, want)
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode("one", newBoard())
		run(t, n)
		const apps = maxShared + 50
		for i := range apps {
			n.set(pandapush.AppID(fmt.Sprintf("app%d", i)), pandapush.Usage{Sessions: int64(i)})
		}
		pass(Samples + 10)
		if got := len(n.History()); got != Samples {
			t.Errorf("%d samples", got)
		}
		if got := len(n.AppHistory("app")); got != Samples {
			t.Errorf("%d samples of an application", got)
		}
		if got := len(n.shares["one"].Apps); got != maxShared {
			t.Errorf("%d applications are shared", got)
		}
		if n.App("app1") != nil || n.App("app1049") == nil {
			t.Error("not the busiest applications are shared, or the others are taken for idle")
		}
		if total := n.History()[Samples-1].Total.Connections; total != apps*(apps-1)/2+1 {
			t.Errorf("the total leaves applications out: %d", total)
		}
		before := n.History()
		pass(1)
		if before[0].At.Equal(n.History()[0].At) || len(before) != Samples {
			t.Error("a list that was handed out has changed, or no new one was made")
		}
		n.mu.Lock()
		clear(n.usage)
		n.mu.Unlock()
		pass(Samples + 1)
		n.Sampler.mu.Lock()
		kept := len(n.history.apps)
		n.Sampler.mu.Unlock()
		if kept != 1 {
			t.Errorf("%d applications are remembered for nothing", kept)
		}
	})
}

func TestRatesAreOfGrowth(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		before, after := rapid.Uint64().Draw(rt, "before"), rapid.Uint64().Draw(rt, "after")
		r := rate(before, after, 2)
		if r < 0 || math.IsInf(r, 0) || math.IsNaN(r) || after >= before && r != float64(after-before)/2 {
			rt.Errorf("rate(%d, %d) = %v", before, after, r)
		}
		if rate(before, after, 0) != 0 {
			rt.Error("a rate over no time")
		}
	})
}

func TestProcessIsReadFromItsMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	lag := prometheus.NewHistogram(prometheus.HistogramOpts{Name: seriesLag, Buckets: []float64{1, 2, 4}})
	cpu := prometheus.NewCounter(prometheus.CounterOpts{Name: seriesCPU})
	memory := prometheus.NewGauge(prometheus.GaugeOpts{Name: seriesMemory})
	registry.MustRegister(lag, cpu, memory)
	g := gauge{from: registry}
	start := time.Now()
	lag.Observe(100)
	cpu.Add(7)
	if _, l := g.read(start); l.P50 == nil || *l.P50 != 4 {
		t.Errorf("beyond the last bound: %v", l.P50)
	}
	if _, l := g.read(start.Add(time.Second)); l.P50 != nil || l.P99 != nil {
		t.Errorf("nothing was counted, but the quantiles are %v, %v", l.P50, l.P99)
	}
	for range 100 {
		lag.Observe(1.5)
	}
	cpu.Add(3)
	memory.Set(42)
	p, l := g.read(start.Add(3 * time.Second))
	if p.CPU != 1.5 || p.Memory != 42 || *l.P50 != 1.5 || math.Abs(*l.P99-1.99) > 1e-9 {
		t.Errorf("read %+v, %v, %v", p, *l.P50, *l.P99)
	}
	slow, fast := 2.0, 1.0
	worst := Latency{&fast, &slow}.slower(Latency{&slow, nil}).slower(Latency{})
	if *worst.P50 != 2 || *worst.P99 != 2 {
		t.Errorf("the slower is %v, %v", *worst.P50, *worst.P99)
	}
}

func FuzzDecodeShares(f *testing.F) {
	f.Add([]byte(`{"apps":{"app":[1,2,3,4,5,6]}}`))
	f.Add([]byte(`{"apps":{"app":[1]},"latency":{"p50":null}}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := NewSampler(Config{Node: "one"})
		s.keep(time.Now(), decodeShares(map[string][]byte{"other": text}))
		if len(s.History()) != 1 {
			t.Error("no sample")
		}
	})
}

package streams_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandapush/pandapush/streams/streamstest"
)

// never is a rate at which nothing comes back while a test runs.
const never = 1e-6

// takeAll takes single tokens from nodes until it is refused by each, and returns how many there were.
func takeAll(t *testing.T, burst int, nodes ...*streamstest.Node) int {
	t.Helper()
	var wg sync.WaitGroup
	var taken atomic.Int64
	for _, n := range nodes {
		for range 4 {
			wg.Go(func() {
				for {
					if _, wait := n.Take(t.Context(), "shop", "app", never, burst, 1); wait > 0 {
						return
					}
					taken.Add(1)
				}
			})
		}
	}
	wg.Wait()
	return int(taken.Load())
}

func TestLimitHoldsForAllNodesTogether(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a, b := streamstest.Open(t, on(server, "a")), streamstest.Open(t, on(server, "b"))
	if n := takeAll(t, 500, a, b); n != 500 {
		t.Errorf("two nodes took %d, want 500", n)
	}
	if _, wait := a.Take(t.Context(), "shop", "other", never, 500, 500); wait != 0 {
		t.Errorf("another bucket is refused for %v", wait)
	}
	if _, wait := a.Take(t.Context(), "bank", "app", never, 500, 500); wait != 0 {
		t.Errorf("the same bucket of another application is refused for %v", wait)
	}
	if left, wait := b.Take(t.Context(), "shop", "batch", 1000, 500, 200); left != 300 || wait != 0 {
		t.Errorf("after 200 of 500, %d are left; wait %v", left, wait)
	}
	if _, wait := b.Take(t.Context(), "fresh", "batch", never, 500, 400); wait != 0 {
		t.Errorf("400 of 500 are refused for %v", wait)
	}
	if _, wait := a.Take(t.Context(), "fresh", "batch", never, 500, 200); wait == 0 {
		t.Error("200 of the 100 that are left were taken")
	}
	if left, wait := a.Take(t.Context(), "fresh", "batch", never, 500, 100); left != 0 || wait != 0 {
		t.Errorf("of the last 100, %d are left; wait %v", left, wait)
	}
}

// TestLimitAsksByTheBlock: Redis is asked for each block, not for each message.
func TestLimitAsksByTheBlock(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	cfg := on(streamstest.Start(t, streamstest.Options{}), "a")
	cfg.Metrics = registry
	a := streamstest.Open(t, cfg)
	const burst = 1_000_000
	for range 100_000 { // a block
		if _, wait := a.Take(t.Context(), "shop", "app", burst, burst, 1); wait > 0 {
			t.Fatalf("refused for %v", wait)
		}
	}
	// One lease, or a few more if the machine is so slow that a second passes.
	if asked := leases(t, registry, "granted"); asked < 1 || asked > 100 {
		t.Errorf("Redis was asked %v times for 100,000 messages", asked)
	}
}

// leases returns how many requests of tokens ended like that.
func leases(t *testing.T, registry *prometheus.Registry, result string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "pandapush_streams_leases_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			if strings.Contains(m.String(), `"`+result+`"`) {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// TestLimitWithoutRedis: each of two nodes goes on with its half.
func TestLimitWithoutRedis(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a, b := streamstest.Open(t, on(server, "a")), streamstest.Open(t, on(server, "b"))
	for _, n := range []*streamstest.Node{b, a, b} { // now each knows of the other
		if _, wait := n.Take(t.Context(), "shop", "app", never, 500, 1); wait > 0 {
			t.Fatalf("refused for %v", wait)
		}
	}
	server.Kill()
	if n := takeAll(t, 500, a, b); n != 500 {
		t.Errorf("without Redis two nodes took %d, want a half of 500 each", n)
	}
}

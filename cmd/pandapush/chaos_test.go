//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"
)

var (
	chaosDuration = flag.Duration("chaos.duration", 20*time.Second, "how long TestChaos breaks things; a long run needs -timeout too")
	chaosSeed     = flag.Uint64("chaos.seed", 1, "which faults TestChaos makes, and in which order")
	chaosNodes    = flag.Int("chaos.nodes", 3, "how many nodes TestChaos runs")
	chaosVerbose  = flag.Bool("chaos.verbose", false, "have TestChaos print what happens to its clients")
)

const (
	chaosApp = "chaos"
	// chaosReady bounds how long the clients may take to subscribe, and chaosSettle how long they may take at the end to get
	// everything. A Faye client waits for 5 s after each failure, and CometD up to as long.
	chaosReady  = 30 * time.Second
	chaosSettle = 40 * time.Second
	// chaosTimeout is how long a connect is held. A session lives for twice that: longer than a Faye client takes to come back,
	// even if it needs two attempts.
	chaosTimeout = 8 * time.Second
)

// The channels of the chaos test and what every client subscribes to: a message on the first matches three of the
// subscriptions and must come once, one on the last matches only the name itself.
var (
	chaosChannels      = []string{"/chaos/public/a/b", "/chaos/public/a/c", "/chaos/public/a/b/d", "/chaos/public/solo"}
	chaosSubscriptions = []string{"/chaos/public/a/b", "/chaos/public/a/*", "/chaos/public/a/**", "/chaos/public/solo"}
)

// TestChaos holds the service to the table of promises in ARCHITECTURE.md. Nodes behind a balancer of its own are killed,
// drained and cut off from their clients, and Redis is killed and frozen, while numbered messages are published; then
// every client must have got what its kind is promised.
//
//	go test ./cmd/pandapush -run 'TestChaos$' -v -chaos.duration=10m -chaos.seed=7 -timeout=15m -artifacts
//
// The same seed makes the same faults to the same clients; what real processes make of it can differ. With -artifacts the
// logs of all nodes and clients are kept; with -race the nodes are watched too.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("kills things for a while")
	}
	if deadline, ok := t.Deadline(); ok && time.Until(deadline) < *chaosDuration+2*time.Minute {
		t.Fatalf("-chaos.duration=%s needs a longer -timeout", *chaosDuration)
	}
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	begin := time.Now()
	logf := func(format string, args ...any) {
		t.Helper()
		t.Logf("%6.2fs %s", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
	}
	logf("seed %d", *chaosSeed)

	cluster := startChaosCluster(ctx, t, *chaosNodes)
	record := newChaosRecord(begin)
	if *chaosVerbose {
		record.logf = logf
	}
	startChaosClients(ctx, t, cluster.proxy, record)
	if late := record.await(ctx, chaosReady, func(c *chaosClient) bool { return c.subscribed }); len(late) > 0 {
		t.Fatalf("not subscribed after %s: %v", chaosReady, record.describe(late))
	}
	logf("all are subscribed")

	publisher := startChaosPublisher(ctx, t, cluster)
	faults := breakThings(ctx, t, &chaosMonkey{cluster: cluster, publisher: publisher, logf: logf}, *chaosSeed, *chaosDuration)
	last := publisher.finish()
	if late := record.await(ctx, chaosSettle, func(c *chaosClient) bool { return c.hasAll(last) }); len(late) > 0 {
		t.Errorf("without the last message after %s: %v", chaosSettle, record.describe(late))
	}
	if ctx.Err() != nil {
		t.Fatal("interrupted")
	}

	verdict := judge(record.results(), publisher.published(), faults)
	t.Logf("seed %d, %d faults, %d messages\n%s", *chaosSeed, len(faults), len(publisher.published()), verdict.table())
	for _, line := range verdict.report(begin, faults) {
		t.Error(line)
	}
}

// createLog makes a file among the artifacts of the test.
func createLog(tb testing.TB, name string) *os.File {
	tb.Helper()
	file, err := os.Create(filepath.Join(tb.ArtifactDir(), name))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := file.Close(); err != nil {
			tb.Error(err)
		}
	})
	return file
}

// pause waits for d, and returns false if ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

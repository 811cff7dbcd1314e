//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// fault is something that was done to the service or to its clients.
type fault struct {
	what     string
	from, to time.Time
	hit      []string // the clients that may notice
}

// chaosMonkey makes faults, one at a time: then two nodes of three are always well.
type chaosMonkey struct {
	cluster   *chaosCluster
	publisher *chaosPublisher
	random    *rand.Rand // never asked for a number that depends on anything else than the seed
	logf      func(format string, args ...any)
}

// chaosFaults are all that can happen. Each returns what it did and to whom, once it is over.
var chaosFaults = []func(*chaosMonkey, context.Context) (what string, hit []string){
	(*chaosMonkey).killNode,
	(*chaosMonkey).drainNode,
	(*chaosMonkey).cutConnections,
	(*chaosMonkey).stallConnections,
	(*chaosMonkey).slowReaders,
	(*chaosMonkey).killRedis,
	(*chaosMonkey).freezeRedis,
}

// breakThings makes faults for a while: all kinds in some order, then all in another. Afterwards all is well.
func breakThings(ctx context.Context, tb testing.TB, m *chaosMonkey, seed uint64, duration time.Duration) (faults []fault) {
	tb.Helper()
	m.random = rand.New(rand.NewPCG(seed, 0))
	end := time.Now().Add(duration)
	var order []int
	for m.wait(ctx, 500*time.Millisecond, 1500*time.Millisecond) && time.Now().Before(end) {
		if len(order) == 0 {
			order = m.random.Perm(len(chaosFaults))
		}
		from := time.Now()
		what, hit := chaosFaults[order[0]](m, ctx)
		order = order[1:]
		faults = append(faults, fault{what, from, time.Now(), hit})
		m.logf("%s, %.1f s long, hit %d clients", what, time.Since(from).Seconds(), len(hit))
		m.restartNodes(ctx)
	}
	return faults
}

// restartNodes starts the nodes that are down: not at once, so that their clients have to go elsewhere.
func (m *chaosMonkey) restartNodes(ctx context.Context) {
	for _, n := range m.cluster.nodes {
		n.mustLive()
		if n.down && (len(m.cluster.nodes) == 1 || m.wait(ctx, 500*time.Millisecond, 1500*time.Millisecond)) {
			n.start(ctx)
		}
	}
}

// wait waits for a random time, and returns false if ctx ended before.
func (m *chaosMonkey) wait(ctx context.Context, least, most time.Duration) bool {
	return pause(ctx, least+time.Duration(m.random.Int64N(int64(most-least))))
}

// some returns a random half of all clients or more, now and then all.
func (m *chaosMonkey) some() []string {
	names := m.cluster.proxy.names()
	all := len(names)
	m.random.Shuffle(all, func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:min(all, all/2+m.random.IntN(all))]
	slices.Sort(names)
	return names
}

func (m *chaosMonkey) node() *chaosNode {
	return m.cluster.nodes[m.random.IntN(len(m.cluster.nodes))]
}

// recent is how long after its connection has ended a client may still notice what happens to the node: it keeps none
// between two polls.
const recent = 2 * time.Second

func (m *chaosMonkey) killNode(context.Context) (string, []string) {
	n := m.node()
	hit := m.cluster.proxy.on(n.index, time.Now().Add(-recent))
	n.kill()
	return fmt.Sprintf("node %d killed", n.index), hit
}

func (m *chaosMonkey) drainNode(context.Context) (string, []string) {
	n := m.node()
	from := time.Now().Add(-recent)
	n.drain()
	return fmt.Sprintf("node %d drained", n.index), m.cluster.proxy.on(n.index, from)
}

func (m *chaosMonkey) cutConnections(context.Context) (string, []string) {
	hit := m.some()
	m.cluster.proxy.cut(hit)
	return "connections cut", hit
}

func (m *chaosMonkey) stallConnections(ctx context.Context) (string, []string) {
	hit := m.some()
	m.cluster.proxy.setFlow(hit, stalled)
	m.wait(ctx, time.Second, 3*time.Second)
	m.cluster.proxy.setFlow(hit, flowing)
	return "connections stalled", hit
}

// slowReaders has some clients read at a crawl, while there is a lot to read.
func (m *chaosMonkey) slowReaders(ctx context.Context) (string, []string) {
	hit := m.some()
	m.cluster.proxy.setFlow(hit, crawling)
	for range 100 {
		select {
		case m.publisher.flood <- struct{}{}:
		case <-ctx.Done():
		}
	}
	m.wait(ctx, 2*time.Second, 5*time.Second)
	m.cluster.proxy.setFlow(hit, flowing)
	return "readers slowed to a crawl", hit
}

func (m *chaosMonkey) killRedis(ctx context.Context) (string, []string) {
	m.cluster.redis.Kill()
	m.wait(ctx, 200*time.Millisecond, 2*time.Second)
	m.cluster.redis.Restart()
	return "Redis killed and restarted", m.cluster.proxy.names()
}

func (m *chaosMonkey) freezeRedis(ctx context.Context) (string, []string) {
	m.cluster.redis.Freeze()
	m.wait(ctx, 500*time.Millisecond, 2500*time.Millisecond)
	m.cluster.redis.Thaw()
	return "Redis frozen", m.cluster.proxy.names()
}

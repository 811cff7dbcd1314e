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
	redis    bool     // it was Redis' fault
}

// chaosMonkey makes faults, one at a time: then two nodes of three are always well.
type chaosMonkey struct {
	cluster   *chaosCluster
	publisher *chaosPublisher
	random    *rand.Rand // never asked for a number that depends on anything else than the seed
	logf      func(format string, args ...any)
}

// chaosFaults are all that can happen. Each returns what it did and to whom, once it is over.
var chaosFaults = []func(*chaosMonkey, context.Context) fault{
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
		f := chaosFaults[order[0]](m, ctx)
		order = order[1:]
		f.from, f.to = from, time.Now()
		faults = append(faults, f)
		m.logf("%s, %.1f s long, hit %d clients", f.what, f.to.Sub(f.from).Seconds(), len(f.hit))
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

func (m *chaosMonkey) killNode(context.Context) fault {
	n := m.node()
	hit := m.cluster.proxy.on(n.index, time.Now().Add(-recent))
	n.kill()
	return fault{what: fmt.Sprintf("node %d killed", n.index), hit: hit}
}

func (m *chaosMonkey) drainNode(context.Context) fault {
	n := m.node()
	from := time.Now().Add(-recent)
	n.drain()
	return fault{what: fmt.Sprintf("node %d drained", n.index), hit: m.cluster.proxy.on(n.index, from)}
}

func (m *chaosMonkey) cutConnections(context.Context) fault {
	hit := m.some()
	m.cluster.proxy.cut(hit)
	return fault{what: "connections cut", hit: hit}
}

func (m *chaosMonkey) stallConnections(ctx context.Context) fault {
	hit := m.some()
	m.cluster.proxy.setFlow(hit, stalled)
	m.wait(ctx, time.Second, 3*time.Second)
	m.cluster.proxy.setFlow(hit, flowing)
	return fault{what: "connections stalled", hit: hit}
}

// slowReaders has some clients read at a crawl, while there is a lot to read.
func (m *chaosMonkey) slowReaders(ctx context.Context) fault {
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
	return fault{what: "readers slowed to a crawl", hit: hit}
}

func (m *chaosMonkey) killRedis(ctx context.Context) fault {
	m.cluster.redis.Kill()
	m.wait(ctx, 200*time.Millisecond, 2*time.Second)
	m.cluster.redis.Restart()
	return fault{what: "Redis killed and restarted", hit: m.cluster.proxy.names(), redis: true}
}

func (m *chaosMonkey) freezeRedis(ctx context.Context) fault {
	m.cluster.redis.Freeze()
	m.wait(ctx, 500*time.Millisecond, 2500*time.Millisecond)
	m.cluster.redis.Thaw()
	return fault{what: "Redis frozen", hit: m.cluster.proxy.names(), redis: true}
}

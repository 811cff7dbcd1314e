package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// spare is how many open files are left for what is not a client.
const spare = 500

// idles measures what a client takes that has a subscription and gets nothing.
func idles(r *run) error {
	const each, whole = "resident memory for each socket", "resident memory of the server"
	sockets := r.pick(10_000, 1000)
	table := compared(fmt.Sprintf("Memory of %d idle sockets", sockets), "sockets", sockets, "channels", failoverChannels, "subscriptions", "one each").
		figure(each, "bytes", absolute(8192)).figure(whole, "MiB").figure(connected, "s")
	takes := func(p rig.Peer) bool { return among(p, rig.Pandapush, rig.Centrifuge, rig.SocketIO, rig.Floor) }
	return r.compare(contest{stages: []*Comparison{table}, takes: takes, rounds: 1, measure: func(m *match) ([]sample, error) {
		before, after, took, err := m.idle(sockets)
		if err != nil {
			return nil, err
		}
		return []sample{{
			each: float64(after-before) / float64(sockets), whole: float64(after) / (1 << 20), connected: took.Seconds(),
		}}, nil
	}})
}

// Names of what a client costs that connects, or comes back.
const (
	serverSession = "server CPU for each"
	redisSession  = "Redis CPU for each"
	loaderSession = "load generator CPU for each"
)

// sessions adds what each of n clients cost.
func (m *match) sessions(s sample, cost meter, n int) {
	s[serverSession], s[loaderSession] = microseconds(cost.server.Total())/float64(n), microseconds(cost.ours.Total())/float64(n)
	if m.redis != nil {
		s[redisSession] = microseconds(cost.redis.Total()) / float64(n)
	}
}

// connects measures how long clients take to connect and subscribe, and what that costs.
func connects(r *run) error {
	sockets := r.pick(10_000, 1000)
	table := compared(fmt.Sprintf("%d clients connect and subscribe", sockets), "sockets", sockets, "channels", failoverChannels, "subscriptions", "one each").
		figure(connected, "s", atMost(1, rig.Centrifuge)).figure(serverSession, "µs").figure(redisSession, "µs").figure(loaderSession, "µs")
	takes := func(p rig.Peer) bool { return among(p, rig.Pandapush, rig.Centrifuge, rig.SocketIO, rig.Floor) }
	return r.compare(contest{stages: []*Comparison{table}, takes: takes, measure: func(m *match) ([]sample, error) {
		spread := func(i int) []int { return []int{i % failoverChannels} }
		if _, err := m.gather(failoverChannels, m.server, spread); err != nil { // so that what everybody needs is there
			return nil, err
		}
		before, err := m.read(m.server)
		if err != nil {
			return nil, err
		}
		if _, err := m.gather(sockets, m.server, spread); err != nil {
			return nil, err
		}
		after, err := m.read(m.server)
		cost, took := after.since(before)
		s := sample{connected: took.Seconds()}
		m.sessions(s, cost, sockets)
		return []sample{s}, err
	}})
}

// mostIdle measures Pandapush alone, with as many sockets as a process may have open, and what they cost while nothing is
// published: connects that are answered and sent again, pings, and sessions that are kept alive.
func mostIdle(r *run) error {
	const each, whole = "resident memory for each socket", "resident memory of the server"
	const upkeep, redisUpkeep = "server CPU for each idle socket and second", "Redis CPU for each idle socket and second"
	var files unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files); err != nil {
		return fmt.Errorf("ask how many files may be open: %w", err)
	}
	sockets := r.pick(int(min(files.Max, 1<<20))-spare, 2000)
	table := compared("As many idle sockets as a process may have open", "sockets", sockets, "open files at most", files.Max).
		figure(each, "bytes", absolute(8192)).figure(whole, "MiB").figure(connected, "s").figure(upkeep, "µs").figure(redisUpkeep, "µs")
	return r.compare(contest{stages: []*Comparison{table}, takes: ours, rounds: 1, measure: func(m *match) ([]sample, error) {
		before, after, took, err := m.idle(sockets)
		if err != nil {
			return nil, err
		}
		cost, seconds, err := m.idling()
		if err != nil {
			return nil, err
		}
		perSocket := 1 / (float64(sockets) * seconds)
		return []sample{{
			each: float64(after-before) / float64(sockets), whole: float64(after) / (1 << 20), connected: took.Seconds(),
			upkeep: microseconds(cost.server.Total()) * perSocket, redisUpkeep: microseconds(cost.redis.Total()) * perSocket,
		}}, nil
	}})
}

// idling measures what a server spends while nothing is published, and for how many seconds it was. A connect is held for 30.
func (m *match) idling() (cost meter, seconds float64, err error) {
	before, err := m.read(m.server)
	if err != nil {
		return cost, 0, err
	}
	if err := m.loop.For(m.while(time.Minute, 2*time.Second)); err != nil {
		return cost, 0, err
	}
	after, err := m.read(m.server)
	cost, took := after.since(before)
	return cost, took.Seconds(), err
}

// idle connects sockets, and returns the server's resident memory before and after, in bytes, and how long it took them.
// Some connect before, so that what everybody needs is there.
func (m *match) idle(sockets int) (before, after int64, took time.Duration, err error) {
	spread := func(i int) []int { return []int{i % failoverChannels} }
	if _, err = m.gather(100, m.server, spread); err != nil {
		return 0, 0, 0, err
	}
	if before, err = m.steady(m.server.Process); err != nil {
		return 0, 0, 0, err
	}
	began := time.Now()
	if _, err = m.gather(sockets, m.server, spread); err != nil {
		return 0, 0, 0, err
	}
	took = time.Since(began)
	after, err = m.steady(m.server.Process)
	return before, after, took, err
}

// ours takes Pandapush as it is.
func ours(p rig.Peer) bool { return p.Name == rig.Pandapush }

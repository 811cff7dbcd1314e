package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// sample is what one measurement of one peer gave, by the name of the figure. What could not be measured is not there.
type sample map[string]float64

// contest is a measurement that every peer goes through in each round. It may have several stages, which become a table
// each; a peer that breaks off gives fewer samples than there are stages.
type contest struct {
	takes   func(rig.Peer) bool // nil: all peers
	rounds  int                 // 0: three
	stages  []*Comparison
	measure func(*match) ([]sample, error)
}

// match is one peer's turn: its own Redis, its first server, and clients that nobody has used before.
type match struct {
	*run

	peer      rig.Peer
	redis     *rig.Redis // nil if the peer needs none
	server    *rig.Server
	latencies *load.Latencies
	servers   int
	channel   func(number int) string // the names of the channels
}

// compare has all peers go through a contest, one after the other, and that for some rounds; who begins changes. Peers that
// stand aside are there in the first only. The tables get the medians.
func (r *run) compare(c contest) error {
	var peers []rig.Peer
	for _, p := range r.peers {
		if c.takes == nil || c.takes(p) {
			peers = append(peers, p)
		}
	}
	rounds := func(p rig.Peer) int {
		if p.Aside {
			return 1
		}
		return r.pick(cmp.Or(c.rounds, 3), 1)
	}
	for round := range r.pick(cmp.Or(c.rounds, 3), 1) {
		for turn := range peers {
			p := peers[(turn+round)%len(peers)]
			if round >= rounds(p) {
				continue
			}
			r.say("%s: %s, round %d of %d", c.stages[0].Title, p.Name, round+1, rounds(p))
			samples, err := r.match(p, c.measure)
			if err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
			for stage, s := range samples {
				c.stages[stage].take(p.Name, s)
			}
		}
	}
	for _, stage := range c.stages {
		stage.settle(peers, rounds)
	}
	r.report.Comparisons = append(r.report.Comparisons, c.stages...)
	return nil
}

// match gives one peer its turn.
func (r *run) match(p rig.Peer, measure func(*match) ([]sample, error)) (_ []sample, err error) {
	own := *r
	if own.rig, err = rig.New(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, own.rig.Close()) }()
	if own.loop, err = load.NewLoop(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, own.loop.Close()) }()
	m := &match{run: &own, peer: p, latencies: load.NewLatencies(), channel: rig.Channel}
	if !p.NoRedis {
		if m.redis, err = own.rig.StartRedis(); err != nil {
			return nil, err
		}
	}
	if m.server, err = m.start(); err != nil {
		return nil, err
	}
	return measure(m)
}

// start starts one more server of the peer, at the same Redis.
func (m *match) start(settings ...string) (*rig.Server, error) {
	m.servers++
	return m.rig.StartPeer(fmt.Sprintf("server-%d", m.servers), m.peer, m.programs, m.redis, settings...)
}

// clients are many clients of a server.
type clients []*load.Client

// gather connects n clients to a server, some hundred at a time, or fewer if they have many channels. Client i subscribes to
// the channels of the numbers that channels(i) gives.
func (m *match) gather(n int, server *rig.Server, channels func(i int) []int) (clients, error) {
	atOnce := 200
	if n > 0 {
		atOnce = max(8, atOnce/len(channels(0)))
	}
	all := make(clients, 0, n)
	for len(all) < n {
		if waiting := all[max(0, len(all)-2*atOnce):].count(func(c *load.Client) bool { return !c.Ready() }); waiting >= atOnce {
			if err := m.loop.Poll(time.Millisecond); err != nil {
				return nil, err
			}
			continue
		}
		for range min(atOnce/4, n-len(all)) {
			numbers := channels(len(all))
			names := make([]string, 0, len(numbers))
			for _, number := range numbers {
				names = append(names, m.channel(number))
			}
			c := load.NewClient(m.loop, m.peer.Dialect, numbers[0], names, m.latencies)
			if err := c.Connect(server.Addr); err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	err := m.loop.While("connect", patience, func() bool {
		return all.count(func(c *load.Client) bool { return !c.Ready() && !c.Down() && c.Failed == 0 }) > 0
	})
	if refused := all.tally().failed; err == nil && refused > 0 {
		return nil, fmt.Errorf("connect: %d refusals", refused)
	}
	if broken := all.count((*load.Client).Down); err == nil && broken > 0 {
		return nil, fmt.Errorf("connect: %d of %d sockets were closed", broken, n)
	}
	return all, err
}

// one has all clients subscribe to the same channel; each gives each its own.
func one(int) []int    { return []int{0} }
func each(i int) []int { return []int{i} }

func (c clients) count(ok func(*load.Client) bool) (n int) {
	for _, client := range c {
		if ok(client) {
			n++
		}
	}
	return n
}

// close closes all sockets.
func (c clients) close() {
	for _, client := range c {
		client.Close()
	}
}

// tally returns what the clients have counted together.
func (c clients) tally() (t tally) {
	for _, client := range c {
		t.received += client.Received
		t.lost += client.Lost
		t.repeated += client.Repeated
		t.failed += client.Failed
	}
	return t
}

// poster returns a poster to the first n channels, that publishes at a server.
func (m *match) poster(server *rig.Server, n, connections int) (*load.Poster, error) {
	names := make([]string, n)
	for i := range names {
		names[i] = m.channel(i)
	}
	return load.NewPoster(m.loop, m.peer.Dialect, server.Addr, names, connections, payload)
}

// payload is how long a message is, in bytes.
const payload = 128

// meter reads what a while of a measurement cost.
type meter struct {
	began               time.Time
	server, redis, ours rig.CPU
}

// read reads the counters of now. All of the peer's servers count together.
func (m *match) read(servers ...*rig.Server) (now meter, err error) {
	now.began = time.Now()
	for _, s := range servers {
		cpu, err := s.CPU()
		if err != nil {
			return now, err
		}
		now.server.User += cpu.User
		now.server.System += cpu.System
	}
	if m.redis != nil {
		if now.redis, err = m.redis.CPU(); err != nil {
			return now, err
		}
	}
	now.ours, err = rig.OwnCPU()
	return now, err
}

// since returns what was spent since an earlier reading.
func (m meter) since(before meter) (cost meter, took time.Duration) {
	return meter{
		server: m.server.Sub(before.server), redis: m.redis.Sub(before.redis), ours: m.ours.Sub(before.ours),
	}, m.began.Sub(before.began)
}

// median returns the middle of some values, which it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}

func microseconds(d time.Duration) float64 { return 1e6 * d.Seconds() }

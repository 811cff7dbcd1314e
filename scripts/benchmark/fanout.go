package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// Names of figures that several measurements share.
const (
	cpuDelivery    = "server CPU per delivery"
	userDelivery   = "… of that in user mode"
	systemDelivery = "… of that in the kernel"
	redisPublish   = "Redis CPU per publish"
	half           = "latency, p50"
	most           = "latency, p99"
	arrived        = "share of the messages that came in time"
	loaderDelivery = "load generator CPU per delivery"
	loaderBusy     = "share of the time that the load generator was busy"
	connected      = "all connected and subscribed after"
)

// bottleneck is from which share of its time on, in percent, the load generator may be what limits a measurement.
const bottleneck = 80

// fanouts measures one channel with many sockets, at rates that every peer is given alike.
func fanouts(r *run) error {
	sizes, rates := []int{1000, 10_000}, []int{5, 50, 100, 300}
	if r.quick {
		sizes, rates = []int{300}, []int{50, 100}
	}
	for _, sockets := range sizes {
		steps := rates
		if sockets >= 10_000 {
			steps = []int{5, 20, 50} // what a machine takes at 1,000 sockets, it takes a tenth as often here
		}
		var stages []*Comparison
		for _, rate := range steps {
			stages = append(stages, fanoutTable(sockets, rate))
		}
		stages[0].figure(connected, "s", atMost(1, rig.Centrifuge))
		takes := func(p rig.Peer) bool { return sockets < 10_000 || among(p, rig.Pandapush, rig.Centrifuge, rig.Floor) }
		err := r.compare(contest{stages: stages, takes: takes, measure: func(m *match) ([]sample, error) { return m.fanout(sockets, steps) }})
		if err != nil {
			return err
		}
	}
	return nil
}

// fanoutTable returns the table of one rate, with the aims that hold at it.
func fanoutTable(sockets, rate int) *Comparison {
	c := compared(fmt.Sprintf("Fan-out to %d sockets, %d messages/s", sockets, rate),
		"sockets", sockets, "channels", 1, "messages/s", rate, "payload bytes", payload)
	with := map[int]float64{50: 0.75, 100: 0.6, 300: 0.55}
	without := map[int]float64{50: 0.8, 100: 0.8, 300: 0.9}
	var cpu, user, p50, p99 []*Aim
	if with[rate] > 0 {
		cpu = []*Aim{
			atMost(with[rate], rig.Centrifuge), atMost(without[rate], rig.Centrifuge).of(rig.NoWindow), atMost(1.2, rig.Floor).of(rig.NoWindow),
		}
	}
	switch rate {
	case 50:
		user = []*Aim{absolute(2), atMost(0.4, rig.Centrifuge)}
		p50, p99 = []*Aim{atMost(1, rig.Centrifuge)}, []*Aim{atMost(1, rig.Centrifuge)}
	case 100:
		p50, p99 = []*Aim{atMost(0.7, rig.Centrifuge)}, []*Aim{atMost(0.7, rig.Centrifuge)}
	}
	return c.figure(cpuDelivery, "µs", cpu...).figure(userDelivery, "µs", user...).figure(systemDelivery, "µs").figure(redisPublish, "µs").
		figure(half, "ms", p50...).figure(most, "ms", p99...).figure(arrived, "%").
		figure(loaderDelivery, "µs").figure(loaderBusy, "%")
}

// fanout measures one peer at all rates, until it falls short of one.
func (m *match) fanout(sockets int, rates []int) ([]sample, error) {
	began := time.Now()
	all, err := m.gather(sockets, m.server, one)
	if err != nil {
		return nil, err
	}
	ready := time.Since(began)
	poster, err := m.poster(m.server, 1, 8)
	if err != nil {
		return nil, err
	}
	defer poster.Close()
	var samples []sample
	for _, rate := range rates {
		s, err := m.steadily(all, poster, sockets, float64(rate), m.server)
		if err != nil {
			return nil, err
		}
		s[connected] = ready.Seconds()
		samples = append(samples, s)
		if s[arrived] < enough {
			break // it would only be further behind
		}
	}
	return samples, nil
}

// enough is which share of the messages, in percent, must come while a rate lasts for the rate to hold.
const enough = 95

// steadily publishes at a steady rate and measures what each message costs that sockets clients get, and how long it
// takes. What comes after the end counts for latency only.
func (m *match) steadily(all clients, poster *load.Poster, sockets int, rate float64, servers ...*rig.Server) (sample, error) {
	if err := poster.Start(rate); err != nil {
		return nil, err
	}
	if err := m.loop.For(m.while(time.Second, 500*time.Millisecond)); err != nil {
		return nil, err
	}
	m.latencies.Reset()
	m.loop.Busy()
	before, err := m.read(servers...)
	if err != nil {
		return nil, err
	}
	counted, published := all.tally(), poster.Answered
	if err := m.loop.For(m.while(4*time.Second, 1500*time.Millisecond)); err != nil {
		return nil, err
	}
	after, err := m.read(servers...)
	if err != nil {
		return nil, err
	}
	busy := m.loop.Busy()
	came := float64(all.tally().sub(counted).received)
	published = poster.Answered - published
	poster.Stop()
	if err := m.rest(all, poster); err != nil {
		return nil, err
	}
	cost, took := after.since(before)
	s := sample{
		arrived: 100 * came / (rate * took.Seconds() * float64(sockets)), loaderBusy: 100 * busy,
		half: milliseconds(m.latencies.Quantile(50)), most: milliseconds(m.latencies.Quantile(99)),
	}
	m.costs(s, cost, came, float64(published))
	return s, nil
}

// costs adds what each delivery and each publish cost.
func (m *match) costs(s sample, cost meter, came, published float64) {
	if came > 0 {
		s[cpuDelivery] = microseconds(cost.server.Total()) / came
		s[userDelivery] = microseconds(cost.server.User) / came
		s[systemDelivery] = microseconds(cost.server.System) / came
		s[loaderDelivery] = microseconds(cost.ours.Total()) / came
	}
	if m.redis != nil && published > 0 {
		s[redisPublish] = microseconds(cost.redis.Total()) / published
	}
}

// rest waits until no more messages come, or for some seconds.
func (m *match) rest(all clients, poster *load.Poster) error {
	const pause = 200 * time.Millisecond
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		before := all.tally().received
		if err := m.loop.For(pause); err != nil {
			return err
		}
		if poster.Idle() && all.tally().received == before {
			break
		}
	}
	return poster.Err()
}

// while returns for how long something is measured: less if quick.
func (r *run) while(full, quick time.Duration) time.Duration {
	if r.quick {
		return quick
	}
	return full
}

// limits looks for the highest rate to 1,000 sockets that holds with a p99 of at most 100 ms.
func limits(r *run) error {
	const slowest = 100 // ms
	sockets := r.pick(1000, 300)
	rates := []float64{10, 15, 20, 30, 50, 100, 150, 200, 300, 400, 500, 600, 800, 1000, 1300, 1600}
	if r.quick {
		rates = []float64{200, 400, 800}
	}
	const highest = "highest rate that holds"
	table := compared(fmt.Sprintf("Fan-out to %d sockets, the highest rate", sockets),
		"sockets", sockets, "channels", 1, "payload bytes", payload, "holds", fmt.Sprintf("%d %% come in time, p99 at most %d ms", enough, slowest)).
		figure(highest, "deliveries/s", atLeast(1.3, rig.Centrifuge), atLeast(20, rig.FayeRedis)).
		figure(cpuDelivery, "µs").figure(most, "ms").figure(loaderBusy, "%")
	takes := func(p rig.Peer) bool { return among(p, rig.Pandapush, rig.Centrifuge, rig.FayeRedis) }
	return r.compare(contest{stages: []*Comparison{table}, takes: takes, measure: func(m *match) ([]sample, error) {
		best := sample{highest: 0}
		_, err := search(rates, func(rate float64) (bool, error) {
			s, err := m.alone(sockets, rate)
			if err != nil || s[arrived] < enough || s[most] > slowest {
				return false, err
			}
			s[highest] = rate * float64(sockets)
			best = s
			return true, nil
		})
		return []sample{best}, err
	}})
}

// search returns how many of some values, from the lowest on, hold, if each that holds means that lower ones do.
func search(values []float64, holds func(float64) (bool, error)) (n int, err error) {
	for above := len(values); n < above; {
		middle := (n + above) / 2
		ok, err := holds(values[middle])
		switch {
		case err != nil:
			return n, err
		case ok:
			n = middle + 1
		default:
			above = middle
		}
	}
	return n, nil
}

// alone measures a rate with sockets and a server of its own, that have no other rate to recover from.
func (m *match) alone(sockets int, rate float64) (sample, error) {
	server, err := m.start()
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	all, err := m.gather(sockets, server, one)
	if err != nil {
		return nil, err
	}
	defer all.close()
	poster, err := m.poster(server, 1, 8)
	if err != nil {
		return nil, err
	}
	defer poster.Close()
	return m.steadily(all, poster, sockets, rate, server)
}

// among reports whether a peer is one of those of the names.
func among(p rig.Peer, names ...string) bool { return slices.Contains(names, p.Name) }

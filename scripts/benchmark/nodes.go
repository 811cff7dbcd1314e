package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// shared takes the peers of which several nodes can serve the same channels.
func shared(p rig.Peer) bool { return !p.NoRedis && p.Name != rig.NoWindow }

// twoNodes publishes on one node what is received on another.
func twoNodes(r *run) error {
	const sockets, rate = 10, 100
	table := compared("Two nodes, published on one and received on the other", "sockets", sockets, "messages/s", rate, "payload bytes", payload).
		figure(half, "ms", atMost(0.9, rig.History)).figure(most, "ms", atMost(0.9, rig.History)).figure(redisPublish, "µs").
		figure(cpuDelivery, "µs").figure(userDelivery, "µs").figure(arrived, "%")
	return r.compare(contest{stages: []*Comparison{table}, takes: shared, measure: func(m *match) ([]sample, error) {
		other, err := m.start()
		if err != nil {
			return nil, err
		}
		all, err := m.gather(sockets, other, one)
		if err != nil {
			return nil, err
		}
		poster, err := m.poster(m.server, 1, 2)
		if err != nil {
			return nil, err
		}
		defer poster.Close()
		s, err := m.steadily(all, poster, sockets, rate, m.server, other)
		return []sample{s}, err
	}})
}

// nodeKilled takes a node away under clients that come back to another and say what they have got.
func nodeKilled(r *run) error {
	const caught, lost, repeated = "from the kill until all have caught up", "messages lost, all kills together", "messages repeated, all kills together"
	rate := r.pick(200, 50)
	kills := []struct{ sockets, rounds int }{{2000, 7}, {10_000, 3}} // ten
	if r.quick {
		kills = kills[:1]
		kills[0].sockets = 300
	}
	for _, k := range kills {
		sockets := k.sockets
		table := compared(fmt.Sprintf("A node is killed under %d sockets", sockets), "sockets", sockets, "channels", failoverChannels,
			"messages/s", rate, "clients return within", jitter, "kills", r.pick(k.rounds, 1)).
			figure(caught, "s", atMost(1, rig.History)).total(lost, absolute(0)).total(repeated, absolute(0)).
			figure(serverSession, "µs").figure(redisSession, "µs").figure(loaderBusy, "%")
		recovers := func(p rig.Peer) bool { return p.Since && p.Name != rig.NoWindow }
		err := r.compare(contest{stages: []*Comparison{table}, takes: recovers, rounds: k.rounds, measure: func(m *match) ([]sample, error) {
			cost, took, t, err := m.kill(sockets, float64(rate))
			s := sample{caught: took.Seconds(), lost: float64(t.lost), repeated: float64(t.repeated), loaderBusy: 100 * m.loop.Busy()}
			m.sessions(s, cost, sockets)
			return []sample{s}, err
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// kill kills the first node. It returns what it cost the other one, and how long it took, until every client had what was
// acknowledged by then.
func (m *match) kill(sockets int, rate float64) (cost meter, took time.Duration, t tally, err error) {
	survivor, err := m.start()
	if err != nil {
		return cost, 0, t, err
	}
	all, err := m.gather(sockets, m.server, func(i int) []int { return []int{i % failoverChannels} })
	if err != nil {
		return cost, 0, t, err
	}
	poster, err := m.poster(survivor, failoverChannels, 8)
	if err != nil {
		return cost, 0, t, err
	}
	defer poster.Close()
	if err := poster.Start(rate); err != nil {
		return cost, 0, t, err
	}
	if err := m.loop.For(m.while(failoverWarmUp, time.Second)); err != nil {
		return cost, 0, t, err
	}
	m.loop.Busy()
	counted := all.tally()
	before, err := m.read(survivor)
	if err != nil {
		return cost, 0, t, err
	}
	m.server.Kill()
	if err := m.comeBack(all, poster, survivor, before.began); err != nil {
		return cost, 0, t, err
	}
	after, err := m.read(survivor)
	if err != nil {
		return cost, 0, t, err
	}
	cost, took = after.since(before)
	if err := m.loop.For(m.while(afterwards, 500*time.Millisecond)); err != nil { // what is repeated late is counted too
		return cost, 0, t, err
	}
	return cost, took, all.tally().sub(counted), poster.Err()
}

// comeBack sends every client to the survivor, a while after the kill, and again should its new socket break, and waits
// until each has got what was published up to that moment.
func (m *match) comeBack(all clients, poster *load.Poster, survivor *rig.Server, killed time.Time) error {
	due := make([]time.Time, len(all))
	for i := range due {
		due[i] = killed.Add(rand.N(jitter))
	}
	slices.SortFunc(due, time.Time.Compare)
	next, returning := 0, make(clients, 0, len(all))
	var failed error
	err := m.loop.While("come back", patience, func() bool {
		for ; next < len(all) && all[next].Down() && time.Now().After(due[next]) && failed == nil; next++ {
			failed = all[next].Connect(survivor.Addr)
			returning = append(returning, all[next])
		}
		returning = slices.DeleteFunc(returning, func(c *load.Client) bool {
			if c.Down() && failed == nil {
				failed = c.Connect(survivor.Addr)
			}
			return c.Ready() && c.Last() >= poster.Acked(c.Channel)
		})
		return failed == nil && poster.Err() == nil && (next < len(all) || len(returning) > 0)
	})
	return errors.Join(failed, poster.Err(), err)
}

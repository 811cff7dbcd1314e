package main

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

const (
	perSecond      = "messages published and delivered"
	cpuMessage     = "server CPU per publish and delivery"
	publishers     = 8  // keep-alive connections
	publishingOnce = 64 // sockets that have a message under way at a time
)

// channelTable returns the table of a way to publish to many channels.
func channelTable(title string, sockets int, settings ...any) *Comparison {
	settings = append(settings, "sockets", sockets, "channels", "one for each socket", "payload bytes", payload)
	return compared(title, settings...)
}

// channels measures sockets that each have a channel of their own, while as much is published as the server takes: over
// HTTP, the next message when one is answered; and over the sockets, the next when one has come.
func channels(r *run) error {
	sockets := r.pick(1000, 200)
	http := channelTable("Many channels, published over HTTP as fast as it goes", sockets, "connections", publishers).
		figure(perSecond, "/s", atLeast(1.4, rig.History), atLeast(2, rig.FayeRedis)).
		figure(cpuMessage, "µs", atMost(0.75, rig.History)).
		figure(redisPublish, "µs", atMost(0.7, rig.History)).figure(half, "ms").figure(most, "ms").figure(loaderBusy, "%")
	socket := channelTable("Many channels, published over WebSocket as fast as it goes", sockets, "under way", publishingOnce).
		figure(perSecond, "/s", atLeast(1.4, rig.History)).
		figure(cpuMessage, "µs", atMost(0.75, rig.History)).
		figure(redisPublish, "µs", atMost(0.7, rig.History)).figure(half, "ms").figure(most, "ms").figure(loaderBusy, "%")
	takes := func(p rig.Peer) bool { return !among(p, rig.NoWindow, rig.Coalescing, "Faye (memory)") }
	return r.compare(contest{stages: []*Comparison{http, socket}, takes: takes, measure: func(m *match) ([]sample, error) {
		all, err := m.gather(sockets, m.server, each)
		if err != nil {
			return nil, err
		}
		first, err := m.overHTTP(all)
		if err != nil {
			return nil, err
		}
		second, err := m.overSockets(all)
		return []sample{first, second}, err
	}})
}

// overHTTP publishes to all clients' channels by turns.
func (m *match) overHTTP(all clients) (sample, error) {
	poster, err := m.poster(m.server, len(all), publishers)
	if err != nil {
		return nil, err
	}
	defer poster.Close()
	if err := poster.Start(0); err != nil {
		return nil, err
	}
	s, err := m.flatOut(all)
	if err := cmp.Or(poster.Err(), err); err != nil { // the first explains the other
		return nil, err
	}
	poster.Stop()
	return s, m.rest(all, poster)
}

// overSockets has some clients publish, and whenever one gets its message the next one in the row.
func (m *match) overSockets(all clients) (sample, error) {
	next, running := 0, true
	publish := func(*load.Client) {
		if running {
			all[next%len(all)].Publish(payload)
			next++
		}
	}
	for _, c := range all {
		c.Arrived = publish
	}
	for range min(publishingOnce, len(all)/2) {
		publish(nil)
	}
	s, err := m.flatOut(all)
	running = false
	if failed := all.tally().failed; failed > 0 {
		return nil, fmt.Errorf("publish over WebSocket: %d refusals", failed)
	}
	return s, err
}

// errSilent is what a measurement fails with in which nothing comes.
var errSilent = errors.New("no message came")

// flatOut measures clients that get as much as comes.
func (m *match) flatOut(all clients) (sample, error) {
	if err := m.loop.For(m.while(time.Second, 300*time.Millisecond)); err != nil {
		return nil, err
	}
	m.latencies.Reset()
	m.loop.Busy()
	counted := all.tally().received
	before, err := m.read(m.server)
	if err != nil {
		return nil, err
	}
	if err := m.loop.For(m.while(4*time.Second, time.Second)); err != nil {
		return nil, err
	}
	after, err := m.read(m.server)
	if err != nil {
		return nil, err
	}
	came := float64(all.tally().received - counted)
	if came == 0 {
		return nil, errSilent
	}
	cost, took := after.since(before)
	s := sample{
		perSecond: came / took.Seconds(), cpuMessage: microseconds(cost.server.Total()) / came,
		half: milliseconds(m.latencies.Quantile(50)), most: milliseconds(m.latencies.Quantile(99)), loaderBusy: 100 * m.loop.Busy(),
	}
	if m.redis != nil {
		s[redisPublish] = microseconds(cost.redis.Total()) / came
	}
	return s, nil
}

package main

import (
	"fmt"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// flat is by how much the cost of a message may grow while something else does by orders of magnitude.
const flat = 1.3

// applications measures what a message costs on a node that serves more and more applications, each with a socket. The
// messages go to all of them by turns, as many a second however many there are.
func applications(r *run) error {
	const rate = 500
	counts := []int{1, 10, 100, 1000, 10_000}
	if r.quick {
		counts = []int{1, 100}
	}
	const most = 1000 // applications up to which the cost should be flat
	table := compared("Growth: active applications", "sockets", "one for each", "messages/s", rate, "payload bytes", payload)
	var growths []string
	for _, count := range counts {
		growth, aims := fmt.Sprintf("… as a multiple of that with one, %d applications", count), []*Aim(nil)
		if count > 1 && count <= most {
			aims = []*Aim{absolute(flat)}
		}
		growths = append(growths, growth)
		table.figure(appsFigure(cpuDelivery, count), "µs").figure(growth, "", aims...).figure(appsFigure(redisPublish, count), "µs")
	}
	return r.compare(contest{stages: []*Comparison{table}, takes: ours, measure: func(m *match) ([]sample, error) {
		m.server.Kill() // it has made the database
		if err := m.rig.AddApps(counts[len(counts)-1]); err != nil {
			return nil, err
		}
		m.channel = func(number int) string { return load.ChannelName(rig.AppName(number), 0) }
		result := sample{}
		for i, count := range counts {
			s, err := m.serving(count, rate)
			if err != nil {
				return nil, err
			}
			result[appsFigure(cpuDelivery, count)], result[appsFigure(redisPublish, count)] = s[cpuDelivery], s[redisPublish]
			result[growths[i]] = s[cpuDelivery] / result[appsFigure(cpuDelivery, counts[0])]
		}
		return []sample{result}, nil
	}})
}

// serving measures as many applications, each with a client, on a server of its own.
func (m *match) serving(count int, rate float64) (sample, error) {
	server, err := m.start()
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	return m.listening(count, count, server, rate)
}

func appsFigure(what string, count int) string {
	return fmt.Sprintf("%s, %d applications", what, count)
}

// subscriptions measures what a message costs on a node that holds more and more subscriptions, of which one gets all.
func subscriptions(r *run) error {
	const rate, sockets = 500, 1000 // sockets that hold the others
	counts := []int{1, 1000, 100_000, 1_000_000}
	if r.quick {
		counts = []int{1, 10_000}
	}
	table := compared("Growth: subscriptions", "sockets", fmt.Sprintf("up to %d", sockets), "messages/s", rate,
		"deliveries", "one for each message", "payload bytes", payload)
	var growths []string
	for _, count := range counts {
		growth, aims := fmt.Sprintf("… as a multiple of that with one, %d subscriptions", count), []*Aim(nil)
		if count > 1 {
			aims = []*Aim{absolute(flat)}
		}
		growths = append(growths, growth)
		table.figure(subsFigure(count), "µs").figure(growth, "", aims...)
	}
	return r.compare(contest{stages: []*Comparison{table}, takes: ours, measure: func(m *match) ([]sample, error) {
		result := sample{}
		for i, count := range counts {
			s, err := m.silent(count-1, min(sockets, count-1), rate)
			if err != nil {
				return nil, err
			}
			result[subsFigure(count)] = s[cpuDelivery]
			result[growths[i]] = s[cpuDelivery] / result[subsFigure(counts[0])]
		}
		return []sample{result}, nil
	}})
}

func subsFigure(count int) string { return fmt.Sprintf("%s, %d subscriptions", cpuDelivery, count) }

// silent measures one client that gets messages, on a server of its own that holds others' subscriptions, which get none.
func (m *match) silent(subscriptions, sockets int, rate float64) (sample, error) {
	server, err := m.start("MAX_SUBSCRIPTIONS=2000")
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	others, err := m.gather(sockets, server, func(i int) []int {
		var numbers []int
		for n := i; n < subscriptions; n += sockets {
			numbers = append(numbers, 1+n)
		}
		return numbers
	})
	if err != nil {
		return nil, err
	}
	defer others.close()
	if err := m.loop.For(m.while(3*time.Second, 500*time.Millisecond)); err != nil { // what it has to do about them is done
		return nil, err
	}
	return m.listening(1, 1, server, rate)
}

// listening measures clients that have one of the busy channels each, in turn.
func (m *match) listening(sockets, busy int, server *rig.Server, rate float64) (sample, error) {
	all, err := m.gather(sockets, server, func(i int) []int { return []int{i % busy} })
	if err != nil {
		return nil, err
	}
	defer all.close()
	poster, err := m.poster(server, busy, 8)
	if err != nil {
		return nil, err
	}
	defer poster.Close()
	return m.steadily(all, poster, sockets/busy, rate, server)
}

// edges measures what it costs that more and more nodes read one busy application.
func edges(r *run) error {
	const rate = 200
	nodes, sockets := []int{1, 5, 20}, r.pick(50, 10) // sockets on each node
	if r.quick {
		nodes = []int{1, 3}
	}
	var stages []*Comparison
	for _, n := range nodes {
		stages = append(stages, compared(fmt.Sprintf("Growth: %d nodes read one application", n), "nodes", n, "sockets on each", sockets, "messages/s", rate).
			figure(redisPublish, "µs").figure(cpuDelivery, "µs").figure(half, "ms").figure(most, "ms").figure(arrived, "%"))
	}
	return r.compare(contest{stages: stages, takes: ours, measure: func(m *match) (samples []sample, err error) {
		servers := []*rig.Server{m.server}
		for _, n := range nodes {
			for len(servers) < n {
				server, err := m.start()
				if err != nil {
					return nil, err
				}
				servers = append(servers, server)
			}
			s, err := m.onEach(servers, sockets, rate)
			if err != nil {
				return nil, err
			}
			samples = append(samples, s)
		}
		return samples, nil
	}})
}

// onEach measures clients that are spread evenly over nodes, while messages are published on the first.
func (m *match) onEach(servers []*rig.Server, sockets int, rate float64) (sample, error) {
	var all clients
	defer func() { all.close() }()
	for _, server := range servers {
		some, err := m.gather(sockets, server, one)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	poster, err := m.poster(servers[0], 1, 4)
	if err != nil {
		return nil, err
	}
	defer poster.Close()
	return m.steadily(all, poster, len(all), rate, servers...)
}

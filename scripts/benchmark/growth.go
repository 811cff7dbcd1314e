package main

import (
	"fmt"

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
			s, err := m.subscribed(count, 1, count, rate)
			if err != nil {
				return nil, err
			}
			result[appsFigure(cpuDelivery, count)], result[appsFigure(redisPublish, count)] = s[cpuDelivery], s[redisPublish]
			result[growths[i]] = s[cpuDelivery] / result[appsFigure(cpuDelivery, counts[0])]
		}
		return []sample{result}, nil
	}})
}

func appsFigure(what string, count int) string {
	return fmt.Sprintf("%s, %d applications", what, count)
}

// subscriptions measures what a message costs on a node that holds more and more subscriptions, of which only those of the
// first channels get any.
func subscriptions(r *run) error {
	const busy, rate = 100, 500
	sockets := r.pick(1000, 200)
	counts := []int{1, 100, 1000} // for each socket
	if r.quick {
		counts = []int{1, 20}
	}
	table := compared("Growth: subscriptions", "sockets", sockets, "messages/s", rate, "channels with messages", busy, "payload bytes", payload)
	for _, count := range counts {
		table.figure(fmt.Sprintf("%s, %d subscriptions", cpuDelivery, sockets*count), "µs")
	}
	growth := fmt.Sprintf("the last, as a multiple of the first (%d subscriptions)", sockets*counts[0])
	table.figure(growth, "", absolute(flat))
	return r.compare(contest{stages: []*Comparison{table}, takes: ours, measure: func(m *match) ([]sample, error) {
		result := sample{}
		for i, count := range counts {
			s, err := m.subscribed(sockets, count, busy, rate)
			if err != nil {
				return nil, err
			}
			result[table.Figures[i].What] = s[cpuDelivery]
			result[growth] = s[cpuDelivery] / result[table.Figures[0].What]
		}
		return []sample{result}, nil
	}})
}

// subscribed measures clients on a server of their own: each subscribes to one of the busy channels and to others, which
// are its own and silent.
func (m *match) subscribed(sockets, count, busy int, rate float64) (sample, error) {
	// A session may hold as many as it is asked to here.
	server, err := m.start(fmt.Sprintf("MAX_SUBSCRIPTIONS=%d", count+1))
	if err != nil {
		return nil, err
	}
	defer server.Kill()
	all, err := m.gather(sockets, server, func(i int) []int {
		numbers := []int{i % busy}
		for extra := range count - 1 {
			numbers = append(numbers, busy+i*count+extra)
		}
		return numbers
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
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
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
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

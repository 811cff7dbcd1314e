package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// footprint is what a node takes.
type footprint struct {
	resident int64 // bytes, by the system
	metrics  rig.Metrics
}

// settle waits until a node's memory stays as it is, while the clients go on, and returns what it takes then.
func (r *run) settle(node *rig.Node) (footprint, error) {
	resident, err := r.steady(node.Process)
	if err != nil {
		return footprint{}, err
	}
	metrics, err := node.Metrics()
	return footprint{resident, metrics}, err
}

// steady waits until a server's resident memory stays as it is, and returns it in bytes.
func (r *run) steady(server *rig.Process) (int64, error) {
	const pause, tolerance = 500 * time.Millisecond, 0.002
	samples := r.pick(12, 4)
	var last []int64
	for deadline := time.Now().Add(time.Duration(r.pick(150, 5)) * time.Second); ; {
		if err := r.loop.For(pause); err != nil {
			return 0, err
		}
		now, err := server.RSS()
		if err != nil {
			return 0, err
		}
		last = append(last[max(0, len(last)-samples+1):], now)
		least, most := last[0], last[0]
		for _, v := range last {
			least, most = min(least, v), max(most, v)
		}
		if len(last) == samples && float64(most-least) <= tolerance*float64(most) || time.Now().After(deadline) {
			return now, nil
		}
	}
}

// heapParts are the parts of a node's memory, as Go's runtime tells.
var heapParts = []struct {
	what string
	of   func(rig.Metrics) float64
}{
	{"of that, by Go's runtime: heap in use, garbage included", func(m rig.Metrics) float64 { return m["go_memstats_heap_inuse_bytes"] }},
	{"free heap that was not given back", func(m rig.Metrics) float64 {
		return m["go_memstats_heap_idle_bytes"] - m["go_memstats_heap_released_bytes"]
	}},
	{"stacks", func(m rig.Metrics) float64 { return m["go_memstats_stack_inuse_bytes"] }},
}

// idleMemory measures what a session takes that has a subscription and gets nothing.
func idleMemory(r *run) error {
	sessions := r.pick(10_000, 1000)
	redis, err := r.rig.StartRedis()
	if err != nil {
		return err
	}
	defer redis.Kill()
	node, err := r.rig.StartNode("idle", r.binary, redis)
	if err != nil {
		return err
	}
	defer node.Kill()
	r.say("measuring the memory of %d idle sessions", sessions)
	warm, err := r.assemble(100, failoverChannels, node, false) // so that what everybody needs is there before
	if err != nil {
		return err
	}
	before, err := r.settle(node)
	if err != nil {
		return err
	}
	all, err := r.assemble(sessions, failoverChannels, node, false)
	if err != nil {
		return err
	}
	defer func() { warm.close(); all.close() }()
	after, err := r.settle(node)
	if err != nil {
		return err
	}
	t := r.report.Table("Memory of an idle session", "sessions", sessions, "subscriptions", "one each", "transport", "WebSocket")
	t.idle(before, after, sessions, 8192)
	return nil
}

// idle adds what each of n clients takes of a node: what it takes with them less what it took before. aim is in bytes.
func (t *Table) idle(before, after footprint, clients int, aim float64) {
	n := float64(clients)
	t.Aim("resident memory for each", float64(after.resident-before.resident)/n, "bytes", aim)
	for _, part := range heapParts {
		t.Add(part.what, (part.of(after.metrics)-part.of(before.metrics))/n, "bytes")
	}
	t.Add("goroutines for each", (after.metrics["go_goroutines"]-before.metrics["go_goroutines"])/n, "")
	t.Add("objects on the heap for each, garbage included", (after.metrics["go_memstats_heap_objects"]-before.metrics["go_memstats_heap_objects"])/n, "")
	t.Add("resident memory of the node", float64(after.resident)/(1<<20), "MiB")
}

// behindMemory compares sessions whose clients do not read, while messages are published, with the same sessions level.
func behindMemory(r *run) error {
	const payload = 200
	sessions, messages := r.pick(1000, 200), r.pick(5000, 2000)
	redis, err := r.rig.StartRedis()
	if err != nil {
		return err
	}
	defer redis.Kill()
	// Nothing may end a session that is silent for as long as this takes.
	node, err := r.rig.StartNode("behind", r.binary, redis, "CONNECT_TIMEOUT=30m", "PING_INTERVAL=30m", "WRITE_TIMEOUT=30m")
	if err != nil {
		return err
	}
	defer node.Kill()
	all, err := r.assemble(sessions, 1, node, true)
	if err != nil {
		return err
	}
	defer all.close()
	publisher := load.NewPublisher(rig.App, rig.Key, rig.Secret, 1, payload)
	publisher.Aim(node.Addr)
	r.say("sending %d messages to %d sessions", messages, sessions)
	at, behind, err := r.stall(all, publisher, node, messages)
	if err != nil {
		return err
	}
	r.reportBehind(all, at, behind, messages, payload)
	return nil
}

// stall publishes messages that the sessions read, then as many that they do not, and then has them read those. It
// returns what the node took after each, and how far behind the sessions were.
func (r *run) stall(all crowd, p *load.Publisher, node *rig.Node, messages int) (at [3]footprint, behind float64, err error) {
	for i, step := range []struct {
		stalled  bool
		messages int
	}{{false, messages}, {true, messages}, {false, 0}} {
		for _, s := range all {
			s.Stall(step.stalled)
		}
		if err := r.send(p, step.messages); err != nil {
			return at, 0, err
		}
		if !step.stalled {
			if err := r.level(all, p); err != nil {
				return at, 0, err
			}
		}
		if at[i], err = r.settle(node); err != nil {
			return at, 0, err
		}
		behind = max(behind, all.behind(p))
	}
	return at, behind, nil
}

// send publishes to channel 0, as fast as one connection goes.
func (r *run) send(p *load.Publisher, messages int) error {
	target := p.Acked(0) + int64(messages)
	p.Publish(0, messages)
	err := r.loop.While("publish", patience, func() bool { return p.Err() == nil && p.Acked(0) < target })
	p.Wait()
	return cmp.Or(p.Err(), err)
}

// behind returns how many messages the sessions have yet to get, on average.
func (c crowd) behind(p *load.Publisher) float64 {
	total := int64(0)
	for _, s := range c {
		total += p.Acked(s.Channel) - s.Last()
	}
	return float64(total) / float64(len(c))
}

func (r *run) reportBehind(all crowd, at [3]footprint, behind float64, messages, payload int) {
	n := float64(len(all))
	t := r.report.Table(fmt.Sprintf("Memory of a session that is %d messages behind", messages),
		"sessions", len(all), "channels", 1, "payload bytes", payload)
	t.Add("messages that a client has not read, on average", behind, "")
	t.Add("resident memory of the node, all level", float64(at[0].resident)/(1<<20), "MiB")
	t.Add("all behind", float64(at[1].resident)/(1<<20), "MiB")
	t.Add("all level again", float64(at[2].resident)/(1<<20), "MiB")
	t.Aim("more for each session that is behind", float64(at[1].resident-at[0].resident)/n, "bytes", 0)
	for _, part := range heapParts {
		t.Add(part.what, (part.of(at[1].metrics)-part.of(at[0].metrics))/n, "bytes")
	}
	counted := all.tally()
	t.Aim("messages lost", float64(counted.lost), "", 0)
	t.Aim("messages repeated", float64(counted.repeated), "", 0)
	t.Aim("refusals", float64(counted.failed), "", 0)
}

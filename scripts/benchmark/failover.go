package main

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

const (
	failoverChannels = 100
	failoverPayload  = 128 // bytes
	failoverWarmUp   = 3 * time.Second
	afterwards       = 2 * time.Second
	// jitter is over which time clients come back. Faye's own client would wait 5 s first.
	jitter = 250 * time.Millisecond
)

// kills takes nodes away under sessions to which messages flow: first with clients that say where they are in the stream,
// then, with the node that took them over as the victim, with such that don't, as Faye.
func kills(r *run) error {
	sessions, rate := r.pick(10_000, 1000), r.pick(200, 50)
	redis, err := r.rig.StartRedis()
	if err != nil {
		return err
	}
	defer redis.Kill()
	victim, err := r.rig.StartNode("node-a", r.binary, redis)
	if err != nil {
		return err
	}
	defer victim.Kill()
	r.say("connecting %d sessions", sessions)
	began := time.Now()
	all, err := r.assemble(sessions, failoverChannels, victim, false)
	if err != nil {
		return err
	}
	defer all.close()
	connected := time.Since(began)

	publisher := load.NewPublisher(rig.App, rig.Key, rig.Secret, failoverChannels, failoverPayload)
	publisher.Aim(victim.Addr)
	publisher.Start(rate)
	defer publisher.Stop()
	for _, kill := range []struct {
		node, title string
		since       bool
	}{
		{"node-b", "A node is killed; clients say where they are (client.js)", true},
		{"node-c", "The node that took over is killed, too; clients say nothing (Faye)", false},
	} {
		survivor, err := r.rig.StartNode(kill.node, r.binary, redis)
		if err != nil {
			return err
		}
		defer survivor.Kill()
		t := r.report.Table(kill.title, "sessions", sessions, "messages/s", rate, "channels", failoverChannels,
			"payload bytes", failoverPayload, "clients return within", jitter)
		f := &failover{run: r, sessions: all, publisher: publisher, redis: redis, victim: victim, survivor: survivor, rate: rate, since: kill.since}
		if err := f.measure(t); err != nil {
			return err
		}
		victim = survivor
	}
	r.report.Tables[0].Add("before: all connected, subscribed and attached in", connected.Seconds(), "s")
	return nil
}

// failover is one kill.
type failover struct {
	*run

	sessions         crowd
	publisher        *load.Publisher
	redis            *rig.Redis
	victim, survivor *rig.Node
	rate             int // messages a second
	since            bool
}

// reading is what the counters say at a moment.
type reading struct {
	at          time.Time
	commands    map[string]int64
	metrics     rig.Metrics
	published   int64
	node, redis rig.CPU
	ours        rig.CPU
	tally       tally
}

func (f *failover) read() (now reading, err error) {
	now = reading{at: time.Now(), published: f.publisher.Total(), tally: f.sessions.tally()}
	for _, read := range []func() error{
		func() error { now.commands, err = f.redis.Commands(); return err },
		func() error { now.metrics, err = f.survivor.Metrics(); return err },
		func() error { now.node, err = f.survivor.CPU(); return err },
		func() error { now.redis, err = f.redis.CPU(); return err },
		func() error { now.ours, err = rig.OwnCPU(); return err },
	} {
		if err := read(); err != nil {
			return now, err
		}
	}
	return now, nil
}

func (f *failover) measure(t *Table) error {
	f.publisher.Aim(f.survivor.Addr)
	if err := f.loop.For(failoverWarmUp); err != nil {
		return err
	}
	f.say("killing a node")
	before, err := f.read()
	if err != nil {
		return err
	}
	f.loop.Busy()
	killed := time.Now()
	f.victim.Kill()
	levelAt, attached, err := f.comeBack(killed)
	if err != nil {
		return err
	}
	busy := f.loop.Busy()
	after, err := f.read()
	if err != nil {
		return err
	}
	if err := f.loop.For(afterwards); err != nil { // what is repeated late, or never comes, is counted too
		return err
	}
	if err := f.publisher.Err(); err != nil {
		return err
	}
	f.delays(t, levelAt, attached)
	f.promises(t, f.sessions.tally().sub(before.tally))
	f.costs(t, before, after, killed)
	t.Add("share of the time that the clients' loop was busy", 100*busy, "%")
	return nil
}

// delays adds how long it took.
func (f *failover) delays(t *Table, levelAt, attached []time.Duration) {
	slices.Sort(levelAt)
	slices.Sort(attached)
	t.Add("from the kill until all have caught up", levelAt[len(levelAt)-1].Seconds(), "s")
	t.Add("until half of them have", levelAt[len(levelAt)/2].Seconds(), "s")
	t.Add("from a client's return until it is attached, half of them", milliseconds(attached[len(attached)/2]), "ms")
	t.Add("the slowest", milliseconds(attached[len(attached)-1]), "ms")
}

// promises adds what must not be.
func (f *failover) promises(t *Table, counted tally) {
	t.Aim("messages lost", float64(counted.lost), "", 0)
	repeated := float64(counted.repeated) / float64(len(f.sessions))
	if f.since {
		t.Aim("messages repeated, for each session", repeated, "", 0)
	} else { // P4: what the killed node sent in its last second, at most
		t.Aim("messages repeated, for each session", repeated, "", float64(f.rate)/failoverChannels)
	}
	t.Aim("refusals", float64(counted.failed), "", 0)
}

func milliseconds(d time.Duration) float64 { return 1000 * d.Seconds() }

// comeBack sends every session to the survivor, a while after its socket broke, and waits until each has got all that was
// published up to that moment. It returns how long after the kill each had, and took to be attached.
func (f *failover) comeBack(killed time.Time) (levelAt, attached []time.Duration, err error) {
	addr, err := netip.ParseAddrPort(f.survivor.Addr)
	if err != nil {
		return nil, nil, err
	}
	type comeback struct {
		due     time.Time
		session *load.Session
	}
	order := make([]comeback, 0, len(f.sessions))
	for _, s := range f.sessions {
		order = append(order, comeback{killed.Add(rand.N(jitter)), s})
	}
	slices.SortFunc(order, func(a, b comeback) int { return a.due.Compare(b.due) })
	returning := make(crowd, 0, len(order))
	err = f.loop.While("come back", patience, func() bool {
		for len(order) > 0 && order[0].session.Down() && time.Now().After(order[0].due) && err == nil {
			err = order[0].session.Connect(addr, f.since)
			returning, order = append(returning, order[0].session), order[1:]
		}
		returning = slices.DeleteFunc(returning, func(s *load.Session) bool {
			done := s.Attached() && s.Last() >= f.publisher.Acked(s.Channel)
			if done {
				levelAt, attached = append(levelAt, time.Since(killed)), append(attached, s.Took())
			}
			if !done && s.Down() && err == nil {
				err = s.Connect(addr, f.since)
			}
			return done
		})
		return err == nil && f.publisher.Err() == nil && len(order)+len(returning) > 0
	})
	return levelAt, attached, cmp.Or(err, f.publisher.Err())
}

// costs adds what the comeback cost Redis and the survivor. The survivor's own readers and writers work meanwhile, but a
// fraction of a command for each session.
func (f *failover) costs(t *Table, before, after reading, killed time.Time) {
	n := float64(len(f.sessions))
	published := after.published - before.published
	calls := map[string]int64{}
	var scans, all int64
	for name, count := range after.commands {
		if count -= before.commands[name]; name == "xadd" {
			count -= published // what is left is mail between nodes; a publish may be counted here and not there
		}
		if count <= 0 || name == "info" {
			continue
		}
		calls[name] = count
		all += count
		if name == "xrange" || name == "xrevrange" {
			scans += count
		}
	}
	sent := after.metrics["pandapush_streams_call_batch_commands_sum"] - before.metrics["pandapush_streams_call_batch_commands_sum"]
	pipelines := after.metrics["pandapush_streams_call_batch_commands_count"] - before.metrics["pandapush_streams_call_batch_commands_count"]
	t.Aim("commands that the survivor sent to Redis, for each session", sent/n, "", 6)
	t.Add("pipelines in which it did", pipelines, "")
	t.Add("commands that Redis counts, those inside of scripts included, for each session", float64(all)/n, "")
	t.Aim("scans of the stream (XRANGE, XREVRANGE), all sessions together", float64(scans), "", 20)
	node, redis, ours := after.node.Sub(before.node), after.redis.Sub(before.redis), after.ours.Sub(before.ours)
	t.Add("processor time of the survivor, for each session", 1e6*node.Total().Seconds()/n, "µs")
	t.Add("processor time of Redis, for each session", 1e6*redis.Total().Seconds()/n, "µs")
	t.Add("processor time of the clients, for each session", 1e6*ours.Total().Seconds()/n, "µs")
	if peak, err := f.survivor.PeakRSS(); err == nil {
		t.Add("peak resident memory of the survivor", float64(peak)/(1<<20), "MiB")
	}
	names := slices.SortedFunc(maps.Keys(calls), func(a, b string) int { return cmp.Compare(calls[b], calls[a]) })
	counts := make([]string, 0, len(names))
	for _, name := range names {
		counts = append(counts, fmt.Sprintf("%s %d", name, calls[name]))
	}
	if !f.since {
		t.Note("Faye's own client would wait 5 s before it comes back; these do as client.js.")
	}
	t.Note("Redis counted in %.2f s, besides the %d XADD of the publishes: %s.", after.at.Sub(killed).Seconds(), published, strings.Join(counts, ", "))
}

//go:build linux

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	// repeatWindow is how long before a fault a message may have come that comes again to a client of promise P4. Positions
	// are stored about once a second.
	repeatWindow = 2 * time.Second
	// faultEcho is how long after a fault messages may still come by the connections that it hit, on a machine that is busy: the
	// service has closed them, and the proxy has still got something for the client.
	faultEcho = 2 * time.Second
)

// verdict is what a run of the chaos test has shown.
type verdict struct {
	kinds  []*kindVerdict
	broken []breach
}

// kindVerdict is a row of the table.
type kindVerdict struct {
	kind                             chaosKind
	expected                         int // messages, for each client
	lost, repeated, disordered, gaps int
	sessions                         int // made by all clients together
	silence                          time.Duration
}

// breach is one promise that was broken to one client.
type breach struct {
	client, what string
	m            message   // zero if it is about no message
	at           time.Time // when it was published, or came again
	first        time.Time // when it came, if it came again
}

// report says what happened: breaches of one kind after one fault in one line.
func (v verdict) report(begin time.Time, faults []fault) (lines []string) {
	slices.SortStableFunc(v.broken, func(a, b breach) int {
		return cmp.Or(strings.Compare(a.client, b.client), strings.Compare(a.what, b.what), a.at.Compare(b.at))
	})
	var counts []int
	var group breach
	var since int
	for i, b := range v.broken {
		n := lastFault(faults, b.at)
		if i > 0 && b.client == group.client && b.what == group.what && n == since {
			counts[len(counts)-1]++
			continue
		}
		group, since = b, n
		line := b.describe(begin)
		if n >= 0 {
			f := faults[n]
			line += fmt.Sprintf(", after %q from %.2fs to %.2fs", f.what, f.from.Sub(begin).Seconds(), f.to.Sub(begin).Seconds())
		}
		lines, counts = append(lines, line), append(counts, 1)
	}
	for i, n := range counts {
		if n > 1 {
			lines[i] += fmt.Sprintf("; and %d more until the next fault", n-1)
		}
	}
	return lines
}

func (b breach) describe(begin time.Time) string {
	text := b.client + ": " + b.what
	if b.m.n > 0 {
		text += fmt.Sprintf(" %s %d (attempt %d) of %.2fs", b.m.channel, b.m.n, b.m.attempt, b.at.Sub(begin).Seconds())
	}
	if !b.first.IsZero() {
		text += fmt.Sprintf(" which had come at %.2fs", b.first.Sub(begin).Seconds())
	}
	return text
}

// lastFault returns the index of the last fault that began before at, or -1.
func lastFault(faults []fault, at time.Time) int {
	for i, f := range slices.Backward(faults) {
		if f.from.Before(at) {
			return i
		}
	}
	return -1
}

// judge compares what clients got with what was published. What is acknowledged is in the stream, and so is what any
// client got: all of that every client must have.
func judge(clients []*chaosClient, published map[message]publication, faults []fault) verdict {
	expected := make(map[message]time.Time)
	for m, p := range published {
		if p.acked {
			expected[m] = p.at
		}
	}
	for _, c := range clients {
		for m := range c.has {
			expected[m] = published[m].at
		}
	}
	var v verdict
	for _, c := range clients {
		i := slices.IndexFunc(v.kinds, func(k *kindVerdict) bool { return k.kind == c.kind })
		if i < 0 {
			v.kinds, i = append(v.kinds, &kindVerdict{kind: c.kind, expected: len(expected)}), len(v.kinds)
		}
		v.judgeClient(v.kinds[i], c, expected, faults)
	}
	return v
}

func (v *verdict) judgeClient(k *kindVerdict, c *chaosClient, expected map[message]time.Time, faults []fault) {
	broken := func(b breach) {
		b.client = c.name
		v.broken = append(v.broken, b)
	}
	for m, at := range expected {
		if !c.has[m] {
			k.lost++
			broken(breach{what: "lost", m: m, at: at})
		}
	}
	first := make(map[message]time.Time)
	last := make(map[string]pandapush.Cursor) // by channel
	var before time.Time
	for _, r := range c.receipts {
		if !before.IsZero() {
			k.silence = max(k.silence, r.at.Sub(before))
		}
		before = r.at
		if at, again := first[r.message]; again {
			k.repeated++
			if k.kind.exactlyOnce || !excused(c, at, r.at, faults) {
				broken(breach{what: "repeated", m: r.message, at: r.at, first: at})
			}
			continue
		}
		first[r.message] = r.at
		if r.cursor.Position.Compare(last[r.channel].Position) <= 0 {
			k.disordered++
			broken(breach{what: "out of order", m: r.message, at: r.at})
		}
		last[r.channel] = r.cursor
	}
	k.sessions += c.events["session"]
	k.gaps += c.events["gap"]
	if c.events["gap"] > 0 {
		broken(breach{what: "a gap was announced, though Redis has lost nothing"})
	}
	for _, text := range c.errors {
		broken(breach{what: text})
	}
}

// excused reports whether a client of promise P4 may get again what it got at first. There must have been a fault that hit
// it just then, or one of Redis since: the table is about nodes that die while Redis lives, since without it a node can't
// write down how far its clients are, nor another read that.
func excused(c *chaosClient, first, again time.Time, faults []fault) bool {
	return slices.ContainsFunc(faults, func(f fault) bool {
		return slices.Contains(f.hit, c.name) && !again.Before(f.from) && !first.After(f.to.Add(faultEcho)) &&
			(f.redis || !first.Before(f.from.Add(-repeatWindow)))
	})
}

// table prints the verdict for people. The first number of each is the messages that every client of the kind should have.
func (v verdict) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "kind\texpected\tlost\trepeated\tout of order\tgaps\tsessions\tworst silence (ms)\t")
	for _, k := range v.kinds {
		fmt.Fprintf(w, "%d × %s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n",
			k.kind.instances, k.kind.name, k.expected, k.lost, k.repeated, k.disordered, k.gaps, k.sessions, k.silence.Milliseconds())
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

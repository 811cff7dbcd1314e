package main

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// patience bounds every wait for clients. Nothing that works comes near it.
const patience = 3 * time.Minute

// crowd is many sessions at a time, spread over some channels.
type crowd []*load.Session

// assemble makes n sessions and connects them to a node, some hundred at a time.
func (r *run) assemble(n, channels int, node *rig.Node, small bool) (crowd, error) {
	const atOnce = 200
	addr, err := netip.ParseAddrPort(node.Addr)
	if err != nil {
		return nil, err
	}
	all := make(crowd, 0, n)
	waiting := 0
	for len(all) < n {
		if waiting < atOnce {
			s := load.NewSession(r.loop, rig.App, len(all)%channels, small)
			if err := s.Connect(addr, false); err != nil {
				return nil, err
			}
			all = append(all, s)
			waiting++
			continue
		}
		if err := r.loop.Poll(time.Millisecond); err != nil {
			return nil, err
		}
		waiting = all[max(0, len(all)-2*atOnce):].count(func(s *load.Session) bool { return !s.Attached() })
	}
	return all, r.loop.While("connect", patience, func() bool { return !all.every((*load.Session).Attached) })
}

// every reports whether all sessions are as ok says.
func (c crowd) every(ok func(*load.Session) bool) bool {
	return !slices.ContainsFunc(c, func(s *load.Session) bool { return !ok(s) })
}

// count returns how many sessions are as ok says.
func (c crowd) count(ok func(*load.Session) bool) (n int) {
	for _, s := range c {
		if ok(s) {
			n++
		}
	}
	return n
}

// tally is what the sessions have counted together.
type tally struct{ received, lost, repeated, failed int64 }

func (c crowd) tally() (t tally) {
	for _, s := range c {
		t.received += s.Received
		t.lost += s.Lost
		t.repeated += s.Repeated
		t.failed += s.Failed
	}
	return t
}

func (t tally) sub(before tally) tally {
	return tally{t.received - before.received, t.lost - before.lost, t.repeated - before.repeated, t.failed - before.failed}
}

// level waits until every session has all that was published.
func (r *run) level(c crowd, p *load.Publisher) error {
	err := r.loop.While("get all messages", patience, func() bool {
		return p.Err() == nil && !c.every(func(s *load.Session) bool { return s.Last() >= p.Acked(s.Channel) })
	})
	if p.Err() != nil {
		return p.Err()
	}
	if err != nil {
		behind := c.count(func(s *load.Session) bool { return s.Last() < p.Acked(s.Channel) })
		return fmt.Errorf("%w; %d sessions are behind, %d of them disconnected", err, behind, c.count((*load.Session).Down))
	}
	return nil
}

// close closes all sockets.
func (c crowd) close() {
	for _, s := range c {
		s.Close()
	}
}

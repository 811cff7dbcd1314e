package edge

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// poll is a /meta/connect that came by HTTP and is being held.
type poll struct {
	ready chan struct{} // gets a token when there is something to answer with
	level chan struct{} // gets a token when all that the session missed has been looked at
	over  chan struct{} // closed when the session has another path, or has ended
	end   sync.Once
}

func newPoll() *poll {
	return &poll{ready: make(chan struct{}, 1), level: make(chan struct{}, 1), over: make(chan struct{})}
}

// settled says that nothing of the past is left to be read. Never blocks.
func (p *poll) settled() {
	select {
	case p.level <- struct{}{}:
	default:
	}
}

// wake lets the poll be answered. Never blocks.
func (p *poll) wake() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// release has the poll answered without messages.
func (p *poll) release() { p.end.Do(func() { close(p.over) }) }

// holdAll answers the connects of a body: of each client the first one. Those after it find it answered, and nothing new.
func (x *exchange) holdAll(alone bool) {
	held := map[string]bool{}
	for _, c := range append([]*pendingConnect{x.connect}, x.connects...) {
		if id := c.message.ClientID.Text(); held[id] {
			x.refuseConnect(&c.message, errSuperseded)
		} else {
			held[id], x.connect = true, c
			x.hold(alone)
		}
	}
}

// hold makes the exchange's connect the session's path, waits until there is something to answer it with if it came
// alone, and answers it. Messages that wait are part of the answer.
func (x *exchange) hold(alone bool) {
	e, c := x.server, x.connect
	if x.leaveToStream(&c.message) {
		e.visitors.visit(x.from.addr, c.message.ClientID.Text(), e.cfg.Now())
		return
	}
	p, until := newPoll(), time.Now()
	if alone {
		until = until.Add(c.hold)
	}
	s, err := x.attachPoll(c, p, until)
	if alone && errors.Is(err, pandapush.ErrUnavailable) {
		x.logFailure("connect", err)
		x.unanswered = true
		return
	}
	if err != nil {
		x.refuseConnect(&c.message, err)
		return
	}
	if due := s.streamDue(e.cfg.Now()); due > 0 && c.message.EventSource() {
		e.detach(s, path{poll: p}, endAnswered)
		x.answer("connect", bayeux.Reply{To: &c.message, Advice: bayeux.EventSourceAdvice(due)})
		return
	}
	e.stats.polls.Inc()
	if hold := time.Until(until); hold > 0 {
		err = e.waitPoll(x.ctx, p, hold)
	} else {
		err = x.settle(p)
	}
	e.stats.polls.Dec()
	if err != nil { // the client has gone, and may have come back by another connect
		e.detach(s, path{poll: p}, endClosed)
		return
	}
	batch, number, record, ok := s.endPoll(p, &c.message)
	if !ok {
		x.refuseConnect(&c.message, errSuperseded)
		return
	}
	e.unhook(s, endAnswered)
	saved := e.save(s.id, record) // before the answer, so that wherever the client comes next knows of it
	if !saved && !record.Ack {
		e.unsaved.keep(s.id, record)
	}
	e.sessions.remove(s)
	switch {
	case !record.Ack:
		x.acceptConnect(&c.message, nil)
		x.deliver(batch)
	case saved:
		x.acceptConnect(&c.message, bayeux.AppendAck(nil, number))
		x.deliver(batch)
	default: // whatever the record says now, a client that has not got this batch gets it, and one that has would twice
		x.acceptConnect(&c.message, s.sameBatch(&c.message))
	}
}

// awayPause is about how long a poll waits before it asks again for a session that it can't get, because Redis is away.
const awayPause = time.Second

// attachPoll makes a poll its session's path, and while Redis is away tries again until a moment. An answer without messages would
// have the client go on to its next connect, which says that it has got the answer to the one before; and it may have come
// because it has not.
func (x *exchange) attachPoll(c *pendingConnect, p *poll, until time.Time) (*session, error) {
	for {
		s, err := x.attach(c, path{transport: x.transport, poll: p})
		pause := awayPause/2 + rand.N(awayPause/2)
		if !errors.Is(err, pandapush.ErrUnavailable) || time.Until(until) < pause {
			return s, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-x.server.draining:
		case <-x.ctx.Done():
		}
		timer.Stop()
		return nil, err
	}
}

// settle waits, but not for long, until p has what its session missed, and what this exchange published: a client that
// subscribes, publishes and connects in one request gets its own messages with the answer.
func (x *exchange) settle(p *poll) error {
	ctx, cancel := context.WithTimeout(x.ctx, time.Second)
	defer cancel()
	for i, cursor := range x.published {
		x.server.hub.reach(ctx, x.apps[i], cursor.Position)
	}
	select {
	case <-p.ready:
	case <-p.level:
	case <-p.over:
	case <-ctx.Done(): // Redis is slow, or away: what comes later is not lost
	}
	return x.ctx.Err()
}

// waitPoll waits until p can be answered. A message waits for those right behind it, as they would have to wait for the next
// poll: what is published in one batch arrives together. The error is that of ctx: the client has gone.
func (e *Server) waitPoll(ctx context.Context, p *poll, hold time.Duration) error {
	timer := time.NewTimer(hold)
	defer timer.Stop()
	draining, moment, gathered := e.draining, (<-chan time.Time)(nil), (<-chan time.Time)(nil)
	for {
		select {
		case <-draining:
			var stop func() bool
			moment, stop = e.ownMoment()
			defer stop()
			draining = nil
			continue
		case <-moment:
		case <-p.ready:
			if gathered == nil {
				gathered = time.After(e.cfg.BatchWindow)
			}
			continue
		case <-gathered:
		case <-p.over:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return nil
	}
}

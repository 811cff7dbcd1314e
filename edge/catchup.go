package edge

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	// catchUpMessages and catchUpBytes bound what is read for a session at a time: it is written before more is read.
	catchUpMessages = 128
	catchUpBytes    = 64 << 10
	// catchUpPause is the longest wait before Redis is asked again, when it could not be reached.
	catchUpPause = time.Second
)

// behindLocked returns a feed that is not level, or nil.
func (s *session) behindLocked() *feed {
	for _, f := range s.feeds {
		if !f.level {
			return f
		}
	}
	return nil
}

// catchUpLocked starts reading for a session that is behind and has room, unless that is being done.
func (s *session) catchUpLocked() {
	if !s.catching && s.roomLocked() && s.behindLocked() != nil {
		s.catching = true
		s.server.background(func() { s.server.catchUp(s) })
	}
}

// roomLocked reports whether the session can take something: there is a path, and nothing waits for it.
func (s *session) roomLocked() bool {
	return !s.ended && len(s.queue) == 0 && (s.poll != nil || s.outlet != nil && !s.outlet.blocked())
}

// catchUp reads for a session until it is level in every application, or has no room; then whoever makes room calls
// again.
func (e *Server) catchUp(s *session) {
	ctx := e.ctx
	for failures := 0; ; {
		s.mu.Lock()
		f := s.behindLocked()
		if f == nil || !s.roomLocked() {
			s.catching = false
			if f == nil && s.poll != nil {
				s.poll.settled()
			}
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if err := e.advance(ctx, s, f); err == nil {
			failures = 0
			continue
		}
		failures++ // Redis is away, and its reader has said so
		select {
		case <-time.After(rand.N(min(catchUpPause, 10*time.Millisecond<<min(failures, 7)))):
		case <-ctx.Done():
			s.mu.Lock()
			s.catching = false
			s.mu.Unlock()
			return
		}
	}
}

// advance reads what comes next for one feed and queues it.
func (e *Server) advance(ctx context.Context, s *session, f *feed) error {
	t := f.tenant
	if err := t.join(ctx); err != nil {
		return err
	}
	if err := e.checkReach(ctx, s, f); err != nil {
		return err
	}
	s.mu.Lock()
	low, position, step := f.low, f.position, f.step
	s.mu.Unlock()
	if low.Compare(position) < 0 { // what others of its subscriptions have had is not news to it, once it is here
		e.hub.reach(ctx, t.app, position)
	}

	t.mu.Lock()
	if t.window.covers(low) {
		schedule := s.takeWindow(t, f, low)
		t.mu.Unlock()
		e.schedule(s, schedule)
		return nil
	}
	floor := t.window.floor
	t.mu.Unlock()

	entries, err := e.readOlder(ctx, t.app, low, floor, step)
	if err != nil {
		return err
	}
	if kept, err := e.stillKept(ctx, s, f, low); err != nil || !kept {
		return err // the next time, its client is told
	}
	e.schedule(s, s.takeOlder(f, low, floor, entries, step))
	return nil
}

func (e *Server) schedule(s *session, schedule bool) {
	if schedule {
		e.flush.add(s)
	}
}

// readOlder reads up to count entries that are older than the window. Few do so at a time: it is a read from Redis for one session.
func (e *Server) readOlder(ctx context.Context, app pandapush.AppID, after, floor pandapush.Position, count int) ([]pandapush.Message, error) {
	select {
	case e.readers <- struct{}{}:
		defer func() { <-e.readers }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	e.stats.resumes.WithLabelValues("redis").Inc()
	return e.cfg.Stream.Range(ctx, app, after, floor, count)
}

// takeWindow queues what the window has after low. At its end the session is level. The tenant's lock is held.
func (s *session) takeWindow(t *tenant, f *feed, low pandapush.Position) (schedule bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || f.low != low || f.level { // a subscription has moved it meanwhile
		return false
	}
	channels := s.channelsLocked(f.app)
	batch, reached := t.window.read(low, channels, func(d *delivery) bool { return s.wantsLocked(f, d) }, catchUpMessages, catchUpBytes, nil)
	s.reachedLocked(f, batch, reached)
	if f.low.Compare(t.at().Position) >= 0 && f.low == f.position {
		f.level = true
	}
	return s.scheduleLocked()
}

// takeOlder queues what was read from Redis, the entries after low: all up to floor if they are fewer than were asked for, and
// else no more of them than are to be taken together.
func (s *session) takeOlder(f *feed, low, floor pandapush.Position, entries []pandapush.Message, asked int) (schedule bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || f.low != low || f.level {
		return false
	}
	var batch []*delivery
	taken, room := 0, catchUpBytes
	for ; taken < len(entries) && room > 0; taken++ {
		if d := encode(&entries[taken]); s.wantsLocked(f, d) {
			batch = append(batch, d)
			room -= len(d.wire)
		}
	}
	reached := floor
	switch {
	case taken < len(entries): // read no more in vain the next time
		f.step = taken
		reached = entries[taken-1].Cursor.Position
	case taken == asked:
		f.step = min(2*asked, catchUpMessages)
		reached = entries[taken-1].Cursor.Position
	}
	s.reachedLocked(f, batch, reached)
	return s.scheduleLocked()
}

// reachedLocked queues batch and moves the feed to reached. Subscriptions that lagged are level with the others when low
// has come to position.
func (s *session) reachedLocked(f *feed, batch []*delivery, reached pandapush.Position) {
	for _, d := range batch {
		s.queueLocked(d)
	}
	s.server.stats.deliveries.Add(float64(len(batch)))
	f.tenant.caughtUp.add(batch)
	f.low = later(f.low, reached)
	if f.low.Compare(f.position) < 0 {
		return
	}
	f.position = f.low
	for _, sub := range s.subs {
		if sub.lagging && sub.pattern.App() == f.app {
			sub.lagging = false
		}
	}
	s.settleLocked(f, f.clean && !s.waitsLocked(f))
}

// checkReach finds out whether the stream still has everything after a feed's position, and tells the client if not. It does
// so once, until something speaks against it.
func (e *Server) checkReach(ctx context.Context, s *session, f *feed) error {
	s.mu.Lock()
	cursor, checked := pandapush.Cursor{Epoch: f.epoch, Position: f.low}, f.checked
	s.mu.Unlock()
	if checked {
		return nil
	}
	why, to, err := e.gap(ctx, f.tenant, cursor)
	if err != nil {
		return err
	}
	s.mu.Lock()
	f.checked = true
	if why == "" {
		s.mu.Unlock()
		return nil
	}
	f.epoch = to.Epoch
	if why == pandapush.GapTrimmed {
		s.reachedLocked(f, nil, to.Position)
	} else { // it is another stream, and all of it is news
		f.position, f.low = to.Position, to.Position
		f.taken, f.safe = f.low, f.low
	}
	s.mu.Unlock()
	s.tellGap(f.app, gap{cursor, to, why})
	return nil
}

// stillKept reports whether the stream has everything after low, now that it has been read from there: it may have been
// trimmed since it was seen to reach back so far, before the client took what was before. If not, that is to be seen anew.
func (e *Server) stillKept(ctx context.Context, s *session, f *feed, low pandapush.Position) (bool, error) {
	span, err := e.cfg.Stream.Span(ctx, f.app)
	if err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.checked = f.checked && span.Gap(pandapush.Cursor{Epoch: f.epoch, Position: low}) == ""
	return f.checked, nil
}

// gap returns why the stream may lack something after cursor, or "", and where what it has begins. The tenant is joined.
func (e *Server) gap(ctx context.Context, t *tenant, cursor pandapush.Cursor) (why string, to pandapush.Cursor, err error) {
	if !t.covers(cursor) {
		if err := e.deepen(ctx, t, cursor); err != nil {
			return "", pandapush.Cursor{}, err
		}
	}
	if t.covers(cursor) {
		e.stats.resumes.WithLabelValues("window").Inc()
		return "", pandapush.Cursor{}, nil
	}
	span, err := e.cfg.Stream.Span(ctx, t.app)
	if err != nil {
		return "", pandapush.Cursor{}, err
	}
	why = span.Gap(cursor)
	if why != "" {
		e.stats.resumes.WithLabelValues("gap").Inc()
	}
	return why, pandapush.Cursor{Epoch: span.Epoch, Position: span.First}, nil
}

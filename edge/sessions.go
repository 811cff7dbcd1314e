package edge

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// sessions is the registry of the sessions that are attached to this node, and for a moment of those that were.
type sessions struct {
	mu     sync.RWMutex
	all    map[string]*session
	claims map[string]*claims // of sessions that are being attached
}

// claims are those of one session that are under way: its record has been read, or is about to be.
type claims struct {
	count int
	done  chan struct{} // closed when there are none
}

// claiming notes that a session's record is about to be read, to register the session. The returned function is to be called
// when that is done, or was given up.
func (r *sessions) claiming(id string) (done func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.claims[id]
	if c == nil {
		c = &claims{done: make(chan struct{})}
		if r.claims == nil {
			r.claims = map[string]*claims{}
		}
		r.claims[id] = c
	}
	c.count++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if c.count--; c.count == 0 {
			delete(r.claims, id)
			close(c.done)
		}
	}
}

// claimed reports whether a claim of a session is under way here.
func (r *sessions) claimed(id string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.claims[id] != nil
}

// living returns the session of a client id, if it is attached here. One that is being attached is waited for: its record
// may have been read before the caller changed it.
func (r *sessions) living(ctx context.Context, id string) (*session, bool) {
	r.mu.RLock()
	s, c := r.all[id], r.claims[id]
	r.mu.RUnlock()
	if (s == nil || s.finally() != nil) && c != nil {
		select {
		case <-c.done:
		case <-ctx.Done():
		}
		s, _ = r.get(id)
	}
	return s, s != nil && s.finally() == nil
}

// addOrGet registers a session, unless there is a living one of its name: then it returns that, and true.
func (r *sessions) addOrGet(s *session) (*session, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.all[s.id]; ok && old.finally() == nil {
		return old, true
	}
	if r.all == nil {
		r.all = map[string]*session{}
	}
	r.all[s.id] = s
	return s, false
}

// get returns the session of a client id. Ids that no server makes are not looked up.
func (r *sessions) get(id string) (*session, bool) {
	if !bayeux.ValidClientID(id) {
		return nil, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	s, ok := r.all[id]
	return s, ok
}

// remove forgets s.
func (r *sessions) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[s.id] == s {
		delete(r.all, s.id)
	}
}

// list returns all sessions, in no order.
func (r *sessions) list() []*session {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]*session, 0, len(r.all))
	for _, s := range r.all {
		list = append(list, s)
	}
	return list
}

// all returns all sessions: those that are registered, and the followers.
func (e *Server) all() []*session { return append(e.sessions.list(), e.outlets.followers()...) }

// ttl is how long a record lives after the last sign of its client.
func (e *Server) ttl() time.Duration { return 2 * e.cfg.Timeout }

// sweep looks after what is attached, every interval until ctx ends: sessions whose clients have stopped connecting end,
// quiet sockets are pinged, records are kept alive, streams that nobody wants are let go.
func (e *Server) sweep(ctx context.Context, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	touched := e.cfg.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		e.sweepOnce(ctx)
		if now := e.cfg.Now(); now.Sub(touched) >= e.cfg.Timeout/2 {
			touched = now
			e.touch(ctx)
		}
	}
}

func (e *Server) sweepOnce(ctx context.Context) {
	now := e.cfg.Now()
	var lapsed []revocation
	var expired []*session
	for _, s := range e.all() {
		lapsed = s.appendLapsed(lapsed, now)
		if s.expired(now, e.ttl()) {
			expired = append(expired, s)
		}
	}
	together(expired, func(s *session) {
		if err := e.endRecord(ctx, s.id, endExpired); err != nil {
			e.cfg.Log.Debug("session not ended", "error", err)
		}
	})
	e.revokeAll(lapsed)
	e.visitors.sweep(now.Add(-e.ttl()))
	e.rates.sweep(now)
	e.outlets.keepAlive(now, e.cfg.PingInterval)
	e.hub.sweep(e.ttl(), 2*e.ttl())
}

// touch keeps the records of attached sessions alive. One that Redis has lost is written anew.
func (e *Server) touch(ctx context.Context) {
	list := e.sessions.list()
	ids := make([]string, 0, len(list))
	for _, s := range list {
		ids = append(ids, s.id)
	}
	gone, err := e.cfg.Records.TouchSessions(ctx, ids, e.ttl())
	if err != nil { // of several servers, one may be away: gone is what the others said
		e.cfg.Log.Debug("sessions not kept alive", "error", err)
	}
	var lost []*session
	for _, id := range gone {
		if s, ok := e.sessions.get(id); ok {
			lost = append(lost, s)
		}
	}
	together(lost, func(s *session) { e.restore(ctx, s) })
}

// recordWriters is how many records are written at a time: as many as fill the pipelines that they share.
const recordWriters = 64

// together calls write for each session, for many at a time, since each waits for Redis.
func together(sessions []*session, write func(*session)) {
	var writers errgroup.Group
	writers.SetLimit(recordWriters)
	for _, s := range sessions {
		writers.Go(func() error {
			write(s)
			return nil
		})
	}
	_ = writers.Wait() // they never return an error
}

// restore writes the record of an attached session that Redis has lost; or that was ended elsewhere, which this node is about
// to hear.
func (e *Server) restore(ctx context.Context, s *session) {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	record, ended := s.recordLocked(), s.ended
	record.Behind = s.exception
	s.restored = true
	s.mu.Unlock()
	if ended {
		return
	}
	if err := e.cfg.Records.CreateSession(ctx, s.id, record, e.ttl()); err != nil {
		e.cfg.Log.Debug("session not restored", "error", err)
	}
}

// exceptionInterval is how often the record of a session is written that is behind and gets on. What it gets in between is
// repeated to its client, if the node is killed.
const exceptionInterval = 2 * positionInterval

// positionInterval is how often a node writes down how far it has handed out each stream. What a killed node had not
// written down is repeated to its clients: twice this at most.
const positionInterval = 400 * time.Millisecond

// writePositions does so until ctx ends. A position is written when it is an interval old, so that by then everything up
// to it has left for its sockets; where it has not, the session is an exception and has its own cursors written.
func (e *Server) writePositions(ctx context.Context) error {
	ticker := time.NewTicker(positionInterval)
	defer ticker.Stop()
	written := map[pandapush.AppID]pandapush.Cursor{}
	due := e.hub.positions()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		news := map[pandapush.AppID]pandapush.Cursor{}
		for app, cursor := range due {
			if written[app] != cursor {
				news[app] = cursor
			}
		}
		e.writeExceptions(ctx, due)
		e.writeUnsaved(ctx)
		if len(news) > 0 {
			if err := e.cfg.Records.SavePositions(ctx, news); err == nil {
				maps.Copy(written, news)
			}
		}
		due = e.hub.positions()
		maps.DeleteFunc(written, func(app pandapush.AppID, _ pandapush.Cursor) bool { _, ok := due[app]; return !ok })
	}
}

// writeExceptions writes the records of the sessions that have not got as far as due, and of those that have by now: among
// these are all that were attached since the last time, as a claim makes an exception of its session.
func (e *Server) writeExceptions(ctx context.Context, due map[pandapush.AppID]pandapush.Cursor) {
	var changed []*session
	for _, s := range e.sessions.list() {
		if _, write := s.checkException(due); write {
			changed = append(changed, s)
		}
	}
	together(changed, func(s *session) { e.writeException(ctx, s, due) })
}

// writeException writes the record of a session that is an exception, or was one.
func (e *Server) writeException(ctx context.Context, s *session, due map[pandapush.AppID]pandapush.Cursor) {
	s.saving.Lock()
	defer s.saving.Unlock()
	record, changed := s.checkException(due)
	if !changed {
		return
	}
	switch err := e.cfg.Records.SaveSession(ctx, s.id, record, e.ttl()); {
	case err == nil:
		s.setException(record, e.cfg.Now())
	case errors.Is(err, pandapush.ErrNotOwner) && !e.sessions.claimed(s.id) && !s.newerThan(record.Fence):
		e.drop(s, endSuperseded)
	} // after any other error it is tried again, and so it is when it was this node that claimed the session meanwhile
}

func (s *session) setException(written pandapush.Session, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exception, s.excepted = written.Behind, nil
	if written.Behind {
		s.excepted = &exceptedRecord{written, now}
	}
}

// exceptedRecord is what was written of an exception, and when.
type exceptedRecord struct {
	record pandapush.Session
	at     time.Time
}

// checkException finds out whether a node's positions hold for the session, and returns its record if that has to be
// written.
func (s *session) checkException(due map[pandapush.AppID]pandapush.Cursor) (record pandapush.Session, write bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.outlet == nil && !s.awaited {
		return record, false
	}
	exception := s.changing > 0 || s.outlet != nil && s.outlet.blocked()
	for _, f := range s.feeds {
		exception = exception || !f.level && f.low.Compare(due[f.app].Position) < 0 || f.before != (pandapush.Position{})
	}
	for _, d := range s.queue {
		exception = exception || d.position.Compare(due[d.app].Position) <= 0
	}
	if !exception && !s.exception {
		return record, false
	}
	if exception && s.excepted != nil && s.server.cfg.Now().Sub(s.excepted.at) < exceptionInterval {
		return record, false
	}
	record = s.recordLocked()
	record.Behind = exception
	return record, !exception || s.excepted == nil || !sameProgress(record, s.excepted.record)
}

// sameProgress reports whether a client has got as far by one record of its session as by the other.
func sameProgress(a, b pandapush.Session) bool {
	return maps.Equal(a.Cursors, b.Cursors) && maps.EqualFunc(a.Subscriptions, b.Subscriptions, func(a, b pandapush.Subscription) bool {
		return a.From == b.From
	})
}

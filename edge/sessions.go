package edge

import (
	"context"
	"sync"
	"time"

	"github.com/pandapush/pandapush/edge/bayeux"
)

// sessions is the registry of the sessions on this node. In this version a session lives and dies with its node; the
// registry is the one place that knows where sessions come from.
type sessions struct {
	mu  sync.RWMutex
	all map[string]*session
}

// add registers a new session.
func (r *sessions) add(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]*session{}
	}
	r.all[s.id] = s
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
	delete(r.all, s.id)
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

// len returns how many sessions there are.
func (r *sessions) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.all)
}

// newSession makes and registers a session.
func (e *Server) newSession() *session {
	s := &session{id: bayeux.NewClientID(), limits: e.cfg.Limits, flush: e.flush, seen: e.cfg.Now()}
	s.slow = func(s *session) { e.background(func() { e.endSession(s, endSlow) }) }
	e.sessions.add(s)
	e.stats.sessions.Inc()
	return s
}

// endSession takes s out of everything: nobody finds it, nothing is delivered to it, its connect is answered and its
// socket closed, in this order.
func (e *Server) endSession(s *session, why reason) {
	old, ok := s.end()
	if !ok {
		return
	}
	e.sessions.remove(s)
	for _, sub := range s.subscriptions() {
		e.hub.unsubscribe(s, sub.pattern)
	}
	e.stats.sessions.Dec()
	e.stats.ended.WithLabelValues(string(why)).Inc()
	old.release(nil)
}

// sweep ends the sessions whose clients have stopped connecting, pings quiet sockets, and lets go of streams that nobody
// wants, every interval until ctx ends.
func (e *Server) sweep(ctx context.Context, interval time.Duration) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		e.sweepOnce()
	}
}

func (e *Server) sweepOnce() {
	now := e.cfg.Now()
	for _, s := range e.sessions.list() {
		if s.expired(now, 2*e.cfg.Timeout) {
			e.endSession(s, endExpired)
		}
	}
	e.sockets.ping(now, e.cfg.PingInterval)
	e.hub.sweep(e.cfg.Timeout)
}

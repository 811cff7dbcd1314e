package edge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// saveTimeout bounds the writing of a record when its session is detached.
const saveTimeout = 5 * time.Second

// end marks a session as detached: it takes neither messages nor subscriptions, and final is its record. It returns the
// path that is to be released. ok is false if it had ended before, or if lost is a path and the session has another one by
// now.
func (s *session) end(lost path) (old former, final pandapush.Session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended:
		return former{}, *s.final, false
	case lost.outlet != nil && !s.belongsLocked(lost.outlet), lost.poll != nil && lost.poll != s.poll:
		return former{}, pandapush.Session{}, false
	}
	record := s.recordLocked()
	record.Attached = false
	if isEventSource(s.outlet) {
		record.Answer.StreamLost = s.server.cfg.Now()
	}
	s.ended, s.final = true, &record
	old = former{outlet: s.outlet, held: s.held, poll: s.poll}
	old.held.stopLocked()
	s.outlet, s.held, s.poll, s.awaited = nil, nil, nil, false
	s.queue, s.queued = nil, 0
	return old, record, true
}

// finally returns the record of a session that has ended, or nil.
func (s *session) finally() *pandapush.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.final
}

// endPoll ends a session that was attached by p alone, for the connect m, and returns what to answer p with and the record to
// write before that: it says how to answer again. ok is false if p is not the path any more.
func (s *session) endPoll(p *poll, m *bayeux.Message) (batch []*delivery, number int64, final pandapush.Session, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.poll != p {
		return nil, 0, pandapush.Session{}, false
	}
	if m.EventSource() {
		s.polledLocked()
	}
	batch, number = s.answerLocked(m.ID)
	record := s.recordLocked()
	record.Attached = false
	s.ended, s.final, s.poll = true, &record, nil
	return batch, number, record, true
}

// answerLocked empties the queue into an answer to the connect of that id, and notes how to give it again.
func (s *session) answerLocked(id []byte) (batch []*delivery, number int64) {
	before := s.recordLocked()
	batch = s.takeLocked()
	s.batch++
	s.answer = pandapush.Answer{Batch: s.batch, PolledFrom: s.answer.PolledFrom, PolledTo: s.answer.PolledTo}
	if len(batch) > 0 {
		s.answer.ID, s.answer.From = string(id), before.Cursors
		s.answer.Lagging = s.laggingLocked(before)
	}
	for _, f := range s.feeds { // the answer says what they have got
		f.clean = true
		s.settleLocked(f, true)
	}
	return batch, s.batch
}

// polledLocked notes how far the client of an event stream, which it has lost, has come by polls: its polls before the one that
// is about to be answered; but not while a subscription lags, when a cursor does not say all.
func (s *session) polledLocked() {
	from, to := map[pandapush.AppID]pandapush.Cursor{}, map[pandapush.AppID]pandapush.Cursor{}
	for app, cursor := range s.recordLocked().Cursors {
		if s.feedLocked(app).before != (pandapush.Position{}) {
			continue
		}
		from[app], to[app] = cursor, cursor
		if begun := s.answer.PolledFrom[app]; begun.Epoch == cursor.Epoch {
			from[app] = begun
		}
	}
	s.answer.PolledFrom, s.answer.PolledTo = from, to
}

// laggingLocked returns how far the subscriptions have got that lag, or have and may not have got it all.
func (s *session) laggingLocked(record pandapush.Session) (all map[string]pandapush.Cursor) {
	for _, sub := range s.subs {
		if !sub.lagged {
			continue
		}
		if all == nil {
			all = map[string]pandapush.Cursor{}
		}
		pattern := sub.pattern.String()
		all[pattern] = record.Subscriptions[pattern].From
	}
	return all
}

// drop takes a session out of the hub and the registry and releases its path, without writing its record, and returns
// that.
func (e *Server) drop(s *session, why reason) pandapush.Session {
	old, final, ok := s.end(path{})
	if !ok {
		return final
	}
	e.unhook(s, why)
	e.sessions.remove(s)
	old.release(nil)
	return final
}

// dropEnded drops a session whose record has been ended. Its seats were left with the record, but it may have been given one
// again since, before it was dropped; and so may it have been given a record.
func (e *Server) dropEnded(ctx context.Context, s *session, why reason) {
	e.drop(s, why)
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	restored := s.restored
	s.mu.Unlock()
	if restored {
		if _, _, err := e.cfg.Records.EndSession(ctx, s.id); err != nil && !errors.Is(err, pandapush.ErrNotFound) {
			e.cfg.Log.Debug("session not ended again", "error", err)
		}
	}
	e.leaveSeats(ctx, s.seats())
}

// unhook takes an ended session out of the hub.
func (e *Server) unhook(s *session, why reason) {
	for _, sub := range s.subscriptions() {
		s.feed(sub.pattern.App()).tenant.remove(s, sub.pattern, e.stats)
	}
	e.letGo(s)
	e.stats.sessions.Dec()
	e.stats.detached.WithLabelValues(string(why)).Inc()
}

// detach puts a session that has lost its path back into its record, where any node finds it; whichever path that is if lost
// is none. If it has another path by now nothing happens: the end of an old one may come late.
//
// What the path still owes is answered after that, since its client may come back anywhere as soon as it has the answer.
// An outlet that was lost is not closed. A follower has no record, and is just gone.
func (e *Server) detach(s *session, lost path, why reason) {
	s.saving.Lock()
	old, final, ok := s.end(lost)
	if ok {
		e.unhook(s, why)
		if !s.follower {
			if !e.save(s.id, final) {
				e.unsaved.keep(s.id, final)
			}
			e.sessions.remove(s)
		}
	}
	s.saving.Unlock()
	if ok {
		old.release(lost.outlet)
	}
}

// save writes a session's record, and reports whether it surely did. That another node has claimed it meanwhile is no
// failure: it has asked, and been told.
func (e *Server) save(id string, record pandapush.Session) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), saveTimeout)
	defer cancel()
	err := e.cfg.Records.SaveSession(ctx, id, record, e.ttl())
	if err != nil && !errors.Is(err, pandapush.ErrNotOwner) && !errors.Is(err, pandapush.ErrNotFound) {
		e.cfg.Log.Debug("session not saved", "error", err) // while Redis is away; its reader has said so
		return false
	}
	return true
}

// endRecord ends a session for good, wherever it is attached. The error is errUnknownSession or wraps
// pandapush.ErrUnavailable.
func (e *Server) endRecord(ctx context.Context, id string, why reason) error {
	owner, attached, err := e.cfg.Records.EndSession(ctx, id)
	if errors.Is(err, pandapush.ErrNotFound) {
		err = errUnknownSession
	}
	if s, ok := e.sessions.get(id); ok && (err == nil || errors.Is(err, errUnknownSession)) {
		e.dropEnded(ctx, s, why)
		return nil
	}
	if err != nil || !attached || owner == e.cfg.Node {
		return err
	}
	return e.cfg.Records.Send(ctx, owner, pandapush.Mail{Kind: pandapush.MailEnded, From: e.cfg.Node, Session: id})
}

// handoffs are the answers that attach waits for.
type handoffs struct {
	mu      sync.Mutex
	waiting map[string]chan []byte
}

// expect returns where the handoff of a session will come.
func (h *handoffs) expect(id string) chan []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting == nil {
		h.waiting = map[string]chan []byte{}
	}
	answer := make(chan []byte, 1)
	h.waiting[id] = answer
	return answer
}

func (h *handoffs) deliver(id string, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if answer, ok := h.waiting[id]; ok {
		delete(h.waiting, id)
		answer <- body
	}
}

func (h *handoffs) forget(id string, answer chan []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[id] == answer {
		delete(h.waiting, id)
	}
}

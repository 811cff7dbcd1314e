package edge

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"github.com/pandapush/pandapush"
)

// errSessionEnded is returned for a session that ended while a request for it was under way.
var errSessionEnded = errors.New("session ended")

// session is one Bayeux client, named by its client id. It holds what the client subscribes to and what the client has
// not got yet; it has no goroutine of its own. Its messages leave by a path: a socket, or a poll that is being held, or
// none for the moment, and then they wait.
//
// The path belongs to the newest /meta/connect. Whoever had it before is released and can do no harm by ending late:
// what is done for a path names it, and is left undone when the session has another by now.
type session struct {
	// Set before the session is registered, then never changed.
	id     string
	limits Limits
	flush  *flusher
	slow   func(*session) // ends a session whose queue is full; must not block

	mu        sync.Mutex
	ended     bool
	subs      map[string]subscription // by the pattern's text
	positions []appPosition           // what has been queued so far, for each application
	queue     []*delivery             // not yet written, oldest first
	queued    int                     // bytes in queue
	spare     []*delivery             // an empty slice to queue into next
	scheduled bool                    // on the flusher's list, or being written to by one of its workers
	socket    *socket                 // the path, if it is a socket
	poll      *poll                   // the path, if it is a poll
	held      *heldConnect            // the connect that a socket's client waits for, if any
	sent      []*delivery             // what the last answered poll carried, until the client shows that it got it
	sentTo    []byte                  // the id of that poll's connect
	seen      time.Time               // when the client last connected, or when its last connect was answered
}

// subscription is one pattern with what allowed it.
type subscription struct {
	pattern pandapush.Pattern
	grant   pandapush.Grant
}

// appPosition is how far a session has got in one application's stream.
type appPosition struct {
	app      pandapush.AppID
	position pandapush.Position
}

// spareQueue is the capacity up to which a session keeps an emptied queue, in messages.
const spareQueue = 16

// push queues d, unless the session has it already through another of its patterns. It reports whether it queued d, and
// whether the caller must put the session on the flusher's list. A session that falls too far behind is ended, rather
// than left with a hole that nobody told it of. Never blocks.
func (s *session) push(d *delivery) (queued, schedule bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || !s.advanceLocked(d.app, d.position) {
		return false, false
	}
	if len(s.queue) >= s.limits.QueueMessages || s.queued+len(d.wire) > s.limits.QueueBytes {
		s.slow(s)
		return false, false
	}
	s.queue = append(s.queue, d)
	s.queued += len(d.wire)
	if s.poll != nil {
		s.poll.wake()
	}
	return true, s.scheduleLocked()
}

// tell queues a message of the server's own, which has no place in a stream.
func (s *session) tell(d *delivery) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.queue = append(s.queue, d)
	s.queued += len(d.wire)
	if s.poll != nil {
		s.poll.wake()
	}
	schedule := s.scheduleLocked()
	s.mu.Unlock()
	if schedule {
		s.flush.add(s)
	}
}

// advanceLocked moves the session's position in app's stream forward to position, and reports whether it was before it.
func (s *session) advanceLocked(app pandapush.AppID, position pandapush.Position) bool {
	for i := range s.positions {
		if p := &s.positions[i]; p.app == app {
			if position.Compare(p.position) <= 0 {
				return false
			}
			p.position = position
			return true
		}
	}
	return false
}

// scheduleLocked reports whether the caller must put the session on the flusher's list.
func (s *session) scheduleLocked() bool {
	if s.socket == nil || s.scheduled || len(s.queue) == 0 {
		return false
	}
	s.scheduled = true
	return true
}

// flushSocket writes what is pending to the session's socket. Only the flusher calls it, and one worker at a time.
func (s *session) flushSocket() {
	for {
		s.mu.Lock()
		sock := s.socket
		if sock == nil || len(s.queue) == 0 || sock.blocked() { // a blocked socket is scheduled when it drains
			s.scheduled = false
			s.mu.Unlock()
			return
		}
		batch := s.queue
		s.queue, s.queued, s.spare = s.spare, 0, nil
		s.mu.Unlock()

		err := sock.deliver(batch)

		s.mu.Lock()
		if err != nil { // the socket is gone, and none of it was written: it waits for the next path
			s.requeueLocked(batch)
			if s.socket == sock {
				s.socket = nil
			}
		} else if cap(batch) <= spareQueue {
			clear(batch)
			s.spare = batch[:0]
		}
		s.mu.Unlock()
	}
}

// requeueLocked puts batch back in front of the queue.
func (s *session) requeueLocked(batch []*delivery) {
	s.queue = append(batch[:len(batch):len(batch)], s.queue...)
	s.queued = 0
	for _, d := range s.queue {
		s.queued += len(d.wire)
	}
}

// drained goes on with a socket that was blocked.
func (s *session) drained(sock *socket) {
	s.mu.Lock()
	schedule := s.socket == sock && s.scheduleLocked()
	s.mu.Unlock()
	if schedule {
		s.flush.add(s)
	}
}

// former is what had the path before, for the caller of connect to release.
type former struct {
	socket *socket
	poll   *poll
	held   *heldConnect
}

// release answers what the former path still owes, and closes its socket unless it is keep. Never call it with a lock
// held.
func (f former) release(keep *socket) {
	if f.poll != nil {
		f.poll.release()
	}
	if f.held != nil {
		f.held.answer()
	}
	if f.socket != nil && f.socket != keep {
		f.socket.close(closeNormal, endSuperseded)
	}
}

// connect makes a socket (with the connect that it holds, or nil) or a poll the session's path. id is the raw JSON id of
// the connect: when it is that of the last one answered, the client did not get the answer, and its messages are queued
// again.
func (s *session) connect(now time.Time, id []byte, sock *socket, held *heldConnect, p *poll) (former, error) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return former{}, errSessionEnded
	}
	s.seen = now
	if len(s.sent) > 0 && len(id) > 0 && bytes.Equal(id, s.sentTo) {
		s.requeueLocked(s.sent)
	}
	s.sent, s.sentTo = nil, nil
	if s.held != nil {
		s.held.stopLocked()
	}
	old := former{s.socket, s.poll, s.held}
	s.socket, s.poll, s.held = sock, p, held
	if p != nil && len(s.queue) > 0 {
		p.wake()
	}
	schedule := s.scheduleLocked()
	s.mu.Unlock()
	if schedule {
		s.flush.add(s)
	}
	return old, nil
}

// answerPoll ends p and returns the messages to answer it with. They are kept until the client's next connect shows that
// it got them.
func (s *session) answerPoll(now time.Time, p *poll, id []byte) []*delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll != p {
		return nil
	}
	s.poll, s.seen = nil, now
	batch := s.queue
	s.queue, s.queued = nil, 0
	s.sent, s.sentTo = batch, bytes.Clone(id)
	return batch
}

// leavePoll ends p without an answer: its client has gone. What is queued waits for the next path.
func (s *session) leavePoll(now time.Time, p *poll) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll == p {
		s.poll, s.seen = nil, now
	}
}

// leaveSocket takes the path away from a socket that has closed or turned to another session, and stops the connect that
// it held.
func (s *session) leaveSocket(now time.Time, sock *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.socket == sock {
		s.socket, s.seen = nil, now
	}
	if s.held != nil && s.held.socket == sock {
		s.held.stopLocked()
		s.held = nil
	}
}

// takeHeld gives the held connect to whoever answers it, once.
func (s *session) takeHeld(now time.Time, h *heldConnect) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != h {
		return false
	}
	s.held, s.seen = nil, now
	return true
}

// answerHeld answers the connect that sock holds, if it does.
func (s *session) answerHeld(now time.Time, sock *socket) {
	s.mu.Lock()
	h := s.held
	if h == nil || h.socket != sock {
		s.mu.Unlock()
		return
	}
	h.stopLocked()
	s.held, s.seen = nil, now
	s.mu.Unlock()
	h.answer()
}

// addSubscription notes that the session subscribes to pattern, and reports whether that is new. A subscription to an
// application that the session had none of begins after position.
func (s *session) addSubscription(pattern pandapush.Pattern, grant pandapush.Grant, position pandapush.Position) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false, errSessionEnded
	}
	_, had := s.subs[pattern.String()]
	if !had && len(s.subs) >= s.limits.Subscriptions {
		return false, pandapush.ErrTooManySubs
	}
	if s.subs == nil {
		s.subs = map[string]subscription{}
	}
	s.subs[pattern.String()] = subscription{pattern, grant}
	if !s.knowsLocked(pattern.App()) {
		s.positions = append(s.positions, appPosition{pattern.App(), position})
	}
	return !had, nil
}

func (s *session) knowsLocked(app pandapush.AppID) bool {
	for _, p := range s.positions {
		if p.app == app {
			return true
		}
	}
	return false
}

// subscribes reports whether the session subscribes to pattern.
func (s *session) subscribes(pattern pandapush.Pattern) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.subs[pattern.String()]
	return ok
}

// removeSubscription forgets pattern.
func (s *session) removeSubscription(pattern pandapush.Pattern) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, pattern.String())
}

// subscriptions returns what the session subscribes to, in no order.
func (s *session) subscriptions() []subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]subscription, 0, len(s.subs))
	for _, sub := range s.subs {
		list = append(list, sub)
	}
	return list
}

// expired reports whether the client has not connected for longer than ttl and has no connect held.
func (s *session) expired(now time.Time, ttl time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poll == nil && s.held == nil && now.Sub(s.seen) >= ttl
}

// end marks the session as ended, so that it takes neither messages nor subscriptions, and returns the path that is to
// be released. ok is false if it had ended before.
func (s *session) end() (old former, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return former{}, false
	}
	s.ended = true
	if s.held != nil {
		s.held.stopLocked()
	}
	old = former{s.socket, s.poll, s.held}
	s.socket, s.poll, s.held = nil, nil, nil
	s.queue, s.queued, s.sent = nil, 0, nil
	return old, true
}

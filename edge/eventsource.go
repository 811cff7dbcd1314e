package edge

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// Faye's EventSource transport: the client opens "/push/<client id>" and gets its messages there, while it
// posts everything that it has to say. Every now and then that is a connect, which is answered at once: it says that the
// client lives, and that it has got what was written before its last one.

// streamHead begins Faye's event streams: how long a browser is to wait before it connects again.
const streamHead = "retry: 5000\n\n"

// streamBeat is how often a silent stream of Faye's is written to, at least: what is between the two may count on it.
const streamBeat = 10 * time.Second

// wantsEvents reports whether a request is for an event stream. The comparison is exact, as Faye's is.
func wantsEvents(r *http.Request) bool {
	kinds := strings.Split(strings.Join(r.Header.Values("Accept"), ","), ",")
	return r.Method == http.MethodGet && slices.ContainsFunc(kinds, func(kind string) bool {
		return strings.TrimSpace(kind) == "text/event-stream"
	})
}

// serveEventSource makes an event stream the path of the session that the URL names. A browser that comes back says by
// Last-Event-ID what it got last, and goes on from there.
//
// A browser gives up for good when it is answered with anything but a stream. So it is only if there is no such session; a
// client that comes while Redis is away, or while this node is going down, gets a stream that ends at once.
func (e *Server) serveEventSource(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	_, _, err := e.ownerOf(r.Context(), id)
	if errors.Is(err, pandapush.ErrNotFound) {
		http.Error(w, "Unknown client", http.StatusNotFound)
		return
	}
	out, failed := e.openStream(w, r, []byte(streamHead))
	switch {
	case errors.Is(failed, errSentAway):
		return
	case errors.Is(failed, pandapush.ErrTooManySessions):
		http.Error(w, failed.Error(), http.StatusTooManyRequests)
		return
	case failed != nil:
		http.Error(w, failed.Error(), http.StatusInternalServerError)
		return
	}
	out.bayeux = true
	if err == nil {
		err = e.attachStream(r.Context(), id, r.Header.Get("Last-Event-ID"), out)
	}
	out.begin() // after that: its client connects as soon as it knows, and a connect without a stream is a poll
	if err != nil {
		out.end(appendRetry(nil, time.Second+rand.N(time.Second)), endUnavailable)
	}
	out.net.start(nil)
}

// attachStream makes out the path of a session.
func (e *Server) attachStream(ctx context.Context, id, lastEvent string, out *stream) error {
	connect := bayeux.Resumption(id, lastEvent)
	s, err := e.attach(ctx, &connect, path{transport: pandapush.TransportEventSource, outlet: out})
	if err != nil {
		return err
	}
	out.session.Store(s)
	return nil
}

// ownerOf returns the node that has a session, and whether it is attached there. The error wraps pandapush.ErrNotFound or
// pandapush.ErrUnavailable.
func (e *Server) ownerOf(ctx context.Context, id string) (owner string, attached bool, err error) {
	if !bayeux.ValidClientID(id) {
		return "", false, pandapush.ErrNotFound
	}
	return e.cfg.Records.ChangeSubscriptions(ctx, id, nil, nil, e.cfg.Limits.Subscriptions)
}

// opening is how long a client may take to find out that its event stream is open. Until it connects with the connection
// type "eventsource" it goes on polling.
const opening = supersededPause

// isEventSource reports whether an outlet is an event stream of Faye's.
func isEventSource(out outlet) bool {
	o, ok := out.(*stream)
	return ok && o.bayeux
}

// returning is how long after its event stream was lost a client may be expected to have opened another one.
const returning = 8 * time.Second

// streamDue returns how long the client may still take to open its event stream again, if it has lost that and not polled since.
// A connect that comes before is not answered with messages: the stream will say what has arrived, and the server only knows
// what the connects have proven, which may be a minute less.
func (s *session) streamDue(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer.StreamLost.IsZero() {
		return 0
	}
	return min(returning, s.answer.StreamLost.Add(returning).Sub(now)) // by another node's clock, maybe
}

// leaveToStream reports whether a connect that came by HTTP has been answered, and its session left to its event stream:
// the client has just opened that, or takes its messages from there. On another node than the stream's that is known only by
// the connection type.
func (x *exchange) leaveToStream(m *bayeux.Message) bool {
	e, id := x.server, m.ClientID.Text()
	if s, ok := e.sessions.get(id); ok {
		if !s.connected(e.cfg.Now(), m.ID, m.EventSource()) {
			return false
		}
		if m.EventSource() {
			x.acceptConnect(m, nil)
		} else {
			x.refuseConnect(m, errSuperseded)
		}
		return true
	}
	if !m.EventSource() {
		return false
	}
	owner, attached, err := e.ownerOf(x.ctx, id)
	if err != nil || !attached || owner == e.cfg.Node || !e.nodes.alive(owner, e.cfg.Now()) {
		return false
	}
	if err := e.cfg.Records.Send(x.ctx, owner, pandapush.Mail{Kind: mailConnected, From: e.cfg.Node, Session: id}); err != nil {
		return false
	}
	x.acceptConnect(m, nil)
	return true
}

// connected notes a connect that came by HTTP for a session whose path is an event stream, and reports whether it is to be
// left so. What was written before the last such connect has arrived by now, as far as a server can know.
func (s *session) connected(now time.Time, id []byte, chosen bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out, ok := s.outlet.(*stream)
	if !ok || s.ended || s.ack { // who acknowledges gets its messages with the answers to its connects
		return false
	}
	if chosen {
		out.chosen = true
	} else if out.chosen || now.Sub(out.opened) >= opening {
		return false // the client has gone over to polling
	}
	s.seen = now
	if len(s.proofs) > 0 {
		s.provenLocked(0)
	}
	s.markLocked()
	if sameID(id, s.answer.ID) { // the answer was lost, and it had messages
		s.backToLocked(s.answer)
		s.catchUpLocked()
	}
	return true
}

package edge

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pandapush/pandapush"
)

// stream is an event stream: the response to a GET that goes on until the connection closes. It is taken from net/http, so
// that an idle one costs no buffers and that writing to it never blocks; HTTP/1.1 alone allows that, and it is what the
// server speaks. The response has no length and no chunks: its end is that of the connection.
//
// What the client sends is thrown away; its end is all that is listened for.
type stream struct {
	// Set before the stream is registered, then never changed.
	server *Server
	net    netConn
	addr   netip.Addr // of its client; zero if not known
	bayeux bool       // events are Faye's, else those of a follower
	head   []byte     // what the response begins with
	opened time.Time

	chosen  bool                    // the client has said by a connect that it takes its messages from here; guarded by session.mu
	session atomic.Pointer[session] // whose path this stream is or was; stored once
	wrote   atomic.Int64            // when something was last written, Unix nanoseconds
	begun   atomic.Bool             // whether the head has been written; what is delivered before that waits
	why     atomic.Pointer[reason]  // why we closed it; nil if the other side did
}

// errSentAway says that a stream has been ended as soon as it was open, since this node is going down.
var errSentAway = errors.New("sent away")

// openStream takes the connection of a request for an event stream: a response with w's headers, and then head. Who calls it
// is to begin it and to start s.net. Nothing has been written if there is an error, unless that is errSentAway; it may be
// pandapush.ErrTooManySessions.
func (e *Server) openStream(w http.ResponseWriter, r *http.Request, head []byte) (_ *stream, err error) {
	addr, _ := e.clientAddr(r)
	if !e.visitors.open(addr) {
		e.stats.limited.WithLabelValues(limitSockets).Inc()
		return nil, pandapush.ErrTooManySessions
	}
	defer func() {
		if err != nil {
			e.visitors.close(addr)
		}
	}()
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("event streams need HTTP/1.1: %w", err)
	}
	// Whoever served the request may have set deadlines for it.
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	now := e.cfg.Now()
	s := &stream{server: e, addr: addr, opened: now}
	s.net.init(conn, s, &e.conns)
	giveUpAfter(conn, 2*e.cfg.PingInterval)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("Connection", "close")
	h.Set("X-Accel-Buffering", "no") // has nginx pass on each event as it comes
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	response := bytes.NewBufferString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(response) // a buffer takes everything
	response.WriteString("\r\n")
	response.Write(head)
	s.head = response.Bytes()
	if !e.outlets.add(s) {
		s.begin()
		s.close(endDrain)
		return nil, errSentAway
	}
	e.stats.streams.Inc()
	return s, nil
}

// begin writes the head, by which the client learns that the stream is open, and what was to be delivered before.
func (s *stream) begin() {
	_ = s.write(s.head) // if it failed, finish is called
	s.begun.Store(true)
	s.drained()
}

// take implements connOwner: there is nothing that a client could say.
func (s *stream) take([]byte) {}

// finish lets go of the stream's session. It implements connOwner.
func (s *stream) finish(err error) {
	e, why := s.server, s.endReason(err)
	e.stats.streamsClosed.WithLabelValues(string(why)).Inc()
	if sess := s.session.Load(); sess != nil {
		e.leave(sess, s, why)
		if sess.follower && (why == endClosed || why == endRefused) { // else it may come back
			e.standUp(sess)
		}
	}
	e.stats.streams.Dec()
	e.visitors.close(s.addr)
	e.outlets.remove(s)
}

// endReason says why the stream ended; err is that of reading from it.
func (s *stream) endReason(err error) reason {
	switch why := s.why.Load(); {
	case why != nil:
		return *why
	case errors.Is(s.net.Failure(), errSlow):
		return endSlow
	case errors.Is(err, syscall.ETIMEDOUT):
		return endDead
	}
	return endClosed
}

// deliver writes a batch, each message as an event, in one write. It implements outlet; there are no pings.
func (s *stream) deliver(w *scratch, batch []*delivery, _ []byte) error {
	if s.bayeux {
		return s.write(w.bayeux.of(batch, appendBayeuxEvent))
	}
	if len(batch) == 1 {
		return s.write(batch[0].event)
	}
	return s.write(w.events.of(batch, appendEvent))
}

// events are a worker's last events and what is in them. Streams that get the same messages get the same bytes.
type events struct {
	batch []*delivery
	text  []byte
}

// of returns the messages of batch as events, each made by add.
func (e *events) of(batch []*delivery, add func([]byte, *delivery) []byte) []byte {
	if slices.Equal(e.batch, batch) {
		return e.text
	}
	e.batch, e.text = append(e.batch[:0], batch...), e.text[:0]
	for _, d := range batch {
		e.text = add(e.text, d)
	}
	return e.text
}

// write writes whole events.
func (s *stream) write(events []byte) error {
	s.wrote.Store(s.server.cfg.Now().UnixNano())
	_, err := s.net.Write(events)
	return err
}

// pings implements outlet.
func (s *stream) pings() bool { return false }

// blocked implements outlet.
func (s *stream) blocked() bool { return !s.begun.Load() || s.net.Blocked() }

// attached implements outlet.
func (s *stream) attached() *session { return s.session.Load() }

// drained implements connOwner.
func (s *stream) drained() {
	if sess := s.session.Load(); sess != nil {
		sess.drained(s)
	}
}

// keepAlive writes something to a stream that has been silent for interval: proxies close connections that are, and a
// client that is not there any more is found out. It implements outlet.
func (s *stream) keepAlive(now time.Time, interval time.Duration) {
	sess := s.session.Load()
	if sess == nil {
		return // not yet, and neither is it known whose stream this is
	}
	if s.bayeux {
		interval = min(interval, streamBeat)
	}
	switch {
	case now.Sub(time.Unix(0, s.wrote.Load())) < interval || s.blocked():
	case sess.follower:
		sess.beat()
	default:
		_ = s.write(appendBeat(nil, pandapush.Cursor{})) // if it failed, finish is called
	}
}

// close tells the client when to come back, if this node is going down, and closes the connection. It implements outlet.
func (s *stream) close(why reason) {
	if why == endDrain {
		s.end(appendRetry(nil, minReturn+rand.N(maxReturn-minReturn)), why)
		return
	}
	s.end(nil, why)
}

// end writes a last event and closes the connection once the client has taken it.
func (s *stream) end(last []byte, why reason) {
	s.why.CompareAndSwap(nil, &why)
	if len(last) > 0 && s.begun.Load() {
		_ = s.write(last) // if it failed, there is nobody to tell
	}
	_ = s.net.Close() // the same
}

// kill implements outlet.
func (s *stream) kill(why reason) {
	s.why.CompareAndSwap(nil, &why)
	s.net.Abort()
}

package edge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lxzan/gws"
)

// proofPing begins the payload of the pings that prove what has arrived; the number of the proof follows.
const proofPing = 'p'

// readBuffer is the size of a socket's read buffer, in bytes. A longer frame is read past it, so a small one costs an idle
// socket little and a busy one nothing.
const readBuffer = 512

// Close codes of RFC 6455 §7.4.1.
const (
	closeNormal    = 1000
	closeGoingAway = 1001
)

// socket is one WebSocket. Its only goroutine is the read loop, which handles a frame to the end before it reads the
// next; any goroutine may write, since writing never blocks.
type socket struct {
	// Set before the read loop starts, then never changed.
	server *Server
	ws     *gws.Conn
	net    *netConn

	session atomic.Pointer[session] // whose path this socket is or was last; stored by the read loop alone
	heard   atomic.Int64            // when something last arrived, Unix nanoseconds
	pinged  atomic.Int64            // when the last ping was sent, Unix nanoseconds
	ended   atomic.Bool             // the read loop is over
	why     atomic.Pointer[reason]  // why we closed it; nil if the other side did
	roomy   chan struct{}           // gets a token when a blocked socket drains
}

// upgrade turns the request into a WebSocket and starts its read loop. It returns as soon as that runs, so that net/http
// can let go of its own buffers and stack.
func (e *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "WebSocket is not possible here", http.StatusInternalServerError)
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		http.Error(w, "WebSocket is not possible here", http.StatusInternalServerError)
		return
	}
	s := &socket{server: e, roomy: make(chan struct{}, 1)}
	s.net = newNetConn(conn, e.cfg.WriteTimeout, e.cfg.Limits.FrameBytes+e.cfg.Limits.QueueBytes, s.drained)
	// A client may send its first frame right behind the request; net/http has read it already.
	var early io.Reader = conn
	if n := buffered.Reader.Buffered(); n > 0 {
		peeked, err := buffered.Reader.Peek(n)
		if err != nil {
			_ = conn.Close() // can't happen: the bytes are there
			return
		}
		early = io.MultiReader(bytes.NewReader(bytes.Clone(peeked)), conn)
	}
	s.ws, err = e.upgrader.UpgradeFromConn(s.net, bufio.NewReaderSize(early, readBuffer), r)
	if err != nil {
		return // gws has answered with 400 and closed
	}
	s.ws.Session().Store("", s)
	s.heard.Store(e.cfg.Now().UnixNano())
	if !e.outlets.add(s) {
		s.close(endDrain)
		return
	}
	e.stats.sockets.Inc()
	go func() {
		defer e.outlets.remove(s)
		defer e.stats.sockets.Dec()
		s.ws.ReadLoop()
	}()
}

// deliver writes batch as one frame, a Bayeux array, and behind it a ping if there is one, all in one write. It implements
// outlet.
func (s *socket) deliver(batch []*delivery, ping []byte) error {
	parts := partsPool.Get().(*[][]byte) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	list := append((*parts)[:0], openArray)
	for i, d := range batch {
		if i > 0 {
			list = append(list, comma)
		}
		list = append(list, d.wire)
	}
	list = append(list, closeArray)
	if ping != nil {
		s.net.Cork()
	}
	err := s.ws.Writev(gws.OpcodeText, list...)
	if ping != nil {
		err = errors.Join(err, s.ws.WritePing(ping), s.net.Uncork())
	}
	clear(list)
	*parts = list
	partsPool.Put(parts)
	if err == nil {
		s.server.stats.frames.Inc()
	}
	return err
}

var (
	openArray, comma, closeArray = []byte("["), []byte(","), []byte("]") // read-only, shared

	partsPool = sync.Pool{New: func() any { return new([][]byte) }}
)

// send writes one frame of replies. A socket that is gone loses them: its client asks again.
func (s *socket) send(frame []byte) {
	if err := s.ws.WriteMessage(gws.OpcodeText, frame); err != nil {
		s.server.cfg.Log.Debug("reply not written", "err", err)
	}
}

// isClosed reports whether the read loop is over.
func (s *socket) isClosed() bool { return s.ended.Load() }

// pings implements outlet.
func (s *socket) pings() bool { return true }

// attached implements outlet.
func (s *socket) attached() *session { return s.session.Load() }

// blocked implements outlet.
func (s *socket) blocked() bool { return s.net.Blocked() }

// drained is called when a blocked socket can be written to again, or has failed.
func (s *socket) drained() {
	select {
	case s.roomy <- struct{}{}:
	default:
	}
	if sess := s.session.Load(); sess != nil {
		sess.drained(s)
	}
}

// awaitRoom blocks while the socket is blocked, so that a client that does not read its replies is not read from either.
func (s *socket) awaitRoom(ctx context.Context) {
	for s.net.Blocked() {
		select {
		case <-s.roomy:
		case <-ctx.Done():
			return
		}
	}
}

// close sends a Close frame and closes the connection. It implements outlet.
func (s *socket) close(why reason) {
	s.why.CompareAndSwap(nil, &why)
	code := uint16(closeNormal)
	if why == endDrain {
		code = closeGoingAway
	}
	if err := s.ws.WriteClose(code, nil); err != nil && !errors.Is(err, gws.ErrConnClosed) {
		s.server.cfg.Log.Debug("close frame not written", "err", err)
	}
}

// kill implements outlet.
func (s *socket) kill(why reason) {
	s.why.CompareAndSwap(nil, &why)
	_ = s.net.Conn.Close() // closing twice is all that can go wrong
}

// keepAlive pings a socket that has been silent for interval, and kills one that has been for twice as long: a living client
// answers a ping. It implements outlet.
func (s *socket) keepAlive(now time.Time, interval time.Duration) {
	silent := now.Sub(time.Unix(0, s.heard.Load()))
	switch {
	case silent >= 2*interval:
		s.kill(endDead)
	case silent >= interval && s.pinged.Load() < s.heard.Load():
		s.pinged.Store(now.UnixNano())
		if err := s.ws.WritePing(nil); err != nil {
			s.server.cfg.Log.Debug("ping not written", "err", err)
		}
	}
}

// endReason says why the socket ended, for the metrics.
func (s *socket) endReason(err error) reason {
	var closed *gws.CloseError
	switch why := s.why.Load(); {
	case why != nil:
		return *why
	case errors.Is(s.net.Failure(), errSlow):
		return endSlow
	case errors.As(err, &closed), errors.Is(err, io.EOF), s.net.Failure() != nil, isNetwork(err):
		return endClosed
	}
	return endProtocol
}

func isNetwork(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF)
}

// events are gws' callbacks. All but OnClose run in the read loop, and so does OnClose, as its last act.
type events struct{ gws.BuiltinEventHandler }

// OnMessage answers a frame.
func (events) OnMessage(ws *gws.Conn, message *gws.Message) {
	s := socketOf(ws)
	s.heard.Store(s.server.cfg.Now().UnixNano())
	s.awaitRoom(s.server.ctx)
	s.server.handleFrame(s, message.Bytes())
	_ = message.Close() // gives the buffer back to gws; it never fails
}

// OnPing answers a ping with what it carries.
func (events) OnPing(ws *gws.Conn, payload []byte) {
	s := socketOf(ws)
	s.heard.Store(s.server.cfg.Now().UnixNano())
	s.awaitRoom(s.server.ctx)
	if err := ws.WritePong(payload); err != nil {
		s.server.cfg.Log.Debug("pong not written", "err", err)
	}
}

// OnPong notes that the client lives, and what it has got.
func (events) OnPong(ws *gws.Conn, payload []byte) {
	s := socketOf(ws)
	s.heard.Store(s.server.cfg.Now().UnixNano())
	if sess := s.session.Load(); sess != nil && len(payload) == 2 && payload[0] == proofPing {
		sess.proven(s, payload[1])
	}
}

// OnClose detaches the session.
func (events) OnClose(ws *gws.Conn, err error) {
	s := socketOf(ws)
	why := s.endReason(err)
	s.ended.Store(true)
	s.server.stats.closed.WithLabelValues(string(why)).Inc()
	if sess := s.session.Load(); sess != nil {
		s.server.leave(sess, s, why)
	}
}

// slot is gws' storage for a connection, cut down to the one value that we keep there.
type slot struct{ value any }

func newSlot() gws.SessionStorage { return &slot{} }

// Len implements gws.SessionStorage.
func (s *slot) Len() int { return 1 }

// Load implements gws.SessionStorage. There is one value, whatever the key.
func (s *slot) Load(string) (any, bool) { return s.value, s.value != nil }

// Delete implements gws.SessionStorage.
func (s *slot) Delete(string) { s.value = nil }

// Store implements gws.SessionStorage.
func (s *slot) Store(_ string, value any) { s.value = value }

// Range implements gws.SessionStorage.
func (s *slot) Range(f func(string, any) bool) { f("", s.value) }

func socketOf(ws *gws.Conn) *socket {
	value, _ := ws.Session().Load("")
	return value.(*socket) //nolint:errcheck,forcetypeassert // upgrade stores it before anything is read
}

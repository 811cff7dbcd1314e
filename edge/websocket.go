package edge

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/lxzan/gws"

	"github.com/pandapush/pandapush/edge/frame"
)

// proofPing begins the payload of the pings that prove what has arrived; the number of the proof follows.
const proofPing = 'p'

// socket is one WebSocket. It has a goroutine only while something that came is being handled, one frame after the other;
// any goroutine may write, since writing never blocks.
type socket struct {
	// Set before start, then never changed.
	server *Server
	from   visitor
	opened int64 // Unix nanoseconds
	packed bool  // the client takes compressed messages, and may send some
	net    netConn

	// Owned by whoever's turn it is to read.
	frames frame.Reader
	ending bool // what comes is not looked at any more
	input  charge

	session atomic.Pointer[session] // whose path this socket is, was last or may become; stored by whoever reads
	heard   atomic.Int64            // when the last whole frame came, Unix nanoseconds
	began   atomic.Int64            // since when a message has been incomplete, Unix nanoseconds; 0 if none is
	granted atomic.Bool             // the client has asked for something and got it
	pinged  atomic.Int64            // when the last ping was sent, Unix nanoseconds
	why     atomic.Pointer[reason]  // why we closed it; nil if the other side did
}

// wantsSocket reports whether a request is to become a WebSocket. Other upgrades may be passed over (RFC 9110 §7.8), and are:
// Java's HTTP client offers one to HTTP/2 with whatever it posts.
func wantsSocket(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// badUpgrade returns what keeps a request from becoming a WebSocket, in Faye's words; "" if nothing does.
func badUpgrade(r *http.Request) string {
	options := strings.Split(strings.Join(r.Header.Values("Connection"), ","), ",")
	version := r.Header.Get("Sec-WebSocket-Version")
	switch {
	case r.Method != http.MethodGet || !slices.ContainsFunc(options, func(option string) bool {
		return strings.EqualFold(strings.TrimSpace(option), "upgrade")
	}):
		return "Not a WebSocket request"
	case version != "13":
		return fmt.Sprintf("Unsupported WebSocket version: %.20s", version)
	case r.Header.Get("Sec-WebSocket-Key") == "":
		return "Missing handshake request header: Sec-WebSocket-Key"
	}
	return ""
}

// upgrade turns the request into a WebSocket and has it read. It returns then, so that net/http can let go of its own
// buffers and stack.
func (e *Server) upgrade(w http.ResponseWriter, r *http.Request) {
	if wrong := badUpgrade(r); wrong != "" {
		w.Header().Set("Sec-WebSocket-Version", "13")
		http.Error(w, wrong, http.StatusBadRequest)
		return
	}
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
	s := &socket{server: e, from: e.visitor(r), opened: e.cfg.Now().UnixNano()}
	s.net.init(conn, s, &e.conns)
	// A client may send its first frame right behind the request; net/http has read it already.
	early, err := buffered.Reader.Peek(buffered.Reader.Buffered())
	if err != nil {
		s.net.Abort() // can't happen: the bytes are there
		return
	}
	s.heard.Store(s.opened)
	counted := e.visitors.open(s.from.addr)
	upgrader := e.upgrader
	if s.packed = e.cfg.Compression && frame.AcceptsDeflate(r.Header.Values("Sec-WebSocket-Extensions")); s.packed {
		upgrader = e.packed
	}
	_, err = upgrader.UpgradeFromConn(&s.net, nil, r)
	switch {
	case err != nil: // the client has gone, and gws has closed the connection
	case !counted:
		e.stats.limited.WithLabelValues(limitSockets).Inc()
		s.close(endCrowded)
		return
	case !e.outlets.add(s):
		s.close(endDrain)
	default:
		e.stats.sockets.Inc()
		s.net.start(bytes.Clone(early))
		return
	}
	if counted {
		e.visitors.close(s.from.addr)
	}
}

// newUpgrader returns what answers the handshakes of WebSockets. gws does no more than that: what comes and goes after it is
// framed by package frame, since gws wants a goroutine that reads.
func newUpgrader(packed bool) *gws.Upgrader {
	return gws.NewUpgrader(gws.BuiltinEventHandler{}, &gws.ServerOption{
		NewSession:        func() gws.SessionStorage { return nil },
		PermessageDeflate: gws.PermessageDeflate{Enabled: packed, PoolSize: 1, ServerMaxWindowBits: 15, ClientMaxWindowBits: 15},
	})
}

// take handles what has come, message by message. It implements connOwner.
func (s *socket) take(p []byte) {
	defer s.recover()
	now, complete := s.server.cfg.Now().UnixNano(), false
	for !s.ending {
		m, rest, err := s.frames.Next(p, frame.Limits{Bytes: s.server.cfg.Limits.FrameBytes, Deflate: s.packed})
		if err != nil {
			s.fail(err)
			return
		}
		if m.Opcode == 0 {
			break
		}
		p, complete = rest, complete || m.Opcode < frame.Close
		s.heard.Store(now)
		s.handle(m)
	}
	switch {
	case !s.frames.Partial():
		s.began.Store(0)
	case complete || s.began.Load() == 0: // another one than before
		s.began.Store(now)
	}
	s.count()
}

// count charges the socket with what has come of a message that has not ended. While the client does not read the answers to
// the last one, which may be as long, that counts on.
func (s *socket) count() {
	held := s.frames.Held()
	if s.net.Blocked() {
		held = max(held, int(s.input)+uncharged)
	}
	if !s.ending && !s.server.input.charge(&s.input, held) {
		s.fail(errNoRoom)
	}
}

// handle answers one message. While the client does not read its replies nothing more of it is handled.
func (s *socket) handle(m frame.Message) {
	switch m.Opcode {
	case frame.Ping:
		s.net.AwaitRoom(s.server.ctx)
		s.write(frame.Pong, m.Payload)
	case frame.Pong:
		if sess := s.session.Load(); sess != nil && len(m.Payload) == 5 && m.Payload[0] == proofPing {
			sess.proven(s, binary.BigEndian.Uint32(m.Payload[1:]))
		}
	case frame.Close:
		s.finishWith(endClosed, echoed(frame.CloseCode(m.Payload)), "")
	default:
		if m.Deflated {
			var err error
			if m.Payload, err = s.server.inflater.Inflate(m.Payload, s.server.cfg.Limits.FrameBytes); err != nil {
				s.fail(err)
				return
			}
		}
		if m.Opcode == frame.Text && !utf8.Valid(m.Payload) {
			s.fail(frame.ErrNotUTF8)
			return
		}
		s.net.AwaitRoom(s.server.ctx)
		s.server.handleFrame(s, m.Payload)
	}
}

// echoed returns the code with which a close frame is answered.
func echoed(code uint16) uint16 {
	if code == frame.CodeNoStatus {
		return frame.CodeNormal
	}
	return code
}

// fail ends a socket whose client broke the protocol.
func (s *socket) fail(err error) {
	wrong, ok := errors.AsType[*frame.Error](err)
	if !ok {
		wrong = &frame.Error{Code: frame.CodeProtocol}
	}
	switch wrong.Code {
	case frame.CodeTooLarge:
		s.server.stats.limited.WithLabelValues(limitFrame).Inc()
	case frame.CodeTryLater:
		s.server.stats.limited.WithLabelValues(limitInput).Inc()
	}
	s.ending, s.frames = true, frame.Reader{}
	s.server.input.charge(&s.input, 0)
	s.endWith(endProtocol, s.net.Refuse, wrong.Code, wrong.Text)
}

// finishWith ends the socket from within its handler.
func (s *socket) finishWith(why reason, code uint16, text string) {
	s.ending = true
	s.closeWith(why, code, text)
}

// recover ends a socket whose handler panicked, and no other.
func (s *socket) recover() {
	if cause := recover(); cause != nil {
		s.server.cfg.Log.Error("handler of a WebSocket panicked", "panic", cause, "stack", string(debug.Stack()))
		s.finishWith(endPanic, frame.CodeUnexpected, "")
	}
}

// finish detaches the session. It implements connOwner.
func (s *socket) finish(error) {
	e, why := s.server, s.endReason()
	e.input.charge(&s.input, 0)
	e.stats.closed.WithLabelValues(string(why)).Inc()
	if sess := s.session.Load(); sess != nil {
		e.leave(sess, s, why)
	}
	e.stats.sockets.Dec()
	e.visitors.close(s.from.addr)
	e.outlets.remove(s)
}

// endReason says why the socket ended, for the metrics.
func (s *socket) endReason() reason {
	if why := s.why.Load(); why != nil {
		return *why
	}
	if errors.Is(s.net.Failure(), errSlow) {
		return endSlow
	}
	return endClosed
}

// deliver writes batch as one frame, a Bayeux array, and behind it a ping if there is one, all in one write. It implements
// outlet.
func (s *socket) deliver(w *scratch, batch []*delivery, ping []byte) error {
	out := w.array(batch)
	if s.packed && len(out) >= minPacked {
		out = w.pack(batch)
	}
	if ping != nil {
		out = frame.Append(out, frame.Ping, ping) // behind what w keeps
	}
	if _, err := s.net.Write(out); err != nil {
		return err
	}
	s.server.stats.frames.Inc()
	return nil
}

// array returns a frame with the messages of batch. Sockets that get the same messages get the same bytes, made once by
// each worker that has such sockets one after the other.
func (w *scratch) array(batch []*delivery) []byte {
	m := &w.plain
	if slices.Equal(m.batch, batch) {
		return m.frame
	}
	m.batch = append(m.batch[:0], batch...)
	length := len("[") + len(batch) // a comma or the bracket behind each
	for _, d := range batch {
		length += len(d.wire)
	}
	m.frame = frame.AppendHeader(m.frame[:0], frame.Text, false, length)
	m.head = len(m.frame)
	m.frame = append(m.frame, '[')
	for i, d := range batch {
		if i > 0 {
			m.frame = append(m.frame, ',')
		}
		m.frame = append(m.frame, d.wire...)
	}
	m.frame = append(m.frame, ']')
	return m.frame
}

// minPacked is from how many bytes on a frame of messages is compressed. Replies never are: they are short, and repeat
// what a client says beside the secret name of its session.
const minPacked = 512

// pack is array for a client that takes compressed messages. It is called right after array, for the same batch.
func (w *scratch) pack(batch []*delivery) []byte {
	m := &w.deflated
	if slices.Equal(m.batch, batch) {
		return m.frame
	}
	m.batch = append(m.batch[:0], batch...)
	m.frame = w.deflater.Append(m.frame[:0], frame.Text, w.plain.frame[w.plain.head:])
	return m.frame
}

// frameBuffers are for frames of replies.
var frameBuffers = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the largest buffer that is kept for the next frame, in bytes.
const maxPooled = 16 << 10

// write writes one frame. A socket that is gone loses it.
func (s *socket) write(opcode frame.Opcode, payload []byte) {
	b := frameBuffers.Get().(*[]byte) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	*b = frame.Append((*b)[:0], opcode, payload)
	if _, err := s.net.Write(*b); err != nil {
		s.server.cfg.Log.Debug("frame not written", "error", err)
	}
	if cap(*b) <= maxPooled {
		frameBuffers.Put(b)
	}
}

// send writes one frame of replies. A socket that is gone loses them: its client asks again.
func (s *socket) send(replies []byte) { s.write(frame.Text, replies) }

// pings implements outlet.
func (s *socket) pings() bool { return true }

// vacant reports whether no living session has to do with the socket.
func (s *socket) vacant() bool {
	sess := s.session.Load()
	return sess == nil || sess.finally() != nil
}

// attached implements outlet.
func (s *socket) attached() *session { return s.session.Load() }

// blocked implements outlet.
func (s *socket) blocked() bool { return s.net.Blocked() }

// drained goes on with the session. It implements connOwner.
func (s *socket) drained() {
	if sess := s.session.Load(); sess != nil {
		sess.drained(s)
	}
}

// close sends a Close frame and closes the connection. It implements outlet.
func (s *socket) close(why reason) {
	switch why {
	case endDrain:
		s.closeWith(why, frame.CodeGoingAway, "")
	case endCrowded:
		s.closeWith(why, frame.CodePolicy, "too many connections from your address")
	case endMute:
		s.closeWith(why, frame.CodePolicy, "nothing granted in time")
	default:
		s.closeWith(why, frame.CodeNormal, "")
	}
}

func (s *socket) closeWith(why reason, code uint16, text string) {
	s.endWith(why, s.net.Finish, code, text)
}

// endWith ends the connection with a Close frame, by Finish or Refuse.
func (s *socket) endWith(why reason, by func(p []byte) error, code uint16, text string) {
	s.why.CompareAndSwap(nil, &why)
	if err := by(frame.AppendClose(nil, code, text)); err != nil {
		s.server.cfg.Log.Debug("close frame not written", "error", err)
	}
}

// kill implements outlet.
func (s *socket) kill(why reason) {
	s.why.CompareAndSwap(nil, &why)
	s.net.Abort()
}

// keepAlive pings a socket that has been silent for interval, and kills one that has not answered for as long again, since a
// living client answers a ping; and one that is so slow to send a message that it may never end it. A socket that was not
// pinged in time, because this node was held up, is not blamed for that. It implements outlet.
func (s *socket) keepAlive(now time.Time, interval time.Duration) {
	since := func(moment int64) time.Duration { return now.Sub(time.Unix(0, moment)) }
	heard, pinged, began := s.heard.Load(), s.pinged.Load(), s.began.Load()
	switch {
	case pinged > heard && since(pinged) >= interval:
		s.kill(endDead)
	case !s.granted.Load() && since(s.opened) >= s.server.cfg.HandshakeTimeout:
		s.server.stats.limited.WithLabelValues(limitHandshake).Inc()
		s.close(endMute)
	case began != 0 && since(began) >= 2*interval:
		s.kill(endPartial)
	case pinged <= heard && since(heard) >= interval:
		s.pinged.Store(now.UnixNano())
		s.write(frame.Ping, nil)
	}
}

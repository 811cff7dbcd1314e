package edge

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// exchange answers the messages of one frame or body: one after the other, each with a reply of its own, in the order in
// which they came. At most one connect is left for the caller to hold, since how that is done depends on the transport.
type exchange struct {
	server    *Server
	ctx       context.Context //nolint:containedctx // of the request, or of the server for a socket; an exchange is a call's local
	socket    *socket         // nil over HTTP
	from      visitor
	transport string // of a connect that comes over HTTP: pandapush.TransportLongPolling or TransportCallbackPolling

	changes   []func()          // of subscriptions, to be made when the replies have been written
	reply     []byte            // the array of replies, without its closing bracket
	connect   *pendingConnect   // the connect to hold, if there was one
	connects  []*pendingConnect // further ones, which are not held
	published []pandapush.Cursor
	apps      []pandapush.AppID // of published, in the same order

	unanswered bool // Redis is away, and the only message is a connect that must come again as it is
}

// pendingConnect is a connect that was found to be right and has not been answered yet.
type pendingConnect struct {
	message bayeux.Message // its own copy
	hold    time.Duration
}

// handle answers messages.
func (x *exchange) handle(messages []bayeux.Message) {
	for i := range messages {
		m, verb := &messages[i], messages[i].Verb()
		if verb != bayeux.Publish {
			m.Time = m.ReceiveTime(x.server.cfg.Now())
		}
		switch verb {
		case bayeux.Handshake:
			x.handshake(m)
		case bayeux.Connect:
			x.checkConnect(m)
		case bayeux.Disconnect:
			x.disconnect(m)
		case bayeux.Subscribe:
			x.subscribe(m)
		case bayeux.Unsubscribe:
			x.unsubscribe(m)
		case bayeux.Publish:
			x.publish(m)
		case bayeux.Unknown:
			x.answer("unknown", bayeux.Reply{To: m, Err: bayeux.ForbiddenChannel(m.Channel.Text())})
		}
	}
}

// usualReply is how many bytes a reply has room for before it has to grow: enough for one to a handshake or a subscribe.
const usualReply = 320

// begin makes room for another element of the reply.
func (x *exchange) begin() {
	if len(x.reply) == 0 {
		if x.reply == nil {
			x.reply = make([]byte, 0, usualReply)
		}
		x.reply = append(x.reply, '[')
	} else {
		x.reply = append(x.reply, ',')
	}
}

// answer adds the reply to one message, and counts it.
func (x *exchange) answer(verb string, r bayeux.Reply) {
	x.begin()
	if r.To.Time != nil {
		r.Now = x.server.cfg.Now()
	}
	x.reply = bayeux.AppendReply(x.reply, r)
	result := "ok"
	if r.Err != nil {
		result = "refused"
		if errors.Is(r.Err, bayeux.InternalError) || errors.Is(r.Err, pandapush.ErrUnavailable) {
			result = "failed"
		}
		if name := limitName(r.Err); name != "" {
			x.server.stats.limited.WithLabelValues(name).Inc()
		}
	} else if x.socket != nil {
		x.socket.granted.Store(true)
	}
	x.server.stats.messages.WithLabelValues(verb, result).Inc()
}

// handshake begins a session: a record, and for a client that comes by a socket the session itself.
func (x *exchange) handshake(m *bayeux.Message) {
	r := bayeux.Reply{To: m, Err: bayeux.CheckHandshake(m)}
	if r.Err == nil {
		r = x.beginSession(m)
	}
	x.answer("handshake", r)
}

func (x *exchange) beginSession(m *bayeux.Message) bayeux.Reply {
	e, id := x.server, bayeux.NewClientID()
	if !e.visitors.begin(x.from.addr, id, e.cfg.Now()) {
		return bayeux.Reply{To: m, Err: pandapush.ErrTooManySessions, Advice: bayeux.HandshakeAdvice(crowdedPause)}
	}
	record := pandapush.Session{Created: e.cfg.Now(), Ack: m.AckOffered(), Expiry: m.ExpiryWanted(), UserAgent: x.from.agent.Value()}
	keep := x.socket != nil && x.socket.vacant()
	if keep {
		record.Owner, record.Fence, record.Attached, record.Transport = e.cfg.Node, 1, true, pandapush.TransportWebSocket
	}
	if err := e.cfg.Records.CreateSession(x.ctx, id, record, e.ttl()); err != nil {
		e.visitors.end(x.from.addr, id)
		return bayeux.Reply{To: m, Err: x.explain("handshake", err)}
	}
	if keep {
		e.keep(id, record, x.socket)
	}
	r := bayeux.Reply{To: m, ClientID: id, Advice: e.retryAdvice()}
	if record.Ack {
		r.Ext = []byte(`{"ack":true}`)
	}
	return r
}

// keep registers a session that a socket has just made, and whose record says that it is attached here. Nearly always it is
// that socket by which the client connects and subscribes next, and for that nothing has to be claimed and looked up.
// Until then the session has no path, and what it subscribes to waits.
func (e *Server) keep(id string, record pandapush.Session, sock *socket) {
	s := e.revive(id, record)
	s.awaited = true
	e.sessions.addOrGet(s) // nobody else knows the id yet
	e.start(s)
	sock.session.Store(s)
}

// attach makes p the path of the session that c connects, if the client's address may have one more.
func (x *exchange) attach(c *pendingConnect, p path) (*session, error) {
	e, id := x.server, c.message.ClientID.Text()
	if !e.visitors.visit(x.from.addr, id, e.cfg.Now()) {
		return nil, pandapush.ErrTooManySessions
	}
	s, err := e.attach(x.ctx, &c.message, p)
	if errors.Is(err, errUnknownSession) {
		e.visitors.end(x.from.addr, id)
	}
	return s, err
}

// checkConnect leaves a connect that is right to be held; a second one in the same frame waits for nothing. Whether the
// session exists is seen when it is attached.
func (x *exchange) checkConnect(m *bayeux.Message) {
	if err := bayeux.CheckConnect(m, bayeux.ValidClientID(m.ClientID.Text())); err != nil {
		x.answer("connect", bayeux.Reply{To: m, Err: err, Advice: beginAnew()})
		return
	}
	c := &pendingConnect{message: m.Clone(), hold: m.Hold(x.server.cfg.Timeout)}
	if x.server.isDraining() {
		c.hold = 0
	}
	if x.connect != nil {
		x.connects = append(x.connects, c)
		return
	}
	x.connect = c
}

// acceptConnect answers a connect.
func (x *exchange) acceptConnect(m *bayeux.Message, ext []byte) {
	r := bayeux.Reply{To: m, Advice: x.server.retryAdvice(), Ext: ext}
	if m.EventSource() {
		r.Advice = bayeux.EventSourceAdvice(x.server.cfg.Timeout)
	}
	x.answer("connect", r)
}

// refuseConnect answers a connect that could not be attached.
func (x *exchange) refuseConnect(m *bayeux.Message, err error) {
	switch {
	case errors.Is(err, errUnknownSession):
		x.answer("connect", bayeux.Reply{To: m, Err: bayeux.CheckConnect(m, false), Advice: beginAnew()})
	case errors.Is(err, pandapush.ErrTooManySessions):
		x.answer("connect", bayeux.Reply{To: m, Err: err, Advice: bayeux.HandshakeAdvice(crowdedPause)})
	case errors.Is(err, errSuperseded): // two connects of one session: this one is no longer waited for
		x.answer("connect", bayeux.Reply{To: m, Advice: bayeux.RetryAdvice(supersededPause, x.server.cfg.Timeout)})
	default:
		// Redis is away. The client has nothing to mend, and Faye's does not get over a connect that fails without advice
		// to begin anew: it is to come back, and finds its session as it was.
		x.logFailure("connect", err)
		x.answer("connect", bayeux.Reply{To: m, Advice: bayeux.RetryAdvice(time.Second+rand.N(time.Second), x.server.cfg.Timeout)})
	}
}

// crowdedPause is how long a client stays away whose address has too many sessions.
const crowdedPause = 10 * time.Second

// supersededPause keeps two clients that use one session from taking it from each other all the time.
const supersededPause = 3 * time.Second

func (x *exchange) disconnect(m *bayeux.Message) {
	id := m.ClientID.Text()
	err := bayeux.CheckDisconnect(m, bayeux.ValidClientID(id))
	if err == nil && x.connect != nil && x.connect.message.ClientID.Text() == id {
		x.acceptConnect(&x.connect.message, nil)
		x.connect = nil
	}
	if err != nil {
		x.answer("disconnect", bayeux.Reply{To: m, Err: err})
		return
	}
	x.server.visitors.end(x.from.addr, id)
	if s, ok := x.server.sessions.get(id); ok && x.socket != nil && s.belongs(x.socket) {
		// The socket closes with its session, so the reply goes first.
		x.answer("disconnect", bayeux.Reply{To: m})
		x.flush()
		if err := x.server.endRecord(x.ctx, id, endDisconnect); err != nil {
			x.logFailure("disconnect", err)
		}
		return
	}
	if err = x.server.endRecord(x.ctx, id, endDisconnect); errors.Is(err, errUnknownSession) {
		err = bayeux.CheckDisconnect(m, false)
	}
	x.answer("disconnect", bayeux.Reply{To: m, Err: x.explain("disconnect", err)})
}

// belongs reports whether an outlet is the session's path, or has made it and may become that.
func (s *session) belongs(out outlet) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.belongsLocked(out)
}

func (s *session) belongsLocked(out outlet) bool {
	return s.outlet == out || s.awaited && out.attached() == s
}

// flush writes what has been answered so far to the socket, as a frame of its own.
func (x *exchange) flush() {
	if len(x.reply) == 0 {
		return
	}
	x.socket.send(append(x.reply, ']'))
	x.reply = x.reply[:0]
}

// retryAdvice is the advice of every good handshake and connect.
func (e *Server) retryAdvice() bayeux.Advice {
	return bayeux.RetryAdvice(e.returnAfter(), e.cfg.Timeout)
}

// beginAnew is the advice for a client whose session is not known: many of them may come at once, after a restart.
func beginAnew() bayeux.Advice { return bayeux.HandshakeAdvice(rand.N(500 * time.Millisecond)) }

func (e *Server) decodeLimits() bayeux.Limits { return bayeux.Limits{Messages: e.cfg.Limits.Messages} }

// handleFrame answers one frame of a socket.
func (e *Server) handleFrame(s *socket, frame []byte) {
	messages, err := bayeux.Decode(frame, e.decodeLimits(), nil)
	x := exchange{server: e, ctx: e.ctx, socket: s, from: s.from}
	switch {
	case err != nil: // Faye says nothing, and a client with a bug waits for ever
		x.answer("unknown", bayeux.Reply{To: &bayeux.Message{}, Err: err})
	case len(messages) == 0: // Faye's clients before 1.3 send [] to keep the connection alive
		x.reply = []byte{'['}
	default:
		x.handle(messages)
	}
	x.flush()
	for _, apply := range x.changes {
		apply()
	}
	if x.connect != nil {
		x.holdOnSocket()
	}
}

// holdOnSocket makes the socket the session's path. A connect that is held is answered later; the other replies, and what
// waited for the session, leave at once.
func (x *exchange) holdOnSocket() {
	e, sock := x.server, x.socket
	for _, c := range append([]*pendingConnect{x.connect}, x.connects...) {
		p := path{transport: pandapush.TransportWebSocket, outlet: sock}
		if c.hold > 0 {
			p.held = &heldConnect{socket: sock, connect: c.message.Held()}
		}
		x.flush()
		s, err := x.attach(c, p)
		if err != nil {
			x.refuseConnect(&c.message, err)
			continue
		}
		if before := sock.session.Swap(s); before != nil && before != s {
			e.leave(before, sock, endSuperseded)
		}
		s.drained(sock) // it may have been blocked and drained before it knew whose it is
		if p.held == nil {
			x.acceptConnect(&c.message, s.sameBatch(&c.message))
		} else {
			p.held.start(s, c.hold)
		}
	}
	x.flush()
}

// leave detaches a session whose outlet has closed or turned to another session, if that is still its path.
func (e *Server) leave(s *session, out outlet, why reason) {
	if s.belongs(out) {
		e.detach(s, path{outlet: out}, why)
	}
}

// heldConnect is a /meta/connect that came by a socket: while it is unanswered, the client knows that the session lives.
type heldConnect struct {
	socket  *socket
	connect bayeux.Held
	session *session    // set when it becomes the session's
	timer   *time.Timer // answers it when its time has come; guarded by session.mu
}

// message returns the connect, as far as its reply needs it.
func (h *heldConnect) message() *bayeux.Message {
	m := h.connect.Message(h.session.id)
	return &m
}

// start has the connect answered after hold.
func (h *heldConnect) start(s *session, hold time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != h {
		return
	}
	h.timer = time.AfterFunc(hold, func() {
		if s.ack {
			h.answerBatch()
		} else if s.takeHeld(s.server.cfg.Now(), h) {
			h.answer()
		}
	})
	if s.ack && len(s.queue) > 0 {
		s.server.background(h.answerBatch)
	}
}

// stopLocked stops the timer; session.mu is held. h may be nil.
func (h *heldConnect) stopLocked() {
	if h != nil && h.timer != nil {
		h.timer.Stop()
	}
}

// takeHeld gives the held connect to whoever answers it, once.
func (s *session) takeHeld(now time.Time, h *heldConnect) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != h {
		return false
	}
	h.stopLocked()
	s.held, s.seen = nil, now
	return true
}

// answer sends the reply. It is for whoever took h out of its session, and sends it even if that has ended.
func (h *heldConnect) answer() {
	e := h.session.server
	x := exchange{server: e, ctx: e.ctx, socket: h.socket}
	x.acceptConnect(h.message(), nil)
	x.flush()
}

// answerBatch answers the connect of a client that acknowledges, with all that waits for it. The record
// says how to do it again before it is sent.
func (h *heldConnect) answerBatch() {
	e, s := h.session.server, h.session
	s.saving.Lock()
	s.mu.Lock()
	if s.ended || s.held != h {
		s.mu.Unlock()
		s.saving.Unlock()
		return
	}
	h.stopLocked()
	s.held, s.seen = nil, e.cfg.Now()
	batch, number := s.answerLocked(nil)
	record := s.recordLocked()
	record.Behind = s.exception
	s.catchUpLocked()
	s.mu.Unlock()
	saved := e.save(s.id, record)
	s.saving.Unlock()
	x := exchange{server: e, ctx: e.ctx, socket: h.socket}
	if saved {
		x.acceptConnect(h.message(), bayeux.AppendAck(nil, number))
		x.deliver(batch)
	} else { // whatever the record says now, a client that has not got this batch gets it, and one that has would twice
		s.takeBack()
		m := h.message()
		x.acceptConnect(m, s.sameBatch(m))
	}
	x.flush()
}

// takeBack goes back to before the last answer, which was not sent.
func (s *session) takeBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer.From != nil {
		s.backToLocked(s.answer)
	}
	s.catchUpLocked()
}

// sameBatch returns the "ext" of an answer without messages, for a client that acknowledges; nil for others. The number is
// the client's own: a newer one would have it acknowledge what it never got.
func (s *session) sameBatch(m *bayeux.Message) []byte {
	batch, ok := m.Ack()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ack || !ok {
		return nil
	}
	return bayeux.AppendAck(nil, batch)
}

// deliver adds messages to the reply.
func (x *exchange) deliver(batch []*delivery) {
	for _, d := range batch {
		x.begin()
		x.reply = append(x.reply, d.wire...)
	}
}

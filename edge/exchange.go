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
	server *Server
	ctx    context.Context //nolint:containedctx // of the request, or of the server for a socket; an exchange is a call's local
	socket *socket         // nil over HTTP

	reply     []byte          // the array of replies, without its closing bracket
	connect   *pendingConnect // the connect to hold, if there was one
	published []pandapush.Cursor
	apps      []pandapush.AppID // of published, in the same order
}

// pendingConnect is a connect that was found to be right and has not been answered yet.
type pendingConnect struct {
	session *session
	message bayeux.Message // its own copy
	hold    time.Duration
}

// handle answers messages.
func (x *exchange) handle(messages []bayeux.Message) {
	for i := range messages {
		m := &messages[i]
		switch m.Verb() {
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

// begin makes room for another element of the reply.
func (x *exchange) begin() {
	if len(x.reply) == 0 {
		x.reply = append(x.reply, '[')
	} else {
		x.reply = append(x.reply, ',')
	}
}

// answer adds the reply to one message, and counts it.
func (x *exchange) answer(verb string, r bayeux.Reply) {
	x.begin()
	x.reply = bayeux.AppendReply(x.reply, r)
	result := "ok"
	if r.Err != nil {
		result = "refused"
		if errors.Is(r.Err, bayeux.InternalError) || errors.Is(r.Err, pandapush.ErrUnavailable) {
			result = "failed"
		}
	}
	x.server.stats.messages.WithLabelValues(verb, result).Inc()
}

// session returns the session that m names.
func (x *exchange) session(m *bayeux.Message) (*session, bool) {
	return x.server.sessions.get(m.ClientID.Text())
}

func (x *exchange) handshake(m *bayeux.Message) {
	r := bayeux.Reply{To: m, Err: bayeux.CheckHandshake(m)}
	if r.Err == nil {
		r.ClientID = x.server.newSession().id
		r.Advice = x.server.retryAdvice()
	}
	x.answer("handshake", r)
}

// checkConnect leaves a connect that is right to be held; a second one in the same frame is answered at once.
func (x *exchange) checkConnect(m *bayeux.Message) {
	s, known := x.session(m)
	if err := bayeux.CheckConnect(m, known); err != nil {
		x.answer("connect", bayeux.Reply{To: m, Err: err, Advice: beginAnew()})
		return
	}
	c := &pendingConnect{session: s, message: m.Clone(), hold: m.Hold(x.server.cfg.Timeout)}
	if x.server.isDraining() {
		c.hold = 0
	}
	if x.connect != nil {
		x.acceptConnect(c)
		return
	}
	x.connect = c
}

// acceptConnect answers a connect.
func (x *exchange) acceptConnect(c *pendingConnect) {
	r := bayeux.Reply{To: &c.message, Advice: x.server.retryAdvice()}
	if c.message.EventSource() {
		r.Advice = bayeux.EventSourceAdvice(x.server.cfg.Timeout)
	}
	x.answer("connect", r)
}

// refuseConnect answers a connect whose session ended meanwhile.
func (x *exchange) refuseConnect(c *pendingConnect) {
	x.answer("connect", bayeux.Reply{To: &c.message, Err: bayeux.CheckConnect(&c.message, false), Advice: beginAnew()})
}

func (x *exchange) disconnect(m *bayeux.Message) {
	s, known := x.session(m)
	err := bayeux.CheckDisconnect(m, known)
	x.answer("disconnect", bayeux.Reply{To: m, Err: err})
	if err != nil {
		return
	}
	if x.connect != nil && x.connect.session == s {
		x.acceptConnect(x.connect)
		x.connect = nil
	}
	if x.socket != nil { // the reply must be written before the session's end closes the socket
		x.flush()
	}
	x.server.endSession(s, endDisconnect)
}

// flush writes what has been answered so far to the socket, as a frame of its own.
func (x *exchange) flush() {
	if len(x.reply) == 0 {
		return
	}
	x.socket.send(append(x.reply, ']'))
	x.reply = nil
}

// awaitPublished waits until what this exchange published has come back through the stream, so that a client that
// publishes and connects in one request gets its own messages with the answer. It does not wait for long: whatever
// comes later is not lost.
func (x *exchange) awaitPublished() {
	ctx, cancel := context.WithTimeout(x.ctx, time.Second)
	defer cancel()
	for i, cursor := range x.published {
		x.server.hub.reach(ctx, x.apps[i], cursor.Position)
	}
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
	x := exchange{server: e, ctx: e.ctx, socket: s}
	switch {
	case err != nil: // Faye says nothing, and a client with a bug waits for ever
		x.answer("unknown", bayeux.Reply{To: &bayeux.Message{}, Err: err})
	case len(messages) == 0: // Faye's clients before 1.3 send [] to keep the connection alive
		x.reply = []byte{'['}
	default:
		x.handle(messages)
	}
	if x.connect == nil {
		x.flush()
		return
	}
	x.holdOnSocket()
}

// holdOnSocket makes the socket the session's path. A connect that is held is answered later; the other replies, and what
// waited for the session, leave at once.
func (x *exchange) holdOnSocket() {
	e, c, sock := x.server, x.connect, x.socket
	var held *heldConnect
	if c.hold > 0 {
		held = &heldConnect{server: e, session: c.session, socket: sock, message: c.message}
	}
	if former := sock.session.Swap(c.session); former != nil && former != c.session {
		former.leaveSocket(e.cfg.Now(), sock)
	}
	old, err := c.session.connect(e.cfg.Now(), c.message.ID, sock, held, nil)
	switch {
	case err != nil:
		x.refuseConnect(c)
	case held == nil:
		x.acceptConnect(c)
	default:
		held.start(c.hold)
	}
	x.flush()
	old.release(sock)
}

// heldConnect is a /meta/connect that came by a socket: while it is unanswered, the client knows that the session lives.
type heldConnect struct {
	server  *Server
	session *session
	socket  *socket
	message bayeux.Message
	timer   *time.Timer // answers it when its time has come; guarded by session.mu
}

// start has the connect answered after hold.
func (h *heldConnect) start(hold time.Duration) {
	h.session.mu.Lock()
	defer h.session.mu.Unlock()
	if h.session.held == h {
		h.timer = time.AfterFunc(hold, func() {
			if h.session.takeHeld(h.server.cfg.Now(), h) {
				h.answer()
			}
		})
	}
}

// stopLocked stops the timer; session.mu is held.
func (h *heldConnect) stopLocked() {
	if h.timer != nil {
		h.timer.Stop()
	}
}

// answer sends the reply. It is for whoever took h out of its session, and sends it even if that has ended.
func (h *heldConnect) answer() {
	x := exchange{server: h.server, ctx: h.server.ctx, socket: h.socket}
	x.acceptConnect(&pendingConnect{session: h.session, message: h.message})
	x.flush()
}

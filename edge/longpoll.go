package edge

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pandapush/pandapush/edge/bayeux"
)

// poll is a /meta/connect that came by HTTP and is being held.
type poll struct {
	ready chan struct{} // gets a token when there is something to answer with
	level chan struct{} // gets a token when all that the session missed has been looked at
	over  chan struct{} // closed when the session has another path, or has ended
	end   sync.Once
}

func newPoll() *poll {
	return &poll{ready: make(chan struct{}, 1), level: make(chan struct{}, 1), over: make(chan struct{})}
}

// settled says that nothing of the past is left to be read. Never blocks.
func (p *poll) settled() {
	select {
	case p.level <- struct{}{}:
	default:
	}
}

// wake lets the poll be answered. Never blocks.
func (p *poll) wake() {
	select {
	case p.ready <- struct{}{}:
	default:
	}
}

// release has the poll answered without messages.
func (p *poll) release() { p.end.Do(func() { close(p.over) }) }

// ServeHTTP answers every request at the mount point: upgrades, CORS preflights, and POSTs of Bayeux messages.
func (e *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Upgrade") != "":
		e.upgrade(w, r)
	case r.Method == http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == http.MethodPost:
		allowOrigin(w, r)
		preflight(w)
	case r.Method == http.MethodPost:
		e.servePost(w, r)
	default:
		badRequest(w)
	}
}

// servePost answers a body of Bayeux messages with an array of replies (Bayeux §6).
func (e *Server) servePost(w http.ResponseWriter, r *http.Request) {
	body, status := readPayload(r, e.cfg.Limits.FrameBytes)
	if status != 0 {
		refuseBody(w, status, e.cfg.Limits.FrameBytes)
		return
	}
	messages, err := bayeux.Decode(body, e.decodeLimits(), nil)
	if err != nil {
		badRequest(w)
		return
	}
	x := exchange{server: e, ctx: r.Context()}
	x.handle(messages)
	if x.connect != nil {
		x.hold(len(messages) == 1)
	}
	for _, c := range x.connects {
		x.refuseConnect(&c.message, errSuperseded)
	}
	if r.Context().Err() != nil {
		return // the client has gone; what it was owed is kept by its session
	}
	if len(messages) == 0 {
		x.reply = append(x.reply, '[')
	}
	x.reply = append(x.reply, ']')
	h := w.Header()
	allowOrigin(w, r)
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(x.reply)))
	if _, err := w.Write(x.reply); err != nil {
		e.cfg.Log.Debug("reply not written", "err", err)
	}
}

// hold makes the exchange's connect the session's path, waits until there is something to answer it with if it came
// alone, and answers it. Messages that wait are part of the answer.
func (x *exchange) hold(alone bool) {
	e, c := x.server, x.connect
	p := newPoll()
	s, err := e.attach(x.ctx, &c.message, path{poll: p})
	if err != nil {
		x.refuseConnect(&c.message, err)
		return
	}
	e.stats.polls.Inc()
	if alone && c.hold > 0 {
		err = e.waitPoll(x.ctx, p, c.hold)
	} else {
		err = x.settle(p)
	}
	e.stats.polls.Dec()
	if err != nil { // the client has gone
		e.detach(s, endClosed)
		return
	}
	batch, number, record, ok := s.endPoll(p, c.message.ID)
	if !ok {
		x.refuseConnect(&c.message, errSuperseded)
		return
	}
	e.unhook(s, endAnswered)
	saved := e.save(s.id, record) // before the answer, so that wherever the client comes next knows of it
	e.sessions.remove(s)
	switch {
	case !record.Ack:
		x.acceptConnect(&c.message, nil)
		x.deliver(batch)
	case saved:
		x.acceptConnect(&c.message, bayeux.AppendAck(nil, number))
		x.deliver(batch)
	default: // whatever the record says now, a client that has not got this batch gets it, and one that has would twice
		x.acceptConnect(&c.message, s.sameBatch(&c.message))
	}
}

// settle waits, but not for long, until p has what its session missed, and what this exchange published: a client that
// subscribes, publishes and connects in one request gets its own messages with the answer.
func (x *exchange) settle(p *poll) error {
	ctx, cancel := context.WithTimeout(x.ctx, time.Second)
	defer cancel()
	for i, cursor := range x.published {
		x.server.hub.reach(ctx, x.apps[i], cursor.Position)
	}
	select {
	case <-p.ready:
	case <-p.level:
	case <-p.over:
	case <-ctx.Done(): // Redis is slow, or away: what comes later is not lost
	}
	return x.ctx.Err()
}

// waitPoll waits until p can be answered. The error is that of ctx: the client has gone.
func (e *Server) waitPoll(ctx context.Context, p *poll, hold time.Duration) error {
	timer := time.NewTimer(hold)
	defer timer.Stop()
	draining, moment := e.draining, (<-chan time.Time)(nil)
	for {
		select {
		case <-draining:
			var stop func() bool
			moment, stop = e.ownMoment()
			defer stop()
			draining = nil
			continue
		case <-moment:
		case <-p.ready:
		case <-p.over:
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		return nil
	}
}

// readPayload returns the Bayeux payload of a request: the body of a JSON request, the field "message" of a form. Browsers
// send forms as text/plain to save a preflight, so every type but JSON is read as one. status is 0, or the HTTP status
// with which to refuse.
func readPayload(r *http.Request, limit int) (payload []byte, status int) {
	if r.ContentLength > int64(limit) {
		return nil, http.StatusRequestEntityTooLarge
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, int64(limit)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil:
		return nil, http.StatusBadRequest
	}
	// The comparison is exact, as Faye's is: "text/json" is a form.
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && kind == "application/json" {
		return body, 0
	}
	if text := strings.TrimLeft(string(body[:min(len(body), 16)]), " \t\r\n"); text != "" && (text[0] == '[' || text[0] == '{') {
		return body, 0
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !form.Has("message") {
		return nil, http.StatusBadRequest
	}
	return []byte(form.Get("message")), 0
}

func refuseBody(w http.ResponseWriter, status, limit int) {
	if status == http.StatusRequestEntityTooLarge {
		http.Error(w, "Payload too large: at most "+strconv.Itoa(limit)+" bytes", status)
		return
	}
	badRequest(w)
}

// badRequest answers what can't be read at all, as Faye does.
func badRequest(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, "Bad request") // a client that has gone misses nothing
}

// allowOrigin lets a page of any origin read the answer. No cookie means anything here: what a client may do, it shows by
// the tokens in its messages.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
}

// preflight answers what a browser asks before it posts across origins (bayeux.md §2.5).
func preflight(w http.ResponseWriter) {
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") == "" {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	h.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Pragma, X-Requested-With")
	h.Set("Access-Control-Allow-Methods", "POST, GET")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusOK)
}

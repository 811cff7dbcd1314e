package edge

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// The names that limits have in the metrics, where no error says which it was.
const (
	limitFrame     = "frame_bytes"
	limitInput     = "input_bytes"
	limitSockets   = "sockets"
	limitHandshake = "handshake_time"
)

// limitName names the limit that an error is about, for the metrics; "" if it is about none.
func limitName(err error) string {
	for _, limit := range []struct {
		err  error
		name string
	}{
		{bayeux.ErrTooManyMessages, "messages"},
		{bayeux.ErrTooDeep, "depth"},
		{pandapush.ErrMessageTooLarge, "message_bytes"},
		{pandapush.ErrTooManySubs, "subscriptions"},
		{pandapush.ErrTooManySessions, "sessions"},
		{pandapush.ErrTooFast, "publishes"},
		{pandapush.ErrAppFull, "connections"},
	} {
		if errors.Is(err, limit.err) {
			return limit.name
		}
	}
	return ""
}

// admits returns why an application takes nothing from where the exchange comes from, or nil.
func (x *exchange) admits(app pandapush.AppID) error {
	if x.from.origin == "" {
		return nil
	}
	if allowed := x.server.cfg.Keys.Settings(app).Origins; len(allowed) > 0 && !slices.Contains(allowed, x.from.origin) {
		return pandapush.ErrForeignOrigin
	}
	return nil
}

// roomFor returns pandapush.ErrAppFull if a session may not be one more of an application's. What is counted are those that
// are attached to this node.
func (e *Server) roomFor(id string, patterns []pandapush.Pattern) error {
	for _, pattern := range patterns {
		app := pattern.App()
		limit := e.cfg.Keys.Settings(app).Connections
		if limit == 0 || e.hub.sessions(app) < limit {
			continue
		}
		if s, ok := e.sessions.get(id); !ok || s.feed(app) == nil {
			return pandapush.ErrAppFull
		}
	}
	return nil
}

// sessions returns how many sessions of this node want something of an application.
func (h *hub) sessions(app pandapush.AppID) int {
	t := h.tenant(app)
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.users
}

// checkLimits returns why a message is too much for its application or from its session, or nil.
func (x *exchange) checkLimits(m *bayeux.Message, app pandapush.AppID) error {
	settings := x.server.cfg.Keys.Settings(app)
	if len(m.Data) > cmp.Or(settings.MaxMessageBytes, x.server.cfg.Limits.DataBytes) {
		return pandapush.ErrMessageTooLarge
	}
	if name := x.publisher(m); name != "" && !x.server.rates.allow(name, x.server.cfg.Now()) {
		return pandapush.ErrTooFast
	}
	rate, limiter := settings.PublishRate, x.server.cfg.Limiter
	if rate == 0 || limiter == nil {
		return nil
	}
	burst := cmp.Or(settings.PublishBurst, max(1, int(math.Ceil(rate))))
	if _, wait := limiter.Take(x.ctx, app, appBucket, rate, burst, 1); wait > 0 {
		return pandapush.ErrTooFast
	}
	return nil
}

// appBucket names what an application's messages are counted in, those published by HTTP as well.
const appBucket = "app"

// publisher names what the rate of publishing is counted by: the session, or else the address. On the socket of a session,
// what the message says of its own counts for nothing; and elsewhere a client id that the client has made up is none.
func (x *exchange) publisher(m *bayeux.Message) string {
	if x.socket != nil {
		if s := x.socket.session.Load(); s != nil {
			return s.id
		}
	}
	if id := m.ClientID.Text(); bayeux.ValidClientID(id) && x.server.visitors.knows(x.from.addr, id) {
		return id
	}
	if x.from.addr.IsValid() {
		return x.from.addr.String()
	}
	return ""
}

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/api/admin/live"
)

const (
	// maxWatchers bounds the event streams of a node.
	maxWatchers = 200
	// recheck is how many events there are between two looks at whether the user may still see them.
	recheck = 12
	// writeTimeout bounds how long an event may take to be written.
	writeTimeout = 10 * time.Second
)

// follow sends an event with what sample returns, now and with every sample that is taken, until the client leaves, may no
// longer look, or the server drains.
func (s *Server) follow(c *call, sample func() any) error {
	select {
	case s.watchers <- struct{}{}:
		defer func() { <-s.watchers }()
	default:
		return fmt.Errorf("too many event streams: %w", pandapush.ErrUnavailable)
	}
	next := s.cfg.Live.Next()
	if len(s.cfg.Live.History()) == 0 { // the server has just started
		select {
		case <-next:
			next = s.cfg.Live.Next()
		case <-c.r.Context().Done():
			return c.r.Context().Err()
		}
	}
	// A deadline that passes while a response is written makes net/http take the client for gone: it ends the contexts of this request
	// and of all later ones on the connection. Fails only where there is no connection.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	first := sample()
	s.metrics.watchers.Inc()
	defer s.metrics.watchers.Dec()
	c.w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	c.w.Header().Set("X-Accel-Buffering", "no") // of nginx
	c.w.WriteHeader(http.StatusOK)
	c.send(first)
	for n := 1; ; n++ {
		select {
		case <-next:
		case <-c.r.Context().Done():
			return nil
		case <-s.draining:
			return nil
		}
		if n%recheck == 0 && !s.mayStay(c) {
			return nil
		}
		next = s.cfg.Live.Next() // before the sample is read, so that none is missed
		if !c.send(sample()) {
			return nil
		}
	}
}

// mayStay reports whether the client could still make its request.
func (s *Server) mayStay(c *call) bool {
	if _, err := s.cfg.Logins.User(discard{}, c.r); err != nil {
		return false
	}
	if c.app.ID == "" {
		return true
	}
	app, err := s.cfg.Store.App(c.r.Context(), c.app.ID)
	return err == nil && sees(c.user, app)
}

// send writes one event, and reports whether the client took it.
func (c *call) send(event any) bool {
	var text bytes.Buffer
	text.WriteString("event: sample\ndata: ")
	if err := json.NewEncoder(&text).Encode(event); err != nil { // ends with a line break
		return false
	}
	text.WriteByte('\n')
	control := http.NewResponseController(c.w)
	// Fails only where there is no connection to set it on.
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := c.w.Write(text.Bytes()); err != nil {
		return false
	}
	return control.Flush() == nil
}

// Drain ends all event streams, so that the HTTP server can shut down. It may be called once.
func (s *Server) Drain() { close(s.draining) }

// discard takes an answer that nobody gets.
type discard struct{}

// Header implements http.ResponseWriter.
func (discard) Header() http.Header { return http.Header{} }

// Write implements http.ResponseWriter.
func (discard) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader implements http.ResponseWriter.
func (discard) WriteHeader(int) {}

// spans asks for the extent of streams at most once a sample and application, however many watch. It is safe for concurrent
// use.
type spans struct {
	ask func(ctx context.Context, app pandapush.AppID) (streamView, error)

	mu    sync.Mutex
	known map[pandapush.AppID]*spanned
}

// spanned is what is known of one stream.
type spanned struct {
	mu   sync.Mutex
	view streamView
	at   time.Time
}

// maxSpans bounds what is remembered; beyond it all is forgotten.
const maxSpans = 1000

func (s *spans) of(ctx context.Context, app pandapush.AppID) (streamView, error) {
	s.mu.Lock()
	if s.known == nil || len(s.known) > maxSpans {
		s.known = map[pandapush.AppID]*spanned{}
	}
	one := s.known[app]
	if one == nil {
		one = new(spanned)
		s.known[app] = one
	}
	s.mu.Unlock()

	one.mu.Lock()
	defer one.mu.Unlock()
	if time.Since(one.at) < live.Interval/2 {
		return one.view, nil
	}
	view, err := s.ask(ctx, app)
	if err == nil {
		one.view, one.at = view, time.Now()
	}
	return view, err
}

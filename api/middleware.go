package api

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"
)

const headerRequestID = "X-Request-Id"

// readTimeout bounds how long a request's body may take to arrive, read or not. The http.Server cannot do it: its
// ReadTimeout would also end edge's long polls.
const readTimeout = 30 * time.Second

// observe wraps the handler of a route in what all routes have: a request id, a deadline, an end to panics, metrics and a
// line in the access log. The id is always ours: one that the client sends is not looked at.
func (s *Server) observe(route string, h http.HandlerFunc) http.Handler {
	series := s.metrics.of(route)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		rec.Header().Set(headerRequestID, newRequestID())
		// Fails only where there is no connection to set it on; net/http takes it back before the next request.
		_ = http.NewResponseController(w).SetReadDeadline(start.Add(readTimeout))
		s.serve(rec, r, h)
		elapsed := time.Since(start)
		series.observe(r.Method, rec.status, elapsed)
		if s.log.Enabled(r.Context(), slog.LevelDebug) {
			s.log.DebugContext(r.Context(), "request", "method", r.Method, "path", r.URL.EscapedPath(), "route", route,
				"status", rec.status, "duration", elapsed, "request_id", rec.Header().Get(headerRequestID))
		}
	})
}

// serve calls h and turns its panic into a 500, or into a cut connection if the response has begun: a response that
// merely stopped would look whole to the client.
func (s *Server) serve(rec *recorder, r *http.Request, h http.HandlerFunc) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			panic(p)
		default:
			s.log.ErrorContext(r.Context(), "handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()),
				"request_id", rec.Header().Get(headerRequestID))
			if rec.status != 0 {
				panic(http.ErrAbortHandler)
			}
			errInternal.replyTo(rec, r)
		}
	}()
	h(rec, r)
}

// recorder remembers the status of a response.
type recorder struct {
	http.ResponseWriter
	status int // zero until the response begins
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK { // else another is to come
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Hijack implements http.Hijacker. Whoever takes the connection answers with a stream.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err == nil {
		r.status = http.StatusOK
	}
	return conn, buffered, err
}

// Unwrap lets http.ResponseController reach what is beneath.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// newRequestID returns 32 random hexadecimal digits.
func newRequestID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand crashes the program instead
	return hex.EncodeToString(id[:])
}

package edge

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// ServeHTTP answers every request at the mount point: upgrades, scripts, CORS preflights, and Bayeux messages in a body or,
// for callback-polling, in the query.
func (e *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case wantsSocket(r):
		e.upgrade(w, r)
	case strings.HasSuffix(r.URL.Path, ".js"), strings.HasSuffix(r.URL.Path, ".map"):
		e.cfg.Script.ServeHTTP(w, r)
	case r.Method == http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == http.MethodPost:
		allowOrigin(w, r)
		preflight(w, r)
	case r.Method == http.MethodPost:
		e.servePost(w, r)
	case wantsEvents(r):
		e.serveEventSource(w, r)
	case r.Method == http.MethodGet:
		e.serveCallback(w, r)
	default:
		allowOrigin(w, r)
		badRequest(w)
	}
}

// servePost answers a body of Bayeux messages with an array of replies.
func (e *Server) servePost(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	var input charge
	defer e.input.charge(&input, 0)
	payload, err := e.readPayload(w, r, &input)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errNoRoom):
		e.stats.limited.WithLabelValues(limitInput).Inc()
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Connection", "close") // else net/http would wait for the rest of the body
		http.Error(w, "Too much is being sent at the moment", http.StatusServiceUnavailable)
	case errors.As(err, &tooLarge):
		e.stats.limited.WithLabelValues(limitFrame).Inc()
		http.Error(w, fmt.Sprintf("Payload too large: at most %d bytes", tooLarge.Limit), http.StatusRequestEntityTooLarge)
	case err != nil:
		badRequest(w)
	default:
		e.serveMessages(w, r, payload, "")
	}
}

// serveMessages answers a payload of messages, as JSON, or if there is a callback as a script that calls it. What is no
// payload at all is refused as Faye refuses it, in plain text.
func (e *Server) serveMessages(w http.ResponseWriter, r *http.Request, payload []byte, callback string) {
	messages, err := bayeux.Decode(payload, e.decodeLimits(), nil)
	switch {
	case errors.Is(err, bayeux.ErrTooManyMessages):
		e.stats.limited.WithLabelValues(limitName(err)).Inc()
		http.Error(w, fmt.Sprintf("Too many messages: at most %d", e.cfg.Limits.Messages), http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, bayeux.ErrTooDeep):
		e.stats.limited.WithLabelValues(limitName(err)).Inc()
		http.Error(w, fmt.Sprintf("Nested too deeply: at most %d levels", bayeux.DefaultDepth), http.StatusBadRequest)
		return
	case err != nil:
		badRequest(w)
		return
	}
	x := exchange{server: e, ctx: r.Context(), from: e.visitor(r), transport: pandapush.TransportLongPolling}
	if callback != "" {
		x.transport = pandapush.TransportCallbackPolling
	}
	x.handle(messages)
	if x.connect != nil {
		x.holdAll(len(messages) == 1)
	}
	if r.Context().Err() != nil {
		return // the client has gone; what it was owed is kept by its session
	}
	if x.unanswered { // so that the client sends the same connect again, which Faye's do after any error of HTTP
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Redis does not answer", http.StatusServiceUnavailable)
		return
	}
	if len(messages) == 0 {
		x.reply = append(x.reply, '[')
	}
	reply := append(x.reply, ']')
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	if callback != "" {
		reply = callbackScript(h, callback, reply)
	}
	h.Set("Cache-Control", "no-cache, no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(reply)))
	if err := e.write(w, reply); err != nil {
		e.cfg.Log.Debug("reply not written", "error", err)
	}
}

// write writes the body of a response. A client that does not read it is given up after the write timeout, and net/http then
// closes the connection.
func (e *Server) write(w http.ResponseWriter, body []byte) error {
	control := http.NewResponseController(w)
	for chunk := range slices.Chunk(body, drainChunk) {
		if err := control.SetWriteDeadline(time.Now().Add(e.cfg.WriteTimeout)); err != nil {
			return err
		}
		if _, err := w.Write(chunk); err != nil {
			return err
		}
	}
	if err := control.Flush(); err != nil {
		return err
	}
	return control.SetWriteDeadline(time.Time{}) // the connection may serve other requests
}

// errPayload is the error of a request in which there are no messages to be found.
var errPayload = errors.New("no messages in the request")

// readPayload returns the Bayeux payload of a POST: the body of a JSON request, the field "message" of a form. Browsers send
// forms as text/plain to save a preflight, so every type but JSON is read as one, unless the body looks like JSON. A body
// has to arrive within the handshake timeout. The error is a *http.MaxBytesError, or errNoRoom, or anything else for a bad
// request.
func (e *Server) readPayload(w http.ResponseWriter, r *http.Request, input *charge) ([]byte, error) {
	limit := int64(e.cfg.Limits.FrameBytes)
	if r.ContentLength > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(e.cfg.HandshakeTimeout)); err != nil {
		return nil, fmt.Errorf("bound the reading of a body: %w", err)
	}
	body, err := io.ReadAll(&chargedReader{Reader: http.MaxBytesReader(w, r.Body, limit), budget: &e.input, charge: input})
	if err != nil {
		return nil, err
	}
	if err := control.SetReadDeadline(time.Time{}); err != nil { // the answer may take as long as a connect is held
		return nil, fmt.Errorf("lift the bound on reading: %w", err)
	}
	// The comparison is exact, as Faye's is: "text/json" is a form.
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && kind == "application/json" {
		return body, nil
	}
	if text := strings.TrimLeft(string(body[:min(len(body), 16)]), " \t\r\n"); text != "" && (text[0] == '[' || text[0] == '{') {
		return body, nil
	}
	message, found, err := formField(string(body), "message")
	if err != nil || !found {
		return nil, errors.Join(errPayload, err)
	}
	// A callback is of no use here, but Faye refuses a bad one.
	if callback, _, err := formField(string(body), "jsonp"); err != nil || callback != "" && !validCallback(callback) {
		return nil, errors.Join(errPayload, err)
	}
	return []byte(message), nil
}

// formField returns the first field of that name in a form or a query. Unlike net/url it takes a ";" for a character like
// any other, as Node does: JSON may contain one. The error is about the field's percent signs.
func formField(form, name string) (value string, found bool, err error) {
	for field := range strings.SplitSeq(form, "&") {
		if key, value, _ := strings.Cut(field, "="); key == name {
			value, err = url.QueryUnescape(value)
			return value, true, err
		}
	}
	return "", false, nil
}

// badRequest answers what can't be read at all, as Faye does.
func badRequest(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = io.WriteString(w, "Bad request") // a client that has gone misses nothing
}

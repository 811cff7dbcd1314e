package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	typeHTML    = "text/html; charset=utf-8"
	typeJSON    = "application/json; charset=utf-8"
	typeProblem = "application/problem+json"
)

// fail answers a request that ended in err, and logs what is our fault. What fails because the client has left is not. Who
// prefers JSON gets a problem, everyone else what the Node version would have said.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.explain(w, r, err).replyTo(w, r)
}

// failProblem is fail for routes that the Node version did not have: everyone gets a problem.
func (s *Server) failProblem(w http.ResponseWriter, r *http.Request, err error) {
	s.explain(w, r, err).reply(w)
}

// explain turns err into what the client is told.
func (s *Server) explain(w http.ResponseWriter, r *http.Request, err error) *problem {
	p := problemOf(err)
	if p.kind == kindInternal && r.Context().Err() == nil {
		s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "error", err,
			"request_id", w.Header().Get(headerRequestID))
	}
	return p
}

// setHeaders adds what an answer with p has beside its body.
func (p *problem) setHeaders(h http.Header) {
	if p.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(retrySeconds(p.retry)))
	}
}

// retrySeconds rounds up: who comes back a moment too early is refused again.
func retrySeconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// document is a problem as RFC 9457 has it, with what this API adds.
type document struct {
	Type    string   `json:"type"`
	Title   string   `json:"title"`
	Status  int      `json:"status"`
	Detail  string   `json:"detail"`
	Param   string   `json:"param,omitempty"`
	Field   string   `json:"field,omitempty"`
	Newest  string   `json:"newest,omitempty"`
	Cursor  string   `json:"cursor,omitempty"`
	Results []result `json:"results,omitempty"`
}

// document returns p as the client sees it.
func (p *problem) document() document {
	d := document{
		Type: docs + p.kind.name, Title: p.kind.title, Status: p.kind.status, Detail: p.detail, Param: p.param, Field: p.field, Results: p.stored,
	}
	if p.kind.name == "" {
		d.Type = "about:blank" // the status says it all
	}
	if p.change != nil {
		d.Newest, d.Cursor = cursorText(p.change.Newest), cursorText(p.change.Tail)
	}
	return d
}

// cursorText returns the text of a cursor, "" for none.
func cursorText(c pandapush.Cursor) string {
	if c.Epoch == "" {
		return ""
	}
	return c.String()
}

// replyTo sends p as r prefers it.
func (p *problem) replyTo(w http.ResponseWriter, r *http.Request) {
	if prefersJSON(r.Header) {
		p.reply(w)
	} else {
		p.replyAsBefore(w)
	}
}

// reply sends p as a problem.
func (p *problem) reply(w http.ResponseWriter) {
	p.setHeaders(w.Header())
	if p.kind.status == http.StatusUnauthorized {
		// Not Basic, at which a browser would ask its user for a password.
		w.Header().Set("WWW-Authenticate", `Bearer realm="pandapush"`)
	}
	sendAs(w, p.kind.status, typeProblem, p.document())
}

// replyAsBefore sends p as JSON in the shape of the Node version's errors where that did so or where the text helps to mend
// the request; else as its text or its page.
func (p *problem) replyAsBefore(w http.ResponseWriter) {
	p.setHeaders(w.Header())
	status, text := cmp.Or(p.kind.old, p.kind.status), cmp.Or(p.old, p.detail)
	switch {
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		sendPage(w, status, text)
	case status >= http.StatusInternalServerError, p.kind == kindNoCredential, p.kind.name == "":
		send(w, status, typeHTML, []byte(html.EscapeString(text)))
	default:
		sendJSON(w, status, errorBody{Params: []string{}, Message: text})
	}
}

// errorBody is the shape of the Node version's errors; code and params were never filled in.
type errorBody struct {
	Code    *string  `json:"code"`
	Params  []string `json:"params"`
	Message string   `json:"message"`
}

// send writes a whole response.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only when the client is gone, and then there is nobody to tell
}

// sendJSON writes v, one of this package's own types.
func sendJSON(w http.ResponseWriter, status int, v any) { sendAs(w, status, typeJSON, v) }

func sendAs(w http.ResponseWriter, status int, contentType string, v any) {
	send(w, status, contentType, marshal(v))
}

// marshal returns v, one of this package's own types, which always encode.
func marshal(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Errorf("encode %T: %w", v, err))
	}
	return body
}

// sendPage writes a page that shows message. It repeats what the client sent, hence the headers: nothing in it may ever
// be taken for more than text.
func sendPage(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	page := "<!DOCTYPE html>\n<title>" + http.StatusText(status) + "</title>\n<pre>" + html.EscapeString(message) + "</pre>\n"
	send(w, status, typeHTML, []byte(page))
}

// prefersJSON reports whether the client would rather have JSON than HTML. Taking both alike is no preference.
func prefersJSON(h http.Header) bool {
	accept := h.Values("Accept")
	if len(accept) == 0 || len(accept) == 1 && accept[0] == "*/*" {
		return false
	}
	all := strings.Join(accept, ",")
	return max(quality(all, "application/json"), quality(all, typeProblem)) > quality(all, "text/html")
}

// wantsEvents reports whether the client asks for server-sent events: it names them, and likes nothing better.
func wantsEvents(h http.Header) bool {
	all := strings.ToLower(strings.Join(h.Values("Accept"), ","))
	if !strings.Contains(all, typeEvents) {
		return false
	}
	q := quality(all, typeEvents)
	return q > 0 && q >= quality(all, "application/json")
}

// quality returns the weight that an Accept header gives to a media type (RFC 9110 §12.5.1): that of the most specific
// range that covers it, and 0 if none does.
func quality(accept, mediaType string) float64 {
	major, _, _ := strings.Cut(mediaType, "/")
	best, weight := 0, 0.0
	for element := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(element, ";")
		specific := 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case mediaType:
			specific = 3
		case major + "/*":
			specific = 2
		case "*/*":
			specific = 1
		}
		if specific > best {
			best, weight = specific, weightOf(params)
		}
	}
	return weight
}

// weightOf returns the q among the parameters of a media range: 1 if there is none that can be read.
func weightOf(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		if q, err := strconv.ParseFloat(value, 64); err == nil {
			return q
		}
	}
	return 1
}

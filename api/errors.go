package api

import (
	"errors"
	"html"
	"net/http"

	"github.com/pandapush/pandapush"
)

// problem is an error together with the answer that the client gets.
type problem struct {
	status  int
	message string // for the client
}

// Error implements error.
func (p *problem) Error() string { return p.message }

// errUnauthorized says that the request has no credential in a form that is known.
var errUnauthorized = &problem{http.StatusForbidden, "Unauthorized"}

// errInternal is what a client hears of a fault of ours.
var errInternal = &problem{http.StatusInternalServerError, "Internal Server Error"}

// notFound says that r's route does not exist, in the words of the Node version.
func notFound(r *http.Request) error {
	return &problem{http.StatusNotFound, "Cannot " + r.Method + " " + r.URL.EscapedPath()}
}

func badRequest(message string) error { return &problem{http.StatusBadRequest, message} }

func unsupported(message string) error { return &problem{http.StatusUnsupportedMediaType, message} }

// problemOf is the table from errors to answers. The text of an error that is not in it is not for the client.
func problemOf(err error) *problem {
	var (
		p       *problem
		refusal pandapush.Refusal
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, pandapush.ErrMessageTooLarge):
		return &problem{http.StatusRequestEntityTooLarge, pandapush.ErrMessageTooLarge.Error()}
	case errors.As(err, &refusal):
		return &problem{http.StatusBadRequest, refusal.Error()}
	case errors.Is(err, pandapush.ErrUnavailable):
		return &problem{http.StatusServiceUnavailable, "Service Unavailable"}
	}
	return errInternal
}

// fail answers a request that ended in err, and logs what is our fault. What fails because the client has left is not.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.status == http.StatusInternalServerError && r.Context().Err() == nil {
		s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "error", err,
			"request_id", w.Header().Get(headerRequestID))
	}
	p.reply(w, r)
}

// reply sends p as JSON to clients that prefer it, and to all where the Node version did so or where the text helps to mend
// the request; else as the text or the page of the Node version.
func (p *problem) reply(w http.ResponseWriter, r *http.Request) {
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1") // seconds
	}
	asJSON := prefersJSON(r.Header)
	page := false
	switch p.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		asJSON = true
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		page = true
	}
	switch {
	case asJSON:
		sendJSON(w, p.status, errorBody{Params: []string{}, Message: p.message})
	case page:
		sendPage(w, p.status, p.message)
	default:
		send(w, p.status, typeHTML, []byte(html.EscapeString(p.message)))
	}
}

// errorBody is the shape of the Node version's errors; code and params were never filled in.
type errorBody struct {
	Code    *string  `json:"code"`
	Params  []string `json:"params"`
	Message string   `json:"message"`
}

package admin

import (
	"encoding/json"
	"errors"
	"html"
	"net/http"
	"strings"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/api/admin/login"
)

// problem is the answer to a request that ended in an error: RFC 9457 for those who want JSON.
type problem struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail,omitempty"`
	Errors []fieldProblem `json:"errors,omitempty"`

	text  string // for all others, as in the Node version
	retry string // seconds until it makes sense to try again; "" if it says nothing
}

type fieldProblem struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// Why a request is refused here.
var (
	errForbidden = errors.New("not allowed to this user")
	errPanic     = errors.New("handler panicked") // has been logged
	errNoKey     = errors.New("no such key")
	errMethod    = errors.New("not by this method")
	errTooLarge  = errors.New("body is too large")
	errNotJSON   = errors.New("body is not application/json")
)

// problemOf is the table from errors to answers. The text of an error that is not in it is not for the client.
func problemOf(err error) problem {
	var throttled login.ThrottledError
	invalid, _ := errors.AsType[pandapush.Invalid](err)
	switch {
	case errors.Is(err, login.ErrNoLogin):
		return answer(http.StatusUnauthorized, "Unauthorized", "Log in first.")
	case errors.Is(err, login.ErrClosed):
		return answer(http.StatusForbidden, "Unauthorized", "The server is set up without logins (AUTH_METHOD).")
	case errors.Is(err, login.ErrScheme):
		return answer(http.StatusBadRequest, "Bad Request", "Only the authentication scheme Basic is known.")
	case errors.Is(err, login.ErrCrossOrigin):
		return answer(http.StatusForbidden, "Forbidden", "The request comes from a page of another origin.")
	case errors.As(err, &throttled):
		p := answer(http.StatusTooManyRequests, "Too Many Requests", "Too many logins have failed.")
		p.retry = throttled.Seconds()
		return p
	case errors.Is(err, errForbidden):
		return answer(http.StatusForbidden, "Forbidden", "Your role does not allow that.")
	case len(invalid) > 0:
		p := answer(http.StatusBadRequest, invalid.Error(), "Some values cannot be taken.")
		for _, wrong := range invalid {
			p.Errors = append(p.Errors, fieldProblem(wrong))
		}
		return p
	case errors.Is(err, errNoKey):
		return answer(http.StatusNotFound, "could not find key", "The application has no such key.")
	case errors.Is(err, pandapush.ErrNotFound):
		return answer(http.StatusNotFound, "Not found", "There is no such thing, or it is not yours to see.")
	case errors.Is(err, errMethod):
		return answer(http.StatusMethodNotAllowed, "Method Not Allowed", "The Allow header has what can be done with it.")
	case errors.Is(err, pandapush.ErrExpiredKey), errors.Is(err, pandapush.ErrRevokedKey):
		return answer(http.StatusConflict, "Conflict", "The key is expired or revoked, for good: make another.")
	case errors.Is(err, pandapush.ErrChanged):
		return answer(http.StatusPreconditionFailed, "Precondition Failed", "Somebody else has changed it meanwhile. Look at it again first.")
	case errors.Is(err, errTooLarge):
		return answer(http.StatusRequestEntityTooLarge, "Payload Too Large", "The body is larger than 1 MiB.")
	case errors.Is(err, errNotJSON):
		return answer(http.StatusUnsupportedMediaType, "Unsupported Media Type", "The body must be application/json in UTF-8.")
	case errors.Is(err, pandapush.ErrUnavailable):
		p := answer(http.StatusServiceUnavailable, "Service Unavailable", "The database or Redis does not answer.")
		p.retry = "1"
		return p
	}
	return answer(http.StatusInternalServerError, "Internal Server Error", "")
}

func answer(status int, text, detail string) problem {
	return problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, text: text}
}

// fail answers a request that ended in err, and logs what is our fault.
func (s *Server) fail(c *call, err error) {
	p := problemOf(err)
	if p.Status >= http.StatusInternalServerError && !errors.Is(err, errPanic) && c.r.Context().Err() == nil {
		s.log.ErrorContext(c.r.Context(), "admin request failed", "method", c.r.Method, "status", p.Status, "error", err)
	}
	if p.retry != "" {
		c.w.Header().Set("Retry-After", p.retry)
	}
	if !wantsJSON(c.r) {
		send(c.w, p.Status, "text/html; charset=utf-8", []byte(html.EscapeString(p.text)))
		return
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // texts and numbers always encode
	}
	send(c.w, p.Status, "application/problem+json", body)
}

// wantsJSON reports whether the client asks for JSON and for nothing else. Clients of the Node version's API take anything
// (axios: "application/json, text/plain, */*") and were written against its texts.
func wantsJSON(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	return strings.Contains(accept, "json") && !strings.Contains(accept, "*/*") && !strings.Contains(accept, "text/html")
}

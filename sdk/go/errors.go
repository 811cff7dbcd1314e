package pandapush

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is an answer that says no. Use errors.As to get at it.
type Error struct {
	Status    int    // of HTTP
	Kind      string // kind of problem, like "rate-limited"; docs/http-api.md lists them. "" if something before the server answered
	Detail    string // what is wrong, in words
	Param     string // query parameter or header at fault, if one is
	Field     string // part of the body at fault, as a JSON pointer, if one is
	Newest    string // with Kind "changed": the cursor of what is newest on the channel
	Cursor    string // with Kind "changed": where the stream ends, to try again with
	RequestID string // names the request in the server's log

	RetryAfter time.Duration // how long the server wants to be left alone; zero if it did not say
}

// Error implements error.
func (e *Error) Error() string {
	text := strconv.Itoa(e.Status)
	if e.Kind != "" {
		text += " " + e.Kind
	}
	text += ": " + e.Detail
	if at := e.Param + e.Field; at != "" {
		text += " (" + at + ")"
	}
	return text
}

// Ended is why Follow is over for good: the token has expired, its key was revoked, or the application is gone or suspended.
type Ended struct{ Reason string }

// Error implements error.
func (e *Ended) Error() string { return "the server ended the stream: " + e.Reason }

// problem reads an answer that is not a success.
func problem(answer *http.Response, body []byte) *Error {
	e := &Error{
		Status: answer.StatusCode, Detail: http.StatusText(answer.StatusCode), RequestID: answer.Header.Get("X-Request-Id"),
		RetryAfter: retryAfter(answer.Header.Get("Retry-After")),
	}
	var document struct{ Type, Detail, Param, Field, Newest, Cursor string }
	if json.Unmarshal(body, &document) != nil || document.Detail == "" {
		return e // of a balancer, say: the status is all that is known
	}
	_, e.Kind, _ = strings.Cut(document.Type, "#")
	e.Detail, e.Param, e.Field = document.Detail, document.Param, document.Field
	e.Newest, e.Cursor = document.Newest, document.Cursor
	return e
}

// retryAfter reads the header Retry-After: seconds, or a date.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(date))
	}
	return 0
}

// passes reports whether what failed may work later: nothing was answered, or by someone who is busy.
func passes(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return errors.Is(err, errConnection)
	}
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// errConnection is that a request got no answer, or not a whole one.
var errConnection = errors.New("no answer")

func noAnswer(err error) error { return fmt.Errorf("%w: %w", errConnection, err) }

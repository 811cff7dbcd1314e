package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/pandapush/pandapush"
)

// kind is a kind of problem (RFC 9457): its type, its title, and its status.
type kind struct {
	name   string // the fragment of the type
	title  string
	status int
	// old is the status that the Node version answered with, where that is another one; it is used where its texts are.
	old int
}

// docs is where the types of problems are explained: each is this with the kind's name as the fragment.
const docs = "https://github.com/pandapush/pandapush/blob/main/docs/http-api.md#"

// The kinds of problems.
var (
	kindParameter    = &kind{"invalid-parameter", "Invalid parameter", http.StatusBadRequest, 0}
	kindBody         = &kind{"invalid-body", "Invalid body", http.StatusBadRequest, 0}
	kindNoCredential = &kind{"unauthorized", "Credential missing or not accepted", http.StatusUnauthorized, http.StatusForbidden}
	kindUnauthorized = &kind{"unauthorized", "Credential missing or not accepted", http.StatusUnauthorized, http.StatusBadRequest}
	kindForbidden    = &kind{"forbidden", "Not allowed", http.StatusForbidden, http.StatusBadRequest}
	kindOrigin       = &kind{"origin-not-allowed", "Origin not allowed", http.StatusForbidden, 0}
	kindSuspended    = &kind{"suspended", "Application suspended", http.StatusForbidden, http.StatusBadRequest}
	kindUnknownApp   = &kind{"not-found", "Not found", http.StatusNotFound, http.StatusBadRequest}
	kindNotFound     = &kind{"not-found", "Not found", http.StatusNotFound, 0}
	kindKeyReused    = &kind{"idempotency-key-reused", "Idempotency key used for another request", http.StatusConflict, 0}
	kindChanged      = &kind{"changed", "Something newer is on the channel", http.StatusPreconditionFailed, 0}
	kindCursorOld    = &kind{"cursor-too-old", "Cursor too old", http.StatusPreconditionFailed, 0}
	kindTooLarge     = &kind{"too-large", "Too large", http.StatusRequestEntityTooLarge, 0}
	kindMediaType    = &kind{"unsupported-media-type", "Unsupported media type", http.StatusUnsupportedMediaType, 0}
	kindConnections  = &kind{"too-many-connections", "Too many connections", http.StatusTooManyRequests, 0}
	kindRate         = &kind{"rate-limited", "Rate limit exceeded", http.StatusTooManyRequests, 0}
	kindInternal     = &kind{"internal", "Internal server error", http.StatusInternalServerError, 0}
	kindUnavailable  = &kind{"unavailable", "Service unavailable", http.StatusServiceUnavailable, 0}
)

// problem is an error together with the answer that the client gets.
type problem struct {
	kind   *kind
	detail string
	old    string // what the Node version said, where that is another text
	param  string // the query parameter or header at fault, if one is
	field  string // the part of the body at fault, if one is, as a JSON pointer

	retry  time.Duration           // when to come back, if that is known
	change *pandapush.ChangedError // what kindChanged and kindCursorOld are about
	stored []result                // what became of the messages of a batch that was not stored as a whole
}

// Error implements error.
func (p *problem) Error() string { return p.detail }

// errUnauthorized says that the request has no credential in a form that is known.
var errUnauthorized = &problem{
	kind: kindNoCredential, old: "Unauthorized",
	detail: "There is no credential: it takes Authorization with Basic and a key, or with Bearer and a token, or the parameter token",
}

// errInternal is what a client hears of a fault of ours.
var errInternal = &problem{
	kind: kindInternal, old: "Internal Server Error",
	detail: "A fault of the service, which has written it down under the X-Request-Id of this answer",
}

// notFound says that r's route does not exist, in the words of the Node version.
func notFound(r *http.Request) error {
	return &problem{kind: kindNotFound, detail: "Cannot " + r.Method + " " + r.URL.EscapedPath()}
}

// noChannel says that r's path names no channel. For the Node version it was no route.
func noChannel(r *http.Request) error {
	return &problem{kind: kindNotFound, old: notFound(r).Error(), detail: "The path names no channel: that is an application, " +
		`a kind (public, private or presence) and one or more segments of letters, digits, "-", "_" and "~"; to read, the last may be "*" or "**"`}
}

// badRequest says what is wrong with the body.
func badRequest(message string) error { return &problem{kind: kindBody, detail: message} }

// badParam says what is wrong with a query parameter or a header.
func badParam(name, message string) error {
	return &problem{kind: kindParameter, param: name, detail: message}
}

func unsupported(message string) error { return &problem{kind: kindMediaType, detail: message} }

// inField adds to an error of the body the part of it that it is about, if it does not say so itself.
func inField(err error, field string) error {
	p := *problemOf(err)
	p.field = field + p.field
	return &p
}

// kindOf is the table of refusals.
func kindOf(refusal pandapush.Refusal) *kind {
	switch refusal {
	case pandapush.ErrUnknownApp:
		return kindUnknownApp
	case pandapush.ErrNoAuth, pandapush.ErrIncompleteAuth, pandapush.ErrMalformedToken, pandapush.ErrUnknownKey,
		pandapush.ErrWrongSecret, pandapush.ErrInvalidToken, pandapush.ErrExpiredKey, pandapush.ErrRevokedKey:
		return kindUnauthorized
	case pandapush.ErrTokenChannel, pandapush.ErrNoSubscribing, pandapush.ErrNoPublishing, pandapush.ErrNoPresenceID,
		pandapush.ErrPresenceTooLarge, pandapush.ErrMetaReadOnly:
		return kindForbidden
	case pandapush.ErrSuspended:
		return kindSuspended
	case pandapush.ErrKeyReused:
		return kindKeyReused
	case pandapush.ErrMessageTooLarge:
		return kindTooLarge
	case pandapush.ErrTooManySessions, pandapush.ErrAppFull:
		return kindConnections
	case pandapush.ErrPresenceFailed:
		return kindInternal
	}
	return kindParameter
}

// crowdedPause is how long who finds too many connections is to stay away.
const crowdedPause = 10 * time.Second

// problemOf is the table from errors to answers. The text of an error that is not in it is not for the client.
func problemOf(err error) *problem {
	var (
		p       *problem
		refusal pandapush.Refusal
		changed *pandapush.ChangedError
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &changed) && changed.Newest == pandapush.Cursor{}:
		return &problem{kind: kindCursorOld, param: headerIfMatch, change: changed, detail: "The cursor is too far back, or of a stream " +
			"that is gone: whether something newer is on the channel can't be told. Read the channel, and try again with the answer's cursor"}
	case errors.As(err, &changed):
		return &problem{kind: kindChanged, param: headerIfMatch, change: changed, detail: "Something newer than the cursor is on the channel"}
	case errors.As(err, &refusal):
		p = &problem{kind: kindOf(refusal), detail: refusal.Error()}
		if p.kind == kindConnections {
			p.retry = crowdedPause
		}
		return p
	case errors.Is(err, pandapush.ErrUnavailable):
		return &problem{
			kind: kindUnavailable, old: "Service Unavailable", retry: time.Second,
			detail: "The service can't reach what it stores messages in; what this request was to store may or may not be stored",
		}
	}
	return errInternal
}

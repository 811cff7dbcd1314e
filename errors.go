package pandapush

import (
	"errors"
	"strings"
)

// Refusal is an error whose text is for the client that caused it. The texts are those of the Node version, to the
// letter: clients match on them.
type Refusal string

// Error returns the text.
func (r Refusal) Error() string { return string(r) }

// Why a request is refused, in the order in which Authorize finds out.
const (
	ErrInvalidChannel   = Refusal("Invalid channel name")
	ErrUnknownApp       = Refusal("Could not find application")
	ErrNoAuth           = Refusal("No auth supplied")
	ErrIncompleteAuth   = Refusal("Auth information does not include token or key")
	ErrMalformedToken   = Refusal("Invalid token")
	ErrUnknownKey       = Refusal("Could not find key")
	ErrWrongSecret      = Refusal("Invalid secret")
	ErrInvalidToken     = Refusal("Invalid token provided")
	ErrExpiredKey       = Refusal("Expired key")
	ErrRevokedKey       = Refusal("Revoked key")
	ErrSuspended        = Refusal("Application is suspended")
	ErrTokenChannel     = Refusal("Token does not match channel")
	ErrNoSubscribing    = Refusal("Token does not allow subscribing")
	ErrNoPublishing     = Refusal("Token does not allow publishing")
	ErrNoPresenceID     = Refusal("No presence id specified in presence subscription")
	ErrPresenceTooLarge = Refusal("Presence data too large")
	ErrPresenceFailed   = Refusal("An error occurred subscribing to presence channel")
	ErrMetaReadOnly     = Refusal("Meta channels are read-only")
	ErrInvalidCursor    = Refusal("Invalid cursor")
	ErrMessageTooLarge  = Refusal("Message too large")
	ErrTooManySubs      = Refusal("Too many subscriptions")
	ErrTooManySessions  = Refusal("Too many sessions from your address")
	ErrTooFast          = Refusal("Too many messages in a short time")
	ErrAppFull          = Refusal("Application has too many connections")
	ErrForeignOrigin    = Refusal("Origin is not allowed")
	ErrExpiredToken     = Refusal("Expired token")
	ErrSubscriptionsOff = Refusal("Subscription ended")
	ErrKeyReused        = Refusal("Idempotency key was used for another request")
)

// Errors that are not meant for clients as they are.
var (
	// ErrUnavailable is wrapped by every failure to reach Redis or the database. The request may be tried again; a publish
	// that failed with it may or may not have been stored.
	ErrUnavailable = errors.New("unavailable")
	// ErrNotFound is returned for an application, key or session that does not exist.
	ErrNotFound = errors.New("not found")
	// ErrExists is returned instead of creating something a second time.
	ErrExists = errors.New("already exists")
	// ErrChanged is returned for a change of something that has been changed since whoever asks for it has looked.
	ErrChanged = errors.New("changed meanwhile")
	// ErrInvalid is matched by every Invalid.
	ErrInvalid = errors.New("invalid")
	// ErrNotOwner is returned to a node that writes to a session which another node has claimed since.
	ErrNotOwner = errors.New("not the owner")
)

// Problem says what is wrong with one value.
type Problem struct {
	Field  string // its name in JSON
	Detail string // for the one who gave it; never the value of a secret
}

// Invalid is the refusal of values that cannot be accepted. errors.Is takes it for ErrInvalid.
type Invalid []Problem

// Error returns all problems in one line.
func (i Invalid) Error() string {
	texts := make([]string, 0, len(i))
	for _, p := range i {
		texts = append(texts, ErrInvalid.Error()+" "+p.Field+": "+p.Detail)
	}
	return strings.Join(texts, ", ")
}

// Is makes errors.Is(err, ErrInvalid) true.
func (Invalid) Is(target error) bool { return target == ErrInvalid }

// OrNil returns i, or nil if there is no problem.
func (i Invalid) OrNil() error {
	if len(i) == 0 {
		return nil
	}
	return i
}

// ChangedError says that a message was not stored because of its Condition.After: something newer is on the channel, or it
// can't be told whether there is.
type ChangedError struct {
	Newest Cursor // of the newest message on the channel; zero if After is too far back to tell, or of a lost stream
	Tail   Cursor // where the stream ends: a publisher that has read the channel up to there may try again with it
}

// Error implements error.
func (e *ChangedError) Error() string {
	if e.Newest == (Cursor{}) {
		return "cursor is too old to tell what is newer on the channel"
	}
	return "something newer is on the channel"
}

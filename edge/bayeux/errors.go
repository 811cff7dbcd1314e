package bayeux

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

// Why Decode refuses a frame.
var (
	ErrNotJSON         = errors.New("not valid JSON") // the error itself is a *SyntaxError
	ErrNotMessages     = errors.New("neither a message nor an array of messages")
	ErrTooManyMessages = errors.New("too many messages")
	ErrTooDeep         = errors.New("nested too deeply")
)

// SyntaxError says where a frame is not JSON. It is an ErrNotJSON.
type SyntaxError struct {
	Offset int // of the first byte that cannot stand where it stands; the frame's length if it ends too early
}

// Error returns a text like "not valid JSON at byte 17".
func (e *SyntaxError) Error() string { return fmt.Sprintf("%v at byte %d", ErrNotJSON, e.Offset) }

// Unwrap returns ErrNotJSON.
func (e *SyntaxError) Unwrap() error { return ErrNotJSON }

// InternalError is the answer to a message that failed for a reason that is not the client's business.
const InternalError = pandapush.Refusal("500::Internal server error")

// ForbiddenChannel is the answer to a message on an unknown meta channel, and to a subscription that would reach meta or
// service channels.
func ForbiddenChannel(channel string) pandapush.Refusal {
	return refusal(403, channel, "Forbidden channel")
}

// PublishFailed is the answer to a publish that may not have been stored.
func PublishFailed(channel string) pandapush.Refusal {
	return refusal(407, channel, "Failed to publish")
}

func badRequest(parameter string) pandapush.Refusal { return refusal(400, parameter, "Bad request") }

func connectionTypes(types ...string) pandapush.Refusal {
	return refusal(301, strings.Join(types, ","), "Connection types not supported")
}

func unknownClient(id string) pandapush.Refusal { return refusal(401, id, "Unknown client") }

func missing(parameter string) pandapush.Refusal {
	return refusal(402, parameter, "Missing required parameter")
}

func invalidChannel(channel string) pandapush.Refusal {
	return refusal(405, channel, "Invalid channel")
}

// refusal builds "code:argument:text". The argument is cut to maxArgument.
func refusal(code int, argument, text string) pandapush.Refusal {
	return pandapush.Refusal(fmt.Sprintf("%d:%s:%s", code, clip(argument, maxArgument), text))
}

// ErrorText returns what stands in the "error" of a reply: the text of a pandapush.Refusal, which all checks of this
// package return, and a "400:" for what Decode returns. Any other error is an InternalError, and says no more than that.
func ErrorText(err error) string {
	if refused, ok := errors.AsType[pandapush.Refusal](err); ok {
		return refused.Error()
	}
	for _, target := range []error{ErrNotJSON, ErrNotMessages, ErrTooManyMessages, ErrTooDeep} {
		if errors.Is(err, target) {
			return refusal(400, err.Error(), "Bad request").Error()
		}
	}
	return InternalError.Error()
}

const (
	// maxArgument bounds what is repeated in an error, in bytes. Every channel that may exist is shorter.
	maxArgument = pandapush.MaxChannelLength
	// maxSentError bounds the error that a client sends with a message and gets back, in bytes.
	maxSentError = 256
)

// sent returns the error that the client put into the message: Faye takes such a message for one that an extension has
// refused, and so do clients that test for it. Only a string that is not empty counts.
func sent(m *Message) error {
	if !m.Error.isString() || !m.Error.Truthy() {
		return nil
	}
	return pandapush.Refusal(clip(m.Error.Text(), maxSentError))
}

// clip returns the longest beginning of s that has no more than limit bytes and ends with a whole character.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

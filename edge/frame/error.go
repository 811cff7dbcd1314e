package frame

import "encoding/binary"

// Codes of a close frame (RFC 6455 §7.4.1).
const (
	CodeNormal     = 1000
	CodeGoingAway  = 1001
	CodeProtocol   = 1002
	CodeNoStatus   = 1005 // never sent: stands for a close frame without a code
	CodeNotUTF8    = 1007
	CodePolicy     = 1008
	CodeTooLarge   = 1009
	CodeUnexpected = 1011
	CodeTryLater   = 1013
)

// Error is what a client did wrong. The connection has to end with its code.
type Error struct {
	Code uint16
	Text string
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// What a client can do wrong.
var (
	ErrNotMasked    = &Error{CodeProtocol, "a client's frame is not masked"}
	ErrReserved     = &Error{CodeProtocol, "a reserved bit is set"}
	ErrOpcode       = &Error{CodeProtocol, "no such opcode"}
	ErrControl      = &Error{CodeProtocol, "a control frame is fragmented or longer than 125 bytes"}
	ErrLength       = &Error{CodeProtocol, "no such length"}
	ErrContinuation = &Error{CodeProtocol, "a continuation without a beginning"}
	ErrInterrupted  = &Error{CodeProtocol, "a message begins before the last one has ended"}
	ErrCloseCode    = &Error{CodeProtocol, "no such close code"}
	ErrDeflate      = &Error{CodeNotUTF8, "what is compressed can't be read"}
	ErrNotUTF8      = &Error{CodeNotUTF8, "text is not UTF-8"}
	ErrTooLarge     = &Error{CodeTooLarge, "the message is too large"}
)

// CloseCode returns what the payload of a close frame says, or CodeNoStatus if it is empty.
func CloseCode(payload []byte) uint16 {
	if len(payload) < 2 {
		return CodeNoStatus
	}
	return binary.BigEndian.Uint16(payload)
}

// validCloseCode reports whether a client may send a code: those that are registered or free to use, but for those that
// only stand for the absence of one.
func validCloseCode(code uint16) bool {
	switch {
	case code >= 3000 && code < 5000:
		return true
	case code == 1004 || code == CodeNoStatus || code == 1006:
		return false
	}
	return code >= 1000 && code <= 1014
}

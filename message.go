package pandapush

import (
	"encoding/json"
	"time"
)

// Message is one publication. Its Data is shared by everyone that holds the message: never change it.
type Message struct {
	Channel Channel
	Data    []byte // the publisher's JSON text, untouched
	Cursor  Cursor // set by the stream; zero before the message is appended

	Notice  bool      // the server's own: who joined or left a room, which channels are in use
	Exclude string    // client id of a session that does not get the message; empty: none
	Expires time.Time // from then on it is no longer delivered, though the stream may still have it; zero: never
}

// Gap returns why messages before m may be missing, and the newest before them that is not, if that is what m says: the server
// has put it into the stream, on GapChannel, where Redis was found to have lost its newest entries.
// Everybody who follows the stream is to be told.
func (m *Message) Gap() (from Cursor, reason string, ok bool) {
	if !m.Notice || m.Channel != GapChannel(m.Channel.App()) {
		return Cursor{}, "", false
	}
	var gap struct{ From, Reason string }
	if json.Unmarshal(m.Data, &gap) != nil {
		return Cursor{}, "", false
	}
	from, err := ParseCursor(m.Channel.App(), gap.From)
	return from, gap.Reason, err == nil
}

// Expired reports whether m is past its time. It matters to those who read the past: live messages reach subscribers long
// before they could expire.
func (m *Message) Expired(now time.Time) bool { return !m.Expires.IsZero() && !now.Before(m.Expires) }

// Condition says when messages are stored: once only (Key), or only if nothing is newer (After). The zero Condition always
// holds.
type Condition struct {
	// Key identifies the publish within its application: if the key was used less than Window ago nothing is stored, and
	// the outcome is that of the first time. Empty: no key. At most 256 bytes.
	Key    string
	Window time.Duration
	// Print is a fingerprint of what is published: the same Key with another one is ErrKeyReused. It may be empty and has
	// no space in it.
	Print string
	// After, if it is not zero, requires that nothing newer is on the channel of the (single) message. Otherwise the error is
	// a *ChangedError.
	After Cursor
}

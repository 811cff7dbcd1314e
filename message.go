package pandapush

import "time"

// Message is one publication. Its Data is shared by everyone that holds the message: never change it.
type Message struct {
	Channel Channel
	Data    []byte // the publisher's JSON text, untouched
	Cursor  Cursor // set by the stream; zero before the message is appended

	Notice  bool      // the server's own: who joined or left a room, which channels are in use
	Exclude string    // client id of a session that does not get the message; empty: none
	Expires time.Time // from then on it is not delivered any more, though the stream may still have it; zero: never
}

// Expired reports whether m is past its time. Live messages reach subscribers faster than any could be; it is for those
// who read the past.
func (m *Message) Expired(now time.Time) bool { return !m.Expires.IsZero() && !now.Before(m.Expires) }

// Condition is what must hold for messages to be stored, and what makes them be stored once. The zero Condition always
// holds.
type Condition struct {
	// Key names the publish, for its application: under a key that was used less than Window ago nothing is stored, and
	// the outcome is that of the first time. Empty: no key. 1 to 256 bytes.
	Key    string
	Window time.Duration
	// Print is a fingerprint of what is published: a publish under the same Key with another is ErrKeyReused. It may be
	// empty and has no space in it.
	Print string
	// After, if it is not zero, wants that nothing newer is on the channel of the (only) message. Else the error is a
	// *ChangedError.
	After Cursor
}

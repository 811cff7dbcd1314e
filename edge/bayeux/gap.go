package bayeux

import (
	"strconv"

	"github.com/pandapush/pandapush"
)

// GapChannel is the channel of the messages that AppendGap makes.
const GapChannel = "/meta/gap"

// AppendGap appends what tells a client that it may have missed messages of an application between two cursors, and why:
// a meta message that it did not ask for. Faye's clients pass over it; CometD's hand it to those who listen for it.
func AppendGap(dst []byte, clientID string, app pandapush.AppID, from, to pandapush.Cursor, reason string) []byte {
	dst = append(dst, `{"channel":"`+GapChannel+`","clientId":`...)
	dst = appendString(dst, clientID)
	dst = append(dst, `,"successful":true,"ext":{"gap":`...)
	dst = AppendGapDetail(dst, app, from, to, reason)
	return append(dst, `}}`...)
}

// AppendGapDetail appends just what the gap is, {"app":…,"from":…,"to":…,"reason":…}.
func AppendGapDetail(dst []byte, app pandapush.AppID, from, to pandapush.Cursor, reason string) []byte {
	dst = append(dst, `{"app":`...)
	dst = appendString(dst, string(app))
	dst = append(dst, `,"from":"`...)
	dst = from.AppendText(dst)
	dst = append(dst, `","to":"`...)
	dst = to.AppendText(dst)
	dst = append(dst, `","reason":`...)
	dst = appendString(dst, reason)
	return append(dst, '}')
}

// Start says where a subscription begins.
type Start struct {
	Pattern pandapush.Pattern
	Cursor  pandapush.Cursor
	Since   bool             // the client asked for what was before
	Gap     string           // why some of that may be missing; "" if it is all there
	GapTo   pandapush.Cursor // where what is there begins
	Room    *pandapush.Room  // who is in the room that the pattern names; nil if it names none
	// Channels are those in use, for a pattern that matches the channel where that is announced; else nil.
	Channels *pandapush.Occupied
}

// AppendStarts appends the "ext" of a reply to a subscribe: the cursor at which the subscription begins, for one that
// asked for what was before, whether all of it is there, and for a room who is in it. For an array of channels these are
// objects by channel.
func AppendStarts(dst []byte, starts []Start, array bool) []byte {
	dst = append(dst, `{"cursor":`...)
	dst = appendEach(dst, starts, array, func(dst []byte, s Start) []byte {
		dst = append(dst, '"')
		dst = s.Cursor.AppendText(dst)
		return append(dst, '"')
	})
	var asked, broken, rooms []Start
	for _, s := range starts {
		if s.Room != nil {
			rooms = append(rooms, s)
		}
		if s.Since {
			asked = append(asked, s)
		}
		if s.Gap != "" {
			broken = append(broken, s)
		}
	}
	if len(asked) > 0 {
		dst = append(dst, `,"recovered":`...)
		dst = strconv.AppendBool(dst, len(broken) == 0)
	}
	if len(broken) > 0 {
		dst = append(dst, `,"gap":`...)
		dst = appendEach(dst, broken, array, func(dst []byte, s Start) []byte {
			return AppendGapDetail(dst, s.Pattern.App(), s.Cursor, s.GapTo, s.Gap)
		})
	}
	if len(rooms) > 0 {
		dst = append(dst, `,"presence":`...)
		dst = appendEach(dst, rooms, array, func(dst []byte, s Start) []byte { return appendRoom(dst, s.Room) })
	}
	return append(dst, '}')
}

// AppendRoom appends who is in the room of a channel, {"channel":…,"presence":…}. The channel is valid.
func AppendRoom(dst []byte, channel string, room *pandapush.Room) []byte {
	dst = append(dst, `{"channel":"`...)
	dst = append(dst, channel...)
	dst = append(dst, `","presence":`...)
	return append(appendRoom(dst, room), '}')
}

// appendRoom appends who is in a room, in the shape of a notice that all of them have come. Of a room that is too large it
// is a page, with the number of all and the name of the next page.
func appendRoom(dst []byte, room *pandapush.Room) []byte {
	dst = append(dst, `{"subscribe":{`...)
	for i, m := range room.Members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, m.User)
		dst = append(dst, ':')
		dst = append(dst, m.Data...)
	}
	dst = append(dst, '}')
	if room.Next != "" {
		dst = append(dst, `,"count":`...)
		dst = strconv.AppendInt(dst, room.Count, 10)
		dst = append(dst, `,"next":`...)
		dst = appendString(dst, room.Next)
	}
	return append(dst, '}')
}

// appendEach appends the one value, or an object of them by pattern.
func appendEach(dst []byte, starts []Start, array bool, value func([]byte, Start) []byte) []byte {
	if !array {
		return value(dst, starts[0])
	}
	dst = append(dst, '{')
	for i, s := range starts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s.Pattern.String())
		dst = append(dst, ':')
		dst = value(dst, s)
	}
	return append(dst, '}')
}

// Array reports whether the message names its subscriptions as an array.
func (m *Message) Array() bool { return len(m.Subscription) > 0 && m.Subscription[0] == '[' }

// Since returns what the message says in "ext.since" for a pattern: a cursor, a number of messages or a time, as text; ""
// if nothing. It is one value for all patterns, or an object by pattern.
func (m *Message) Since(pattern string) string {
	since := m.Ext.Member("since")
	if len(since) > 0 && since[0] == '{' {
		since = since.Member(pattern)
	}
	if !since.Truthy() {
		return ""
	}
	return since.Text()
}

// AckOffered reports whether a handshake offers CometD's acknowledgement extension.
func (m *Message) AckOffered() bool { return string(m.Ext.Member("ack")) == "true" }

// ExpiryWanted reports whether a handshake asks for subscriptions to end when the token that allowed them expires.
func (m *Message) ExpiryWanted() bool {
	return string(m.Ext.Member("pandapush").Member("expiry")) == "true"
}

// Ack returns the number of the last batch that the client has got, if the message says so.
func (m *Message) Ack() (batch int64, ok bool) {
	batch, err := strconv.ParseInt(string(m.Ext.Member("ack")), 10, 64)
	return batch, err == nil
}

// AppendAck appends the "ext" that gives a batch its number.
func AppendAck(dst []byte, batch int64) []byte {
	dst = append(dst, `{"ack":`...)
	dst = strconv.AppendInt(dst, batch, 10)
	return append(dst, '}')
}

package edge

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/pandapush/pandapush"
)

// Server-sent events, as they are written. An event is lines and an empty line; all that is sent as data is JSON text on one
// line. A line "id" is the cursor of the message, or how far the client has got otherwise: a browser gives the last one
// back as Last-Event-ID when it connects again, also one that came in an event without data.

// The parts of an event that are always the same; read-only, shared.
var (
	eventData = []byte("data: ")
	eventTail = []byte("\n\n")
)

// appendEventHead appends an event up to its data. A name of "" is that of a message.
func appendEventHead(dst []byte, name string, id pandapush.Cursor) []byte {
	if name != "" {
		dst = append(dst, "event: "...)
		dst = append(dst, name...)
		dst = append(dst, '\n')
	}
	if id != (pandapush.Cursor{}) {
		dst = append(dst, "id: "...)
		dst = id.AppendText(dst)
		dst = append(dst, '\n')
	}
	return append(dst, eventData...)
}

// appendEvent appends a message as an event of a follower's.
func appendEvent(dst []byte, d *delivery) []byte { return append(dst, d.event...) }

// appendBayeuxEvent appends a message as an event of Faye's: an array of one Bayeux message.
func appendBayeuxEvent(dst []byte, d *delivery) []byte {
	head := eventData
	if d.event != nil {
		head = d.event[:len(d.event)-len(eventTail)-len(d.wire)]
	}
	dst = append(dst, head...)
	dst = append(dst, '[')
	dst = append(dst, d.wire...)
	dst = append(dst, ']')
	return append(dst, eventTail...)
}

// appendBeat appends what keeps a silent stream open: a comment and, if there is one, the cursor up to which there was
// nothing for the client. Browsers show neither to the page.
func appendBeat(dst []byte, at pandapush.Cursor) []byte {
	dst = append(dst, ":\n"...)
	if at != (pandapush.Cursor{}) {
		dst = append(dst, "id: "...)
		dst = at.AppendText(dst)
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}

// appendEnd appends the event that ends a follower's stream for good, and says why.
func appendEnd(dst []byte, why error) []byte {
	text, err := json.Marshal(map[string]string{"reason": why.Error()})
	if err != nil {
		panic(err) // a string always encodes
	}
	dst = append(dst, "event: end\ndata: "...)
	dst = append(dst, text...)
	return append(dst, eventTail...)
}

// appendRetry appends how long a client is to wait before it connects again, when it loses the stream.
func appendRetry(dst []byte, after time.Duration) []byte {
	dst = append(dst, "retry: "...)
	dst = strconv.AppendInt(dst, after.Milliseconds(), 10)
	return append(dst, eventTail...)
}

// oneLine returns JSON text without line breaks. In JSON they are white space, since a string can't hold any.
func oneLine(text []byte) []byte {
	if bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\n"), []byte(" ")), []byte("\r"), []byte(" "))
}

package bayeux

import (
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

// Reply is the answer to one message.
type Reply struct {
	To       *Message
	Err      error     // nil if the message succeeded; see ErrorText
	ClientID string    // of a successful handshake: the new session's
	Advice   Advice    // of a handshake or connect; if one failed and this is zero, HandshakeAdvice(MinRefusalInterval)
	Ext      []byte    // a JSON object with members, or nil for none
	Now      time.Time // for To.Time
}

// Advice tells a client how to go on. The zero Advice says nothing.
type Advice struct {
	reconnect                      string
	interval, timeout, maxInterval time.Duration
}

// RetryAdvice lets a client connect again after interval, and tells it how long a connect may be held. A session ends when
// its client has not connected for twice as long; CometD's clients, who are told so by maxInterval, then begin anew by
// themselves.
func RetryAdvice(interval, timeout time.Duration) Advice {
	return Advice{"retry", interval, timeout, max(timeout-interval, 0)}
}

// EventSourceAdvice is the advice for a successful connect of an EventSource client. Nothing holds its connects, so that
// it is the interval between them that has to be timeout.
func EventSourceAdvice(timeout time.Duration) Advice { return Advice{"retry", timeout, 0, timeout} }

// HandshakeAdvice makes a client begin anew after interval: for failures only, since CometD's client throws at a
// successful reply with it. A refused handshake must have an interval of MinRefusalInterval or more.
func HandshakeAdvice(interval time.Duration) Advice { return Advice{"handshake", interval, 0, 0} }

// MinRefusalInterval is the least time that a client has to wait after a refused handshake. Faye's client would
// otherwise try again a hundred times a second.
const MinRefusalInterval = time.Second

// AppendReply appends the JSON object of r to dst. The fields "id", "clientId" and "channel" of the request are sent
// back just as they came, if JavaScript would take them for true.
func AppendReply(dst []byte, r Reply) []byte {
	m, verb := r.To, r.To.Verb()
	dst = append(dst, '{')
	dst = appendField(dst, `"id":`, m.ID)
	dst = appendClientID(dst, r, verb)
	dst = appendField(dst, `"channel":`, m.Channel)
	if verb == Handshake {
		dst = append(dst, `"version":"1.0","supportedConnectionTypes":`+supportedTypes+`,`...)
	}
	if verb == Subscribe || verb == Unsubscribe {
		if m.Subscription.Truthy() {
			dst = appendField(dst, `"subscription":`, m.Subscription)
		} else {
			dst = append(dst, `"subscription":[],`...)
		}
	}
	if r.Err != nil {
		dst = append(dst, `"error":`...)
		dst = appendString(dst, ErrorText(r.Err))
		dst = append(dst, ',')
	}
	dst = r.advice(verb).append(dst)
	dst = appendExt(dst, r)
	dst = append(dst, `"successful":`...)
	dst = strconv.AppendBool(dst, r.Err == nil)
	return append(dst, '}')
}

func appendExt(dst []byte, r Reply) []byte {
	switch {
	case r.To.Time == nil && len(r.Ext) == 0:
		return dst
	case r.To.Time == nil:
		dst = append(dst, `"ext":`...)
		return append(append(dst, r.Ext...), ',')
	}
	dst = r.To.Time.append(append(dst, `"ext":{`...), r.Now)
	if len(r.Ext) > 0 {
		dst = append(dst, ',')
		return append(append(dst, r.Ext[1:]...), ',')
	}
	return append(dst, "},"...)
}

// appendClientID appends the session's name: the new one in a handshake, else the one that the client sent, which is
// left out when a connect or disconnect fails.
func appendClientID(dst []byte, r Reply, verb Verb) []byte {
	switch {
	case r.Err != nil && (verb == Handshake || verb == Connect || verb == Disconnect):
		return dst
	case verb == Handshake:
		dst = append(dst, `"clientId":`...)
		return append(appendString(dst, r.ClientID), ',')
	}
	return appendField(dst, `"clientId":`, r.To.ClientID)
}

// advice sees to it that no failed handshake or connect goes without: a client would not know how to go on, or go on at
// once for ever.
func (r Reply) advice(verb Verb) Advice {
	if r.Err != nil && r.Advice == (Advice{}) && (verb == Handshake || verb == Connect) {
		return HandshakeAdvice(MinRefusalInterval)
	}
	return r.Advice
}

func appendField(dst []byte, name string, v Value) []byte {
	if !v.Truthy() {
		return dst
	}
	dst = append(dst, name...)
	dst = append(dst, v...)
	return append(dst, ',')
}

func (a Advice) append(dst []byte) []byte {
	if a.reconnect == "" {
		return dst
	}
	dst = append(dst, `"advice":{"reconnect":"`...)
	dst = append(dst, a.reconnect...)
	dst = append(dst, `","interval":`...)
	dst = strconv.AppendInt(dst, a.interval.Milliseconds(), 10)
	if a.reconnect == "retry" {
		dst = append(dst, `,"timeout":`...)
		dst = strconv.AppendInt(dst, a.timeout.Milliseconds(), 10)
		dst = append(dst, `,"maxInterval":`...)
		dst = strconv.AppendInt(dst, a.maxInterval.Milliseconds(), 10)
	}
	return append(dst, `},`...)
}

// AppendDelivery appends a message for subscribers, {"channel":…,"data":…,"id":"…"}, to dst. The channel is valid and
// data is JSON text, so neither needs to be looked at.
func AppendDelivery(dst []byte, channel string, data []byte, id pandapush.Cursor) []byte {
	dst = append(dst, `{"channel":"`...)
	dst = append(dst, channel...)
	dst = append(dst, `","data":`...)
	dst = append(dst, data...)
	dst = append(dst, `,"id":"`...)
	dst = id.AppendText(dst)
	return append(dst, `"}`...)
}

// AppendNotice is AppendDelivery for a message of the server's own, marked with the kind of its channel,
// "ext":{"notice":"presence"}. No publisher can make one: nothing of a published
// message's "ext" is delivered.
func AppendNotice(dst []byte, channel pandapush.Channel, data []byte, id pandapush.Cursor) []byte {
	dst = AppendDelivery(dst, channel.String(), data, id)
	dst = append(dst[:len(dst)-1], `,"ext":{"notice":"`...)
	dst = append(dst, channel.Kind()...)
	return append(dst, `"}}`...)
}

// AppendLive is AppendNotice for what is told to those who are connected at the moment, and not kept: it has no id.
func AppendLive(dst []byte, channel pandapush.Channel, data []byte) []byte {
	dst = append(dst, `{"channel":"`...)
	dst = append(dst, channel.String()...)
	dst = append(dst, `","data":`...)
	dst = append(dst, data...)
	dst = append(dst, `,"ext":{"notice":"`...)
	dst = append(dst, channel.Kind()...)
	return append(dst, `"}}`...)
}

// appendString appends s as a JSON string. Besides what JSON demands it escapes U+2028 and U+2029, which end a line in
// JavaScript, and it replaces bytes that are not UTF-8.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		case r == '\u2028' || r == '\u2029':
			dst = append(dst, '\\', 'u', '2', '0', '2', hex[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}

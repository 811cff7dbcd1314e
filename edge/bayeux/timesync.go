package bayeux

import (
	"strconv"
	"time"
)

// TimeSync is what a message of a client with CometD's time synchronisation says of its clock, and when it came.
type TimeSync struct {
	sent, lag, offset int64 // milliseconds: when by the client's clock, and how it takes the way and the server's clock to be
	received          time.Time
}

// maxTime is the latest time that a JavaScript clock can show, in milliseconds.
const maxTime = 8_640_000_000_000_000

// ReceiveTime returns what is answered to a message that came at a moment, or nil if it does not ask for the time.
func (m *Message) ReceiveTime(received time.Time) *TimeSync {
	sync := m.Ext.Member("timesync")
	if sync == nil {
		return nil
	}
	t := TimeSync{received: received}
	var known bool
	if t.sent, known = millis(sync.Member("tc")); !known {
		return nil
	}
	t.lag, _ = millis(sync.Member("l")) // 0 until the client has measured
	t.offset, _ = millis(sync.Member("o"))
	return &t
}

func millis(v Value) (n int64, ok bool) {
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && -maxTime <= n && n <= maxTime
}

// append appends the member of "ext" with which a reply that leaves now gives the time.
func (t *TimeSync) append(dst []byte, now time.Time) []byte {
	received := t.received.UnixMilli()
	for _, part := range []struct {
		name  string
		value int64
	}{
		{`"timesync":{"tc":`, t.sent},
		{`,"ts":`, received},
		{`,"p":`, now.Sub(t.received).Milliseconds()},
		{`,"a":`, t.sent + t.offset + t.lag - received},
	} {
		dst = append(dst, part.name...)
		dst = strconv.AppendInt(dst, part.value, 10)
	}
	return append(dst, '}')
}

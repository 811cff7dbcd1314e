package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// Session is a Bayeux client with one subscription, that comes back when its socket breaks. It counts what it gets: the
// messages of a channel are numbered from 1.
type Session struct {
	Channel int

	Received, Repeated, Lost int64 // messages; one that comes after a later one counts as repeated, having counted as lost
	Failed                   int64 // replies that were refusals

	loop     *Loop
	conn     *conn
	small    bool
	addr     netip.AddrPort
	id       string // of the session; empty before the handshake
	app      string
	channel  string
	last     int64 // number of the newest message
	cursor   [cursorSize]byte
	length   int
	since    bool // it says where it is when it comes back, as client.js does
	attached bool
	down     bool // the socket broke and the session was not sent back yet
	took     time.Duration
	began    time.Time
}

const cursorSize = 64

// NewSession returns a session that subscribes to the channel of that number, once Connect is called. small is for one that
// will stop reading: see Stall.
func NewSession(l *Loop, app string, channel int, small bool) *Session {
	return &Session{Channel: channel, loop: l, app: app, channel: ChannelName(app, channel), small: small}
}

// ChannelName returns the name of a channel that the benchmark uses.
func ChannelName(app string, number int) string {
	return fmt.Sprintf("/%s/public/bench/%d", app, number)
}

// Connect connects to a node. A session that has an id goes on with it; if since, it says where it is in the stream.
func (s *Session) Connect(addr netip.AddrPort, since bool) (err error) {
	s.addr, s.since, s.attached, s.down, s.began = addr, since, false, false, time.Now()
	s.conn, err = s.loop.dial(addr, "/push", s, s.small)
	return err
}

// Attached reports whether the session has been told that its connect is good.
func (s *Session) Attached() bool { return s.attached }

// Took returns how long the last Connect took, until the session was attached.
func (s *Session) Took() time.Duration { return s.took }

// Down reports whether the socket broke since Connect.
func (s *Session) Down() bool { return s.down }

// Last returns the number of the newest message.
func (s *Session) Last() int64 { return s.last }

// Stall stops reading from the socket, or begins again.
func (s *Session) Stall(stalled bool) { s.conn.pause(stalled) }

// Close closes the socket, and the server is left to find out.
func (s *Session) Close() { s.conn.shut() }

func (s *Session) opened() {
	if s.id == "" {
		s.conn.send(opText, []byte(`[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"],"id":"1"}]`))
		return
	}
	s.connect(true)
}

// connect sends a connect. One that is to be answered at once tells whether the session lives; the next one is held.
func (s *Session) connect(atOnce bool) {
	m := fmt.Appendf(nil, `[{"channel":"/meta/connect","clientId":"%s","connectionType":"websocket","id":"2"`, s.id)
	if atOnce {
		m = append(m, `,"advice":{"timeout":0}`...)
		if s.since && s.length > 0 {
			m = fmt.Appendf(m, `,"ext":{"since":{"%s":"%s"}}`, s.app, s.cursor[:s.length])
		}
	}
	s.conn.send(opText, append(m, "}]"...))
}

func (s *Session) closed() {
	s.attached, s.down = false, true
}

var (
	arrayStart = []byte(`[{"channel":"`)
	dataStart  = []byte(`"data":{"n":`)
	idStart    = []byte(`,"id":"`)
)

// received takes a frame: deliveries, or replies.
func (s *Session) received(frame []byte) {
	if !bytes.HasPrefix(frame, arrayStart) || bytes.HasPrefix(frame[len(arrayStart):], []byte("/meta/")) {
		s.replies(frame)
		return
	}
	for {
		at := bytes.Index(frame, dataStart)
		if at < 0 {
			return
		}
		frame = frame[at+len(dataStart):]
		digits := 0
		for digits < len(frame) && '0' <= frame[digits] && frame[digits] <= '9' {
			digits++
		}
		n, err := strconv.ParseInt(string(frame[:digits]), 10, 64)
		start := bytes.Index(frame, idStart)
		if err != nil || start < 0 {
			s.Failed++
			return
		}
		frame = frame[start+len(idStart):]
		end := bytes.IndexByte(frame, '"')
		s.count(n, frame[:max(end, 0)])
	}
}

// count takes a message.
func (s *Session) count(n int64, cursor []byte) {
	s.Received++
	if n <= s.last {
		s.Repeated++
		return
	}
	s.Lost += n - s.last - 1
	s.last = n
	s.length = copy(s.cursor[:], cursor)
}

// reply is what matters of one.
type reply struct {
	Channel    string
	ClientID   string
	Successful bool
}

func (s *Session) replies(frame []byte) {
	var replies []reply
	if err := json.Unmarshal(frame, &replies); err != nil {
		s.Failed++
		return
	}
	for _, r := range replies {
		if !r.Successful {
			s.Failed++
			continue
		}
		switch r.Channel {
		case "/meta/handshake":
			s.id = r.ClientID
			s.conn.send(opText, fmt.Appendf(nil, `[{"channel":"/meta/subscribe","clientId":"%s","subscription":"%s","id":"3"}]`, s.id, s.channel))
		case "/meta/subscribe":
			s.connect(true)
		case "/meta/connect":
			if !s.attached {
				s.attached, s.took = true, time.Since(s.began)
			}
			s.connect(false)
		}
	}
}

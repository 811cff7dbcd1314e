package edge

import (
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config is what a Server is made of. Node, Stream, Records, Presence, Occupancy, Keys and Log are required.
type Config struct {
	Node      string // this node's name, unlike any other's
	Stream    Stream
	Records   Records
	Presence  Presence
	Occupancy Occupancy
	Keys      Keys
	Limiter   Limiter // of what an application may publish; nil for no limits
	Log       *slog.Logger
	Metrics   prometheus.Registerer // nil for none

	// Timeout is how long a connect is held, and what clients are told; a session ends when its client has not connected
	// for twice as long. Default 30 s.
	Timeout time.Duration
	// PingInterval is how long a socket may be silent before it is pinged; after twice as long it is closed. Default 25 s.
	PingInterval time.Duration
	// PresenceTTL is how long a user stays in a room when its connection is lost without a word, at most as long as its
	// session. Default 30 s.
	PresenceTTL time.Duration
	// BatchWindow is the longest that a message waits to leave together with those that come after it: in the answer to a poll,
	// and while others are being delivered, in a frame. Default none.
	BatchWindow time.Duration
	// WriteTimeout is how long a connection whose client does not read may make no progress. Default 10 s.
	WriteTimeout time.Duration
	// HandshakeTimeout is how long the body of a request may take to arrive, and how long a socket may stay whose client has
	// been granted nothing yet. Default 30 s.
	HandshakeTimeout time.Duration
	// Compression has messages to WebSockets compressed whose clients offer permessage-deflate.
	Compression bool
	// EnforceExpiry has every subscription end when its grant expires, and not only those of clients that ask for it.
	EnforceExpiry bool
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	Limits         Limits
	// Script serves what lies under the mount point and ends in ".js" or ".map": pages load their client from there. By
	// default there is nothing.
	Script http.Handler
	Now    func() time.Time // default time.Now
}

// Limits bounds what a client can make the server keep or do. Zero fields take the defaults.
type Limits struct {
	FrameBytes    int // of one WebSocket frame or HTTP body; default 1 MiB
	InputBytes    int // of all frames and bodies that are not answered yet, see budget; default 256 MiB
	Messages      int // in one frame or body; default 1,000
	DataBytes     int // of one published message; default 128 KiB
	Subscriptions int // of one session; default 1,000
	Sessions      int // of one address on this node, see addresses; default 10,000
	PublishRate   int // messages a second from one session, and twice as many at once; default 1,000
	QueueMessages int // waiting for one session, before it has to read them itself; default 1,024
	QueueBytes    int // the same; default 256 KiB
	WindowEntries int // kept in memory of one application's stream; default 10,000
	WindowBytes   int // the same; default 8 MiB
	PresenceBytes int // of what a user says of itself in a room; default 4 KiB
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Timeout, 30 * time.Second}, {&c.PingInterval, 25 * time.Second}, {&c.WriteTimeout, 10 * time.Second}, {&c.HandshakeTimeout, 30 * time.Second}, {&c.PresenceTTL, 30 * time.Second}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	l := &c.Limits
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.FrameBytes, 1 << 20},
		{&l.InputBytes, 256 << 20},
		{&l.Messages, 1000},
		{&l.DataBytes, 128 << 10},
		{&l.Subscriptions, 1000},
		{&l.Sessions, 10_000},
		{&l.PublishRate, 1000},
		{&l.QueueMessages, 1024},
		{&l.QueueBytes, 256 << 10},
		{&l.WindowEntries, 10_000},
		{&l.WindowBytes, 8 << 20},
		{&l.PresenceBytes, 4 << 10},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Script == nil {
		c.Script = http.NotFoundHandler()
	}
}

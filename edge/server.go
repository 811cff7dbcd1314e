package edge

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/lxzan/gws"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush"
)

// Stream is the applications' streams, as the edge needs them. All methods are safe for concurrent use.
type Stream interface {
	// Append stores a message and returns its cursor once it is stored. The error wraps pandapush.ErrUnavailable when
	// that can't be told.
	Append(ctx context.Context, m pandapush.Message) (pandapush.Cursor, error)
	// Join has the stream of app read: every entry after the returned cursor is handed to Server.Deliver.
	Join(ctx context.Context, app pandapush.AppID) (pandapush.Cursor, error)
	// Leave ends that.
	Leave(app pandapush.AppID)
}

// Keys is what the edge asks about credentials. It must not block.
type Keys interface {
	pandapush.Keys
	// Used counts one use of a key.
	Used(app pandapush.AppID, key pandapush.KeyID)
}

// Config is what a Server is made of. Stream, Keys and Log are required.
type Config struct {
	Stream  Stream
	Keys    Keys
	Log     *slog.Logger
	Metrics prometheus.Registerer // nil for none

	// Timeout is how long a connect is held, and what clients are told; a session ends when its client has not connected
	// for twice as long. Default 30 s.
	Timeout time.Duration
	// PingInterval is how long a socket may be silent before it is pinged; after twice as long it is closed. Default 25 s.
	PingInterval time.Duration
	// WriteTimeout is how long a socket whose client does not read may make no progress. Default 10 s.
	WriteTimeout time.Duration
	Limits       Limits
	Now          func() time.Time // default time.Now
}

// Limits bounds what a client can make the server keep or do. Zero fields take the defaults.
type Limits struct {
	FrameBytes    int // of one WebSocket frame or HTTP body; default 1 MiB
	Messages      int // in one frame or body; default 1,000
	DataBytes     int // of one published message; default 128 KiB
	Subscriptions int // of one session; default 1,000
	QueueMessages int // waiting for one session; default 10,000
	QueueBytes    int // waiting for one session; default 1 MiB
}

func (c *Config) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&c.Timeout, 30 * time.Second}, {&c.PingInterval, 25 * time.Second}, {&c.WriteTimeout, 10 * time.Second}} {
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
		{&l.Messages, 1000},
		{&l.DataBytes, 128 << 10},
		{&l.Subscriptions, 1000},
		{&l.QueueMessages, 10_000},
		{&l.QueueBytes, 1 << 20},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// Server speaks Bayeux with browsers: it holds their sockets and polls, and delivers to them what the streams bring.
type Server struct {
	cfg      Config
	stats    *metrics
	upgrader *gws.Upgrader
	flush    *flusher
	hub      *hub
	sessions sessions
	sockets  sockets

	ctx      context.Context // of the requests that come over sockets; ends when Run has returned
	cancel   context.CancelFunc
	tasks    sync.WaitGroup // short work that nobody else waits for
	draining chan struct{}  // closed by Drain
	window   atomic.Int64   // nanoseconds over which Drain sends clients away
	drain    sync.Once
}

// New returns a Server that does nothing until Run.
func New(cfg Config) *Server {
	cfg.setDefaults()
	e := &Server{cfg: cfg, flush: newFlusher(), draining: make(chan struct{})}
	e.stats = newMetrics(cfg.Metrics, func() int { return e.hub.apps() })
	e.hub = newHub(cfg.Stream, e.flush, cfg.Now, e.stats)
	e.sockets.stats = e.stats
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.upgrader = gws.NewUpgrader(events{}, &gws.ServerOption{
		ReadMaxPayloadSize:  cfg.Limits.FrameBytes,
		WriteMaxPayloadSize: cfg.Limits.QueueBytes + cfg.Limits.FrameBytes,
		CheckUtf8Enabled:    true,
		Logger:              wsLogger{cfg.Log},
		Recovery:            gws.Recovery,
		NewSession:          newSlot,
	})
	return e
}

// Routes registers the mount point of the Bayeux endpoint, "/push", and everything below it.
func (e *Server) Routes(router *echo.Echo) {
	handle := func(c echo.Context) error {
		e.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	router.Any("/push", handle)
	router.Any("/push/*", handle)
}

// Deliver hands a batch of one application's entries, in stream order, to the sessions that want them. It never blocks.
func (e *Server) Deliver(app pandapush.AppID, entries []pandapush.Message) {
	e.hub.Deliver(app, entries)
}

// Gap says that entries of app between from and to may be lost.
func (e *Server) Gap(app pandapush.AppID, from, to pandapush.Cursor) { e.hub.Gap(app, from, to) }

// sweepInterval is how often Run looks for sessions and sockets that have gone quiet.
const sweepInterval = time.Second

// Run delivers until ctx ends, then closes what Drain has left and waits for everything it started.
func (e *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.flush.run(ctx) })
	g.Go(func() error { return e.sweep(ctx, sweepInterval) })
	err := g.Wait()

	for _, s := range e.sockets.refuse() {
		s.kill(endDrain)
	}
	for _, s := range e.sessions.list() {
		e.endSession(s, endDrain)
	}
	e.cancel()
	e.sockets.open.Wait()
	e.tasks.Wait()
	return err
}

// background runs f in a goroutine that Run waits for.
func (e *Server) background(f func()) { e.tasks.Go(f) }

// wsLogger takes gws' own log lines: panics in a callback, which end just that socket.
type wsLogger struct{ log *slog.Logger }

// Error implements gws.Logger.
func (l wsLogger) Error(v ...any) { l.log.Error("websocket callback panicked", "detail", v) }

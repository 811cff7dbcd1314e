package edge

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/lxzan/gws"
	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/frame"
)

// Stream is the applications' streams, as the edge needs them. All methods are safe for concurrent use. Errors wrap
// pandapush.ErrUnavailable when Redis can't be reached.
type Stream interface {
	// Append stores a message and returns its cursor once it is stored.
	Append(ctx context.Context, m pandapush.Message) (pandapush.Cursor, error)
	// AppendOnce is Append, unless a message was appended under the same key within window: then it returns that one's
	// cursor, and true.
	AppendOnce(ctx context.Context, m pandapush.Message, key string, window time.Duration) (pandapush.Cursor, bool, error)
	// Join has the stream of app read: every entry after the returned cursor is handed to Server.Deliver.
	Join(ctx context.Context, app pandapush.AppID) (pandapush.Cursor, error)
	// Leave ends that. It does not block.
	Leave(app pandapush.AppID)
	// Tail returns the end of the stream, as it is now.
	Tail(ctx context.Context, app pandapush.AppID) (pandapush.Cursor, error)
	// Range returns up to count entries after one position and up to another, oldest first.
	Range(ctx context.Context, app pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error)
	// Rewind returns the cursor before the newest count entries, or if count is 0 before those of the last age.
	Rewind(ctx context.Context, app pandapush.AppID, count int64, age time.Duration) (pandapush.Cursor, error)
	// Span returns how far the stream reaches.
	Span(ctx context.Context, app pandapush.AppID) (pandapush.Span, error)
}

// Records keeps sessions where every node finds them. All methods are safe for concurrent use. Errors wrap
// pandapush.ErrUnavailable when Redis can't be reached, pandapush.ErrNotFound for a session that is not there, and
// pandapush.ErrNotOwner for one that another node has claimed.
type Records interface {
	CreateSession(ctx context.Context, id string, s pandapush.Session, ttl time.Duration) error
	// ClaimSession makes this node the owner, which reaches the client by a transport. former is the node that had the session attached, if that is another one.
	ClaimSession(ctx context.Context, id, transport string, ttl time.Duration) (s pandapush.Session, former string, err error)
	// SaveSession writes what an owner knows: cursors, the last answer, how far subscriptions lag, and whether it is
	// attached.
	SaveSession(ctx context.Context, id string, s pandapush.Session, ttl time.Duration) error
	// ChangeSubscriptions adds and removes patterns; it is all or nothing, and pandapush.ErrTooManySubs beyond limit.
	ChangeSubscriptions(ctx context.Context, id string, add map[string]pandapush.Subscription, remove []string, limit int) (owner string, attached bool, err error)
	EndSession(ctx context.Context, id string) (owner string, attached bool, err error)
	// TouchSessions keeps records alive, and returns the ids of those that are gone.
	TouchSessions(ctx context.Context, ids []string, ttl time.Duration) (gone []string, err error)
	// SavePositions writes down how far this node has handed out each stream; Position reads what a node wrote.
	SavePositions(ctx context.Context, positions map[pandapush.AppID]pandapush.Cursor) error
	Position(ctx context.Context, node string, apps []pandapush.AppID) (map[pandapush.AppID]pandapush.Cursor, error)
	// Send has a node's Server.Mail called.
	Send(ctx context.Context, node string, m pandapush.Mail) error
	// Gone reports whether a node is known to have ended, so that there is no point in waiting for its answer.
	Gone(ctx context.Context, node string) (bool, error)
}

// Limiter counts messages against limits that hold for all nodes together. It must be safe for concurrent use.
type Limiter interface {
	// Take takes n of the messages that a bucket of app still allows, and returns how many are left, about, and zero; or it
	// takes none, and returns how long to wait until there are n. n is at most burst. It answers within a second, Redis or no
	// Redis.
	Take(ctx context.Context, app pandapush.AppID, bucket string, perSecond float64, burst, n int) (left int, wait time.Duration)
}

// Keys is what the edge asks about credentials. It must not block.
type Keys interface {
	pandapush.Keys
	// Used counts one use of a key.
	Used(app pandapush.AppID, key pandapush.KeyID)
}

// Server speaks Bayeux with browsers: it holds their sockets and polls, and delivers to them what the streams bring.
type Server struct {
	cfg       Config
	authority *pandapush.Authority
	stats     *metrics
	upgrader  *gws.Upgrader
	packed    *gws.Upgrader // of sockets with compression; nil if there is none
	inflater  frame.Inflater
	input     budget
	conns     connLimits
	flush     *flusher
	hub       *hub
	sessions  sessions
	unsaved   unsaved
	outlets   outlets
	handoffs  handoffs
	nodes     nodes
	visitors  *addresses
	turnovers turnovers
	rates     *rates        // of publishing, by session
	proofs    atomic.Uint32 // numbers the proofs of all sessions
	readers   chan struct{} // a place for each session that may read from Redis at a time

	ctx      context.Context // of the requests that come over sockets; ends when Run has returned
	cancel   context.CancelFunc
	tasks    tasks         // short work that nobody else waits for
	draining chan struct{} // closed by Drain
	window   atomic.Int64  // nanoseconds over which Drain sends clients away
	drain    sync.Once
}

// New returns a Server that does nothing until Run.
func New(cfg Config) *Server {
	cfg.setDefaults()
	e := &Server{
		cfg: cfg, authority: pandapush.NewAuthority(cfg.Keys), flush: newFlusher(cfg.BatchWindow),
		draining: make(chan struct{}), readers: make(chan struct{}, maxReaders),
	}
	e.input.limit = int64(cfg.Limits.InputBytes)
	e.upgrader = newUpgrader(false)
	if cfg.Compression {
		e.packed = newUpgrader(true)
	}
	e.visitors, e.rates = newAddresses(cfg.Limits.Sessions), newRates(cfg.Limits.PublishRate)
	e.stats = newMetrics(cfg.Metrics, func() int { return e.hub.apps() })
	e.hub = newHub(cfg.Stream, e.flush, cfg.Now, e.stats, cfg.Limits)
	e.ctx, e.cancel = context.WithCancel(context.Background())
	poller, err := newPoller()
	if err != nil {
		cfg.Log.Warn("connections can't be watched, so each has a goroutine that reads", "error", err)
	}
	e.conns = connLimits{
		timeout: cfg.WriteTimeout, maxRest: cfg.Limits.FrameBytes + cfg.Limits.QueueBytes, poller: poller, readers: newReaders(e.ctx.Done()),
	}
	return e
}

// Routes registers the mount point of the Bayeux endpoint, "/push", everything below it, and "/push.js", where Faye's server
// has its client, too.
func (e *Server) Routes(router *echo.Echo) {
	handle := func(c echo.Context) error {
		e.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	router.Any("/push", handle)
	router.Any("/push/*", handle)
	router.Any("/push.js", handle)
	router.Any("/push.js.map", handle)
}

// Deliver hands a batch of one application's entries, in stream order, to the sessions that want them. It never blocks.
func (e *Server) Deliver(app pandapush.AppID, entries []pandapush.Message) {
	e.hub.Deliver(app, entries)
}

// Gap takes the news that the stream of app is another one now, or that what was between from and to was removed before it
// was read. Who is subscribed is told. It does not block.
func (e *Server) Gap(app pandapush.AppID, from, to pandapush.Cursor) {
	reason := pandapush.GapEpoch
	if from.Epoch == to.Epoch {
		reason = pandapush.GapTrimmed
	}
	for _, s := range e.hub.Gap(app, to) {
		e.stats.resumes.WithLabelValues("gap").Inc()
		s.tellGap(app, gap{from, to, reason})
	}
}

// maxReaders is how many sessions may read from Redis at a time.
const maxReaders = 32

var (
	errUnknownSession = errors.New("unknown session")
	errSuperseded     = errors.New("superseded by another connect")
)

// sweepInterval is how often Run looks for sessions and sockets that have gone quiet.
const sweepInterval = time.Second

// Run delivers until ctx ends, then closes what Drain has left and waits for everything it started.
func (e *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.conns.poller.run(ctx) })
	g.Go(func() error { return e.flush.run(ctx) })
	g.Go(func() error { return e.sweep(ctx, sweepInterval) })
	g.Go(func() error { return e.writePositions(ctx) })
	g.Go(func() error { return e.keepSeats(ctx) })
	g.Go(func() error { return e.watchMeta(ctx) })
	err := g.Wait()

	for _, s := range e.outlets.refuse() {
		s.kill(endDrain)
	}
	e.outlets.open.Wait()
	for _, s := range e.sessions.list() {
		e.detach(s, path{}, endDrain)
	}
	e.cancel()
	e.tasks.end()
	return err
}

// background runs f in a goroutine that Run waits for. When Run has ended it does nothing: mail may still come then.
func (e *Server) background(f func()) { e.tasks.start(f) }

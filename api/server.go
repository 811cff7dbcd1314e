package api

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/pandapush/pandapush"
)

// Defaults of Config.
const (
	DefaultMaxBody      = 128 << 10 // bytes
	DefaultMaxBatchBody = 8 << 20   // bytes
	DefaultOnceWindow   = 10 * time.Minute
	DefaultHistoryAge   = 24 * time.Hour
)

// KeyRing knows the applications and their keys, and counts how often the keys are used. It must be safe for concurrent
// use and must not block.
type KeyRing interface {
	pandapush.Keys
	// Used notes that a request was authorised by that key.
	Used(app pandapush.AppID, key pandapush.KeyID)
}

// Stream stores messages in the streams of their applications and reads them back. What it stores is acknowledged by Redis
// before it returns. It returns within a bound of its own when Redis is away: then the error wraps pandapush.ErrUnavailable,
// and what was to be stored may or may not be. It must be safe for concurrent use, and may keep a message's Data.
type Stream interface {
	Append(ctx context.Context, m pandapush.Message) (pandapush.Cursor, error)
	// AppendAll stores messages of one application, in their order. Those with a zero Cursor are not known to be stored, and
	// then there is an error.
	AppendAll(ctx context.Context, messages []pandapush.Message) ([]pandapush.Cursor, error)
	// AppendIf stores messages of one application, all or none, on a condition: see there.
	AppendIf(ctx context.Context, messages []pandapush.Message, c pandapush.Condition) (cursors []pandapush.Cursor, repeated bool, err error)

	// Range returns up to count messages after one position and up to another, oldest first, and RangeBack newest first.
	Range(ctx context.Context, app pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error)
	RangeBack(ctx context.Context, app pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error)
	// Rewind returns where the stream was so long ago; a count of 0 is none.
	Rewind(ctx context.Context, app pandapush.AppID, count int64, age time.Duration) (pandapush.Cursor, error)
	// Span returns what is kept.
	Span(ctx context.Context, app pandapush.AppID) (pandapush.Span, error)
}

// Check is one thing that the process needs to be ready, such as Redis. Func must return soon after its context has
// ended; it is never called twice at once. Names are unique.
type Check struct {
	Name string
	Func func(context.Context) error
}

// Config is what a Server is made of. Keys, Stream and Rooms are required.
type Config struct {
	Keys     KeyRing
	Stream   Stream
	Rooms    Rooms
	Follower Follower // nil: nobody can follow
	Limiter  Limiter  // nil: there are no limits
	Ready    []Check

	// MaxBody is the largest body of a publish, and the largest payload of a message in a batch, in bytes, for applications
	// without a limit of their own; DefaultMaxBody if zero.
	MaxBody      int64
	MaxBatchBody int64         // of a whole batch; DefaultMaxBatchBody if zero
	OnceWindow   time.Duration // for which idempotency keys are remembered; DefaultOnceWindow if zero
	HistoryAge   time.Duration // for which messages are kept, if nothing else is set for the application; DefaultHistoryAge if zero
	Rate         Rate          // of messages published for an application without a limit of its own
	KeyRate      Rate          // and by one key, for any

	Version, Revision, Built string // for /health_check.json

	Log      *slog.Logger          // nil: nothing is logged
	Metrics  prometheus.Registerer // nil: nothing is counted
	Gatherer prometheus.Gatherer   // what /metrics shows; nil: there is no such route
	Now      func() time.Time      // decides when a credential has expired; nil: time.Now
}

// Server answers the HTTP API. It starts nothing and holds no connection; its methods are safe for concurrent use.
type Server struct {
	config    Config // with the defaults filled in
	authority *pandapush.Authority
	log       *slog.Logger
	metrics   *metrics

	checks  []*check
	probing singleflight.Group
	drained context.Context // ends when draining begins
	drain   context.CancelFunc
}

// New makes a Server. It panics if its metrics are registered already.
func New(config Config) *Server {
	config.MaxBody = cmp.Or(config.MaxBody, DefaultMaxBody)
	config.MaxBatchBody = cmp.Or(config.MaxBatchBody, DefaultMaxBatchBody)
	config.OnceWindow = cmp.Or(config.OnceWindow, DefaultOnceWindow)
	config.HistoryAge = cmp.Or(config.HistoryAge, DefaultHistoryAge)
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		config: config, authority: pandapush.NewAuthority(config.Keys), log: config.Log, metrics: newMetrics(config.Metrics),
	}
	s.drained, s.drain = context.WithCancel(context.Background())
	for _, c := range config.Ready {
		s.checks = append(s.checks, &check{Check: c})
	}
	return s
}

// SetDraining turns readiness false for good, so that balancers send no more requests. Those that come are served; streams
// of lines end when what has come is answered.
func (s *Server) SetDraining() { s.drain() }

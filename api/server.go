package api

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/pandapush/pandapush"
)

// DefaultMaxBody is the largest request body when Config does not say otherwise, in bytes.
const DefaultMaxBody = 128 << 10

// KeyRing knows the applications and their keys, and counts how often the keys are used. It must be safe for concurrent
// use and must not block.
type KeyRing interface {
	pandapush.Keys
	// Used notes that a request was authorised by that key.
	Used(app pandapush.AppID, key pandapush.KeyID)
}

// Appender stores a message in its application's stream and returns where it stands there. It returns only after Redis
// has acknowledged the entry, and within a bound of its own when Redis is away: then the error wraps
// pandapush.ErrUnavailable. It must be safe for concurrent use, and may keep m.Data.
type Appender interface {
	Append(ctx context.Context, m pandapush.Message) (pandapush.Cursor, error)
}

// Check is one thing that the process needs to be ready, such as Redis. Func must return soon after its context has
// ended; it is never called twice at once. Names are unique.
type Check struct {
	Name string
	Func func(context.Context) error
}

// Config is what a Server is made of. Keys, Stream and Follower are required.
type Config struct {
	Keys     KeyRing
	Stream   Appender
	Follower Follower
	Ready    []Check
	// MaxBody is the largest request body that is taken, in bytes; DefaultMaxBody if zero.
	MaxBody int64

	Version, Revision, Built string // for /health_check.json

	Log      *slog.Logger          // nil: nothing is logged
	Metrics  prometheus.Registerer // nil: nothing is counted
	Gatherer prometheus.Gatherer   // what /metrics shows; nil: there is no such route
	Now      func() time.Time      // decides when a credential has expired; nil: time.Now
}

// Server answers the HTTP API. It starts nothing and holds no connection; its methods are safe for concurrent use.
type Server struct {
	config  Config // with the defaults filled in
	log     *slog.Logger
	metrics *metrics

	checks   []*check
	probing  singleflight.Group
	draining atomic.Bool
}

// New makes a Server. It panics if its metrics are registered already.
func New(config Config) *Server {
	if config.MaxBody == 0 {
		config.MaxBody = DefaultMaxBody
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{config: config, log: config.Log, metrics: newMetrics(config.Metrics)}
	for _, c := range config.Ready {
		s.checks = append(s.checks, &check{Check: c})
	}
	return s
}

// SetDraining turns readiness false for good, so that balancers send no more requests. Those that come are served.
func (s *Server) SetDraining() { s.draining.Store(true) }

package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush"
)

// Config says where the streams are and how much of them is kept.
type Config struct {
	Redis  Topology
	Prefix string        // of every key; default "pp"
	Node   string        // unique name of this process, letters and digits
	MaxLen int64         // entries kept per application, approximately; default 10,000
	MaxAge time.Duration // older entries are removed within a minute or so; default 24 hours
	// Retention returns the MaxLen and MaxAge of one application, zeros for those above; nil for none that differs. It is
	// asked for every append, by any goroutine, and must not block.
	Retention func(pandapush.AppID) (length int64, age time.Duration)
	// RoomPage is how many members of a room are returned at a time, about; DefaultRoomPage if zero.
	RoomPage int64
	Log      *slog.Logger
	Metrics  prometheus.Registerer // nil = none
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "pp"
	}
	if c.MaxLen == 0 {
		c.MaxLen = 10_000
	}
	if c.MaxAge == 0 {
		c.MaxAge = 24 * time.Hour
	}
	if c.RoomPage == 0 {
		c.RoomPage = DefaultRoomPage
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	if c.MaxLen < 0 || c.MaxAge < 0 || c.RoomPage < 0 {
		return errors.New("negative length or age to keep, or size of a page")
	}
	return keys(c.Prefix).check(c.Node)
}

// Handlers are told what the readers find. They are called by reader goroutines, for different applications also at
// the same time, and must not block: a reader that waits reads for nobody.
type Handlers struct {
	// Deliver gets entries of one application, in the order of its stream and each once. The slice is only valid during
	// the call; the messages and their Data may be kept.
	Deliver func(app pandapush.AppID, entries []pandapush.Message)
	// Gap says that entries between the two cursors may have been lost with the Redis that held them. Reading goes on
	// after to, so it is called before Deliver gets what is there now.
	Gap func(app pandapush.AppID, from, to pandapush.Cursor)
	// Notice gets what Notify sent, on any node.
	Notice func(Notice)
	// Mail gets what Send sent to this node, by any. nil = none is read.
	Mail func(pandapush.Mail)
}

// Streams is the connection to the streams. Its methods are safe for concurrent use.
type Streams struct {
	// Set by Open, then never changed.
	cfg      Config
	keys     keys
	log      *slog.Logger
	metrics  *metrics
	backends []*backend
	limits   limits
	of       [buckets]*backend
	usage    usage
	readers  [buckets]*reader // one for all buckets of a backend, but on a Cluster

	aliveSince atomic.Int64 // since when Redis has known that this node lives, Unix nanoseconds; 0 if it does not
}

// Open connects to every Redis and checks that it is used with the same number of buckets. It starts nothing: Append,
// Join and Leave need Run. Close undoes it.
func Open(ctx context.Context, cfg Config) (*Streams, error) {
	logging.Disable() // of go-redis: it writes to stderr what the errors say that are logged or returned here
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("open streams: %w", err)
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("open streams: %w", err)
	}
	s := &Streams{cfg: cfg, keys: keys(cfg.Prefix), log: cfg.Log, metrics: m}
	s.backends, s.of, err = cfg.Redis.open(func(b *backend) { b.appender.epochs.forget() })
	if err != nil {
		return nil, fmt.Errorf("open streams: %w", err)
	}
	for _, b := range s.backends {
		b.appender = newAppender(b.cmd, s.keys, s.maxLen, m)
		b.calls = &calls{cmd: b.cmd, batch: m.callBatch}
		b.ranges = make(chan struct{}, maxRanges)
		b.batches = make(chan struct{}, maxBatches)
	}
	s.makeReaders()
	for _, b := range s.backends {
		if err := s.checkBuckets(ctx, b); err != nil {
			return nil, errors.Join(fmt.Errorf("open streams: Redis %s: %w", b.name, err), s.Close())
		}
	}
	return s, nil
}

func (s *Streams) makeReaders() {
	whole := make(map[*backend]*reader)
	for bucket, b := range s.of {
		r := whole[b]
		if r == nil {
			r = newReader(s, b, bucket)
			if b.spansSlots() {
				whole[b] = r
			}
		}
		s.readers[bucket] = r
	}
}

// checkBuckets writes the number of buckets if it is not there, and fails if it is another than ours.
func (s *Streams) checkBuckets(ctx context.Context, b *backend) error {
	name, ours := s.keys.buckets(), strconv.Itoa(buckets)
	err := b.cmd.SetArgs(ctx, name, ours, redis.SetArgs{Mode: "NX"}).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return unavailable(err)
	}
	theirs, err := b.cmd.Get(ctx, name).Result()
	if err != nil {
		return unavailable(err)
	}
	if theirs != ours {
		return fmt.Errorf("%s is %q, but this version spreads applications over %s buckets", name, theirs, ours)
	}
	return nil
}

// Run reads, appends and trims until ctx ends, and returns nil when all of that has stopped. Appends that were waiting
// are still sent. It may be called once.
func (s *Streams) Run(ctx context.Context, h Handlers) error {
	stop := context.AfterFunc(ctx, func() { // the only way to end a blocked read
		if err := s.closeReads(); err != nil {
			s.log.Warn("streams: closing the readers' connections", "error", err)
		}
	})
	defer stop()
	s.readers[0].follow(s.keys.control(), controlSink{h.Notice, s.log})
	if h.Mail != nil {
		s.readers[0].followPlain(s.keys.inbox(s.cfg.Node), inboxSink{h.Mail, s.log, s.metrics.mails.WithLabelValues(mailReceived)})
	}

	var g errgroup.Group
	for _, b := range s.backends {
		g.Go(func() error { b.appender.run(ctx); return nil })
	}
	for bucket, r := range s.readers {
		if bucket == r.bucket {
			g.Go(func() error { r.run(ctx, h); return nil })
		}
	}
	if h.Mail != nil {
		g.Go(func() error { s.showAlive(ctx); return nil })
	}
	g.Go(func() error { s.sweep(ctx); return nil })
	g.Go(func() error { s.sweepLeases(ctx); return nil })
	return g.Wait()
}

// Ping asks every Redis, each master of a Cluster included, whether it answers. The error wraps
// pandapush.ErrUnavailable.
func (s *Streams) Ping(ctx context.Context) error {
	var errs []error
	for _, b := range s.backends {
		err := b.each(ctx, func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() })
		if err != nil {
			errs = append(errs, fmt.Errorf("redis %s: %w", b.name, unavailable(err)))
		}
	}
	return errors.Join(errs...)
}

// Close closes all connections. Run must have returned, if it was called.
func (s *Streams) Close() error {
	errs := []error{s.closeReads()}
	for _, b := range s.backends {
		if b.calls != nil {
			b.calls.close()
		}
		errs = append(errs, b.cmd.Close())
	}
	return errors.Join(errs...)
}

// closeReads closes the readers' connections. A second call does nothing.
func (s *Streams) closeReads() error {
	var errs []error
	for _, b := range s.backends {
		if err := b.read.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

const (
	readFirst  = 64      // entries per stream in the first read of a connection; doubled while a stream has more
	readCount  = 1000    // and at most
	readBytes  = 8 << 20 // data in a read beyond which the next asks for half as many entries
	readLeast  = 16
	readBlock  = 5 * time.Second // how long a read waits; also how long a wake-up that got lost is missed
	fewFeeds   = 32              // beyond so many, a wake-up costs Redis much more than an entry does
	pause      = 2 * time.Millisecond
	shortPause = time.Millisecond // of a reader of few streams
	maxBackoff = time.Second
	wakeTTL    = time.Minute
)

// reader follows the streams of one shard, what a single read can span: a Redis, or one bucket of a Cluster. Its run is
// one goroutine; join, leave and follow may be called by any.
type reader struct {
	// Set before Run, then never changed.
	bucket  int // the lowest that it spans
	keys    keys
	backend *backend
	wake    string // name of the stream that ends a blocked read
	log     *slog.Logger
	metrics *metrics
	maxLen  func(pandapush.AppID) int64
	poke    chan struct{} // of capacity one: something changed while the reader was not reading

	mu      sync.Mutex
	feeds   map[string]*feed // by the name of the stream
	added   []*feed          // not active yet
	changed bool             // feeds were added or left since the last plan
	blocked bool             // a read may be blocked that does not cover all of feeds
	rung    bool             // and has been woken
	down    error            // why Redis can't be reached; nil before the first attempt

	// Owned by run.
	names   []string // of the streams of the next read
	count   int64    // entries per stream in the next read
	counted int      // applications in the gauge
	wokenBy string   // last id read from the wake-up stream
	buffer  []pandapush.Message
}

func newReader(s *Streams, b *backend, bucket int) *reader {
	return &reader{
		bucket: bucket, keys: s.keys, backend: b, wake: s.keys.wake(bucket, s.cfg.Node),
		log: s.log.With("redis", b.name, "bucket", bucket), metrics: s.metrics, maxLen: s.maxLen,
		poke: make(chan struct{}, 1), feeds: make(map[string]*feed), wokenBy: "0-0",
	}
}

// follow adds a stream for good, before run. Unlike a joined one it stays when Redis can't be reached at first.
func (r *reader) follow(k appKeys, to sink) {
	f := newFeed("", k)
	f.sink = to
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(f)
}

// followPlain is follow for a stream without an epoch.
func (r *reader) followPlain(log string, to sink) {
	f := newFeed("", appKeys{log: log})
	f.sink, f.plain = to, true
	r.move(f, pandapush.Cursor{})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(f)
}

func (r *reader) addLocked(f *feed) {
	r.feeds[f.keys.log] = f
	r.added = append(r.added, f)
	r.changed = true
}

func (r *reader) join(ctx context.Context, app pandapush.AppID) (pandapush.Cursor, error) {
	if err := ctx.Err(); err != nil {
		return pandapush.Cursor{}, fmt.Errorf("join: %w", err)
	}
	r.mu.Lock()
	f := r.feeds[r.keys.log(app)]
	switch {
	case f == nil && r.down != nil:
		defer r.mu.Unlock()
		return pandapush.Cursor{}, fmt.Errorf("join: %w", unavailable(r.down))
	case f == nil:
		f = newFeed(app, r.keys.app(app))
		r.addLocked(f)
	case f.active:
		defer r.mu.Unlock()
		f.left = false
		return f.at, nil
	}
	f.left = false
	ring := r.blocked && !r.rung
	r.rung = r.rung || ring
	r.mu.Unlock()

	if ring {
		if err := r.ring(ctx); err != nil {
			return pandapush.Cursor{}, fmt.Errorf("join: %w", unavailable(err))
		}
	}
	select {
	case r.poke <- struct{}{}:
	default:
	}
	select {
	case <-f.ready:
	case <-ctx.Done():
		return pandapush.Cursor{}, fmt.Errorf("join: %w", ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return f.at, f.err
}

func (r *reader) leave(app pandapush.AppID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f := r.feeds[r.keys.log(app)]; f != nil {
		f.left, r.changed = true, true
	}
}

// ring wakes the blocked read. The others that wait for it depend on that, so it does not end with the caller's ctx.
func (r *reader) ring(ctx context.Context) error {
	pipe := r.backend.cmd.Pipeline()
	ctx = context.WithoutCancel(ctx)
	pipe.XAdd(ctx, &redis.XAddArgs{Stream: r.wake, MaxLen: 1, Values: []any{"w", ""}})
	pipe.Expire(ctx, r.wake, wakeTTL) // a node that dies leaves nothing
	if _, err := pipe.Exec(ctx); err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rung = false // the next may try
		return err
	}
	return nil
}

// run reads until ctx ends. It never gives up: positions are kept while Redis is away, and are what it goes on from.
func (r *reader) run(ctx context.Context, h Handlers) {
	defer r.stop()
	var outage time.Time
	for failures := 0; ; failures++ {
		if !r.await(ctx, failures) {
			return
		}
		err := r.readOver(ctx, h, func() {
			failures = 0
			if !outage.IsZero() {
				r.log.Info("streams: Redis is back", "after", time.Since(outage).Round(time.Millisecond))
				outage = time.Time{}
			}
		})
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures = -1
			continue
		}
		r.metrics.readErrors.Inc()
		if outage.IsZero() {
			outage = time.Now()
			r.log.Warn("streams: Redis can't be read, and will be tried again until it can", "error", err)
		}
		r.fail(err)
		r.backend.forget(ctx)
	}
}

// await waits for a feed, and after failures for some time that grows with them. It reports false when ctx ended.
func (r *reader) await(ctx context.Context, failures int) bool {
	if failures > 0 {
		limit := min(maxBackoff, 25*time.Millisecond<<min(failures, 10))
		select {
		case <-time.After(limit/2 + rand.N(limit/2)): // spread: all nodes lost Redis at the same moment
		case <-ctx.Done():
			return false
		}
	}
	for {
		r.mu.Lock()
		none := len(r.feeds) == 0
		if none {
			r.down = nil // the next join finds out
		}
		r.mu.Unlock()
		if !none {
			return ctx.Err() == nil
		}
		select {
		case <-r.poke:
		case <-ctx.Done():
			return false
		}
	}
}

// readOver reads over one connection until that fails, or until there is nothing to read any more (nil). A new connection
// may lead to a Redis that has lost something, so it begins by asking where every stream stands; up is called when that is
// known.
func (r *reader) readOver(ctx context.Context, h Handlers, up func()) (err error) {
	conn, err := r.backend.conn(ctx, r.wake)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()

	if err := r.resume(ctx, conn, r.all(), h); err != nil {
		return err
	}
	up()
	r.count = readFirst
	for ctx.Err() == nil {
		added, idle := r.plan()
		switch {
		case idle:
			return nil
		case len(added) > 0:
			if err := r.resume(ctx, conn, added, h); err != nil {
				return err
			}
			continue
		}
		asked := time.Now()
		reply, err := conn.XRead(ctx, &redis.XReadArgs{Streams: r.args(), Count: r.count, Block: readBlock}).Result()
		waited := time.Since(asked)
		r.unblocked()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if err := r.findOvertaken(ctx, conn, reply); err != nil {
			return err
		}
		if wait := pauseAfter(len(r.names), r.handOn(reply), waited); wait > 0 {
			select {
			case <-time.After(wait): // entries merge meanwhile
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// pauseAfter returns how long to wait before the next read, after one of so many streams that waited for its entries as
// long as it did. A wake-up costs Redis and us as much as fifty entries, and more with many streams, so a reader that is
// busy or has many lets entries merge. One whose entries come now and then hands each on at once, and so does one that is
// behind.
func pauseAfter(streams int, behind bool, waited time.Duration) time.Duration {
	switch {
	case behind:
		return 0
	case streams > fewFeeds:
		return pause
	case waited >= shortPause:
		return 0
	}
	return shortPause
}

// plan drops what was left, and returns the feeds that must be activated before the next read. If there are none, the
// reader counts as blocked from here on. idle says that there is nothing to read at all.
func (r *reader) plan() (added []*feed, idle bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if added, r.added = r.added, nil; len(added) > 0 {
		return added, false
	}
	if r.changed {
		r.changed = false
		r.names = append(r.names[:0], r.wake)
		for name, f := range r.feeds {
			if f.left {
				delete(r.feeds, name)
				continue
			}
			r.names = append(r.names, name)
		}
		r.countAppsLocked()
	}
	r.blocked, r.rung = len(r.feeds) > 0, false
	return nil, len(r.feeds) == 0
}

// countAppsLocked keeps the gauge of this reader's applications.
func (r *reader) countAppsLocked() {
	apps := 0
	for _, f := range r.feeds {
		if f.app != "" {
			apps++
		}
	}
	r.metrics.apps.Add(float64(apps - r.counted))
	r.counted = apps
}

func (r *reader) unblocked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocked = false
}

// args returns the names of the streams and after them, in the same order, the ids to read from.
func (r *reader) args() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	args := append(make([]string, 0, 2*len(r.names)), r.names...)
	args = append(args, r.wokenBy)
	for _, name := range r.names[1:] {
		args = append(args, r.feeds[name].id)
	}
	return args
}

// all returns every feed.
func (r *reader) all() []*feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.added, r.changed = nil, true
	all := make([]*feed, 0, len(r.feeds))
	for _, f := range r.feeds {
		all = append(all, f)
	}
	return all
}

// fail answers the joins that wait, and those to come until Redis can be read again.
func (r *reader) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down, r.added, r.blocked = err, nil, false
	for name, f := range r.feeds {
		if !f.active && f.app != "" {
			f.err = fmt.Errorf("join: %w", unavailable(err))
			close(f.ready)
			delete(r.feeds, name)
		}
	}
}

// stop answers the joins that wait when run ends, and those that come after.
func (r *reader) stop() { r.fail(errNotRunning) }

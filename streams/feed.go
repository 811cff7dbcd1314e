package streams

import (
	"context"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// feed is one stream that a reader follows.
type feed struct {
	// Set before the feed is in reader.feeds, then never changed.
	app   pandapush.AppID // empty for the control stream and the inbox
	keys  appKeys
	plain bool // it has no epoch, and may vanish and come again: it is read from its beginning, and then on
	sink  sink // set by the reader's goroutine if nil, used by it alone
	ready chan struct{}

	// Guarded by reader.mu; written by the reader's goroutine alone, but for left.
	active bool             // at is known, and everything after it will be handed on
	left   bool             // nobody wants it any more
	at     pandapush.Cursor // the last entry that was handed on, or is about to be
	err    error            // why the feed was given up before it became active; read after ready

	// Owned by the reader's goroutine.
	id        string // at.Position as text
	overtaken bool   // it has been, and the log says so
}

// sink is where a feed's entries go.
type sink interface {
	begin(at pandapush.Cursor)
	entries(epoch pandapush.Epoch, entries []redis.XMessage)
	gap(from, to pandapush.Cursor)
}

func newFeed(app pandapush.AppID, k appKeys) *feed {
	return &feed{app: app, keys: k, ready: make(chan struct{})}
}

// appSink hands an application's messages on.
type appSink struct {
	app     pandapush.AppID
	h       Handlers
	metrics *metrics
	log     *slog.Logger
	warned  bool // of a foreign entry, once
	buffer  *[]pandapush.Message
}

func (a *appSink) begin(pandapush.Cursor) {}

func (a *appSink) gap(from, to pandapush.Cursor) {
	a.metrics.gaps.Inc()
	a.h.Gap(a.app, from, to)
}

func (a *appSink) entries(epoch pandapush.Epoch, entries []redis.XMessage) {
	messages := (*a.buffer)[:0]
	for _, e := range entries {
		m, err := decodeEntry(a.app, e)
		if err != nil {
			a.skip(e, err)
			continue
		}
		m.Cursor.Epoch = epoch
		messages = append(messages, m)
	}
	if len(messages) == 0 {
		return
	}
	newest := time.UnixMilli(int64(messages[len(messages)-1].Cursor.Position.Millis))
	a.metrics.lag.Observe(max(0, time.Since(newest).Seconds()))
	a.h.Deliver(a.app, messages)
	clear(messages) // let go of the data
	*a.buffer = messages
}

func (a *appSink) skip(e redis.XMessage, err error) {
	a.metrics.skipped.WithLabelValues(skippedForeign).Inc()
	if !a.warned {
		a.warned = true
		a.log.Warn("streams: skipped an entry, and will not mention this application's others", "app", a.app, "id", e.ID, "error", err)
	}
}

// Join makes this node read app's stream, and returns where the reader is: every entry after the returned cursor is
// given to Deliver, after Join was called. So a subscriber that is registered before Join misses nothing after the
// cursor; of the entries up to it, it may see some.
//
// Joining twice is joining once, and calls at the same time share their work. The error wraps pandapush.ErrUnavailable
// when Redis is away and the application is not joined yet, or is ctx's when that ends; the application may then be joined
// nevertheless, until Leave.
func (s *Streams) Join(ctx context.Context, app pandapush.AppID) (pandapush.Cursor, error) {
	return s.readers[bucketOf(app)].join(ctx, app)
}

// Leave ends the reading of app's stream. Deliver may be called for it a few times more.
func (s *Streams) Leave(app pandapush.AppID) { s.readers[bucketOf(app)].leave(app) }

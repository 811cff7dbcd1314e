package streams

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// activateBatch is how many streams are asked about in one pipeline.
const activateBatch = 500

// resume asks where the streams of feeds stand, over the connection that will read them. Those that are new begin at
// their end; those that were read before go on from their position, or after a gap if there is another stream now.
func (r *reader) resume(ctx context.Context, conn *redis.Conn, feeds []*feed, h Handlers) error {
	feeds = slices.DeleteFunc(feeds, func(f *feed) bool { return f.plain })
	for chunk := range slices.Chunk(feeds, activateBatch) {
		pipe := conn.Pipeline()
		asked := make([]activation, len(chunk))
		for i, f := range chunk {
			seen := f.at
			if !f.active && f.app != "" {
				seen = r.backend.appender.epochs.last(f.app)
			}
			asked[i] = activate(ctx, pipe, f.keys, f.app, seen)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return fmt.Errorf("activate: %w", err)
		}
		for i, f := range chunk {
			stream, err := asked[i].result()
			if err != nil {
				return fmt.Errorf("activate: %w", err)
			}
			if f.sink == nil {
				f.sink = &appSink{app: f.app, h: h, metrics: r.metrics, log: r.log, buffer: &r.buffer}
			}
			r.place(f, stream)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = nil
	r.changed = true
	return nil
}

// place sets where f is read from, and tells its sink if that is not where it was.
func (r *reader) place(f *feed, stream standing) {
	from := f.at
	to, lost := goOn(from, stream)
	if lost || stream.lost {
		r.log.Warn("streams: Redis has lost entries", "app", f.app, "from", from.Position.String(), "all", lost)
	}
	switch first := r.move(f, to); {
	case first:
		f.sink.begin(to)
	case lost:
		f.sink.gap(from, to)
	}
}

// goOn decides from where a stream is read on that was read up to from, and whether it is another one, so that everything up to
// there is lost. A zero from is one that was never read. Where only the newest entries are lost there is nothing to decide: the
// mark of that comes after from.
func goOn(from pandapush.Cursor, stream standing) (to pandapush.Cursor, lost bool) {
	switch from.Epoch {
	case "":
		return pandapush.Cursor{Epoch: stream.epoch, Position: stream.last}, false
	case stream.epoch:
		return from, false
	}
	return pandapush.Cursor{Epoch: stream.epoch}, true // all of it is new
}

// move sets the position of f, makes it active and reports whether it was not before.
func (r *reader) move(f *feed, to pandapush.Cursor) (first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.at, f.id = to, to.Position.String()
	if f.active {
		return false
	}
	f.active = true
	close(f.ready)
	return true
}

// handOn gives what was read to the feeds' sinks, and reports whether one of them is behind.
func (r *reader) handOn(reply []redis.XStream) (behind bool) {
	r.metrics.reads.Inc()
	size := 0
	for _, stream := range reply {
		if len(stream.Messages) == 0 {
			continue // the stream was emptied just now
		}
		if stream.Stream == r.wake {
			r.wokenBy = stream.Messages[len(stream.Messages)-1].ID
			continue
		}
		behind = behind || len(stream.Messages) == int(r.count)
		size += dataSize(stream.Messages)
		r.metrics.entries.Add(float64(len(stream.Messages)))
		r.mu.Lock()
		f := r.feeds[stream.Stream]
		r.mu.Unlock()
		fresh := r.advance(f, stream.Messages)
		f.sink.entries(f.at.Epoch, fresh)
	}
	switch {
	case size > readBytes:
		r.count = max(readLeast, r.count/2)
	case behind:
		r.count = min(readCount, 2*r.count)
	}
	return behind
}

func dataSize(entries []redis.XMessage) (n int) {
	for _, e := range entries {
		data, _ := e.Values[fieldData].(string)
		n += len(data)
	}
	return n
}

// advance moves f to the last of entries, and returns those that are after its position: all, unless Redis or this
// program is broken. The position moves before the entries are handed on, for Join must never return one that is before
// an entry that the hub has been given already.
func (r *reader) advance(f *feed, entries []redis.XMessage) []redis.XMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	fresh := entries[:0]
	for _, e := range entries {
		at, err := pandapush.ParsePosition(e.ID)
		if err != nil || at.Compare(f.at.Position) <= 0 {
			r.metrics.skipped.WithLabelValues(skippedBackward).Inc()
			continue
		}
		f.at.Position, f.id = at, e.ID
		fresh = append(fresh, e)
	}
	return fresh
}

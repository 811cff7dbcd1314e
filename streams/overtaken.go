package streams

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// findOvertaken finds the feeds of a reply that lack something: more was appended since the read before than is kept, by a
// batch for an application that keeps little, or while the reader was cut off. XREAD then returns what is left, and says nothing.
// Whoever such a feed is for is told, and it goes on right before what was read.
//
// Fewer entries than are kept, or than were asked for, are all that there were; so only a reader that is behind asks.
func (r *reader) findOvertaken(ctx context.Context, conn *redis.Conn, reply []redis.XStream) error {
	type question struct {
		feed  *feed
		first string // id of the first entry that was read
		span  *script
	}
	var asked []question
	pipe := conn.Pipeline()
	for _, stream := range reply {
		r.mu.Lock()
		f := r.feeds[stream.Stream] // nil for the wake-up stream
		r.mu.Unlock()
		if n := len(stream.Messages); f != nil && f.app != "" && n > 0 && int64(n) >= min(r.count, r.maxLen(f.app)) {
			asked = append(asked, question{f, stream.Messages[0].ID, eval(ctx, pipe, spanScript.call(ctx, []string{f.keys.log}))})
		}
	}
	if len(asked) == 0 {
		return nil
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ask what is kept: %w", err)
	}
	for _, q := range asked {
		answer, err := q.span.StringSlice()
		if err != nil {
			return fmt.Errorf("ask what is kept: %w", err)
		}
		span, err := newSpan(answer)
		if err != nil {
			return fmt.Errorf("ask what is kept: %w", err)
		}
		if err := r.skipRemoved(q.feed, span, q.first); err != nil {
			return err
		}
	}
	return nil
}

// skipRemoved has a feed go on before the first entry that was read, if what is kept of its stream begins after its position.
func (r *reader) skipRemoved(f *feed, span pandapush.Span, first string) error {
	from := f.at
	span.Epoch = from.Epoch
	// Of a stream that is shorter only age has removed entries, which were read long ago.
	if span.Length < r.maxLen(f.app) || span.Gap(from) != pandapush.GapTrimmed {
		return nil
	}
	position, err := beforeEntry(first)
	if err != nil {
		return err
	}
	to := pandapush.Cursor{Epoch: from.Epoch, Position: position}
	if !f.overtaken {
		f.overtaken = true
		r.log.Warn("streams: entries were removed before they were read, and more will not be mentioned", "app", f.app,
			"from", from.Position.String(), "to", position.String())
	}
	r.move(f, to)
	f.sink.gap(from, to)
	return nil
}

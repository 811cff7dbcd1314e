package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

const (
	maxRange  = 1000 // entries asked of Redis at once
	maxRewind = 1000 // entries by count: Redis reads them to find the first
	maxRanges = 4    // at the same time per backend: many clients that are far behind must not hold up the others
)

// Tail returns where app's stream ends now, by Redis: never an older answer than that of this moment. The stream is made
// if there is none. The error wraps pandapush.ErrUnavailable or is ctx's.
func (s *Streams) Tail(ctx context.Context, app pandapush.AppID) (pandapush.Cursor, error) {
	// Thousands of clients may subscribe at a time: those that ask together get one answer.
	asked, err := s.of[bucketOf(app)].calls.doShared(ctx, "tail "+string(app), func() redis.Cmder {
		return newActivation(context.WithoutCancel(ctx), s.keys.app(app), app, pandapush.Cursor{}).cmd
	})
	if err != nil {
		return pandapush.Cursor{}, fmt.Errorf("tail: %w", err)
	}
	stream, err := activation{asked.(*script)}.result() //nolint:errcheck,forcetypeassert // what was made above
	if err != nil {
		return pandapush.Cursor{}, fmt.Errorf("tail: %w", unavailable(err))
	}
	return pandapush.Cursor{Epoch: stream.epoch, Position: stream.last}, nil
}

// Range returns the messages of app's stream after one position and up to another (zero: the end), oldest first, at most
// count of them. Fewer than count means that there are no more. All their data is in memory at once; bounding that is up to
// the caller. Only a few ranges are read at the same time and the others wait, so that they do not hold up anything else.
// Messages that have expired are included.
//
// The error wraps pandapush.ErrUnavailable or is ctx's. A stream that does not exist has no messages.
func (s *Streams) Range(ctx context.Context, app pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error) {
	end := "+"
	if upTo != (pandapush.Position{}) {
		end = upTo.String()
	}
	return s.readRange(ctx, app, count, func(pipe redis.Pipeliner, log, last string, count int) *redis.XMessageSliceCmd {
		return pipe.XRangeN(ctx, log, cmp.Or(last, "("+after.String()), end, int64(count))
	})
}

// RangeBack is Range from the newest message to the oldest: at most the last count of those up to one position (zero: the
// end) and after another.
func (s *Streams) RangeBack(ctx context.Context, app pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error) {
	end := "+"
	if upTo != (pandapush.Position{}) {
		end = upTo.String()
	}
	return s.readRange(ctx, app, count, func(pipe redis.Pipeliner, log, last string, count int) *redis.XMessageSliceCmd {
		return pipe.XRevRangeN(ctx, log, cmp.Or(last, end), "("+after.String(), int64(count))
	})
}

// readRange reads up to count messages of app's stream in as many rounds as it takes. ask queues the command for so many
// entries: the first ones, or those beyond last if that is not empty.
func (s *Streams) readRange(
	ctx context.Context, app pandapush.AppID, count int,
	ask func(pipe redis.Pipeliner, log, last string, count int) *redis.XMessageSliceCmd,
) ([]pandapush.Message, error) {
	b := s.of[bucketOf(app)]
	select {
	case b.ranges <- struct{}{}:
		defer func() { <-b.ranges }()
	case <-ctx.Done():
		return nil, fmt.Errorf("range: %w", ctx.Err())
	}
	s.metrics.ranges.Inc()
	var messages []pandapush.Message
	for last := ""; len(messages) < count; {
		wanted := min(maxRange, count-len(messages))
		epoch, entries, err := s.page(ctx, b, app, func(pipe redis.Pipeliner, log string) *redis.XMessageSliceCmd {
			return ask(pipe, log, last, wanted)
		})
		if err != nil {
			return nil, fmt.Errorf("range: %w", err)
		}
		s.metrics.rangeEntries.Add(float64(len(entries)))
		for _, e := range entries {
			m, err := decodeEntry(app, e)
			if err != nil { // not ours; the reader has said so
				s.metrics.skipped.WithLabelValues(skippedForeign).Inc()
				continue
			}
			m.Cursor.Epoch = epoch
			messages = append(messages, m)
		}
		if len(entries) < wanted {
			break
		}
		last = "(" + entries[len(entries)-1].ID
	}
	return messages, nil
}

// page reads entries, and the epoch that they belong to.
func (s *Streams) page(
	ctx context.Context, b *backend, app pandapush.AppID, ask func(pipe redis.Pipeliner, log string) *redis.XMessageSliceCmd,
) (pandapush.Epoch, []redis.XMessage, error) {
	k := s.keys.app(app)
	pipe := b.cmd.Pipeline()
	epoch := pipe.Get(ctx, k.epoch)
	entries := ask(pipe, k.log)
	_, _ = pipe.Exec(ctx) // each command has its own error
	if err := entries.Err(); err != nil {
		return "", nil, unavailable(err)
	}
	if err := epoch.Err(); err != nil && !errors.Is(err, redis.Nil) {
		return "", nil, unavailable(err)
	}
	return pandapush.Epoch(epoch.Val()), entries.Val(), nil
}

// Rewind returns a cursor that is followed by just the last count entries of app's stream, or by those of the last age by
// Redis' clock; if both are given, by the fewer of the two. They are entries on any channel; a caller that wants the last ten
// of one channel has to ask for more and filter. More than 1,000 count as 1,000, since Redis reads them all to find the first.
// If fewer are kept, all of them follow, and the Span has no gap after that cursor.
//
// The stream is made if there is none. The error wraps pandapush.ErrUnavailable or is ctx's.
func (s *Streams) Rewind(ctx context.Context, app pandapush.AppID, count int64, age time.Duration) (pandapush.Cursor, error) {
	k := s.keys.app(app)
	asked := newActivation(ctx, k, app, pandapush.Cursor{})
	count = max(0, min(count, maxRewind))
	cmd := rewindScript.call(ctx, []string{k.log}, count)
	if err := s.of[bucketOf(app)].calls.do(ctx, asked.cmd, cmd); err != nil {
		return pandapush.Cursor{}, fmt.Errorf("rewind: %w", err)
	}
	stream, err := asked.result()
	if err != nil {
		return pandapush.Cursor{}, fmt.Errorf("rewind: %w", unavailable(err))
	}
	reply, err := cmd.StringSlice()
	if err != nil {
		return pandapush.Cursor{}, fmt.Errorf("rewind: %w", unavailable(err))
	}
	to := stream.last
	if count > 0 || age > 0 {
		if to, err = rewound(reply, stream.last, count, age); err != nil {
			return pandapush.Cursor{}, fmt.Errorf("rewind: %w", err)
		}
	}
	return pandapush.Cursor{Epoch: stream.epoch, Position: to}, nil
}

// rewound works out a position from the reply of rewind.lua. It lies between the one before the oldest entry and last.
func rewound(reply []string, last pandapush.Position, count int64, age time.Duration) (to pandapush.Position, err error) {
	if len(reply) != 3 {
		return to, fmt.Errorf("rewind.lua returned %d values", len(reply))
	}
	after, oldest, clock := reply[0], reply[1], reply[2]
	if oldest == "" {
		return last, nil
	}
	if to, err = beforeEntry(oldest); err != nil {
		return to, err
	}
	if count > 0 && after != "" {
		if to, err = pandapush.ParsePosition(after); err != nil {
			return to, fmt.Errorf("id of an entry: %w", err)
		}
	}
	if age > 0 {
		now, err := strconv.ParseInt(clock, 10, 64)
		if err != nil {
			return to, fmt.Errorf("time: %w", err)
		}
		if start := (pandapush.Position{Millis: uint64(max(0, now-age.Milliseconds()))}); to.Compare(start) < 0 {
			to = start
		}
	}
	if last.Compare(to) < 0 {
		to = last
	}
	return to, nil
}

// Span returns what is kept of app's stream now. The stream is made if there is none. The error wraps
// pandapush.ErrUnavailable or is ctx's.
func (s *Streams) Span(ctx context.Context, app pandapush.AppID) (pandapush.Span, error) {
	k := s.keys.app(app)
	asked := newActivation(ctx, k, app, pandapush.Cursor{})
	cmd := spanScript.call(ctx, []string{k.log})
	if err := s.of[bucketOf(app)].calls.do(ctx, asked.cmd, cmd); err != nil {
		return pandapush.Span{}, fmt.Errorf("span: %w", err)
	}
	stream, err := asked.result()
	if err != nil {
		return pandapush.Span{}, fmt.Errorf("span: %w", unavailable(err))
	}
	reply, err := cmd.StringSlice()
	if err != nil {
		return pandapush.Span{}, fmt.Errorf("span: %w", unavailable(err))
	}
	span, err := newSpan(reply)
	if err != nil {
		return pandapush.Span{}, fmt.Errorf("span: %w", err)
	}
	span.Epoch = stream.epoch
	return span, nil
}

// newSpan reads the reply of span.lua. An empty id is that of a stream to which nothing was ever added.
func newSpan(reply []string) (span pandapush.Span, err error) {
	if len(reply) != 4 {
		return span, fmt.Errorf("span.lua returned %d values", len(reply))
	}
	last, oldest, length, added := reply[0], reply[1], reply[2], reply[3]
	if last != "" {
		if span.Last, err = pandapush.ParsePosition(last); err != nil {
			return span, fmt.Errorf("last id: %w", err)
		}
	}
	span.First = span.Last
	if oldest != "" {
		if span.First, err = beforeEntry(oldest); err != nil {
			return span, err
		}
	}
	if span.Length, err = strconv.ParseInt(length, 10, 64); err != nil {
		return span, fmt.Errorf("length: %w", err)
	}
	span.Trimmed = span.Last != pandapush.Position{}
	if added != "" {
		n, err := strconv.ParseInt(added, 10, 64)
		if err != nil {
			return span, fmt.Errorf("entries ever added: %w", err)
		}
		span.Trimmed = n > span.Length
	}
	return span, nil
}

// beforeEntry returns the position right before an entry's id.
func beforeEntry(id string) (pandapush.Position, error) {
	p, err := pandapush.ParsePosition(id)
	if err != nil {
		return p, fmt.Errorf("id of an entry: %w", err)
	}
	return p.Prev(), nil
}

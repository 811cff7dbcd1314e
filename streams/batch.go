package streams

import (
	"context"
	"fmt"
	"time"

	"github.com/pandapush/pandapush"
)

// maxBatches bounds the calls of AppendAll under way per backend: large ones must not hold up the appends of others.
const maxBatches = 4

// AppendAll adds up to 1,000 messages of one application to its stream, in their order, in one pipeline of their own. It
// returns where each stands, with a zero Cursor for those that Redis did not acknowledge; the error is that of the first of
// those, as of Append. It does not need Run. Only a few calls are sent at the same time; the others wait, but not for long.
func (s *Streams) AppendAll(ctx context.Context, messages []pandapush.Message) ([]pandapush.Cursor, error) {
	if len(messages) == 0 || len(messages) > maxAtOnce {
		return nil, fmt.Errorf("append all: %d messages", len(messages))
	}
	app, start := messages[0].Channel.App(), time.Now()
	b := s.of[bucketOf(app)]
	if err := b.enterBatch(ctx); err != nil {
		return nil, fmt.Errorf("append all: %w", err)
	}
	defer func() { <-b.batches }()
	var cursors []pandapush.Cursor
	var err error
	if _, known := b.appender.epochs.get(app); known {
		// Once it has begun, its outcome is wanted.
		cursors, err = b.appender.sendAll(context.WithoutCancel(ctx), messages, start)
	} else {
		cursors, err = s.appendFirst(ctx, b, app, messages)
	}
	stored := 0
	for i, c := range cursors {
		if c != (pandapush.Cursor{}) {
			stored++
			s.usage.add(&messages[i])
		}
	}
	s.metrics.appends.Add(float64(stored))
	s.metrics.appendErrors.Add(float64(len(messages) - stored))
	if err != nil {
		return cursors, fmt.Errorf("append all: %w", err)
	}
	s.metrics.appendTime.Observe(time.Since(start).Seconds())
	return cursors, nil
}

// enterBatch waits for a place among the batches.
func (b *backend) enterBatch(ctx context.Context) error {
	full := time.NewTimer(timeout)
	defer full.Stop()
	select {
	case b.batches <- struct{}{}:
		return nil
	case <-full.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

// appendFirst appends messages of an application whose stream this node does not know yet, and may have to make, by one
// script: a message that finds no stream must not come after those behind it that do.
func (s *Streams) appendFirst(ctx context.Context, b *backend, app pandapush.AppID, messages []pandapush.Message) ([]pandapush.Cursor, error) {
	generation := b.appender.epochs.generation()
	cmd := newAppend(ctx, s.keys, s.maxLen(app), messages, pandapush.Condition{})
	if err := b.calls.do(ctx, cmd); err != nil {
		return nil, err
	}
	cursors, _, err := appended(app, cmd, len(messages))
	if err != nil {
		return nil, err
	}
	b.appender.epochs.put(app, cursors[0].Epoch, generation)
	b.appender.epochs.note(app, cursors[len(cursors)-1])
	return cursors, nil
}

// sendAll appends messages in one pipeline. The error is that of the first that failed.
func (a *appender) sendAll(ctx context.Context, messages []pandapush.Message, start time.Time) ([]pandapush.Cursor, error) {
	all := make([]pendingAppend, len(messages))
	batch := make([]*pendingAppend, len(messages))
	for i := range messages {
		all[i] = pendingAppend{message: messages[i], since: start}
		batch[i] = &all[i]
	}
	a.send(ctx, batch)
	cursors := make([]pandapush.Cursor, len(messages))
	var failed error
	for i := range all {
		if err := all[i].err; err == nil {
			cursors[i] = all[i].cursor
		} else if failed == nil {
			failed = err
		}
	}
	return cursors, failed
}

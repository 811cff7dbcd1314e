package edge

import (
	"context"

	"github.com/pandapush/pandapush"
)

// deepen makes t's window reach back to cursor, if it has room for what is between and the stream still has it. Who comes
// back just after a node has begun to read a stream finds nothing in the window yet: when ten thousand sessions do, because
// another node was killed, they read Redis once and not ten thousand times. The tenant is joined. The error wraps
// pandapush.ErrUnavailable or is ctx's. It is no error if the window has to be left as it was.
func (e *Server) deepen(ctx context.Context, t *tenant, cursor pandapush.Cursor) error {
	select {
	case t.deepening <- struct{}{}:
		defer func() { <-t.deepening }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	floor, ok := t.mayDeepen(cursor)
	if !ok {
		return nil
	}
	older, whole, err := e.readBetween(ctx, t, cursor.Position, floor)
	if err != nil {
		return err
	}
	if whole { // so far as it is kept; asked after it was read, since the stream may be trimmed at any moment
		span, err := e.cfg.Stream.Span(ctx, t.app)
		if err != nil {
			return err
		}
		whole = span.Gap(cursor) == ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !whole:
		t.window.tooFar = later(t.window.tooFar, cursor.Position)
	case t.at().Epoch == cursor.Epoch && t.window.floor == floor: // else it is another stream, or it has been so for too long
		t.window.prepend(older, cursor.Position)
	}
	return nil
}

// mayDeepen reports whether it is worth trying, and where the window begins.
func (t *tenant) mayDeepen(cursor pandapush.Cursor) (floor pandapush.Position, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := &t.window
	ok = t.at().Epoch == cursor.Epoch && !w.full && !w.covers(cursor.Position) && cursor.Position.Compare(w.tooFar) > 0
	return w.floor, ok
}

// readBetween reads what a stream has between two positions. whole is false if that is more than a window holds.
func (e *Server) readBetween(ctx context.Context, t *tenant, after, upTo pandapush.Position) (list []*delivery, whole bool, err error) {
	for size := 0; len(list) <= e.cfg.Limits.WindowEntries && size <= e.cfg.Limits.WindowBytes; {
		entries, err := e.readOlder(ctx, t.app, after, upTo, catchUpMessages)
		if err != nil {
			return nil, false, err
		}
		for i := range entries {
			d := encode(&entries[i])
			list = append(list, d)
			size += len(d.wire) + perEntry
		}
		if len(entries) < catchUpMessages {
			return list, true, nil
		}
		after = entries[len(entries)-1].Cursor.Position
	}
	return nil, false, nil
}

// covers reports whether the window has everything after cursor.
func (t *tenant) covers(cursor pandapush.Cursor) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := t.at()
	return at.Epoch == cursor.Epoch && t.window.covers(cursor.Position) && cursor.Position.Compare(at.Position) <= 0
}

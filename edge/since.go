package edge

import (
	"context"
	"strconv"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
)

// maxRewind bounds a rewind by count, in messages.
const maxRewind = 1000

// starts finds where each subscription of m begins: at the end of its stream, or where "ext.since" says. The ends are
// asked of Redis now, so that what was acknowledged to a publisher before the subscribe came is not part of it.
func (x *exchange) starts(m *bayeux.Message, patterns []pandapush.Pattern) ([]bayeux.Start, error) {
	starts := make([]bayeux.Start, len(patterns))
	ends := map[pandapush.AppID]pandapush.Cursor{}
	for i, pattern := range patterns {
		app := pattern.App()
		end, ok := ends[app]
		if !ok {
			var err error
			if end, err = x.server.cfg.Stream.Tail(x.ctx, app); err != nil {
				return nil, err
			}
			ends[app] = end
		}
		starts[i] = bayeux.Start{Pattern: pattern, Cursor: end}
		since := m.Since(pattern.String())
		if since == "" {
			continue
		}
		if err := x.server.rewind(x.ctx, &starts[i], since, pattern.MatchesName); err != nil {
			return nil, err
		}
	}
	return starts, nil
}

// rewind moves the start of a subscription to the past: to after a cursor, to so many messages ago ("10") of those whose
// channel matches and whose time is not over, or to so long ago ("2m"). Gap is set if the stream does not reach back to the cursor; the subscription then begins with what is there.
// The error is pandapush.ErrInvalidCursor or wraps pandapush.ErrUnavailable.
func (e *Server) rewind(ctx context.Context, start *bayeux.Start, since string, matches func(channel string) bool) error {
	start.Since = true
	if n, err := strconv.Atoi(since); err == nil {
		if n < 1 || n > maxRewind {
			return pandapush.ErrInvalidCursor
		}
		return e.rewindCount(ctx, start, n, matches)
	}
	if age, err := time.ParseDuration(since); err == nil {
		if age <= 0 {
			return pandapush.ErrInvalidCursor
		}
		cursor, err := e.cfg.Stream.Rewind(ctx, start.Pattern.App(), 0, age)
		start.Cursor = cursor
		return err
	}
	cursor, err := pandapush.ParseCursor(start.Pattern.App(), since)
	if err != nil {
		return err
	}
	t := e.hub.enter(start.Pattern.App())
	defer e.hub.exit(t)
	if err := t.join(ctx); err != nil {
		return err
	}
	why, to, err := e.gap(ctx, t, cursor)
	if err != nil {
		return err
	}
	start.Cursor, start.Gap, start.GapTo = cursor, why, to
	return nil
}

// rewindCount moves the start to before the last n messages that matches takes: as far as the window has them, and
// beyond it among the newest entries of the stream.
func (e *Server) rewindCount(ctx context.Context, start *bayeux.Start, n int, matches func(string) bool) error {
	t := e.hub.enter(start.Pattern.App())
	defer e.hub.exit(t)
	if err := t.join(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	position, whole := t.window.last(n, func(d *delivery) bool { return matches(d.channel) && !d.keptFrom("", e.cfg.Now) })
	t.mu.Unlock()
	if whole {
		start.Cursor = pandapush.Cursor{Epoch: t.at().Epoch, Position: position}
		return nil
	}
	return e.rewindStored(ctx, start, n, matches)
}

// rewindDepth is how many entries of a stream a rewind by count looks at.
const rewindDepth = 1000

// rewindStored is rewindCount for what Redis has.
func (e *Server) rewindStored(ctx context.Context, start *bayeux.Start, n int, matches func(string) bool) error {
	oldest, err := e.cfg.Stream.Rewind(ctx, start.Pattern.App(), rewindDepth, 0)
	if err != nil {
		return err
	}
	matching := make([]pandapush.Position, 0, n) // the newest n, oldest first
	for after := oldest.Position; ; {
		entries, err := e.readOlder(ctx, start.Pattern.App(), after, start.Cursor.Position, catchUpMessages)
		if err != nil {
			return err
		}
		for i := range entries {
			if matches(entries[i].Channel.String()) && !entries[i].Expired(e.cfg.Now()) {
				if len(matching) == n {
					matching = append(matching[:0], matching[1:]...)
				}
				matching = append(matching, entries[i].Cursor.Position)
			}
		}
		if len(entries) < catchUpMessages {
			break
		}
		after = entries[len(entries)-1].Cursor.Position
	}
	if len(matching) > 0 {
		start.Cursor.Position = matching[0].Prev()
	}
	return nil
}

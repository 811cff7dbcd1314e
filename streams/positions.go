package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// positionsTTL is how long a node's positions outlive its last SavePositions: longer than a session outlives its node.
const positionsTTL = 10 * time.Minute

// SavePositions says up to which cursor this node has handed on everything of some applications. It takes two commands for
// each bucket that has one of them, in one pipeline for each Redis. The error wraps pandapush.ErrUnavailable or is ctx's;
// then some may have been written.
func (s *Streams) SavePositions(ctx context.Context, positions map[pandapush.AppID]pandapush.Cursor) error {
	var fields [buckets][]any
	for app, c := range positions {
		b := bucketOf(app)
		fields[b] = append(fields[b], string(app), c.String())
	}
	commands := make(map[*backend][]redis.Cmder)
	for bucket, values := range fields {
		if len(values) == 0 {
			continue
		}
		b, name := s.of[bucket], s.keys.positions(bucket, s.cfg.Node)
		commands[b] = append(commands[b], redis.NewIntCmd(ctx, append([]any{"hset", name}, values...)...),
			redis.NewBoolCmd(ctx, "pexpire", name, millis(positionsTTL)))
	}
	var errs []error
	for b, mine := range commands {
		if err := savePositions(ctx, b, mine); err != nil {
			errs = append(errs, fmt.Errorf("save positions: %w", err))
		}
	}
	return errors.Join(errs...)
}

func savePositions(ctx context.Context, b *backend, commands []redis.Cmder) error {
	if err := b.calls.do(ctx, commands...); err != nil {
		return err
	}
	for _, cmd := range commands {
		if err := cmd.Err(); err != nil {
			return unavailable(err)
		}
	}
	return nil
}

// Position returns what node has said in SavePositions of those of apps that it has. Sessions of a node that has died ask all at
// once, and share their questions. The error wraps pandapush.ErrUnavailable or is ctx's.
func (s *Streams) Position(ctx context.Context, node string, apps []pandapush.AppID) (map[pandapush.AppID]pandapush.Cursor, error) {
	if !isPlain(node) {
		return nil, nil
	}
	asked := make([]*call, 0, len(apps))
	for _, app := range apps {
		bucket := bucketOf(app)
		n, err := s.of[bucket].calls.share(ctx, "position "+node+" "+string(app), func() redis.Cmder {
			return redis.NewStringCmd(context.WithoutCancel(ctx), "hget", s.keys.positions(bucket, node), string(app))
		})
		if err != nil {
			return nil, fmt.Errorf("position: %w", err)
		}
		asked = append(asked, n)
	}
	found := make(map[pandapush.AppID]pandapush.Cursor, len(apps))
	for i, n := range asked {
		answer, err := n.wait(ctx)
		if err != nil {
			return nil, fmt.Errorf("position: %w", err)
		}
		text := answer.(*redis.StringCmd) //nolint:errcheck,forcetypeassert // what was made above
		if err := text.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("position: %w", unavailable(err))
		}
		if c, err := pandapush.ParseCursor(apps[i], text.Val()); err == nil { // "" is none
			found[apps[i]] = c
		}
	}
	return found, nil
}

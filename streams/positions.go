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

// Position returns what node has said in SavePositions of those of apps that it has. The error wraps
// pandapush.ErrUnavailable or is ctx's.
func (s *Streams) Position(ctx context.Context, node string, apps []pandapush.AppID) (map[pandapush.AppID]pandapush.Cursor, error) {
	if !isPlain(node) {
		return nil, nil
	}
	found := make(map[pandapush.AppID]pandapush.Cursor, len(apps))
	for b, mine := range s.byBackend(len(apps), func(i int) string { return string(apps[i]) }) {
		commands := make([]redis.Cmder, 0, len(mine))
		texts := make([]*redis.StringCmd, 0, len(mine))
		for _, i := range mine {
			text := redis.NewStringCmd(ctx, "hget", s.keys.positions(bucketOf(apps[i]), node), string(apps[i]))
			commands, texts = append(commands, text), append(texts, text)
		}
		if _, err := b.calls.doAll(ctx, commands); err != nil {
			return nil, fmt.Errorf("position: %w", err)
		}
		for k, text := range texts {
			if err := text.Err(); err != nil && !errors.Is(err, redis.Nil) {
				return nil, fmt.Errorf("position: %w", unavailable(err))
			}
			if c, err := pandapush.ParseCursor(apps[mine[k]], text.Val()); err == nil { // "" is none
				found[apps[mine[k]]] = c
			}
		}
	}
	return found, nil
}

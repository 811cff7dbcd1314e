package streams

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// forgetAfter is how long after an application was deleted nobody has anything to do with it any more: every node knows, and has
// ended its subscriptions and rooms, which appends notices.
const forgetAfter = time.Minute

// Forget removes what is kept of an application that has been deleted: its messages now, and the rest in a minute or two, by any
// node's sweep. The error wraps pandapush.ErrUnavailable; the messages are then removed by their age.
func (s *Streams) Forget(ctx context.Context, app pandapush.AppID) error {
	pipe := s.of[bucketOf(app)].cmd.Pipeline()
	pipe.Unlink(ctx, s.keys.log(app))
	pipe.ZAdd(ctx, s.keys.deleted(bucketOf(app)), redis.Z{Score: float64(time.Now().UnixMilli()), Member: string(app)})
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("forget application: %w", unavailable(err))
	}
	return nil
}

// forgetDeleted removes all that is left of the applications of a bucket that were deleted some time before now.
func (s *Streams) forgetDeleted(ctx context.Context, b *backend, bucket int, now time.Time) error {
	deleted := s.keys.deleted(bucket)
	apps, err := b.cmd.ZRangeByScore(ctx, deleted, &redis.ZRangeBy{
		Min: "-inf", Max: strconv.FormatInt(now.Add(-forgetAfter).UnixMilli(), 10), Count: sweepBatch,
	}).Result()
	if err != nil || len(apps) == 0 {
		return err
	}
	pipe := b.cmd.Pipeline()
	for _, name := range apps {
		app := pandapush.AppID(name)
		k := s.keys.app(app)
		pipe.Unlink(ctx, k.log, k.epoch, k.mark, s.keys.members(app))
		pipe.SRem(ctx, k.apps, name)
		pipe.ZRem(ctx, deleted, name)
	}
	_, err = pipe.Exec(ctx)
	return err
}

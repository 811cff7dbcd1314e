package streams

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

const (
	sweepEvery = 30 * time.Second
	sweepLock  = 25 * time.Second // a node that got it leaves the others out of this round
	sweepBatch = 500              // streams trimmed in one pipeline
)

// sweep removes old entries every half minute, until ctx ends. Whichever node comes first does it for all. Without it an
// application that nobody publishes to any more would keep its messages forever.
func (s *Streams) sweep(ctx context.Context) {
	for {
		select {
		case <-time.After(sweepEvery - rand.N(sweepEvery/10)): // nodes that started together drift apart
		case <-ctx.Done():
			return
		}
		if err := s.sweepOnce(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("streams: removing old entries", "error", err)
		}
	}
}

// maxLen returns how many entries of app's stream are kept.
func (s *Streams) maxLen(app pandapush.AppID) int64 {
	if s.cfg.Retention != nil {
		if length, _ := s.cfg.Retention(app); length > 0 {
			return length
		}
	}
	return s.cfg.MaxLen
}

// maxAge returns for how long they are.
func (s *Streams) maxAge(app pandapush.AppID) time.Duration {
	if s.cfg.Retention != nil {
		if _, age := s.cfg.Retention(app); age > 0 {
			return age
		}
	}
	return s.cfg.MaxAge
}

// sweepOnce trims every stream of every shard that no other node has swept just now.
func (s *Streams) sweepOnce(ctx context.Context) error {
	var errs []error
	mine := make(map[*backend]bool)
	for _, b := range s.backends {
		got, err := b.cmd.SetArgs(ctx, s.keys.trim(b.first), s.cfg.Node, redis.SetArgs{Mode: "NX", TTL: sweepLock}).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			errs = append(errs, err)
		}
		mine[b] = got == "OK"
	}
	for bucket, b := range s.of {
		if !mine[b] {
			continue
		}
		err := s.trimBucket(ctx, b, bucket)
		if err == nil {
			err = s.forgetDeleted(ctx, b, bucket, time.Now())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("bucket %d of %s: %w", bucket, b.name, err))
			mine[b] = false // the others would fail as slowly
		}
	}
	return errors.Join(errs...)
}

// trimBucket trims the streams of one bucket to the age that is kept, by Redis' clock: it made the ids.
func (s *Streams) trimBucket(ctx context.Context, b *backend, bucket int) error {
	var page []string
	var cursor uint64
	for {
		var err error
		page, cursor, err = b.cmd.SScan(ctx, s.keys.apps(bucket), cursor, "", sweepBatch).Result()
		if err != nil {
			return fmt.Errorf("list applications: %w", err)
		}
		if err := s.trimApps(ctx, b, page); err != nil {
			return err
		}
		if cursor == 0 {
			return nil
		}
	}
}

func (s *Streams) trimApps(ctx context.Context, b *backend, apps []string) error {
	if len(apps) == 0 {
		return nil
	}
	now, err := b.cmd.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("ask the time: %w", err)
	}
	pipe := b.cmd.Pipeline()
	trims := make([]*redis.IntCmd, 0, len(apps))
	for _, name := range apps {
		app := pandapush.AppID(name)
		oldest := strconv.FormatInt(now.Add(-s.maxAge(app)).UnixMilli(), 10)
		trims = append(trims, pipe.XTrimMinID(ctx, s.keys.log(app), oldest))
		if length := s.maxLen(app); length < s.cfg.MaxLen { // it may have been set since the last append
			trims = append(trims, pipe.XTrimMaxLen(ctx, s.keys.log(app), length))
		}
	}
	_, err = pipe.Exec(ctx)
	for _, trim := range trims {
		s.metrics.trimmed.Add(float64(trim.Val()))
	}
	if err != nil {
		return fmt.Errorf("trim: %w", err)
	}
	return nil
}

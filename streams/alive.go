package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// aliveSettled is how long this node's own sign of life must have been up before another's lack of one means anything: after an
// outage of Redis all of them come back, some sooner than others.
const aliveSettled = 2 * time.Second

// showAlive subscribes to a channel on which nobody says anything, until ctx ends: Redis counts its subscribers, and knows at
// once when the process of one has ended. A Redis that has no such channels, or does not allow them, leaves others to find
// out by waiting.
func (s *Streams) showAlive(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.subscribeAlive(ctx)
		if redisError := redis.Error(nil); errors.As(err, &redisError) {
			s.log.Debug("streams: no sign of life", "error", err)
			return
		}
		select {
		case <-time.After(maxBackoff):
		case <-ctx.Done():
		}
	}
}

// subscribeAlive keeps one subscription, over as many connections as it takes.
func (s *Streams) subscribeAlive(ctx context.Context) (err error) {
	sub := s.of[0].cmd.Subscribe(ctx, s.keys.alive(s.cfg.Node))
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() }) // ends the wait; a second Close is no failure of ours
	defer func() {
		s.aliveSince.Store(0)
		if stop() {
			err = errors.Join(err, sub.Close())
		}
	}()
	for {
		message, err := sub.Receive(ctx)
		if err != nil {
			return err
		}
		if _, ok := message.(*redis.Subscription); ok {
			s.aliveSince.Store(time.Now().UnixNano())
		}
	}
}

// Gone reports whether a node has surely ended, or is cut off from Redis: it shows no sign of life, which this node does. False
// means nothing: whoever was switched off, or stands still, seems to live for a while. The error wraps
// pandapush.ErrUnavailable or is ctx's.
func (s *Streams) Gone(ctx context.Context, node string) (bool, error) {
	if since := s.aliveSince.Load(); since == 0 || time.Since(time.Unix(0, since)) < aliveSettled || !isPlain(node) {
		return false, nil
	}
	ask := redis.NewIntCmd(ctx, "publish", s.keys.alive(node), "")
	ask.SetFirstKeyPos(1)
	if err := s.of[0].calls.do(ctx, ask); err != nil {
		return false, fmt.Errorf("look for node: %w", err)
	}
	subscribers, err := ask.Result()
	if err != nil {
		return false, fmt.Errorf("look for node: %w", unavailable(err))
	}
	return subscribers == 0, nil
}

package streams

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
)

// listPage is how many keys Redis looks at in one step of a listing.
const listPage = 500

// Session returns a session as it is stored, with the time that it has left to live. The error is pandapush.ErrNotFound,
// wraps pandapush.ErrUnavailable, or is ctx's.
func (s *Streams) Session(ctx context.Context, id string) (session pandapush.Session, ttl time.Duration, err error) {
	if id == "" || len(id) > maxSessionID {
		return pandapush.Session{}, 0, pandapush.ErrNotFound
	}
	name := s.keys.session(id)
	record, left := redis.NewMapStringStringCmd(ctx, "hgetall", name), redis.NewDurationCmd(ctx, time.Millisecond, "pttl", name)
	if err := s.of[bucketOf(id)].calls.do(ctx, record, left); err != nil {
		return pandapush.Session{}, 0, fmt.Errorf("session: %w", err)
	}
	if err := cmp.Or(record.Err(), left.Err()); err != nil {
		return pandapush.Session{}, 0, fmt.Errorf("session: %w", unavailable(err))
	}
	if session, err = decodeSession(record.Val()); err != nil {
		return pandapush.Session{}, 0, pandapush.ErrNotFound // there is none, or it is not ours
	}
	return session, max(0, left.Val()), nil
}

// ListSessions calls visit for every session, with the time that it has left to live, until visit returns false. The calls
// come one at a time and in no order; a session may come twice. It looks at all keys of every Redis, a few hundred at a
// time: it is for operators. The error wraps pandapush.ErrUnavailable or is ctx's.
func (s *Streams) ListSessions(ctx context.Context, visit func(id string, session pandapush.Session, ttl time.Duration) bool) error {
	var mu sync.Mutex // the masters of a Cluster are listed at the same time
	more := true
	one := func(id string, session pandapush.Session, ttl time.Duration) bool {
		mu.Lock()
		defer mu.Unlock()
		more = more && visit(id, session, ttl)
		return more
	}
	for _, b := range s.backends {
		err := b.each(ctx, func(ctx context.Context, c *redis.Client) error { return s.listServer(ctx, c, one) })
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		if err != nil {
			return fmt.Errorf("list sessions: %w", unavailable(err))
		}
	}
	return nil
}

// listServer lists the sessions of one server.
func (s *Streams) listServer(ctx context.Context, c *redis.Client, visit func(string, pandapush.Session, time.Duration) bool) error {
	pattern := string(s.keys) + ":{*}:" + sessionPrefix + "*"
	for cursor := uint64(0); ; {
		names, next, err := c.Scan(ctx, cursor, pattern, listPage).Result()
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		more, err := listNames(ctx, c, names, visit)
		if cursor = next; err != nil || !more || cursor == 0 {
			return err
		}
	}
}

// listNames reads the records of those names, and reports whether visit wants more.
func listNames(ctx context.Context, c *redis.Client, names []string, visit func(string, pandapush.Session, time.Duration) bool) (bool, error) {
	pipe := c.Pipeline()
	records := make([]*redis.MapStringStringCmd, len(names))
	ttls := make([]*redis.DurationCmd, len(names))
	for i, name := range names {
		records[i], ttls[i] = pipe.HGetAll(ctx, name), pipe.PTTL(ctx, name)
	}
	if _, err := pipe.Exec(ctx); err != nil && len(names) > 0 {
		return false, fmt.Errorf("read: %w", err)
	}
	for i, name := range names {
		session, err := decodeSession(records[i].Val())
		if err != nil {
			continue // it ended meanwhile, or is not ours
		}
		_, id, _ := strings.Cut(name, ":"+sessionPrefix)
		if !visit(id, session, max(0, ttls[i].Val())) {
			return false, nil
		}
	}
	return true, nil
}

package streams

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	leaseShare   = 0.1             // of a second's tokens that are leased at once
	leaseLife    = time.Second     // after which unused tokens are given up: an idle node must not add to a later burst
	leaseTimeout = time.Second / 2 // for Redis to answer
	leaseAway    = time.Second     // for which Redis is not asked after it did not answer
	leaseIdle    = time.Minute     // a bucket that nobody took from for so long is forgotten
)

// Take takes n tokens from app's token bucket of that name, which all nodes share: it holds up to burst tokens, and perSecond
// of them are added every second. It returns about how many are left, and zero; or it takes none, and returns how long to
// wait until there are n. n is at most burst, and perSecond is more than 0.
//
// A node leases tokens in blocks, a tenth of a second's worth at a time, so it asks Redis some ten times a second for each busy
// bucket, however many tokens are taken. While Redis does not answer, a node takes its share of the bucket by its own clock.
// Take is safe for concurrent use, does not need Run, and answers within a second.
func (s *Streams) Take(ctx context.Context, app pandapush.AppID, name string, perSecond float64, burst, n int) (left int, wait time.Duration) {
	b := s.limits.bucket(limitID{app, name})
	for {
		left, wait, asking := b.try(perSecond, burst, n)
		switch {
		case asking == nil:
			return left, wait
		case asking.mine:
			s.lease(ctx, app, name, b, perSecond, burst, n)
			close(asking.done)
		default:
			select {
			case <-asking.done:
			case <-ctx.Done():
				return 0, leaseTimeout
			}
		}
	}
}

// lease asks Redis for tokens, and records the answer in b.
func (s *Streams) lease(ctx context.Context, app pandapush.AppID, name string, b *tokenBucket, perSecond float64, burst, n int) {
	// Other callers wait for the answer, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTimeout)
	defer cancel()
	wanted := min(burst, max(n, int(math.Ceil(perSecond*leaseShare))))
	cmd := leaseScript.call(ctx, []string{s.keys.limit(app, name)}, perSecond, burst, wanted, n, s.cfg.Node)
	err := s.of[bucketOf(app)].calls.do(ctx, cmd)
	var reply []int64
	if err == nil {
		reply, err = cmd.Int64Slice()
	}
	if err == nil && len(reply) != 4 {
		err = fmt.Errorf("lease.lua returned %d values", len(reply))
	}
	if err != nil {
		s.metrics.leases.WithLabelValues(leaseLocal).Inc()
		b.alone(time.Now())
		return
	}
	result := leaseGranted
	if reply[0] == 0 {
		result = leaseRefused
	}
	s.metrics.leases.WithLabelValues(result).Inc()
	b.leased(time.Now(), n, reply)
}

// limits are the buckets that this node takes from.
type limits struct {
	mu      sync.Mutex
	buckets map[limitID]*tokenBucket
	swept   time.Time
}

type limitID struct {
	app  pandapush.AppID
	name string
}

// bucket returns the bucket of that id, and forgets those that have not been used for a while.
func (l *limits) bucket(id limitID) *tokenBucket {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.swept) > leaseIdle {
		l.swept = now
		for id, b := range l.buckets {
			if b.idle(now) {
				delete(l.buckets, id)
			}
		}
	}
	b := l.buckets[id]
	if b == nil {
		if l.buckets == nil {
			l.buckets = make(map[limitID]*tokenBucket)
		}
		b = &tokenBucket{nodes: 1}
		l.buckets[id] = b
	}
	return b
}

// tokenBucket is this node's part of a token bucket; the 64 buckets that applications are spread over are another thing.
type tokenBucket struct {
	mu     sync.Mutex
	used   time.Time
	tokens int       // leased and not taken
	until  time.Time // when they are given up
	left   int       // in Redis, when it was last asked
	nodes  int       // that took from the bucket then
	asking *asking   // Redis is being asked

	// Redis has refused this many tokens: it is not asked for as many before that moment.
	refused   int
	refusedTo time.Time

	// Redis did not answer: until awayTo the node goes by its own tokens, which it had own of at ownAt.
	awayTo time.Time
	own    float64
	ownAt  time.Time
}

// asking is a request of tokens under way.
type asking struct {
	done chan struct{}
	mine bool // whoever holds it makes the request
}

// try takes n tokens, or says how long to wait for them, or returns the request to Redis that has to be made or awaited.
func (b *tokenBucket) try(perSecond float64, burst, n int) (left int, wait time.Duration, ask *asking) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.used = now
	if !now.Before(b.until) {
		b.tokens = 0
	}
	switch {
	case b.tokens >= n:
		b.tokens -= n
		return b.tokens + b.left, 0, nil
	case now.Before(b.refusedTo) && n >= b.refused:
		return b.tokens + b.left, b.refusedTo.Sub(now), nil
	case now.Before(b.awayTo):
		return b.takeOwnLocked(now, perSecond, burst, n)
	case b.asking != nil:
		return 0, 0, &asking{done: b.asking.done}
	}
	b.asking = &asking{make(chan struct{}), true}
	return 0, 0, b.asking
}

// takeOwnLocked takes tokens from the node's own share of the bucket, which is large enough to let n through in any case.
func (b *tokenBucket) takeOwnLocked(now time.Time, perSecond float64, burst, n int) (left int, wait time.Duration, ask *asking) {
	share := perSecond / float64(b.nodes)
	most := max(float64(burst)/float64(b.nodes), float64(n))
	if b.ownAt.IsZero() {
		b.own, b.ownAt = most, now
	}
	b.own = min(most, b.own+now.Sub(b.ownAt).Seconds()*share)
	b.ownAt = now
	if b.own < float64(n) {
		return int(b.own), time.Duration((float64(n) - b.own) / share * float64(time.Second)), nil
	}
	b.own -= float64(n)
	return int(b.own), 0, nil
}

// leased records Redis' answer to a request for at least n tokens: granted, left, milliseconds to wait, nodes.
func (b *tokenBucket) leased(now time.Time, n int, reply []int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asking = nil
	b.left, b.nodes = int(reply[1]), max(1, int(reply[3]))
	b.ownAt = time.Time{} // when it is away the next time, the share is full again
	if reply[0] == 0 {
		b.refused, b.refusedTo = n, now.Add(time.Duration(max(1, reply[2]))*time.Millisecond)
		return
	}
	b.tokens += int(reply[0])
	b.until = now.Add(leaseLife)
}

// alone records that Redis did not answer.
func (b *tokenBucket) alone(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asking = nil
	b.awayTo = now.Add(leaseAway)
}

// idle reports whether nobody has taken from b for a while.
func (b *tokenBucket) idle(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asking == nil && now.Sub(b.used) > leaseIdle
}

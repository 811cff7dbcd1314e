package edge

import (
	"sync"
	"time"
)

// rates bounds how often something is done, for each of many names: perSecond on average, and burst of them at once. A name
// that has not been heard of for a while costs nothing.
type rates struct {
	perSecond, burst float64

	mu      sync.Mutex
	buckets map[string]bucket
}

// bucket holds what a name may still do at a moment.
type bucket struct {
	tokens float64
	at     time.Time
}

func newRates(perSecond int) *rates {
	return &rates{perSecond: float64(perSecond), burst: 2 * float64(perSecond), buckets: map[string]bucket{}}
}

// allow takes one token of name's, and reports false if there is none.
func (r *rates) allow(name string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	tokens := r.burst
	if b, ok := r.buckets[name]; ok {
		tokens = r.fill(b, now)
	}
	if tokens < 1 {
		return false
	}
	r.buckets[name] = bucket{tokens - 1, now}
	return true
}

// fill returns how many tokens are in a bucket by now.
func (r *rates) fill(b bucket, now time.Time) float64 {
	return min(r.burst, b.tokens+now.Sub(b.at).Seconds()*r.perSecond)
}

// sweep forgets the buckets that are full.
func (r *rates) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, b := range r.buckets {
		if r.fill(b, now) >= r.burst {
			delete(r.buckets, name)
		}
	}
}

package login

import (
	"sync"
	"time"
)

const (
	addressTries = 10 // failures that are free
	addressEvery = 30 * time.Second
	userTries    = 100
	userEvery    = 10 * time.Second
	remembered   = 4096 // addresses, and users; those that failed longest ago are forgotten first
)

// throttle slows down those who guess. It is safe for concurrent use, and its memory is bounded.
type throttle struct {
	now func() time.Time

	mu        sync.Mutex
	addresses recent[bucket]
	users     recent[bucket]
	known     recent[struct{}] // address and user that got in: others' failures do not lock them out
}

// bucket counts failures; they are forgiven one after the other, one every so often.
type bucket struct {
	failures int
	since    time.Time // of what the next one will be forgiven
}

func newThrottle(now func() time.Time) *throttle { return &throttle{now: now} }

// wait returns how long a login must wait before it is looked at; zero if it need not.
func (t *throttle) wait(address, user string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := t.left(&t.addresses, address, addressTries, addressEvery)
	if _, known := t.known.get(address + " " + user); !known {
		wait = max(wait, t.left(&t.users, user, userTries, userEvery))
	}
	return wait
}

func (t *throttle) left(of *recent[bucket], name string, tries int, every time.Duration) time.Duration {
	b, ok := of.get(name)
	if !ok {
		return 0
	}
	b.forgive(t.now(), every)
	if b.failures < tries {
		return 0
	}
	return max(0, every-t.now().Sub(b.since))
}

// failed counts a login that was refused.
func (t *throttle) failed(address, user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	count := func(of *recent[bucket], name string, tries int, every time.Duration) {
		b, ok := of.get(name)
		if !ok {
			b.since = now
		}
		b.forgive(now, every)
		b.failures = min(b.failures+1, tries)
		of.put(name, b)
	}
	count(&t.addresses, address, addressTries, addressEvery)
	if _, known := t.known.get(address + " " + user); !known {
		count(&t.users, user, userTries, userEvery)
	}
}

// passed notes a login that was right.
func (t *throttle) passed(address, user string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addresses.remove(address)
	t.known.put(address+" "+user, struct{}{})
}

// forgive takes off the failures whose time is over.
func (b *bucket) forgive(now time.Time, every time.Duration) {
	over := int(now.Sub(b.since) / every)
	if over >= b.failures {
		*b = bucket{since: now}
		return
	}
	b.failures -= over
	b.since = b.since.Add(time.Duration(over) * every)
}

// recent is a map that forgets what was put longest ago when it gets too large. The zero recent is empty.
type recent[V any] struct {
	young, old map[string]V // once young is full, it is what is old
}

// maxName bounds the names that are kept, in bytes: a stranger chooses them.
const maxName = 512

func (r *recent[V]) get(name string) (V, bool) {
	name = name[:min(len(name), maxName)]
	if v, ok := r.young[name]; ok {
		return v, true
	}
	v, ok := r.old[name]
	return v, ok
}

func (r *recent[V]) put(name string, value V) {
	if len(r.young) >= remembered/2 || r.young == nil {
		r.young, r.old = map[string]V{}, r.young
	}
	r.young[name[:min(len(name), maxName)]] = value
}

func (r *recent[V]) remove(name string) {
	name = name[:min(len(name), maxName)]
	delete(r.young, name)
	delete(r.old, name)
}

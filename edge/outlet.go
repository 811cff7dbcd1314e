package edge

import (
	"context"
	"sync"
	"time"
)

// outlet is an open connection that a session's messages leave by as they come: a WebSocket or an event stream. None of
// its methods waits for the client. Safe for concurrent use.
type outlet interface {
	// deliver writes a batch of messages, in its own framing, and behind it a ping if there is one. Only one call at a time.
	// An error means that the connection is gone. w is the calling worker's.
	deliver(w *scratch, batch []*delivery, ping []byte) error
	// pings reports whether the client answers pings, so that its pongs prove what has arrived.
	pings() bool
	// blocked reports whether the client has yet to take what was written.
	blocked() bool
	// attached returns the session whose path this is, was last or may become, or nil.
	attached() *session
	// keepAlive is called about once a second: a connection that has been silent for interval is to be tried, and closed if
	// its client does not seem to be there.
	keepAlive(now time.Time, interval time.Duration)
	// close ends the connection in its client's sight. Only the first reason given counts.
	close(why reason)
	// kill closes the connection without a word: its client is not there to hear it.
	kill(why reason)
}

// outlets are those that are open on this node.
type outlets struct {
	mu       sync.Mutex
	all      map[outlet]struct{}
	draining bool
	open     sync.WaitGroup
}

// add counts o as open, unless the node is going down.
func (r *outlets) add(o outlet) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		return false
	}
	if r.all == nil {
		r.all = map[outlet]struct{}{}
	}
	r.all[o] = struct{}{}
	r.open.Add(1)
	return true
}

// remove forgets o, whose end has been seen.
func (r *outlets) remove(o outlet) {
	r.mu.Lock()
	delete(r.all, o)
	r.mu.Unlock()
	r.open.Done()
}

// list returns the open outlets, in no order.
func (r *outlets) list() []outlet {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]outlet, 0, len(r.all))
	for o := range r.all {
		list = append(list, o)
	}
	return list
}

// followers returns the sessions that are in no registry.
func (r *outlets) followers() []*session {
	var list []*session
	for _, o := range r.list() {
		if s := o.attached(); s != nil && s.follower {
			list = append(list, s)
		}
	}
	return list
}

// awaitNone waits until no outlet is open, or ctx ends.
func (r *outlets) awaitNone(ctx context.Context) {
	none := make(chan struct{})
	go func() {
		r.open.Wait() // ends for sure: Run closes what is still open
		close(none)
	}()
	select {
	case <-none:
	case <-ctx.Done():
	}
}

// refuse lets no more outlets in, and returns those that are open.
func (r *outlets) refuse() []outlet {
	r.mu.Lock()
	r.draining = true
	r.mu.Unlock()
	return r.list()
}

// keepAlive has each outlet look after itself.
func (r *outlets) keepAlive(now time.Time, interval time.Duration) {
	for _, o := range r.list() {
		o.keepAlive(now, interval)
	}
}

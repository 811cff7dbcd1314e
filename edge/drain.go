package edge

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// A client that is sent away is told to come back after at least minReturn, so that it has seen its socket close before
// it connects again, and at most maxReturn, so that it misses little.
const (
	minReturn = 250 * time.Millisecond
	maxReturn = 500 * time.Millisecond
)

// Drain sends the clients away, evenly over window: each one's connect is answered with a moment to come back, and only
// then is its socket closed, so that Faye and CometD clients return at that moment and not after the seconds that they
// wait when a connection is lost (P6). New sockets are refused and new connects answered at once. Drain returns when all
// have gone, or when ctx ends.
func (e *Server) Drain(ctx context.Context, window time.Duration) {
	e.drain.Do(func() {
		e.window.Store(int64(window))
		close(e.draining) // held polls end by themselves, each at a moment of its own
	})
	start := time.Now()
	list := e.outlets.refuse()
	var leaving sync.WaitGroup
	for i, out := range list {
		if !sleepUntil(ctx, start.Add(window*time.Duration(i)/time.Duration(len(list)))) {
			break
		}
		leaving.Go(func() { e.sendAway(out) })
	}
	leaving.Wait()
	e.outlets.awaitNone(ctx)
}

// sendAway detaches the session of an outlet, and only then closes that.
func (e *Server) sendAway(out outlet) {
	if sess := out.attached(); sess != nil && sess.belongs(out) {
		e.detach(sess, path{outlet: out}, endDrain)
	}
	out.close(endDrain)
}

// sleepUntil waits for a moment. It returns false if ctx ends before.
func sleepUntil(ctx context.Context, moment time.Time) bool {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// isDraining reports whether Drain has begun.
func (e *Server) isDraining() bool {
	select {
	case <-e.draining:
		return true
	default:
		return false
	}
}

// returnAfter is how long a client is to wait before it connects again: not at all, but while draining.
func (e *Server) returnAfter() time.Duration {
	if !e.isDraining() {
		return 0
	}
	return minReturn + rand.N(maxReturn-minReturn)
}

// ownMoment returns a channel that is ready at a random moment of the drain window, and a function that lets go of it.
func (e *Server) ownMoment() (<-chan time.Time, func() bool) {
	timer := time.NewTimer(rand.N(time.Duration(e.window.Load()) + 1))
	return timer.C, timer.Stop
}

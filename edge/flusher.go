package edge

import (
	"context"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush/edge/frame"
)

// flushShare is how many sessions a worker takes from the list at a time: enough to make the list's lock cheap, few
// enough that the other workers find something too.
const flushShare = 32

// A round of writing is followed by a rest: what comes in it leaves in one frame with what else comes for that socket, and a
// system call is most of what a message costs. It is restFactor times as long as the round was, so that who writes little does
// not wait, and never longer than the flusher's window. One shorter than minRest is none, since timers are no finer.
const (
	restFactor = 2
	minRest    = 500 * time.Microsecond
)

// flusher writes to the outlets that have something pending: in rounds, in which as many workers as cores take sessions from
// one list. A message for a thousand sockets puts a thousand sessions on the list under one lock, and a session that gets
// more messages before a worker comes to it is on the list just once and gets them all in one frame.
type flusher struct {
	window time.Duration // the longest rest; 0 for none

	mu      sync.Mutex
	work    sync.Cond  // signalled when ready or done changes
	ready   []*session // of this round, first come, first served: from head on
	head    int
	next    []*session // of the next round
	writing int        // workers that are
	began   time.Time  // when the round did
	resting bool
	done    bool
}

// scratch is what a worker makes frames and events in. It keeps the last ones, as the next session on the list often gets
// the same.
type scratch struct {
	plain    made
	deflated made
	deflater frame.Deflater

	events events // those of followers
	bayeux events // those of Faye's streams
}

// made is a frame, and what is in it.
type made struct {
	batch []*delivery
	frame []byte
	head  int // bytes of its header
}

func newFlusher(window time.Duration) *flusher {
	f := &flusher{window: window}
	f.work.L = &f.mu
	return f
}

// add puts sessions on the list. A session is added only by whoever set its scheduled flag. Never blocks.
func (f *flusher) add(sessions ...*session) {
	if len(sessions) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, sessions...)
	if !f.resting && f.writing == 0 && f.head == len(f.ready) {
		f.beginLocked()
	}
}

// beginLocked begins a round with what is there.
func (f *flusher) beginLocked() {
	f.ready, f.next, f.head = f.next, f.ready[:0], 0
	f.began = time.Now()
	if len(f.ready) > flushShare {
		f.work.Broadcast()
	} else if len(f.ready) > 0 {
		f.work.Signal()
	}
}

// run writes until ctx ends.
func (f *flusher) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		f.mu.Lock()
		f.done = true
		f.mu.Unlock()
		f.work.Broadcast()
	})
	defer stop()
	var g errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			f.worker()
			return nil
		})
	}
	return g.Wait()
}

func (f *flusher) worker() {
	var share [flushShare]*session
	var w scratch
	for {
		n := f.take(share[:])
		if n == 0 {
			return
		}
		again := share[:0]
		for _, s := range share[:n] {
			if s.flushOutlet(&w) {
				again = append(again, s)
			}
		}
		f.wrote(again)
		clear(share[:n])
	}
}

// take waits for sessions and moves some of them into share. It returns 0 when the flusher is done.
func (f *flusher) take(share []*session) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.head == len(f.ready) && !f.done {
		f.work.Wait()
	}
	if f.done {
		return 0
	}
	n := copy(share, f.ready[f.head:])
	clear(f.ready[f.head : f.head+n])
	f.head += n
	f.writing++
	return n
}

// wrote ends a worker's share, and with the last one the round. again are sessions for which more has come meanwhile.
func (f *flusher) wrote(again []*session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = append(f.next, again...)
	f.writing--
	if f.writing > 0 || f.head < len(f.ready) {
		return
	}
	if rest := min(f.window, restFactor*time.Since(f.began)); rest >= minRest {
		f.resting = true
		time.AfterFunc(rest, f.rested)
		return
	}
	f.beginLocked()
}

// rested ends a rest.
func (f *flusher) rested() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.resting = false
	f.beginLocked()
}

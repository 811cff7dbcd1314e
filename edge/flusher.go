package edge

import (
	"context"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// flushShare is how many sessions a worker takes from the list at a time: enough to make the list's lock cheap, few
// enough that the other workers find something too.
const flushShare = 32

// flusher writes to the outlets that have something pending: as many workers as cores take sessions from one list. A
// message for a thousand sockets puts a thousand sessions on the list under one lock, and a session that gets more
// messages before a worker comes to it is on the list just once and gets them all in one frame.
type flusher struct {
	mu    sync.Mutex
	work  sync.Cond  // signalled when ready or done changes
	ready []*session // first come, first served: from head on
	head  int
	done  bool
}

// scratch is what a worker makes frames and events in. It keeps the last ones, as the next session on the list often gets
// the same.
type scratch struct {
	batch []*delivery // what is in frame
	frame []byte

	events events // those of followers
	bayeux events // those of Faye's streams
}

func newFlusher() *flusher {
	f := &flusher{}
	f.work.L = &f.mu
	return f
}

// add puts sessions on the list. A session is added only by whoever set its scheduled flag. Never blocks.
func (f *flusher) add(sessions ...*session) {
	if len(sessions) == 0 {
		return
	}
	f.mu.Lock()
	f.ready = append(f.ready, sessions...)
	f.mu.Unlock()
	if len(sessions) > flushShare {
		f.work.Broadcast()
	} else {
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
		for i, s := range share[:n] {
			s.flushOutlet(&w)
			share[i] = nil
		}
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
	if f.head >= len(f.ready)/2 { // at most half of the list is spent, so moving costs less than what was taken
		f.ready = f.ready[:copy(f.ready, f.ready[f.head:])]
		f.head = 0
	}
	if len(f.ready) > 0 {
		f.work.Signal()
	}
	return n
}

package edge

import "sync"

// tasks are goroutines that are waited for. Unlike with a sync.WaitGroup, one may be started at any time, even by another or
// while they are waited for.
type tasks struct {
	mu      sync.Mutex
	running int
	idle    chan struct{} // closed when none is running, once somebody waits
	ended   bool
}

// start runs f in a goroutine, unless all have ended.
func (t *tasks) start(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.running++
	go func() {
		defer t.done()
		f()
	}()
}

func (t *tasks) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running--; t.running == 0 && t.idle != nil {
		t.ended = true
		close(t.idle)
	}
}

// end waits until none is running. It is called once; from then on none is started.
func (t *tasks) end() {
	t.mu.Lock()
	idle := make(chan struct{})
	if t.idle = idle; t.running == 0 {
		t.ended = true
		close(idle)
	}
	t.mu.Unlock()
	<-idle
}

package edge

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pandapush/pandapush"
)

// slowOutlet takes a while for each write, and notes when it was and how many messages there were.
type slowOutlet struct {
	outlet // what a flusher does not call

	takes time.Duration
	began time.Time

	mu    sync.Mutex
	wrote []string
}

func (o *slowOutlet) pings() bool   { return false }
func (o *slowOutlet) blocked() bool { return false }

func (o *slowOutlet) deliver(_ *scratch, batch []*delivery, _ []byte) error {
	o.mu.Lock()
	o.wrote = append(o.wrote, fmt.Sprintf("%d at %v", len(batch), time.Since(o.began)))
	o.mu.Unlock()
	time.Sleep(o.takes)
	return nil
}

// TestFlusherRests adds messages at certain moments and looks at when they are written, and with which others.
func TestFlusherRests(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name          string
		window, takes time.Duration
		at            []time.Duration
		want          []string
	}{
		{"nobody who comes alone waits", 5 * ms, 2 * ms, []time.Duration{0, 10 * ms, 20 * ms}, []string{"1 at 0s", "1 at 10ms", "1 at 20ms"}},
		{"what comes in a rest leaves together", 5 * ms, 2 * ms, []time.Duration{0, 3 * ms, 4 * ms, 5 * ms}, []string{"1 at 0s", "3 at 6ms"}},
		{"and so does what comes in a round", 5 * ms, 2 * ms, []time.Duration{0, 1 * ms, 3 * ms}, []string{"1 at 0s", "2 at 6ms"}},
		{"no rest is longer than the window", 5 * ms, 100 * ms, []time.Duration{0, 101 * ms}, []string{"1 at 0s", "1 at 105ms"}},
		{"after a short round there is none", 5 * ms, ms / 5, []time.Duration{0, ms / 10, ms / 2}, []string{"1 at 0s", "1 at 200µs", "1 at 500µs"}},
		{"without a window there is none", 0, 2 * ms, []time.Duration{0, 1 * ms, 3 * ms}, []string{"1 at 0s", "1 at 2ms", "1 at 4ms"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFlusher(c.window)
				e := &Server{cfg: Config{Now: time.Now}, flush: f}
				out := &slowOutlet{takes: c.takes, began: time.Now()}
				s := &session{server: e, outlet: out, feeds: []*feed{{app: "app", level: true}}}
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() {
					if err := f.run(ctx); err != nil {
						t.Error(err)
					}
				})
				for i, at := range c.at {
					time.Sleep(at - time.Since(out.began))
					s.mu.Lock()
					s.queueLocked(&delivery{app: "app", position: pandapush.Position{Seq: uint64(i)}})
					schedule := s.scheduleLocked()
					s.mu.Unlock()
					e.schedule(s, schedule)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				cancel()
				running.Wait()
				if !slices.Equal(out.wrote, c.want) {
					t.Errorf("wrote %q, want %q", out.wrote, c.want)
				}
			})
		})
	}
}

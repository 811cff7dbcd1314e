package loadtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	redraw = 200 * time.Millisecond // on a terminal
	report = 5 * time.Second        // elsewhere
	// clearLine goes to the beginning of a terminal's line and empties it (ECMA-48).
	clearLine = "\r\x1b[K"
	barWidth  = 24 // characters
)

// tell tells Progress how it goes until ctx is done or the function that it returns is called, which waits for the end of it.
// What cannot be written is not told.
func (t *test) tell(ctx context.Context) (stop func()) {
	if t.cfg.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var teller sync.WaitGroup
	teller.Go(func() {
		every, form := report, "%s\n"
		if t.cfg.Terminal {
			every, form = redraw, clearLine+"%s"
			defer fmt.Fprint(t.cfg.Progress, clearLine)
		}
		for pause(ctx, every) {
			fmt.Fprintf(t.cfg.Progress, form, t.line())
		}
	})
	return func() {
		cancel()
		teller.Wait()
	}
}

// line says how far the test is.
func (t *test) line() string {
	connected, published := t.connected.Load(), t.published.Load()
	since := time.Duration(t.publishing.Load())
	if since == 0 {
		return fmt.Sprintf("%s connecting: %d of %d subscribers", bar(float64(connected)/float64(len(t.subscribers))), connected, len(t.subscribers))
	}
	parts := []string{fmt.Sprintf("%s %d connected, %d published, %d delivered",
		bar(float64(time.Since(t.zero)-since)/float64(t.cfg.Duration)), connected, published, t.delivered.Load())}
	for _, also := range []struct {
		count *atomic.Int64
		what  string
	}{{&t.failed, "not acknowledged"}, {&t.returns, "reconnects"}, {&t.repeat, "repeated"}, {&t.late, "out of order"}} {
		if n := also.count.Load(); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, also.what))
		}
	}
	return strings.Join(parts, ", ")
}

// bar draws how much is done, from 0 to 1.
func bar(done float64) string {
	done = max(0, min(done, 1))
	full := int(done * barWidth)
	return fmt.Sprintf("[%s%s] %3.0f %%", strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), 100*done)
}

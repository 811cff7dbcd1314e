package load

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// readBuffer is what is read from a socket at once, in bytes. All connections share the one buffer.
const readBuffer = 256 << 10

// Loop waits for many connections at once.
type Loop struct {
	epoll   int
	sources map[int]source // by file descriptor
	events  []unix.EpollEvent
	buffer  []byte
	busy    time.Duration // spent on events
	since   time.Time
	stop    atomic.Bool
	began   time.Time
}

// source is something that events come from.
type source interface {
	handle(events uint32)
	shut()
}

// ErrStopped is what Poll returns after Stop.
var ErrStopped = errors.New("stopped")

// NewLoop returns a loop without connections.
func NewLoop() (*Loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make an epoll: %w", err)
	}
	return &Loop{
		epoll: epoll, sources: map[int]source{}, events: make([]unix.EpollEvent, 1024), buffer: make([]byte, readBuffer), since: time.Now(), began: time.Now(),
	}, nil
}

// Close closes all connections, without a word to anybody.
func (l *Loop) Close() error {
	for _, s := range l.sources {
		s.shut()
	}
	return unix.Close(l.epoll)
}

// Stop ends the loop's use: what waits for it fails. Any goroutine may call it.
func (l *Loop) Stop() { l.stop.Store(true) }

// now is the loop's clock: what has passed since it was made.
func (l *Loop) now() time.Duration { return time.Since(l.began) }

// Poll handles what has happened, after waiting for it until timeout at the longest.
func (l *Loop) Poll(timeout time.Duration) error {
	if l.stop.Load() {
		return ErrStopped
	}
	n, err := unix.EpollWait(l.epoll, l.events, int(timeout.Milliseconds()))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("wait for sockets: %w", err)
	}
	start := time.Now()
	for i := range max(n, 0) {
		if s := l.sources[int(l.events[i].Fd)]; s != nil {
			s.handle(l.events[i].Events)
		}
	}
	l.busy += time.Since(start)
	return nil
}

// Busy returns which share of the time since it was last asked the loop was handling events: near 1, the clients are what
// limits a measurement.
func (l *Loop) Busy() float64 {
	share := l.busy.Seconds() / time.Since(l.since).Seconds()
	l.busy, l.since = 0, time.Now()
	return share
}

// While polls for as long as want says so, and no longer than limit. It returns an error when that is over.
func (l *Loop) While(what string, limit time.Duration, want func() bool) error {
	const pace = 5 * time.Millisecond
	for deadline := time.Now().Add(limit); want(); {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not done after %s", what, limit)
		}
		if err := l.Poll(pace); err != nil {
			return err
		}
	}
	return nil
}

// For polls for a time.
func (l *Loop) For(d time.Duration) error {
	end := time.Now().Add(d)
	return l.While("", 2*d+time.Second, func() bool { return time.Now().Before(end) })
}

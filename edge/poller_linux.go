package edge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// What a connection is watched for: that something has come, and that the other side has closed its half. Events are edges,
// so nothing has to be asked for again after each.
const (
	watchEvents  = syscall.EPOLLIN | syscall.EPOLLRDHUP | edgeTriggered
	hangupEvents = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR

	edgeTriggered = 1 << 31 // syscall.EPOLLET, which is negative there
)

// poller tells connections that there is something to be read, with one goroutine for all of them. The runtime has a
// poller too, but that only wakes goroutines, and costs each connection one with its stack.
//
// It waits in the runtime's poller itself, for the descriptor of its epoll, so that it holds no thread.
type poller struct {
	epoll *os.File
	raw   syscall.RawConn // of epoll

	mu      sync.RWMutex
	watched []*netConn // by descriptor
}

// newPoller returns a poller that does nothing until run.
func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create an epoll: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // or os.File would wait in the kernel
		return nil, errors.Join(fmt.Errorf("prepare an epoll: %w", err), syscall.Close(fd))
	}
	p := &poller{epoll: os.NewFile(uintptr(fd), "epoll")}
	if p.raw, err = p.epoll.SyscallConn(); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare an epoll: %w", err), p.epoll.Close())
	}
	return p, nil
}

// add has c woken when something comes. It reports false if c can't be watched.
func (p *poller) add(c *netConn) bool {
	if p == nil || c.raw == nil {
		return false
	}
	var failed error
	if err := c.raw.Control(func(fd uintptr) { failed = p.watch(c, int(fd)) }); err != nil {
		return false
	}
	return failed == nil
}

func (p *poller) watch(c *netConn, fd int) error {
	p.mu.Lock()
	for len(p.watched) <= fd {
		p.watched = append(p.watched, nil)
	}
	p.watched[fd], c.fd = c, fd
	p.mu.Unlock()
	var failed error
	err := p.raw.Control(func(epoll uintptr) {
		event := syscall.EpollEvent{Events: watchEvents, Fd: int32(fd)}
		failed = syscall.EpollCtl(int(epoll), syscall.EPOLL_CTL_ADD, fd, &event)
	})
	if err = errors.Join(err, failed); err != nil {
		p.remove(c)
	}
	return err
}

// remove forgets c, which is closed: the kernel has taken it out of the epoll, and may have given its descriptor to
// another one.
func (p *poller) remove(c *netConn) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.fd < len(p.watched) && p.watched[c.fd] == c {
		p.watched[c.fd] = nil
	}
}

// run wakes connections until ctx ends.
func (p *poller) run(ctx context.Context) error {
	if p == nil {
		return nil
	}
	stop := context.AfterFunc(ctx, func() { _ = p.epoll.Close() }) // ends the wait
	defer stop()
	events := make([]syscall.EpollEvent, 256)
	for {
		n, err := p.wait(events)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("wait for connections: %w", err)
		}
		p.tell(events[:n])
	}
}

// wait waits for events.
func (p *poller) wait(events []syscall.EpollEvent) (n int, err error) {
	var failed error
	err = p.raw.Read(func(fd uintptr) bool {
		for {
			n, failed = syscall.EpollWait(int(fd), events, 0)
			if !errors.Is(failed, syscall.EINTR) {
				return n > 0 || failed != nil
			}
		}
	})
	return n, errors.Join(err, failed)
}

// tell wakes the connections of events. One that has just taken over a descriptor may be woken for nothing.
func (p *poller) tell(events []syscall.EpollEvent) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, event := range events {
		if c := p.watched[event.Fd]; c != nil {
			c.wake(event.Events&hangupEvents != 0)
		}
	}
}

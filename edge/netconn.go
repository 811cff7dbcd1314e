package edge

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// errSlow ends a connection whose client does not read what it is sent.
var errSlow = errors.New("client does not read")

// drainChunk is how much a connection's own writer writes under one deadline, in bytes: a client that takes this much
// within the write timeout is slow but alive.
const drainChunk = 16 << 10

// netConn is a connection that costs nothing while it is idle: neither does a Write ever block, nor does a goroutine wait
// to read. This file writes and closes, intake.go reads.
//
// What the kernel does not take at once is kept, and a goroutine of the connection's own writes it with a deadline while
// Blocked reports true. Whoever writes is expected to stop then, so that what is kept stays within a frame and a few control
// frames; beyond maxRest the connection is closed. So a few worker goroutines can write for thousands of connections, and
// none of them ever waits for a client.
type netConn struct {
	net.Conn // beneath

	// Set before start, then never changed.
	raw    syscall.RawConn // nil where reading and writing can't be tried without blocking, as under TLS
	owner  connOwner
	limits *connLimits

	// How far reading has got: see intake.go.
	fd      int // if it is watched
	watched bool
	turn    atomic.Uint32
	hangup  atomic.Bool // nothing more comes after what is there

	mu       sync.Mutex
	rest     []byte        // accepted by Write, not yet by the kernel
	room     chan struct{} // closed when rest is written; nil if nobody waits for it
	draining bool          // the goroutine that writes rest is running
	closing  bool          // take no more, and close when rest is written
	failed   error         // set once; every later Write returns it
}

// connOwner is whose connection a netConn is.
type connOwner interface {
	// take handles what the client has sent. It may wait; nothing more is read until it returns. p is used again then.
	take(p []byte)
	// drained is called when a blocked connection can be written to again, or has failed. It must not wait.
	drained()
	// finish is called once the connection is closed, by whichever side: the last call, after the last take.
	finish(err error)
}

// connLimits are the same for all connections.
type connLimits struct {
	timeout time.Duration // for each drainChunk
	maxRest int           // bytes that may wait for the kernel
	poller  *poller       // nil: each connection has a goroutine that reads
	readers *readers
}

// init makes c the connection beneath, for owner. Nothing is read before start.
func (c *netConn) init(conn net.Conn, owner connOwner, limits *connLimits) {
	c.Conn, c.owner, c.limits = conn, owner, limits
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
}

// Write hands p to the kernel as far as it goes and keeps the rest. Safe for concurrent use.
func (c *netConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return 0, net.ErrClosed
	}
	return c.writeLocked(p)
}

// Finish writes p as the last there is, and closes the connection once the client has taken it or has failed to in time.
func (c *netConn) Finish(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return net.ErrClosed
	}
	_, err := c.writeLocked(p)
	c.closeLocked()
	return err
}

// lingerFor is how long a client that is refused may go on sending.
const lingerFor = 5 * time.Second

// Refuse is Finish for a client that may be in the middle of sending something. Closing the connection while that comes in
// would reset it, and the client might never see p. So it is closed when the client has done so, or after lingerFor; what
// comes until then is handed to the owner, for which it has no meaning any more.
func (c *netConn) Refuse(p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return net.ErrClosed
	}
	_, err := c.writeLocked(p)
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if err != nil || c.draining || !ok || half.CloseWrite() != nil {
		c.closeLocked()
		return err
	}
	c.closing = true
	time.AfterFunc(lingerFor, c.Abort)
	return nil
}

func (c *netConn) writeLocked(p []byte) (int, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	n := 0
	if !c.draining {
		var err error
		if n, err = c.tryWrite(p); err != nil {
			c.failLocked(err)
			return n, err
		}
	}
	if n == len(p) {
		return n, nil
	}
	if len(c.rest)+len(p)-n > c.limits.maxRest {
		c.failLocked(errSlow)
		return n, errSlow
	}
	c.rest = append(c.rest, p[n:]...)
	if !c.draining {
		c.draining = true
		go c.drain()
	}
	return len(p), nil
}

// attempt is one system call that does not block. They are shared, since RawConn has it made by a function, and one for
// each call would be allocated.
type attempt struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

var writeAttempts = sync.Pool{New: func() any {
	a := &attempt{}
	a.try = func(fd uintptr) bool {
		for {
			a.n, a.err = syscall.Write(int(fd), a.p)
			if !errors.Is(a.err, syscall.EINTR) {
				return true // also after EAGAIN: never wait here
			}
		}
	}
	return a
}}

// tryWrite makes one attempt to write p without blocking and returns how much the kernel took.
func (c *netConn) tryWrite(p []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	a := writeAttempts.Get().(*attempt) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	defer writeAttempts.Put(a)
	a.p = p
	err := c.raw.Write(a.try)
	a.p = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(a.err, syscall.EAGAIN):
		return 0, nil
	case a.err != nil:
		return 0, a.err
	}
	return a.n, nil
}

// drain writes what Write had to keep, until nothing is left. It is the only writer while draining is true.
func (c *netConn) drain() {
	for {
		c.mu.Lock()
		rest := c.rest
		c.rest = nil
		if len(rest) == 0 || c.failed != nil {
			c.draining = false
			if c.room != nil {
				close(c.room)
				c.room = nil
			}
			if c.closing && c.failed == nil {
				c.failLocked(net.ErrClosed)
			}
			c.mu.Unlock()
			c.owner.drained()
			return
		}
		c.mu.Unlock()
		if err := c.writeAll(rest); err != nil {
			c.mu.Lock()
			c.failLocked(err)
			c.mu.Unlock()
		}
	}
}

func (c *netConn) writeAll(p []byte) error {
	for len(p) > 0 {
		chunk := p[:min(len(p), drainChunk)]
		if err := c.SetWriteDeadline(time.Now().Add(c.limits.timeout)); err != nil {
			return err
		}
		if _, err := c.Conn.Write(chunk); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return errSlow
			}
			return err
		}
		p = p[len(chunk):]
	}
	return c.SetWriteDeadline(time.Time{})
}

// Blocked reports whether the client has not yet taken all that was written.
func (c *netConn) Blocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
}

// AwaitRoom waits until the connection is not blocked, or ctx ends.
func (c *netConn) AwaitRoom(ctx context.Context) {
	c.mu.Lock()
	if !c.draining {
		c.mu.Unlock()
		return
	}
	if c.room == nil {
		c.room = make(chan struct{})
	}
	room := c.room
	c.mu.Unlock()
	select {
	case <-room:
	case <-ctx.Done():
	}
}

// Failure returns why writing failed, or nil.
func (c *netConn) Failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// Close closes the connection, once the client has taken what was already written or has failed to in time.
func (c *netConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
	return nil
}

func (c *netConn) closeLocked() {
	c.closing = true
	if !c.draining {
		c.failLocked(net.ErrClosed)
	}
}

// Abort closes the connection at once.
func (c *netConn) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(net.ErrClosed)
}

// failLocked closes the connection beneath, for the first reason given. Whoever reads finds out.
func (c *netConn) failLocked(why error) {
	if c.failed == nil {
		c.failed = why
	}
	_ = c.Conn.Close() // also the second time; an error would say nothing new
	c.wake(true)
}

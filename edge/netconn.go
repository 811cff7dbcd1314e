package edge

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// errSlow ends a connection whose client does not read what it is sent.
var errSlow = errors.New("client does not read")

// drainChunk is how much a connection's own writer writes under one deadline, in bytes: a client that takes this much
// within the write timeout is slow but alive.
const drainChunk = 16 << 10

// netConn is a connection on which Write never blocks. What the kernel does not take at once is kept, and a goroutine of
// the connection's own writes it with a deadline while Blocked reports true. Whoever writes is expected to stop then, so
// that what is kept stays within a frame and a few control frames; beyond maxRest the connection is closed.
//
// It exists so that gws can frame messages, pongs and closes for thousands of sockets from a few worker goroutines, none
// of which may ever wait for a client.
type netConn struct {
	net.Conn
	raw     syscall.RawConn // nil where a write can't be tried without blocking, as under TLS
	timeout time.Duration   // for each drainChunk
	maxRest int             // bytes
	drained func()          // called when a blocked connection can be written to again

	attempt func(fd uintptr) bool // one write(2), made once so that Write does not allocate; uses the next three
	in      []byte
	n       int
	err     error

	mu       sync.Mutex
	corked   bool   // Write only keeps
	cork     []byte // kept while corked
	rest     []byte // accepted by Write, not yet by the kernel
	draining bool   // the goroutine that writes rest is running
	closing  bool   // close when rest is written
	failed   error  // set once; every later Write returns it
}

func newNetConn(conn net.Conn, timeout time.Duration, maxRest int, drained func()) *netConn {
	c := &netConn{Conn: conn, timeout: timeout, maxRest: maxRest, drained: drained}
	if sc, ok := conn.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw = raw
		}
	}
	c.attempt = func(fd uintptr) bool {
		for {
			c.n, c.err = syscall.Write(int(fd), c.in)
			if !errors.Is(c.err, syscall.EINTR) {
				return true // also after EAGAIN: never wait here
			}
		}
	}
	return c
}

// Write hands p to the kernel as far as it goes and keeps the rest. It implements io.Writer for gws, which calls it under
// its own lock; safe for concurrent use.
func (c *netConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.corked {
		c.cork = append(c.cork, p...)
		return len(p), nil
	}
	return c.writeLocked(p)
}

// Cork keeps what is written until Uncork, which writes it at once.
func (c *netConn) Cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.corked = true
}

// Uncork writes what was kept.
func (c *netConn) Uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.cork
	c.corked, c.cork = false, nil
	_, err := c.writeLocked(kept)
	return err
}

func (c *netConn) writeLocked(p []byte) (int, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	n := 0
	if !c.draining {
		var err error
		if n, err = c.tryLocked(p); err != nil {
			c.failed = err
			return n, err
		}
	}
	if n == len(p) {
		return n, nil
	}
	if len(c.rest)+len(p)-n > c.maxRest {
		c.failed = errSlow
		_ = c.Conn.Close() // the reader sees the close and reports errSlow; a second error would say nothing new
		return n, errSlow
	}
	c.rest = append(c.rest, p[n:]...)
	if !c.draining {
		c.draining = true
		go c.drain()
	}
	return len(p), nil
}

// tryLocked makes one attempt to write p without blocking and returns how much the kernel took.
func (c *netConn) tryLocked(p []byte) (int, error) {
	if c.raw == nil {
		return 0, nil
	}
	c.in = p
	err := c.raw.Write(c.attempt)
	c.in = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(c.err, syscall.EAGAIN):
		return 0, nil
	case c.err != nil:
		return 0, c.err
	}
	return c.n, nil
}

// drain writes what Write had to keep, until nothing is left. It is the only writer while draining is true.
func (c *netConn) drain() {
	for {
		c.mu.Lock()
		rest := c.rest
		c.rest = nil
		if len(rest) == 0 || c.failed != nil {
			c.draining = false
			closing := c.closing
			c.mu.Unlock()
			if closing {
				_ = c.Conn.Close() // nobody is left to tell
			} else {
				c.drained()
			}
			return
		}
		c.mu.Unlock()
		if err := c.writeAll(rest); err != nil {
			c.mu.Lock()
			if c.failed == nil { // else Write has closed the connection, and knows better why
				c.failed = err
			}
			c.mu.Unlock()
			_ = c.Conn.Close() // ends the read loop, which reports c.failed
		}
	}
}

func (c *netConn) writeAll(p []byte) error {
	for len(p) > 0 {
		chunk := p[:min(len(p), drainChunk)]
		if err := c.Conn.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
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
	return c.Conn.SetWriteDeadline(time.Time{})
}

// Blocked reports whether the client has not yet taken all that was written.
func (c *netConn) Blocked() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.draining
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
	if c.draining && c.failed == nil {
		c.closing = true
		return nil
	}
	return c.Conn.Close()
}

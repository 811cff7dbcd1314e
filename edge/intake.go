package edge

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
)

// Whose turn it is to read a connection.
const (
	notStarted uint32 = iota
	idle              // nobody's: the next wake gives it to a goroutine
	reading           // a goroutine's
	again             // a goroutine's, and something has come since it last read
	over              // nobody's any more: finish has been called
)

// start begins to read, with what has come before: from here on the owner is told what the client sends. While it sends
// nothing no goroutine waits for it, unless the connection is one that can't be watched.
func (c *netConn) start(early []byte) {
	c.turn.Store(reading)
	c.watched = c.limits.poller.add(c)
	c.limits.readers.read(c, early)
}

// wake has the connection read. hangup says that it is to be read to its end. It never waits.
func (c *netConn) wake(hangup bool) {
	if hangup {
		c.hangup.Store(true)
	}
	for {
		switch c.turn.Load() {
		case idle:
			if c.turn.CompareAndSwap(idle, reading) {
				c.limits.readers.read(c, nil)
				return
			}
		case reading:
			if c.turn.CompareAndSwap(reading, again) {
				return
			}
		default:
			return
		}
	}
}

// idleReaders is how many goroutines are kept that have nothing to read: as many as read at a time on a busy node, whose
// stacks take less than 1 MiB together.
const idleReaders = 32

// readers are the goroutines that read watched connections. One that is done waits for the next connection, since a new one
// would spend a tenth of what a publish costs on growing its stack. With nil each connection has a new one.
type readers struct {
	next chan arrival    // taken by whoever waits
	over <-chan struct{} // closed when nobody is to wait any more
	idle atomic.Int32    // that wait, or are about to
}

// arrival is a connection that is to be read.
type arrival struct {
	conn  *netConn
	early []byte // what has been read of it before
}

func newReaders(over <-chan struct{}) *readers {
	return &readers{next: make(chan arrival), over: over}
}

// read has a connection read. It never waits.
func (r *readers) read(c *netConn, early []byte) {
	if r == nil || !c.watched {
		go c.read(early)
		return
	}
	select {
	case r.next <- arrival{c, early}:
	default:
		go r.work(arrival{c, early})
	}
}

// work reads a connection and then others.
func (r *readers) work(a arrival) {
	for {
		a.conn.read(a.early)
		if r.idle.Add(1) > idleReaders {
			r.idle.Add(-1)
			return
		}
		select {
		case a = <-r.next:
			r.idle.Add(-1)
		case <-r.over:
			return
		}
	}
}

// read hands what comes to the owner, until nothing more is there.
func (c *netConn) read(early []byte) {
	b := readBuffers.Get().(*readBuffer) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	defer readBuffers.Put(b)
	if len(early) > 0 {
		c.owner.take(early)
	}
	for {
		n, err := c.receive(b)
		if n > 0 {
			c.owner.take(b.p[:n])
		}
		if err != nil {
			c.end(err)
			return
		}
		// Less than was asked for is all that there was. What has come since has woken us, or will; but for an end that was
		// told together with what was before it.
		if c.watched && (n == 0 || n < len(b.p) && !c.hangup.Load()) {
			if c.turn.CompareAndSwap(reading, idle) {
				return
			}
			c.turn.Store(reading)
		}
	}
}

func (c *netConn) end(err error) {
	c.Abort()
	c.turn.Store(over)
	if c.watched {
		c.limits.poller.remove(c)
	}
	c.owner.finish(err)
}

// readBuffer is what a connection is read with while it is.
type readBuffer struct {
	attempt

	data [4 << 10]byte
}

var readBuffers = sync.Pool{New: func() any {
	b := &readBuffer{}
	b.p = b.data[:]
	b.try = func(fd uintptr) bool {
		for {
			b.n, b.err = syscall.Read(int(fd), b.p)
			if !errors.Is(b.err, syscall.EINTR) {
				return true // also after EAGAIN: never wait here
			}
		}
	}
	return b
}}

// receive reads what is there: of a connection that is not watched at least a byte. The error is io.EOF at the end.
func (c *netConn) receive(b *readBuffer) (int, error) {
	if !c.watched {
		return c.Conn.Read(b.p)
	}
	if err := c.raw.Read(b.try); err != nil {
		return 0, err
	}
	switch {
	case errors.Is(b.err, syscall.EAGAIN):
		return 0, nil
	case b.err != nil:
		return 0, b.err
	case b.n == 0:
		return 0, io.EOF
	}
	return b.n, nil
}

package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// Poster publishes over some keep-alive connections of the loop, one request at a time on each: at a steady rate, or as
// fast as the server answers. A message that is late because the server was slow still counts from when it was due.
type Poster struct {
	loop     *Loop
	dialect  Dialect
	addr     netip.AddrPort
	size     int
	channels []string
	sent     []int64 // by channel: the number of the newest message
	acked    []int64 // the same, that the server took; with one connection for each channel, in order
	conns    []*postConn
	ordered  bool // a channel's messages all go over one connection

	rate    float64 // a second; 0 is as fast as it goes
	start   time.Duration
	planned int64
	timer   int // file descriptor
	running bool
	waiting []posting // due, and no connection is free for it

	Answered int64 // requests that the server answered with success
	failed   error
}

// posting is a message that is due.
type posting struct {
	channel int
	due     time.Duration
}

// postConn is one connection of a Poster.
type postConn struct {
	poster  *Poster
	index   int
	next    int // channel whose turn it is, if it goes as fast as it can
	conn    *conn
	busy    bool
	channel int   // of the message that is under way
	number  int64 // of that message
}

// backlog is how many messages may be due and not sent. A server that is this late does not hold the rate.
const backlog = 20_000

// NewPoster returns a poster of messages of size bytes to channels, by turns, with that many connections. With fewer
// channels than connections a channel's messages go over several, and may arrive in another order.
func NewPoster(l *Loop, d Dialect, addr netip.AddrPort, channels []string, connections, size int) (*Poster, error) {
	p := &Poster{
		loop: l, dialect: d, addr: addr, size: size, channels: channels, ordered: len(channels) >= connections,
		sent: make([]int64, len(channels)), acked: make([]int64, len(channels)), timer: -1,
	}
	for i := range connections {
		c := &postConn{poster: p, index: i, next: i % len(channels), busy: true}
		p.conns = append(p.conns, c)
		if err := c.dial(); err != nil {
			p.Close()
			return nil, err
		}
	}
	return p, nil
}

// Aim has everything from now on published by the server at addr.
func (p *Poster) Aim(addr netip.AddrPort) error {
	p.addr = addr
	for _, c := range p.conns {
		c.conn.shut()
		if c.busy = true; c.number > 0 { // what was under way is sent again, under the same number
			p.waiting = append([]posting{{c.channel, 0}}, p.waiting...)
			p.sent[c.channel], c.number = c.number-1, 0
		}
		if err := c.dial(); err != nil {
			return err
		}
	}
	return nil
}

// Start publishes rate messages a second from now on; 0 is as many as are answered.
func (p *Poster) Start(rate float64) error {
	p.rate, p.start, p.planned, p.running, p.waiting = rate, p.loop.now(), 0, true, nil
	if rate == 0 {
		p.pump()
		return nil
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("make a timer: %w", err)
	}
	pace := unix.NsecToTimespec(int64(max(float64(time.Second)/rate, float64(500*time.Microsecond))))
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: pace, Value: pace}, nil); err != nil {
		return fmt.Errorf("set a timer: %w", err)
	}
	if err := unix.EpollCtl(p.loop.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLIN}); err != nil {
		return fmt.Errorf("wait for a timer: %w", err)
	}
	p.timer = fd
	p.loop.sources[fd] = p
	return nil
}

// Stop publishes no more. What waits for a connection is forgotten.
func (p *Poster) Stop() {
	p.running, p.waiting = false, nil
	p.shut()
}

// Close closes the connections, too.
func (p *Poster) Close() {
	p.Stop()
	for _, c := range p.conns {
		if c.conn != nil {
			c.conn.shut()
		}
	}
}

// Idle reports whether no request is under way.
func (p *Poster) Idle() bool {
	for _, c := range p.conns {
		if c.number > 0 {
			return false
		}
	}
	return true
}

// Late returns how many messages are due and not sent.
func (p *Poster) Late() int { return len(p.waiting) }

// Acked returns the number of the newest message of a channel that the server took.
func (p *Poster) Acked(channel int) int64 { return p.acked[channel] }

// Err returns why publishing failed, if it did.
func (p *Poster) Err() error { return p.failed }

// shut ends the timer. It is part of source.
func (p *Poster) shut() {
	if p.timer >= 0 {
		delete(p.loop.sources, p.timer)
		_ = unix.Close(p.timer) // it takes it out of the epoll
		p.timer = -1
	}
}

// handle is called when the timer rings. It is part of source.
func (p *Poster) handle(uint32) {
	var ticks [8]byte
	_, _ = unix.Read(p.timer, ticks[:]) // how many does not matter: the clock says what is due
	due := int64((p.loop.now() - p.start).Seconds() * p.rate)
	for ; p.planned < due; p.planned++ {
		at := p.start + time.Duration(float64(p.planned+1)/p.rate*float64(time.Second))
		p.waiting = append(p.waiting, posting{int(p.planned % int64(len(p.channels))), at})
	}
	if len(p.waiting) > backlog {
		p.waiting = p.waiting[:backlog]
	}
	p.pump()
}

// pump gives what waits to connections that are free.
func (p *Poster) pump() {
	if !p.running || p.failed != nil {
		return
	}
	if p.rate == 0 {
		for _, c := range p.conns {
			if !c.busy {
				c.post(posting{p.turn(c), p.loop.now()})
			}
		}
		return
	}
	kept := p.waiting[:0]
	for i, post := range p.waiting {
		c := p.free(post.channel)
		if c == nil && !p.ordered {
			kept = append(kept, p.waiting[i:]...)
			break
		}
		if c == nil {
			kept = append(kept, post)
			continue
		}
		c.post(post)
	}
	p.waiting = kept
}

// turn returns the channel of a connection's next message, if it goes as fast as it can.
func (p *Poster) turn(c *postConn) int {
	channel := c.next
	if c.next += len(p.conns); c.next >= len(p.channels) {
		c.next = c.index % len(p.channels)
	}
	return channel
}

// free returns a connection that a message to the channel may go over now, or nil.
func (p *Poster) free(channel int) *postConn {
	if p.ordered {
		if c := p.conns[channel%len(p.conns)]; !c.busy {
			return c
		}
		return nil
	}
	for _, c := range p.conns {
		if !c.busy {
			return c
		}
	}
	return nil
}

func (c *postConn) dial() (err error) {
	c.conn, err = c.poster.loop.dial(c.poster.addr, "", c, false)
	return err
}

func (c *postConn) post(m posting) {
	p := c.poster
	p.sent[m.channel]++
	c.busy, c.channel, c.number = true, m.channel, p.sent[m.channel]
	r := p.dialect.Request(p.channels[m.channel], message(c.number, int64(m.due), p.size))
	b := make([]byte, 0, 256+len(r.Body))
	b = fmt.Appendf(b, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n", r.Path, r.Header, len(r.Body))
	c.conn.write(append(b, r.Body...))
}

func (c *postConn) opened() {
	c.busy = false
	c.poster.pump()
}

func (c *postConn) received(response []byte) {
	p := c.poster
	if !bytes.HasPrefix(response, []byte("HTTP/1.1 20")) || bytes.Contains(response, []byte(`"error":`)) {
		p.failed = refusal(response)
		return
	}
	p.Answered++
	p.acked[c.channel] = max(p.acked[c.channel], c.number)
	c.busy, c.number = false, 0
	p.pump()
}

// closed makes a new connection, for servers that close one after some requests or seconds. A request that was under way
// has failed, unless Aim follows.
func (c *postConn) closed() {
	p := c.poster
	if !p.running || c.number > 0 {
		if p.running {
			p.failed = fmt.Errorf("publish: the server closed the connection: %w", unix.ECONNRESET)
		}
		return
	}
	c.busy = true
	if err := c.dial(); err != nil {
		p.failed = err
	}
}

package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// handler is told what comes over a connection: a frame's payload, or a response to a request, head and body. Payloads are
// the loop's: whoever keeps one copies it.
type handler interface {
	opened()
	received(payload []byte)
	closed()
}

// conn is one WebSocket of a client, or a connection for requests. It keeps bytes of its own only between the two halves of a frame that came in parts,
// or while the kernel does not take what is sent.
type conn struct {
	loop    *Loop
	fd      int
	handler handler
	path    string // of the WebSocket; empty for requests
	state   state
	rest    []byte // received, and not yet a whole frame
	out     []byte // not yet taken by the kernel
	paused  bool   // not read from
}

type state uint8

const (
	connecting state = iota
	upgrading
	open
	gone
)

// dial begins a connection to addr: a WebSocket at path, or one for requests if there is none. small makes the kernel hold little for a client that does not read: its receive buffer
// is of a few KiB, and its segments are those of an Ethernet, which is what sizes the server's send buffer.
func (l *Loop) dial(addr netip.AddrPort, path string, h handler, small bool) (*conn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	c := &conn{loop: l, fd: fd, handler: h, path: path}
	err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if small {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096), unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, 1460))
	}
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})
	}
	if errors.Is(err, unix.EINPROGRESS) {
		err = nil
	}
	if err == nil {
		err = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Fd: int32(fd), Events: unix.EPOLLOUT})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), unix.Close(fd))
	}
	l.sources[fd] = c
	return c, nil
}

// shut closes the connection without telling the handler.
func (c *conn) shut() {
	if c.state == gone {
		return
	}
	c.state = gone
	delete(c.loop.sources, c.fd)
	_ = unix.Close(c.fd) // it takes the descriptor out of the epoll, and there is nothing to do about an error
}

func (c *conn) fail() {
	c.shut()
	c.handler.closed()
}

// pause stops reading, or begins again.
func (c *conn) pause(paused bool) {
	c.paused = paused
	c.watch()
}

// watch asks for the events that matter now.
func (c *conn) watch() {
	var events uint32
	if !c.paused {
		events |= unix.EPOLLIN
	}
	if len(c.out) > 0 {
		events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(c.loop.epoll, unix.EPOLL_CTL_MOD, c.fd, &unix.EpollEvent{Fd: int32(c.fd), Events: events}); err != nil {
		c.fail()
	}
}

func (c *conn) handle(events uint32) {
	if c.state == connecting {
		c.connected()
		return
	}
	if events&unix.EPOLLOUT != 0 {
		c.flush()
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) != 0 && c.state != gone {
		c.read()
	}
}

// connected asks for the upgrade, if there is to be one. The key is always the same: nothing between here and the server caches.
func (c *conn) connected() {
	if code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
		c.fail()
		return
	}
	if c.path == "" {
		c.state = open
		c.watch()
		c.handler.opened()
		return
	}
	c.state = upgrading
	c.write([]byte("GET " + c.path + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"))
	if c.state != gone {
		c.watch()
	}
}

func (c *conn) read() {
	n, err := unix.Read(c.fd, c.loop.buffer)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if n <= 0 || err != nil {
		c.fail()
		return
	}
	in := c.loop.buffer[:n]
	if len(c.rest) > 0 {
		in = append(c.rest, in...)
	}
	c.rest = nil
	if left := c.consume(in); len(left) > 0 && c.state != gone {
		c.rest = bytes.Clone(left)
	}
}

// consume handles what is whole in in, and returns what is left.
func (c *conn) consume(in []byte) []byte {
	if c.state == upgrading {
		end := bytes.Index(in, []byte("\r\n\r\n"))
		if end < 0 {
			return in
		}
		if !bytes.HasPrefix(in, []byte("HTTP/1.1 101 ")) {
			c.fail()
			return nil
		}
		in = in[end+4:]
		c.state = open
		c.handler.opened()
	}
	for c.state == open && c.path == "" {
		size := response(in)
		if size == 0 {
			return in
		}
		c.handler.received(in[:size])
		in = in[size:]
	}
	for c.state == open {
		opcode, payload, size := frame(in)
		if size == 0 {
			break
		}
		in = in[size:]
		switch opcode {
		case opText:
			c.handler.received(payload)
		case opPing:
			c.send(opPong, payload)
		case opClose:
			c.fail()
		}
	}
	return in
}

// response returns how long the response is that in begins with; zero if it is not all there. Servers that are measured
// give the length of each.
func response(in []byte) (size int) {
	end := bytes.Index(in, []byte("\r\n\r\n"))
	if end < 0 {
		return 0
	}
	for line := range bytes.Lines(in[:end+2]) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			continue
		}
		if length, err := strconv.Atoi(string(bytes.TrimSpace(value))); err == nil && length >= 0 {
			size = length
		}
	}
	if size += end + 4; len(in) < size {
		return 0
	}
	return size
}

// Opcodes of RFC 6455 §5.2. Servers that are measured send no fragments.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// frame returns the frame that in begins with, and how long it is with its head; zero if it is not all there.
func frame(in []byte) (opcode byte, payload []byte, size int) {
	if len(in) < 2 {
		return 0, nil, 0
	}
	head, length := 2, uint64(in[1]&0x7f)
	switch length {
	case 126:
		if head = 4; len(in) < head {
			return 0, nil, 0
		}
		length = uint64(binary.BigEndian.Uint16(in[2:]))
	case 127:
		if head = 10; len(in) < head {
			return 0, nil, 0
		}
		length = binary.BigEndian.Uint64(in[2:])
	}
	if uint64(len(in)-head) < length {
		return 0, nil, 0
	}
	size = head + int(length)
	return in[0] & 0x0f, in[head:size], size
}

// send sends a frame. It is masked, as RFC 6455 wants, with zeros.
func (c *conn) send(opcode byte, payload []byte) {
	head := make([]byte, 0, 8+len(payload))
	head = append(head, 0x80|opcode)
	if len(payload) < 126 {
		head = append(head, 0x80|byte(len(payload)))
	} else {
		head = append(head, 0x80|126)
		head = binary.BigEndian.AppendUint16(head, uint16(len(payload)))
	}
	head = append(head, 0, 0, 0, 0)
	c.write(append(head, payload...))
}

func (c *conn) write(p []byte) {
	if len(c.out) > 0 {
		c.out = append(c.out, p...)
		return
	}
	n, err := unix.Write(c.fd, p)
	switch {
	case errors.Is(err, unix.EAGAIN):
		n = 0
	case err != nil:
		c.fail()
		return
	}
	if n < len(p) {
		c.out = bytes.Clone(p[n:])
		c.watch()
	}
}

func (c *conn) flush() {
	out := c.out
	c.out = nil
	if len(out) > 0 {
		c.write(out)
	}
	if c.state != gone && len(c.out) == 0 {
		c.watch()
	}
}

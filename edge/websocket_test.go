package edge

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/lxzan/gws"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/frame"
)

// byteSocket is a WebSocket of which the test writes and reads every byte.
type byteSocket struct {
	net.Conn

	t *testing.T
	r *bufio.Reader
}

// openRaw opens one.
func (n *node) openRaw(t *testing.T) byteSocket {
	t.Helper()
	conn := n.rawConn(t)
	const request = "GET /push HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	s := byteSocket{conn, t, bufio.NewReader(conn)}
	s.write([]byte(request))
	response, err := http.ReadResponse(s.r, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", response, err)
	}
	_ = response.Body.Close()
	return s
}

func (s byteSocket) write(p []byte) {
	s.t.Helper()
	if _, err := s.Write(p); err != nil {
		s.t.Fatal(err)
	}
}

// frame returns the opcode and the payload of the next frame.
func (s byteSocket) frame() (frame.Opcode, string) {
	s.t.Helper()
	header := make([]byte, 2)
	if _, err := io.ReadFull(s.r, header); err != nil {
		s.t.Fatal(err)
	}
	length := uint64(header[1])
	if length > 125 {
		long := make([]byte, 2+6*(length-126))
		if _, err := io.ReadFull(s.r, long); err != nil {
			s.t.Fatal(err)
		}
		length = binary.BigEndian.Uint64(append(make([]byte, 8-len(long)), long...))
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(s.r, payload); err != nil {
		s.t.Fatal(err)
	}
	return frame.Opcode(header[0] & 0x0f), string(payload)
}

// masked makes a frame as a client does, with a mask of zeros.
func masked(first byte, payload string) []byte {
	out := frame.AppendHeader(nil, 0, false, len(payload))
	out[0] = first
	out[1] |= 0x80
	return append(append(out, 0, 0, 0, 0), payload...)
}

func TestFramesMayComeInPieces(t *testing.T) {
	n := startNode(t, nil)
	s := n.openRaw(t)
	stream := append(masked(0x01, "["), masked(0x89, "ping")...)
	stream = append(append(stream, masked(0x80, "]")...), masked(0x81, "[]")...)
	for i := range stream {
		s.write(stream[i : i+1])
	}
	for _, want := range []string{"10 ping", "1 []", "1 []"} {
		opcode, payload := s.frame()
		if got := fmt.Sprint(opcode, " ", payload); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWrongFramesEndTheSocketWithACode(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.FrameBytes = 1000 })
	for name, c := range map[string]struct {
		sent []byte
		code uint16
	}{
		"not masked":     {[]byte("\x81\x02[]"), frame.CodeProtocol},
		"not UTF-8":      {masked(0x81, "\xff"), frame.CodeNotUTF8},
		"too large":      {masked(0x81, strings.Repeat("x", 1001)), frame.CodeTooLarge},
		"close":          {masked(0x88, "\x0f\xa0"), 4000},
		"close, no code": {masked(0x88, ""), frame.CodeNormal},
	} {
		t.Run(name, func(t *testing.T) {
			s := n.openRaw(t)
			s.write(append(c.sent, masked(0x81, "[]")...)) // what comes after it is not answered
			opcode, payload := s.frame()
			if opcode != frame.Close || frame.CloseCode([]byte(payload)) != c.code {
				t.Errorf("frame %d %q, want %d", opcode, payload, c.code)
			}
			if left, _ := io.ReadAll(s.r); len(left) > 0 { // it may end with a reset
				t.Errorf("then %q", left)
			}
		})
	}
	n.awaitNoSockets()
}

// What came before a connection ended is handled, however soon the end comes after it.
func TestLastWordsAreHeard(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.dial(t)
	c.attach(id)
	const last = 50
	for i := range last {
		s := n.openRaw(t)
		s.write(masked(0x81, fmt.Sprintf(`{"channel":"/app/public/a","data":%d,"ext":{"auth":{"key":"key","secret":"secret"}}}`, i)))
		_ = s.Close()
	}
	seen := map[string]bool{}
	for _, m := range c.deliveries(last) {
		seen[string(m.Data)] = true
	}
	if len(seen) != last {
		t.Errorf("%d of %d", len(seen), last)
	}
}

// slowStream keeps those that publish waiting.
type slowStream struct {
	Stream

	entered, gate chan struct{}
}

func (s slowStream) Append(ctx context.Context, m pandapush.Message) (pandapush.Cursor, error) {
	s.entered <- struct{}{}
	<-s.gate
	return s.Stream.Append(ctx, m)
}

func TestSlowRequestsKeepNobodyElseWaitingAndAreAnsweredInOrder(t *testing.T) {
	slow := slowStream{entered: make(chan struct{}), gate: make(chan struct{})}
	n := startNode(t, func(c *Config) {
		slow.Stream = c.Stream
		c.Stream = slow
	})
	const stuck = 20
	var list []byteSocket
	for i := range stuck {
		s := n.openRaw(t)
		s.write(masked(0x81, fmt.Sprintf(`{"channel":"/app/public/a","id":"first %d","data":1,"ext":{"auth":{"key":"key","secret":"secret"}}}`, i)))
		s.write(masked(0x89, "behind it"))
		list = append(list, s)
		<-slow.entered
	}
	quick := n.openRaw(t)
	quick.write(masked(0x81, "[]"))
	if _, payload := quick.frame(); payload != "[]" {
		t.Errorf("got %s", payload)
	}
	close(slow.gate)
	for i, s := range list {
		if opcode, payload := s.frame(); opcode != frame.Text || !strings.Contains(payload, fmt.Sprintf("first %d", i)) {
			t.Errorf("frame %d %s", opcode, payload)
		}
		if opcode, payload := s.frame(); opcode != frame.Pong || payload != "behind it" {
			t.Errorf("frame %d %s", opcode, payload)
		}
	}
}

// A message that never ends is not waited for, however lively its client is else.
func TestMessagesHaveToEnd(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) {
		c.Now, c.Timeout, c.PingInterval, c.HandshakeTimeout = now.get, time.Hour, time.Minute, time.Hour
	})
	s := n.openRaw(t)
	s.write(masked(0x01, "["))
	for range 3 {
		s.write(masked(0x89, "I live"))
		if _, payload := s.frame(); payload != "I live" {
			t.Fatal(payload)
		}
		n.sweepOnce(t.Context())
		now.add(50 * time.Second)
	}
	n.sweepOnce(t.Context())
	n.awaitNoSockets()
	if _, err := s.r.ReadByte(); err == nil {
		t.Error("the socket is open")
	}
}

// A socket that waits for its client has no goroutine.
func TestIdleSocketsHaveNoGoroutine(t *testing.T) {
	n := startNode(t, nil)
	if n.conns.poller == nil {
		t.Skip("connections can't be watched on this system")
	}
	for range 20 {
		s := n.openRaw(t)
		s.write(masked(0x81, "[]"))
		s.frame()
	}
	for _, o := range n.outlets.list() {
		for o.(*socket).net.turn.Load() != idle {
			<-time.After(time.Millisecond) // it has answered, and is about to be
		}
	}
}

// A connection under TLS can't be watched, and works all the same.
func TestSocketUnderTLS(t *testing.T) {
	n := startNode(t, nil)
	router := echo.New()
	n.Routes(router)
	web := httptest.NewTLSServer(router)
	defer web.Close()
	c := &wsClient{t: t, frames: make(chan []byte, 10), closed: make(chan error, 1), ponged: make(chan string, 10)}
	transport, ok := web.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("no transport")
	}
	conn, _, err := gws.NewClient(c, &gws.ClientOption{Addr: "wss" + strings.TrimPrefix(web.URL, "https") + "/push", TlsConfig: transport.TLSClientConfig}) //nolint:bodyclose // the connection is the body
	if err != nil {
		t.Fatal(err)
	}
	c.conn = conn
	c.read()
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c.attach(id)
	n.publish(t, "/app/public/a", "1")
	if got := texts(c.deliveries(1)); got != "1" {
		t.Errorf("got %s", got)
	}
	_ = conn.WriteClose(frame.CodeNormal, nil)
	c.reading.Wait()
	n.awaitNoSockets()
}

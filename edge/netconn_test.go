package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// owner is whose connections the tests use.
type owner struct {
	took, room chan string // what came, and a token for each time that a blocked connection drained
	finished   chan error
}

func newOwner() *owner {
	return &owner{took: make(chan string, 100), room: make(chan string, 100), finished: make(chan error, 2)}
}

func (o *owner) take(p []byte)    { o.took <- string(p) }
func (o *owner) drained()         { o.room <- "" }
func (o *owner) finish(err error) { o.finished <- err }

// newNetConn returns a connection for o.
func newNetConn(conn net.Conn, timeout time.Duration, maxRest int, o *owner) *netConn {
	c := &netConn{}
	c.init(conn, o, &connLimits{timeout: timeout, maxRest: maxRest})
	return c
}

// connPair returns both ends of a TCP connection.
func connPair(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	dialed, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server, client = accepted.(*net.TCPConn), dialed.(*net.TCPConn)
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client
}

func TestNetConnKeepsOrderWhileTheClientIsSlow(t *testing.T) {
	server, client := connPair(t)
	o := newOwner()
	c := newNetConn(server, time.Minute, 64<<20, o)

	// Nobody reads yet, and still every write returns.
	var want bytes.Buffer
	for i := 0; !c.Blocked() || i < 20; i++ {
		piece := bytes.Repeat([]byte{byte('a' + i%26)}, 50_000)
		want.Write(piece)
		if n, err := c.Write(piece); n != len(piece) || err != nil {
			t.Fatalf("Write() = %d, %v", n, err)
		}
	}
	got := make([]byte, want.Len())
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("the client got other bytes than were written")
	}
	<-o.room
	if c.Blocked() {
		t.Error("blocked with nothing left to write")
	}
}

func TestNetConnRefusesToGrow(t *testing.T) {
	server, _ := connPair(t)
	c := newNetConn(server, time.Minute, 100_000, newOwner())
	var err error
	written := 0
	for err == nil && written < 100<<20 {
		var n int
		n, err = c.Write(make([]byte, 10_000))
		written += n
	}
	if !errors.Is(err, errSlow) || !errors.Is(c.Failure(), errSlow) {
		t.Errorf("Write() = %v, Failure() = %v after %d bytes, want %v", err, c.Failure(), written, errSlow)
	}
}

func TestNetConnGivesUpOnAClientThatDoesNotRead(t *testing.T) {
	server, _ := connPair(t)
	o := newOwner()
	c := newNetConn(server, time.Millisecond, 64<<20, o)
	if _, err := c.Write(make([]byte, 32<<20)); err != nil {
		t.Fatal(err)
	}
	<-o.room // also when it failed, so that whoever waits finds out
	if !errors.Is(c.Failure(), errSlow) {
		t.Errorf("Failure() = %v, want %v", c.Failure(), errSlow)
	}
}

func TestNetConnCloseComesAfterWhatWasWritten(t *testing.T) {
	server, client := connPair(t)
	c := newNetConn(server, time.Minute, 64<<20, newOwner())
	const size = 8 << 20
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, client)
	if n != size || err != nil {
		t.Errorf("the client read %d bytes, %v, want %d", n, err, size)
	}
}

// TestNetConnRefusesPolitely refuses a client that goes on sending: it can send all that it wants to, gets the last words,
// and has the connection until it closes it.
func TestNetConnRefusesPolitely(t *testing.T) {
	server, client := connPair(t)
	o := newOwner()
	c := newNetConn(server, time.Minute, 1<<20, o)
	c.start(nil)
	if err := c.Refuse([]byte("no")); err != nil {
		t.Fatal(err)
	}
	sent := make(chan error)
	go func() {
		_, err := client.Write(make([]byte, 4<<20))
		sent <- errors.Join(err, client.CloseWrite())
	}()
	total := 0
	for total < 4<<20 {
		total += len(<-o.took)
	}
	if err := <-sent; err != nil {
		t.Errorf("the client could not send all: %v", err)
	}
	if words, err := io.ReadAll(client); err != nil || string(words) != "no" {
		t.Errorf("the client got %q, %v", words, err)
	}
	if err := <-o.finished; !errors.Is(err, io.EOF) {
		t.Errorf("ended with %v", err)
	}
	if _, err := c.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write() after Refuse: %v", err)
	}
}

func TestNetConnWithoutASocketUnderneath(t *testing.T) {
	// net.Pipe has no file descriptor, as a TLS connection has none: everything goes through the connection's own writer.
	server, client := net.Pipe()
	o := newOwner()
	c := newNetConn(server, time.Minute, 1<<20, o)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	<-o.room
	if err := errors.Join(c.Close(), client.Close()); err != nil {
		t.Error(err)
	}
}

func BenchmarkNetConnWrite(b *testing.B) {
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	dialed, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, dialed)
	}()
	c := newNetConn(accepted, time.Minute, 1<<30, newOwner())
	frame := make([]byte, 200)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	_ = c.Close()
	<-done
	_, _ = dialed.Close(), l.Close()
}

// startPoller returns a poller that runs until the test ends.
func startPoller(t *testing.T) *poller {
	t.Helper()
	p, err := newPoller()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := p.run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return p
}

// collector takes what comes as one string, and tells the end.
type collector struct {
	*owner

	all strings.Builder
}

func (c *collector) take(p []byte) { c.all.Write(p) }

// However the bytes come, and however often a connection is woken for nothing, all of them are taken, in order, and then
// the end is told, once.
func TestNetConnTakesEverythingOnce(t *testing.T) {
	p, idle := startPoller(t), newReaders(t.Context().Done())
	for _, kind := range []string{"watched", "not watched"} {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				server, client := connPair(t)
				to := &collector{owner: newOwner()}
				c := &netConn{}
				limits := &connLimits{timeout: time.Minute, maxRest: 1 << 20, poller: p, readers: idle}
				if kind == "not watched" {
					limits.poller = nil
				}
				c.init(server, to, limits)
				early := rapid.StringN(-1, 10, -1).Draw(r, "early")
				pieces := rapid.SliceOfN(rapid.IntRange(1, 20_000), 0, 20).Draw(r, "pieces")
				c.start([]byte(early))
				var want strings.Builder
				want.WriteString(early)
				for i, size := range pieces {
					piece := strings.Repeat(string(rune('a'+i)), size)
					want.WriteString(piece)
					if _, err := io.WriteString(client, piece); err != nil {
						r.Fatal(err)
					}
					c.wake(false)
				}
				if err := client.Close(); err != nil {
					r.Fatal(err)
				}
				if err := <-to.finished; !errors.Is(err, io.EOF) {
					r.Errorf("finished with %v", err)
				}
				if got := to.all.String(); got != want.String() {
					r.Errorf("took %d bytes, want %d", len(got), want.Len())
				}
				c.wake(true)
				if len(to.finished) > 0 {
					r.Error("finished twice")
				}
			})
		})
	}
}

// Whoever closes a connection need not be who reads it, and that it is over is told all the same.
func TestNetConnTellsOfItsOwnEnd(t *testing.T) {
	p := startPoller(t)
	for name, end := range map[string]func(c *netConn) error{
		"close":  func(c *netConn) error { return c.Close() },
		"finish": func(c *netConn) error { return c.Finish([]byte("bye")) },
		"abort": func(c *netConn) error {
			c.Abort()
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			server, _ := connPair(t)
			o := newOwner()
			c := &netConn{}
			c.init(server, o, &connLimits{timeout: time.Minute, maxRest: 1 << 20, poller: p})
			c.start(nil)
			if err := end(c); err != nil {
				t.Error(err)
			}
			if err := <-o.finished; !errors.Is(err, net.ErrClosed) {
				t.Errorf("finished with %v", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write() = %v after the end", err)
			}
		})
	}
}

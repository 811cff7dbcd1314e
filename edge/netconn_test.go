package edge

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

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
	drained := make(chan struct{}, 1)
	c := newNetConn(server, time.Minute, 64<<20, func() { drained <- struct{}{} })

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
	<-drained
	if c.Blocked() {
		t.Error("blocked with nothing left to write")
	}
}

func TestNetConnRefusesToGrow(t *testing.T) {
	server, _ := connPair(t)
	c := newNetConn(server, time.Minute, 100_000, func() {})
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
	drained := make(chan struct{}, 1)
	c := newNetConn(server, time.Millisecond, 64<<20, func() { drained <- struct{}{} })
	if _, err := c.Write(make([]byte, 32<<20)); err != nil {
		t.Fatal(err)
	}
	<-drained // also when it failed, so that whoever waits finds out
	if !errors.Is(c.Failure(), errSlow) {
		t.Errorf("Failure() = %v, want %v", c.Failure(), errSlow)
	}
}

func TestNetConnCloseComesAfterWhatWasWritten(t *testing.T) {
	server, client := connPair(t)
	c := newNetConn(server, time.Minute, 64<<20, func() {})
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

func TestNetConnWithoutASocketUnderneath(t *testing.T) {
	// net.Pipe has no file descriptor, as a TLS connection has none: everything goes through the connection's own writer.
	server, client := net.Pipe()
	drained := make(chan struct{}, 1)
	c := newNetConn(server, time.Minute, 1<<20, func() { drained <- struct{}{} })
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(client, got); err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	<-drained
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
	c := newNetConn(accepted, time.Minute, 1<<30, func() {})
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

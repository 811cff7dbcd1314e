package edge

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lxzan/gws"
)

// countingConn counts what comes.
type countingConn struct {
	net.Conn
	bytes atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.bytes.Add(int64(n))
	return n, err
}

// dialPacked opens a WebSocket that offers compression, and returns the extensions that the server agreed to.
func (n *node) dialPacked(tb testing.TB) (*wsClient, *countingConn, string) {
	tb.Helper()
	c := &wsClient{t: tb, frames: make(chan []byte, 100), closed: make(chan error, 1), ponged: make(chan string, 10)}
	counter := &countingConn{Conn: n.rawConn(tb)}
	conn, response, err := gws.NewClientFromConn(c, &gws.ClientOption{
		Addr:              "ws" + strings.TrimPrefix(n.url, "http") + "/push",
		PermessageDeflate: gws.PermessageDeflate{Enabled: true, Threshold: 1, ServerMaxWindowBits: 15, ClientMaxWindowBits: 15},
	}, counter)
	if err != nil {
		tb.Fatal(err)
	}
	_ = response.Body.Close()
	c.conn = conn
	tb.Cleanup(func() {
		_ = conn.NetConn().Close()
		c.reading.Wait()
	})
	c.read()
	return c, counter, response.Header.Get("Sec-WebSocket-Extensions")
}

func TestCompressionIsOffByDefault(t *testing.T) {
	if _, _, extensions := startNode(t, nil).dialPacked(t); extensions != "" {
		t.Errorf("agreed to %s", extensions)
	}
}

func TestCompressedMessages(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Compression = true })
	packed, counter, extensions := n.dialPacked(t)
	if extensions != "permessage-deflate; server_no_context_takeover; client_no_context_takeover" {
		t.Fatalf("agreed to %q", extensions)
	}
	plain := n.dial(t) // offers nothing
	long := `"` + strings.Repeat("again ", 1000) + `"`
	for _, c := range []*wsClient{packed, plain} {
		id := n.handshake(t)
		n.subscribe(t, id, "/app/public/a")
		c.attach(id)
	}
	before := counter.bytes.Load()
	var want []string
	for i := range 10 {
		n.publish(t, "/app/public/a", long)
		n.publish(t, "/app/public/a", fmt.Sprint(i)) // short, and not compressed
		want = append(want, long, fmt.Sprint(i))
	}
	for _, c := range []*wsClient{packed, plain} {
		if got := texts(c.deliveries(len(want))); got != strings.Join(want, " ") {
			t.Errorf("got %s", got)
		}
	}
	if came := counter.bytes.Load() - before; came > int64(len(long)) {
		t.Errorf("%d bytes came over the wire for %d of messages", came, 10*len(long))
	}
	// And the other way.
	if r := packed.ask(fmt.Sprintf(`{"channel":"/app/public/a","data":%s,"ext":{"auth":{"key":"key","secret":"secret"}}}`, long)); !r.ok() {
		t.Errorf("%+v", r)
	}
	if got := texts(plain.deliveries(1)); got != long {
		t.Errorf("got %s", got)
	}
}

func TestCompressedBombsAreRefused(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Compression = true })
	c, _, _ := n.dialPacked(t)
	c.send("[" + string(bytes.Repeat([]byte(" "), 2<<20)) + "]")
	if code, text := c.closeCode(); code != 1009 || text != "the message is too large" || n.limited("frame_bytes") != 1 {
		t.Errorf("%d %s", code, text)
	}
}

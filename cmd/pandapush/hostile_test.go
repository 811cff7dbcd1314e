package main

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// crowdSize is how many connections each attack holds open.
	crowdSize = 500
	// mostMemory is what the server may take meanwhile, in bytes of heap and stacks. It would be several times that if each
	// hostile connection had the megabyte that it announces.
	mostMemory = 192 << 20
)

// TestHostileClients holds all kinds of bad connections open at the same time, one kind after the other: a client that
// behaves is served throughout, memory stays bounded, and when they are gone nothing is left of them.
func TestHostileClients(t *testing.T) {
	n := forkNode(t, settings(t).with(vars{"CONNECT_TIMEOUT": "10s", "PING_INTERVAL": "5s", "WRITE_TIMEOUT": "2s", "WEBSOCKET_COMPRESSION": "true", "MAX_INPUT_BYTES": "8388608"}))
	guest := newGuest(t, n)
	guest.talk(10)
	before := n.gauge(t, "go_goroutines")

	var all []crowd
	for _, attack := range []struct {
		name  string
		begin func(*testing.T, *node) crowd
	}{
		{"connections that send nothing", silence},
		{"headers that never end", slowHeaders},
		{"bodies that never end", slowBodies},
		{"sockets that never begin a session", idleSockets},
		{"frames that never end", slowFrames},
		{"frames in parts that never end", slowParts},
		{"frames and bodies of which all but the end comes", endless},
		{"frames and bodies that are too long", tooLong},
		{"compressed frames that grow", bombs},
		{"sessions without a connect", sessionsWithoutConnect},
		{"guessed client ids", guesses},
		{"subscribers that do not read", deafSubscribers},
		{"requests whose answers are not read", deafRequests},
	} {
		c := attack.begin(t, n)
		for range 5 {
			c.trickle()
			guest.talk(2)
		}
		memory := n.memory(t)
		t.Logf("%s: the server takes %d MiB", attack.name, memory>>20)
		if memory > mostMemory {
			t.Error("that is too much")
		}
		all = append(all, c)
	}
	if n.gauge(t, "pandapush_edge_slow_total") == 0 {
		t.Error("the subscribers that do not read did not come to be behind")
	}
	awaitEnd(t, all)
	guest.talk(10)
	eventually(t, "the goroutines of the attackers' connections end", func() bool {
		return n.gauge(t, "go_goroutines") < before+50
	})
}

// guest is a client that behaves: it subscribes, and hears of everything that is published.
type guest struct {
	t      *testing.T
	node   *node
	socket *bayeuxSocket
	said   int
}

func newGuest(t *testing.T, n *node) *guest {
	t.Helper()
	g := &guest{t: t, node: n, socket: n.dial(t)}
	g.socket.subscribe(devKey, "/devapp/private/guests")
	return g
}

// talk publishes and receives so many messages, one after the other.
func (g *guest) talk(count int) {
	g.t.Helper()
	for range count {
		g.said++
		want := fmt.Sprintf(`{"n":%d}`, g.said)
		g.node.mustPublish(g.t, devKey.sign, "/devapp/private/guests", want)
		if m := g.socket.delivery(); string(m.Data) != want {
			g.t.Fatalf("got %s, want %s", m.Data, want)
		}
	}
}

var gaugeLine = regexp.MustCompile(`(?m)^(\w+) ([0-9.e+]+)$`)

// gauge returns a metric without labels.
func (n *node) gauge(tb testing.TB, name string) int {
	tb.Helper()
	for _, line := range gaugeLine.FindAllStringSubmatch(n.get(tb, "/metrics").body, -1) {
		if line[1] == name {
			value, err := strconv.ParseFloat(line[2], 64)
			if err != nil {
				tb.Fatal(err)
			}
			return int(value)
		}
	}
	tb.Fatalf("there is no metric %s", name)
	return 0
}

// memory returns what the server's heap and stacks take, in bytes.
func (n *node) memory(tb testing.TB) int {
	tb.Helper()
	return n.gauge(tb, "go_memstats_heap_inuse_bytes") + n.gauge(tb, "go_memstats_stack_inuse_bytes")
}

// crowd are hostile connections.
type crowd struct {
	conns []net.Conn
	more  string // what each goes on to send, again and again
}

// newCrowd opens connections and sends the same on each.
func newCrowd(t *testing.T, n *node, text, more string) crowd {
	t.Helper()
	c := crowd{more: more}
	for range crowdSize {
		c.conns = append(c.conns, n.rawConn(t, text))
	}
	return c
}

// rawConn opens a connection and sends text.
func (n *node) rawConn(t *testing.T, text string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// trickle sends a little more on each. Those that the server has closed by then fail, as they should.
func (c crowd) trickle() {
	for _, conn := range c.conns {
		_, _ = io.WriteString(conn, c.more)
	}
}

// awaitEnd waits until the server has closed all of them.
func awaitEnd(t *testing.T, all []crowd) {
	t.Helper()
	deadline := time.Now().Add(2 * patience)
	for i, c := range all {
		for _, conn := range c.conns {
			if err := conn.SetReadDeadline(deadline); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("attack %d: a connection is still open", i)
				break
			}
		}
	}
}

const upgradeRequest = "GET /push HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// rawSocket opens a WebSocket, by a request with further headers, and sends text behind the upgrade.
func (n *node) rawSocket(t *testing.T, headers, text string) net.Conn {
	t.Helper()
	conn := n.rawConn(t, upgradeRequest+headers+"\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v %v", response, err)
	}
	_ = response.Body.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// newSockets is newCrowd with WebSockets.
func newSockets(t *testing.T, n *node, text, more string) crowd {
	t.Helper()
	c := crowd{more: more}
	for range crowdSize {
		c.conns = append(c.conns, n.rawSocket(t, "", text))
	}
	return c
}

func silence(t *testing.T, n *node) crowd {
	t.Helper()
	return newCrowd(t, n, "", "")
}

func slowHeaders(t *testing.T, n *node) crowd {
	t.Helper()
	return newCrowd(t, n, "GET /push HTTP/1.1\r\nHost: test\r\nX-Slow: ", "a")
}

func slowBodies(t *testing.T, n *node) crowd {
	t.Helper()
	return newCrowd(t, n, postOf(1<<20)+"[", " ")
}

// postOf returns the head of a POST with a body of that length.
func postOf(length int) string {
	return fmt.Sprintf("POST /push HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", length)
}

func idleSockets(t *testing.T, n *node) crowd {
	t.Helper()
	return newSockets(t, n, "", "")
}

// slowFrames announce a masked text frame of a megabyte each.
func slowFrames(t *testing.T, n *node) crowd {
	t.Helper()
	return newSockets(t, n, "\x81\xff\x00\x00\x00\x00\x00\x0f\xff\xff\x00\x00\x00\x00[", " ")
}

// slowParts begin a message in parts: one part, and another that is announced with nearly a megabyte.
func slowParts(t *testing.T, n *node) crowd {
	t.Helper()
	return newSockets(t, n, "\x01\x81\x00\x00\x00\x00[\x00\xff\x00\x00\x00\x00\x00\x0f\xff\x00\x00\x00\x00\x00 ", " ")
}

// endless frames and bodies have 256 KiB each, but for the last byte.
func endless(t *testing.T, n *node) crowd {
	t.Helper()
	const length = 256 << 10
	almost := "[" + strings.Repeat(" ", length-2)
	return crowd{conns: slices.Concat(
		pour(newSockets(t, n, "", "").conns, "\x81\xff\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00"+almost),
		pour(newCrowd(t, n, "", "").conns, postOf(length)+almost),
	)}
}

// pour sends text on each of the connections, as far as the server takes it: it may refuse what comes.
func pour(conns []net.Conn, text string) []net.Conn {
	for _, conn := range conns {
		_ = conn.SetWriteDeadline(time.Now().Add(patience))
		_, _ = io.WriteString(conn, text)
	}
	return conns
}

// deafRequests ask for much again and again, and read nothing.
func deafRequests(t *testing.T, n *node) crowd {
	t.Helper()
	body := "[" + strings.Repeat(`{"channel":"/meta/x","id":"`+strings.Repeat("x", 200)+`"},`, 999) + "{}]"
	c := newCrowd(t, n, "", "")
	for _, conn := range c.conns {
		go pour([]net.Conn{conn}, strings.Repeat(postOf(len(body))+body, 20)) // until the server closes it, or the test does
	}
	return c
}

// tooLong announces frames and bodies of more than is taken.
func tooLong(t *testing.T, n *node) crowd {
	t.Helper()
	frames := newSockets(t, n, "\x81\xff\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00[", "")
	bodies := newCrowd(t, n, postOf(1<<20+1)+"[", "")
	return crowd{conns: slices.Concat(frames.conns, bodies.conns)}
}

// bombs send frames of some 64 KiB which are 64 MiB when inflated.
func bombs(t *testing.T, n *node) crowd {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err := w.Write(bytes.Repeat([]byte{' '}, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	payload := bytes.TrimSuffix(packed.Bytes(), []byte{0, 0, 0xff, 0xff}) // RFC 7692 §7.2.1
	frame := binary.BigEndian.AppendUint64([]byte{0xc1, 0xff}, uint64(len(payload)))
	frame = append(append(frame, 0, 0, 0, 0), payload...)
	var c crowd
	for range crowdSize {
		c.conns = append(c.conns, n.rawSocket(t, "Sec-WebSocket-Extensions: permessage-deflate\r\n", string(frame)))
	}
	return c
}

// sessionsWithoutConnect begins 10,000 sessions.
func sessionsWithoutConnect(t *testing.T, n *node) crowd {
	t.Helper()
	const each = 500
	handshake := `{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"]},`
	batch := "[" + strings.TrimSuffix(strings.Repeat(handshake, each), ",") + "]"
	for range 10_000 / each {
		if answer := n.bayeux(t, batch); strings.Count(answer, `"successful":true`) != each {
			t.Fatalf("%.500s", answer)
		}
	}
	return crowd{}
}

// bayeux posts messages and returns the answer.
func (n *node) bayeux(t *testing.T, messages string) string {
	t.Helper()
	r, err := n.send(t.Context(), http.MethodPost, "/push", messages, nil)
	if err != nil || r.status != http.StatusOK {
		t.Fatalf("%v %d %.500s", err, r.status, r.body)
	}
	return r.body
}

// guesses tries client ids, and is told of each that there is no such client.
func guesses(t *testing.T, n *node) crowd {
	t.Helper()
	for i := range 1000 {
		id := fmt.Sprintf("%031d", i)
		answer := n.bayeux(t, `{"channel":"/meta/connect","connectionType":"long-polling","clientId":"`+id+`"}`)
		if !strings.Contains(answer, "401:"+id+":Unknown client") {
			t.Fatal(answer)
		}
	}
	return crowd{}
}

// deafSubscribers subscribe, and read nothing of the many megabytes that are then published.
func deafSubscribers(t *testing.T, n *node) crowd {
	t.Helper()
	var c crowd
	for range 50 {
		var handshake []struct{ ClientID string }
		text := n.bayeux(t, `[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"]}]`)
		if err := json.Unmarshal([]byte(text), &handshake); err != nil {
			t.Fatal(err)
		}
		id := handshake[0].ClientID
		n.bayeux(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/devapp/public/much"}`, id))
		connect := fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket"}`, id)
		c.conns = append(c.conns, n.rawSocket(t, "", "\x81"+string([]byte{0x80 | byte(len(connect))})+"\x00\x00\x00\x00"+connect))
	}
	much := `{"text":"` + strings.Repeat("x", 100<<10) + `"}`
	for range 100 { // 10 MB for each of them
		n.mustPublish(t, devKey.sign, "/devapp/public/much", much)
	}
	return c
}

package edge

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/lxzan/gws"
	"go.uber.org/goleak"

	"github.com/pandapush/pandapush"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey signs and is sent in every test.
var testKey = pandapush.Key{ID: "key", App: "app", Secret: "secret"}

// node is a running Server with its streams and records in memory.
type node struct {
	*Server
	log  *memoryNode
	keys *memoryKeys
	url  string
	web  *httptest.Server

	cancel  context.CancelFunc
	running sync.WaitGroup
}

// startNode starts a node and stops it when the test ends, which must leave nothing running.
func startNode(tb testing.TB, change func(*Config)) *node {
	tb.Helper()
	return startNodeOn(tb, newMemory(), "one", change)
}

// startNodeOn starts a node beside others.
func startNodeOn(tb testing.TB, shared *memory, name string, change func(*Config)) *node {
	tb.Helper()
	n := &node{log: shared.node(name), keys: newMemoryKeys(tb, testKey, pandapush.Key{ID: "key", App: "other", Secret: "secret"})}
	cfg := Config{Node: name, Stream: n.log, Records: n.log, Presence: n.log, Occupancy: n.log, Keys: n.keys, Log: slog.New(slog.DiscardHandler)}
	// A slow machine is no reason to give a client up.
	cfg.Timeout, cfg.PingInterval, cfg.WriteTimeout, cfg.HandshakeTimeout = time.Minute, 5*time.Minute, 5*time.Minute, 5*time.Minute
	if change != nil {
		change(&cfg)
	}
	n.Server = New(cfg)
	n.log.edge = n.Server
	n.serve(tb, n.log.run, n.log.stop)
	return n
}

// serve lets the node serve until the test ends. read brings it what its streams have, until stop is called.
func (n *node) serve(tb testing.TB, read, stop func()) {
	tb.Helper()
	router := echo.New()
	n.Routes(router)
	n.web = httptest.NewServer(router)
	n.url = n.web.URL

	var ctx context.Context
	ctx, n.cancel = context.WithCancel(context.Background())
	n.running.Go(read)
	n.running.Go(func() {
		if err := n.Run(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() {
		n.cancel()
		n.web.CloseClientConnections()
		stop()
		n.running.Wait()
		n.web.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
}

// message is a reply or a delivery as tests look at it.
type message struct {
	Channel      string          `json:"channel"`
	ID           string          `json:"id"`
	ClientID     string          `json:"clientId"`
	Successful   *bool           `json:"successful"`
	Error        string          `json:"error"`
	Data         json.RawMessage `json:"data"`
	Subscription json.RawMessage `json:"subscription"`
	Ext          json.RawMessage `json:"ext"`
	Advice       *struct {
		Reconnect string `json:"reconnect"`
		Interval  int    `json:"interval"`
		Timeout   int    `json:"timeout"`
	} `json:"advice"`
}

func (m message) ok() bool { return m.Successful != nil && *m.Successful }

func parse(tb testing.TB, text []byte) []message {
	tb.Helper()
	var list []message
	if err := json.Unmarshal(text, &list); err != nil {
		tb.Fatalf("%v in %s", err, text)
	}
	return list
}

// post sends a body to the node and returns the status and the answer.
func (n *node) post(tb testing.TB, body string) (int, []byte) {
	tb.Helper()
	status, answer, err := n.tryPost(tb.Context(), body)
	if err != nil {
		tb.Fatal(err)
	}
	return status, answer
}

func (n *node) tryPost(ctx context.Context, body string) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+"/push", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// say posts messages and returns the replies.
func (n *node) say(tb testing.TB, body string) []message {
	tb.Helper()
	status, answer := n.post(tb, body)
	if status != http.StatusOK {
		tb.Fatalf("status %d: %s", status, answer)
	}
	return parse(tb, answer)
}

const handshakeBody = `[{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket","long-polling"],"id":"1"}]`

// handshake begins a session over HTTP.
func (n *node) handshake(tb testing.TB) string {
	tb.Helper()
	replies := n.say(tb, handshakeBody)
	if len(replies) != 1 || !replies[0].ok() {
		tb.Fatalf("handshake: %+v", replies)
	}
	return replies[0].ClientID
}

// subscribe subscribes a session, with the key's rights.
func (n *node) subscribe(tb testing.TB, id, channel string) {
	tb.Helper()
	replies := n.say(tb, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"auth":{"key":"key","secret":"secret"}}}`, id, channel))
	if len(replies) != 1 || !replies[0].ok() {
		tb.Fatalf("subscribe %s: %+v", channel, replies)
	}
}

// publish publishes with the key's rights.
func (n *node) publish(tb testing.TB, channel, data string) {
	tb.Helper()
	replies := n.say(tb, fmt.Sprintf(`{"channel":%q,"data":%s,"ext":{"auth":{"key":"key","secret":"secret"}}}`, channel, data))
	if len(replies) != 1 || !replies[0].ok() {
		tb.Fatalf("publish %s: %+v", channel, replies)
	}
}

// wsClient is a WebSocket client whose frames can be waited for.
type wsClient struct {
	gws.BuiltinEventHandler
	t       testing.TB
	conn    *gws.Conn
	frames  chan []byte
	closed  chan error
	ponged  chan string
	got     []message // deliveries that nobody has asked for yet
	reading sync.WaitGroup
	deaf    atomic.Bool // answers no pings
}

// dial opens a WebSocket to the node.
func (n *node) dial(tb testing.TB) *wsClient {
	tb.Helper()
	c := n.open(tb)
	c.read()
	return c
}

// open opens a WebSocket that nothing is read from yet.
func (n *node) open(tb testing.TB) *wsClient {
	tb.Helper()
	c := &wsClient{t: tb, frames: make(chan []byte, 10_000), closed: make(chan error, 1), ponged: make(chan string, 10)}
	conn, response, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws" + strings.TrimPrefix(n.url, "http") + "/push"})
	if err != nil {
		tb.Fatal(err)
	}
	if response.Body != nil {
		_ = response.Body.Close()
	}
	c.conn = conn
	tb.Cleanup(func() {
		_ = conn.NetConn().Close()
		c.reading.Wait()
	})
	return c
}

func (c *wsClient) OnMessage(_ *gws.Conn, m *gws.Message) {
	c.frames <- bytes.Clone(m.Bytes())
	_ = m.Close()
}
func (c *wsClient) OnClose(_ *gws.Conn, err error) { c.closed <- err }
func (c *wsClient) OnPing(ws *gws.Conn, payload []byte) {
	if c.deaf.Load() {
		return
	}
	_ = ws.WritePong(payload) // gws' own handler sends it without the payload
}
func (c *wsClient) OnPong(_ *gws.Conn, payload []byte) { c.ponged <- string(payload) }

func (c *wsClient) send(text string) {
	c.t.Helper()
	if err := c.conn.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next frame.
func (c *wsClient) next() []message {
	c.t.Helper()
	select {
	case frame := <-c.frames:
		return parse(c.t, frame)
	case err := <-c.closed:
		c.closed <- err
	}
	select {
	case frame := <-c.frames: // came before the close
		return parse(c.t, frame)
	default:
		c.t.Fatal("closed")
		return nil
	}
}

// ask sends a message and returns the one reply, and keeps the deliveries before and beside it.
func (c *wsClient) ask(text string) (reply message) {
	c.t.Helper()
	c.send(text)
	for replies := 0; replies == 0; {
		for _, m := range c.next() {
			if m.Data != nil {
				c.got = append(c.got, m)
				continue
			}
			reply = m
			replies++
		}
		if replies > 1 {
			c.t.Fatalf("%s was answered %d times", text, replies)
		}
	}
	return reply
}

// attach makes the socket the session's path with a connect that is held, and returns the connect's id.
func (c *wsClient) attach(id string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","id":"held"}`, id))
	// A message on the socket is handled after the one before it: when this is answered, the connect is held.
	c.ask(fmt.Sprintf(`{"channel":"/meta/unsubscribe","clientId":%q,"subscription":"/app/public/none"}`, id))
}

// until returns the next message on a channel that is no delivery, and keeps the deliveries before and beside it.
func (c *wsClient) until(channel string) (found message) {
	c.t.Helper()
	for found.Channel == "" {
		for _, m := range c.next() {
			if m.Data != nil {
				c.got = append(c.got, m)
			} else if m.Channel == channel {
				found = m
			}
		}
	}
	return found
}

// deliveries returns the next n deliveries, however they are framed.
func (c *wsClient) deliveries(n int) []message {
	c.t.Helper()
	for len(c.got) < n {
		for _, m := range c.next() {
			if m.Data != nil {
				c.got = append(c.got, m)
			}
		}
	}
	list := c.got[:n:n]
	c.got = c.got[n:]
	return list
}

// rawConn opens a TCP connection to the node.
func (n *node) rawConn(tb testing.TB) net.Conn {
	tb.Helper()
	conn, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	return conn
}

// texts returns the data of messages, for comparison.
func texts(list []message) string {
	var parts [][]byte
	for _, m := range list {
		parts = append(parts, m.Data)
	}
	return string(bytes.Join(parts, []byte(" ")))
}

// subscribers returns how many subscriptions the hub has.
func (n *node) subscribers() int {
	n.hub.mu.RLock()
	defer n.hub.mu.RUnlock()
	count := 0
	for _, t := range n.hub.tenants {
		t.mu.Lock()
		count += t.subs.Len()
		t.mu.Unlock()
	}
	return count
}

// clock is a time that stands until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) get() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// awaitNoSockets waits until the server has seen the end of all sockets.
func (n *node) awaitNoSockets() { n.outlets.open.Wait() }

// kill takes a node away as SIGKILL does: nothing that it writes arrives, it gets no more mail, and its sockets close.
func (n *node) kill() {
	n.log.mu.Lock()
	n.log.dead = true
	n.log.mu.Unlock()
	for _, s := range n.outlets.list() {
		s.kill(endDead)
	}
}

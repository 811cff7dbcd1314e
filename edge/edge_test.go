package edge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/frame"
)

func TestSocketGetsWhatItSubscribesToInOrder(t *testing.T) {
	n := startNode(t, nil)
	c := n.dial(t)
	id := c.ask(handshakeBody).ClientID
	if r := c.ask(fmt.Sprintf(`[{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a","id":"7"}]`, id)); !r.ok() {
		t.Fatalf("%+v", r)
	}
	c.attach(id)
	var want []string
	for i := range 200 {
		n.publish(t, "/app/public/a", fmt.Sprint(i))
		n.publish(t, "/app/public/b", `"not for us"`)
		want = append(want, fmt.Sprint(i))
	}
	if got := texts(c.deliveries(200)); got != strings.Join(want, " ") {
		t.Errorf("got %s", got)
	}
}

func TestOverlappingSubscriptionsDeliverOnce(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	for _, pattern := range []string{"/app/public/a/b", "/app/public/a/*", "/app/public/**", "/app/public/a/b"} {
		n.subscribe(t, id, pattern)
	}
	c := n.dial(t)
	c.attach(id)
	n.publish(t, "/app/public/a/b", "1")
	n.publish(t, "/app/public/x", "2")
	if got := texts(c.deliveries(2)); got != "1 2" {
		t.Errorf("got %s", got)
	}
}

func TestApplicationsDoNotLeak(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/private/same")
	c := n.dial(t)
	c.attach(id)
	n.publish(t, "/other/private/same", `"theirs"`)
	n.publish(t, "/app/private/same", `"ours"`)
	if got := texts(c.deliveries(1)); got != `"ours"` {
		t.Errorf("got %s", got)
	}
}

func TestMessagesWaitForTheNextPath(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.dial(t)
	c.attach(id)
	n.publish(t, "/app/public/a", "1")
	c.deliveries(1)
	_ = c.conn.NetConn().Close()
	n.awaitNoSockets()
	n.publish(t, "/app/public/a", "2")
	n.publish(t, "/app/public/a", "3")
	c = n.dial(t)
	c.send(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket"}`, id))
	got := texts(c.deliveries(1))
	if got == "1" { // whether it had arrived was not known when the socket closed
		got = texts(c.deliveries(1))
	}
	if got += " " + texts(c.deliveries(1)); got != "2 3" {
		t.Errorf("got %s", got)
	}
}

func TestNewSocketSupersedesTheOld(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	first, second := n.dial(t), n.dial(t)
	first.attach(id)
	second.attach(id)
	if r := first.next(); len(r) != 1 || r[0].Channel != "/meta/connect" || !r[0].ok() {
		t.Errorf("the old socket's connect was answered with %+v", r)
	}
	<-first.closed // and its late end harms nobody
	n.publish(t, "/app/public/a", "1")
	if got := texts(second.deliveries(1)); got != "1" {
		t.Errorf("got %s", got)
	}
}

func TestSocketTakesOverFromPoll(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	polled := make(chan []message)
	go func() {
		_, answer, err := n.tryPost(context.Background(), fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"p"}`, id))
		if err != nil {
			t.Error(err)
		}
		polled <- parse(t, answer)
	}()
	awaitPoll(t, n, id)
	c := n.dial(t)
	c.attach(id)
	if r := <-polled; len(r) != 1 || !r[0].ok() || r[0].ID != "p" {
		t.Errorf("the poll was answered with %+v", r)
	}
	n.publish(t, "/app/public/a", "1")
	if got := texts(c.deliveries(1)); got != "1" {
		t.Errorf("got %s", got)
	}
}

// awaitPoll waits until the session's poll is held.
func awaitPoll(t *testing.T, n *node, id string) {
	t.Helper()
	for {
		if s, ok := n.sessions.get(id); ok {
			s.mu.Lock()
			held := s.poll != nil
			s.mu.Unlock()
			if held {
				return
			}
		}
		<-time.After(time.Millisecond) // there is no signal to wait for
	}
}

// awaitDetached waits until the node has put the session back into its record.
func awaitDetached(n *node, id string) {
	for _, here := n.sessions.get(id); here; _, here = n.sessions.get(id) {
		<-time.After(time.Millisecond) // there is no signal to wait for
	}
}

func TestPollCarriesWhatWaits(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	replies := n.say(t, fmt.Sprintf(`[
		{"channel":"/app/public/a","data":1,"id":"x","ext":{"auth":{"key":"key","secret":"secret"}}},
		{"channel":"/app/public/a","data":2,"id":"y","ext":{"auth":{"key":"key","secret":"secret"}}},
		{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"c"}]`, id))
	if len(replies) != 5 || replies[2].ID != "c" || texts(replies[3:]) != "1 2" {
		t.Errorf("%+v", replies)
	}
}

func TestPollThatWasNotReceivedIsAnsweredAgain(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	n.publish(t, "/app/public/a", "1")
	connect := func(message string) []message {
		return n.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0},"id":%q}`, id, message))
	}
	for range 3 { // the client retries with the same id until it has the answer
		if got := texts(connect("a")[1:]); got != "1" {
			t.Errorf("got %s", got)
		}
	}
	if list := connect("b"); len(list) != 1 {
		t.Errorf("after the answer arrived, it came again: %+v", list)
	}
}

func TestAbortedPollLosesNothing(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	ctx, abort := context.WithCancel(t.Context())
	aborted := make(chan error)
	go func() {
		_, _, err := n.tryPost(ctx, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"a"}`, id))
		aborted <- err
	}()
	awaitPoll(t, n, id)
	abort()
	if err := <-aborted; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	n.publish(t, "/app/public/a", "1")
	replies := n.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"a"}`, id))
	if len(replies) != 2 || texts(replies[1:]) != "1" {
		t.Errorf("%+v", replies)
	}
}

func TestUnknownClientIsToldToHandshake(t *testing.T) {
	n := startNode(t, nil)
	r := n.say(t, `{"channel":"/meta/connect","clientId":"nosuch","connectionType":"websocket","id":"1"}`)[0]
	if r.ok() || r.Error != "401:nosuch:Unknown client" || r.Advice == nil || r.Advice.Reconnect != "handshake" || r.ClientID != "" {
		t.Errorf("%+v", r)
	}
}

func TestDisconnectAnswersTheConnectAndCloses(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	c := n.dial(t)
	c.attach(id)
	c.send(fmt.Sprintf(`{"channel":"/meta/disconnect","clientId":%q,"id":"d"}`, id))
	if r := c.next(); len(r) != 1 || r[0].ID != "d" || !r[0].ok() {
		t.Errorf("%+v", r)
	}
	if r := c.next(); len(r) != 1 || r[0].ID != "held" || !r[0].ok() {
		t.Errorf("%+v", r)
	}
	var closed *gws.CloseError
	if err := <-c.closed; !errors.As(err, &closed) || closed.Code != frame.CodeNormal {
		t.Errorf("closed with %v", err)
	}
	if len(n.sessions.list()) != 0 || n.subscribers() != 0 {
		t.Error("the session is still there")
	}
}

func TestBadFramesAreAnswered(t *testing.T) {
	n := startNode(t, nil)
	c := n.dial(t)
	for frame, want := range map[string]string{
		`{"channel":`: "400:not valid JSON at byte 11:Bad request",
		`17`:          "400:neither a message nor an array of messages:Bad request",
		`[17]`:        "402:data:Missing required parameter",
	} {
		if r := c.ask(frame); r.ok() || r.Error != want {
			t.Errorf("%s: %+v", frame, r)
		}
	}
	c.send(`[]`)
	if r := c.next(); len(r) != 0 {
		t.Errorf("%+v", r)
	}
	if status, body := n.post(t, `{"channel":`); status != http.StatusBadRequest || string(body) != "Bad request" {
		t.Errorf("%d %s", status, body)
	}
}

func TestEachMessageOfABatchHasItsOwnReply(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	replies := n.say(t, fmt.Sprintf(`[
		{"channel":"/meta/subscribe","clientId":%[1]q,"subscription":"/app/private/a","id":"1"},
		{"channel":"/meta/subscribe","clientId":%[1]q,"subscription":["/app/public/a","/nosuch/public/a"],"id":"2"},
		{"channel":"/meta/subscribe","clientId":%[1]q,"subscription":"/foo","id":"3"},
		{"channel":"/meta/foo","id":"4"},
		{"channel":"/app/public/a","data":1,"id":"5"},
		{"channel":"/app/meta/a","data":1,"ext":{"auth":{"key":"key","secret":"secret"}},"id":"6"},
		{"channel":"/meta/subscribe","clientId":%[1]q,"subscription":"/app/public/a","id":"7"}]`, id))
	want := []string{"No auth supplied", "Could not find application", "Invalid channel name", "403:/meta/foo:Forbidden channel", "No auth supplied", "Meta channels are read-only", ""}
	if len(replies) != len(want) {
		t.Fatalf("%+v", replies)
	}
	for i, r := range replies {
		if r.Error != want[i] || r.ID != fmt.Sprint(i+1) || r.ok() != (want[i] == "") {
			t.Errorf("%d: %+v, want %q", i+1, r, want[i])
		}
	}
}

func TestPublishCountsWithoutSubscribers(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := startNode(t, func(c *Config) { c.Metrics = registry })
	n.publish(t, "/app/public/a", "1")
	want := `# HELP pandapush_edge_messages_total Bayeux messages received, by verb and result.
		# TYPE pandapush_edge_messages_total counter
		pandapush_edge_messages_total{result="ok",verb="publish"} 1
		`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "pandapush_edge_messages_total"); err != nil {
		t.Error(err)
	}
	n.keys.mu.Lock()
	defer n.keys.mu.Unlock()
	if n.keys.used["key"] != 1 {
		t.Errorf("the key was used %d times", n.keys.used["key"])
	}
}

func TestSocketsOfDeadClientsAreClosed(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) { c.Now, c.Timeout, c.PingInterval = now.get, time.Hour, time.Minute })
	busy := n.handshake(t)
	c, living := n.dial(t), n.dial(t)
	c.deaf.Store(true)
	c.attach(busy)
	living.ask(handshakeBody) // granted, so that it may stay
	now.add(2 * time.Hour)
	n.sweepOnce(t.Context()) // it was held up; nobody is blamed for that
	living.ask(handshakeBody)
	now.add(time.Minute)
	n.sweepOnce(t.Context())
	<-c.closed // silent since the ping
	living.ask(handshakeBody)
	_ = living.conn.NetConn().Close()
	n.awaitNoSockets()
	if _, _, err := n.log.ClaimSession(t.Context(), busy, pandapush.TransportWebSocket, time.Hour); err != nil {
		t.Errorf("the session went with its socket: %v", err)
	}
	now.add(2 * time.Hour)
	n.sweepOnce(t.Context())
	if len(n.sessions.list()) != 0 || n.hub.apps() != 0 {
		t.Errorf("%d sessions and %d applications are left", len(n.sessions.list()), n.hub.apps())
	}
}

func TestRevokedKeyEndsItsSubscriptions(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/private/a")
	n.subscribe(t, id, "/app/public/b") // needs no key
	c := n.dial(t)
	c.attach(id)
	revoked := testKey
	revoked.RevokedAt = time.Now()
	n.keys.put(revoked)
	n.Revalidate()
	if r := c.next(); len(r) != 1 || r[0].Channel != "/meta/unsubscribe" || string(r[0].Subscription) != `"/app/private/a"` || r[0].Error != "Revoked key" {
		t.Errorf("%+v", r)
	}
	ctx := t.Context()
	for _, channel := range []string{"/app/private/a", "/app/public/b"} {
		name, err := pandapush.ParseChannel(channel)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.log.Append(ctx, pandapush.Message{Channel: name, Data: []byte(`"` + channel + `"`)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := texts(c.deliveries(1)); got != `"/app/public/b"` {
		t.Errorf("got %s", got)
	}
}

func TestSuspendedApplicationsSubscriptionsEnd(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/b") // needs no key
	c := n.dial(t)
	c.attach(id)
	n.keys.set("app", pandapush.Settings{Suspended: true})
	n.Revalidate()
	if r := c.next(); len(r) != 1 || r[0].Channel != "/meta/unsubscribe" || r[0].Error != "Application is suspended" {
		t.Errorf("%+v", r)
	}
	r := n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/b"}`, id))[0]
	if r.ok() || r.Error != "Application is suspended" {
		t.Errorf("%+v", r)
	}
}

// TestMessagesThatAreNotForAll: one that its publisher's own session is not to get, and one that is past its time, live
// and from the past.
func TestMessagesThatAreNotForAll(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) { c.Now = now.get })
	publisher, other := n.handshake(t), n.handshake(t)
	channel, err := pandapush.ParseChannel("/app/public/a")
	if err != nil {
		t.Fatal(err)
	}
	send := func(data string, change func(*pandapush.Message)) {
		t.Helper()
		m := pandapush.Message{Channel: channel, Data: []byte(data)}
		change(&m)
		if _, err := n.log.Append(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	sockets := map[string]*wsClient{}
	for _, id := range []string{publisher, other} {
		n.subscribe(t, id, "/app/public/a")
		sockets[id] = n.dial(t)
		sockets[id].attach(id)
	}
	send("1", func(m *pandapush.Message) { m.Exclude = publisher })
	send("2", func(m *pandapush.Message) { m.Expires = now.get().Add(time.Minute) })
	send("3", func(*pandapush.Message) {})
	if got := texts(sockets[publisher].deliveries(2)); got != "2 3" {
		t.Errorf("the publisher got %s", got)
	}
	if got := texts(sockets[other].deliveries(3)); got != "1 2 3" {
		t.Errorf("the other got %s", got)
	}

	now.add(time.Minute)
	late := n.handshake(t)
	c := n.dial(t)
	c.attach(late)
	c.send(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a","ext":{"since":"10"}}`, late))
	if got := texts(c.deliveries(2)); got != "1 3" {
		t.Errorf("who came late got %s", got)
	}
}

func TestDrainAnswersBeforeItCloses(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	c := n.dial(t)
	c.attach(id)
	poller := n.handshake(t)
	polled := make(chan []message)
	go func() {
		_, answer, err := n.tryPost(context.Background(), fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling"}`, poller))
		if err != nil {
			t.Error(err)
		}
		polled <- parse(t, answer)
	}()
	awaitPoll(t, n, poller)
	n.Drain(t.Context(), time.Millisecond)
	for _, r := range [][]message{c.next(), <-polled} {
		if len(r) != 1 || !r[0].ok() || r[0].Advice == nil || r[0].Advice.Reconnect != "retry" || r[0].Advice.Interval < 250 {
			t.Errorf("%+v", r)
		}
	}
	var closed *gws.CloseError
	if err := <-c.closed; !errors.As(err, &closed) || closed.Code != frame.CodeGoingAway {
		t.Errorf("closed with %v", err)
	}
	late := n.dial(t)
	<-late.closed
}

func TestFirstFrameMayComeWithTheRequest(t *testing.T) {
	n := startNode(t, nil)
	conn := n.rawConn(t)
	// A masked text frame "[]" right behind the upgrade: one packet.
	request := "GET /push HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := io.WriteString(conn, request+"\x81\x82\x00\x00\x00\x00[]"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	response, err := http.ReadResponse(r, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", response, err)
	}
	_ = response.Body.Close()
	frame := make([]byte, 4)
	if _, err := io.ReadFull(r, frame); err != nil || string(frame) != "\x81\x02[]" {
		t.Errorf("%q %v", frame, err)
	}
}

func TestPingIsAnswered(t *testing.T) {
	n := startNode(t, nil)
	c := n.dial(t)
	if err := c.conn.WritePing([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := <-c.ponged; got != "hello" {
		t.Errorf("pong %q", got)
	}
}

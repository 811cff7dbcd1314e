package edge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/frame"
)

// startNodes starts nodes that share streams and records, as behind a balancer.
func startNodes(t *testing.T, change func(*Config)) (a, b, c *node) {
	t.Helper()
	shared := newMemory()
	return startNodeOn(t, shared, "a", change), startNodeOn(t, shared, "b", change), startNodeOn(t, shared, "c", change)
}

func TestAnyNodeServesAnyRequest(t *testing.T) {
	a, b, c := startNodes(t, nil)
	id := a.handshake(t)
	b.subscribe(t, id, "/app/private/a")
	a.publish(t, "/app/private/a", "1")
	ws := c.dial(t)
	ws.attach(id)
	b.publish(t, "/app/private/a", "2")
	if got := texts(ws.deliveries(2)); got != "1 2" {
		t.Errorf("got %s", got)
	}
	// A subscription that reaches another node than the socket's takes effect there.
	a.subscribe(t, id, "/app/private/b")
	b.publish(t, "/app/private/b", "3")
	if got := texts(ws.deliveries(1)); got != "3" {
		t.Errorf("got %s", got)
	}
	// So does an end.
	if r := a.say(t, fmt.Sprintf(`{"channel":"/meta/disconnect","clientId":%q}`, id))[0]; !r.ok() {
		t.Errorf("%+v", r)
	}
	<-ws.closed
	if r := b.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket"}`, id))[0]; !strings.HasPrefix(r.Error, "401:") {
		t.Errorf("%+v", r)
	}
}

func TestPollsMayGoToAnyNode(t *testing.T) {
	a, b, c := startNodes(t, nil)
	nodes := []*node{a, b, c}
	id := a.handshake(t)
	b.subscribe(t, id, "/app/public/*")
	var got []string
	for i := range 60 {
		nodes[i%3].publish(t, "/app/public/x", fmt.Sprint(i))
		for _, m := range nodes[(i/2)%3].say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"%d"}`, id, i))[1:] {
			got = append(got, string(m.Data))
		}
	}
	if want := numbers(60); strings.Join(got, " ") != want {
		t.Errorf("got %v", got)
	}
}

func numbers(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprint(i))
	}
	return strings.Join(list, " ")
}

func TestUnansweredPollIsAnsweredAgainElsewhere(t *testing.T) {
	a, b, c := startNodes(t, nil)
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/a")
	a.publish(t, "/app/public/a", "1")
	connect := func(n *node, message string) string {
		return texts(n.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0},"id":%q}`, id, message))[1:])
	}
	for _, n := range []*node{a, b, c, b} { // the client never got it, and tries again with the same id
		if got := connect(n, "x"); got != "1" {
			t.Errorf("got %s", got)
		}
	}
	if got := connect(a, "y"); got != "" {
		t.Errorf("after it was received: %s", got)
	}
}

func TestTakeOverIsExactAndTheLoserIsClosed(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/a")
	first := a.dial(t)
	first.attach(id)
	for i := range 10 {
		a.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	first.deliveries(10)
	a.awaitProof(t, id)
	second := b.dial(t)
	second.attach(id)
	<-first.closed
	a.publish(t, "/app/public/a", "10")
	if got := texts(second.deliveries(1)); got != "10" {
		t.Errorf("got %s", got)
	}
}

// awaitProof waits until the session's client has shown that it got everything.
func (n *node) awaitProof(t *testing.T, id string) {
	t.Helper()
	s, ok := n.sessions.get(id)
	if !ok {
		t.Fatal("no session")
	}
	for clean := false; !clean; {
		s.mu.Lock()
		clean = !slices.ContainsFunc(s.feeds, func(f *feed) bool { return !f.clean })
		if !clean && len(s.proofs) == 0 { // the next ping would come with the next message
			s.proofSent = time.Time{}
			s.outlet.(*socket).write(frame.Ping, s.proveLocked())
		}
		s.mu.Unlock()
		<-time.After(time.Millisecond) // there is no signal to wait for
	}
}

func TestSocketThatDiedSilentlyLosesNothing(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/a")
	first := a.dial(t)
	first.attach(id)
	a.publish(t, "/app/public/a", "0")
	first.deliveries(1)
	a.awaitProof(t, id)
	first.deaf.Store(true)
	for i := range 5 {
		a.publish(t, "/app/public/a", fmt.Sprint(i+1))
	}
	first.deliveries(5) // written, and as far as node a knows not received
	second := b.dial(t)
	second.attach(id)
	if got := texts(second.deliveries(5)); got != "1 2 3 4 5" {
		t.Errorf("got %s", got)
	}
}

func TestSlowClientReadsTheLogAndNobodyElseNotices(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.QueueMessages, c.Limits.WindowEntries = 10, 100 })
	slow, fast := n.handshake(t), n.handshake(t)
	n.subscribe(t, slow, "/app/public/a")
	n.subscribe(t, fast, "/app/public/a")
	c, stuck := n.dial(t), n.dialStuck(t)
	c.attach(fast)
	stuck.connect(slow)
	s := n.awaitAttached(t, slow)
	const total = 3000
	padding := strings.Repeat("x", 4000)
	for i := range total {
		n.publish(t, "/app/public/a", fmt.Sprintf(`"%d %s"`, i, padding))
	}
	c.deliveries(total)
	s.mu.Lock()
	if len(s.queue) > 10+catchUpMessages || s.queued > n.cfg.Limits.QueueBytes+catchUpBytes {
		t.Errorf("%d messages wait for the slow client", len(s.queue))
	}
	s.mu.Unlock()
	stuck.read()
	list := stuck.deliveries(total)
	for i, m := range list {
		if !strings.HasPrefix(string(m.Data), fmt.Sprintf(`"%d `, i)) {
			t.Fatalf("message %d is %.20s", i, m.Data)
		}
	}
}

// dialStuck opens a WebSocket that is not read from until read is called.
func (n *node) dialStuck(t *testing.T) *wsClient {
	t.Helper()
	return n.open(t)
}

func (c *wsClient) read() { c.reading.Go(c.conn.ReadLoop) }

func (c *wsClient) connect(id string) {
	c.send(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","id":"held"}`, id))
}

// awaitAttached waits until the session has a socket and is level.
func (n *node) awaitAttached(t *testing.T, id string) *session {
	t.Helper()
	for {
		if s, ok := n.sessions.get(id); ok {
			s.mu.Lock()
			level := s.outlet != nil && s.behindLocked() == nil
			s.mu.Unlock()
			if level {
				return s
			}
		}
		<-time.After(time.Millisecond) // there is no signal to wait for
	}
}

// subscribeSince subscribes with "ext.since" and returns the reply.
func (n *node) subscribeSince(t *testing.T, id, channel, since string) message {
	t.Helper()
	return n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"since":%q,"auth":{"key":"key","secret":"secret"}}}`, id, channel, since))[0]
}

type startExt struct {
	Cursor    string `json:"cursor"`
	Recovered *bool  `json:"recovered"`
	Gap       *struct {
		From, To, Reason string
	} `json:"gap"`
}

func extOf(t *testing.T, m message) (ext startExt) {
	t.Helper()
	if !m.ok() {
		t.Fatalf("%+v", m)
	}
	if err := json.Unmarshal(m.Ext, &ext); err != nil {
		t.Fatalf("%v in %s", err, m.Ext)
	}
	return ext
}

func TestSinceBringsWhatWasMissedAndThenTheRest(t *testing.T) {
	for _, pattern := range []string{"/app/public/a", "/app/public/*", "/app/public/**"} {
		t.Run(pattern, func(t *testing.T) {
			n := startNode(t, nil)
			id := n.handshake(t)
			cursor := extOf(t, n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a"}`, id))[0]).Cursor
			for i := range 5 {
				n.publish(t, "/app/public/a", fmt.Sprint(i))
			}
			fresh := n.handshake(t)
			c := n.dial(t)
			c.attach(fresh)
			ext := extOf(t, n.subscribeSince(t, fresh, pattern, cursor))
			if ext.Recovered == nil || !*ext.Recovered || ext.Cursor != cursor {
				t.Errorf("%+v", ext)
			}
			n.publish(t, "/app/public/a", "5")
			if got := texts(c.deliveries(6)); got != numbers(6) {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestSinceRepeatsNothingThatAnotherSubscriptionBrought(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	cursor := extOf(t, n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a"}`, id))[0]).Cursor
	c := n.dial(t)
	c.attach(id)
	n.publish(t, "/app/public/a", `"a1"`)
	n.publish(t, "/app/public/b", `"b1"`)
	n.publish(t, "/app/public/a", `"a2"`)
	c.deliveries(2)
	extOf(t, n.subscribeSince(t, id, "/app/public/*", cursor))
	n.publish(t, "/app/public/b", `"b2"`)
	if got := texts(c.deliveries(2)); got != `"b1" "b2"` {
		t.Errorf("got %s", got)
	}
}

func TestRewindByCountAndTime(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.WindowEntries = 4 })
	for i := range 20 {
		n.publish(t, "/app/public/a", fmt.Sprint(i))
		n.publish(t, "/app/public/b", `"other"`)
	}
	for since, want := range map[string]string{"3": "17 18 19", "1": "19"} {
		id := n.handshake(t)
		c := n.dial(t)
		c.attach(id)
		extOf(t, n.subscribeSince(t, id, "/app/public/a", since))
		count, err := strconv.Atoi(since)
		if err != nil {
			t.Fatal(err)
		}
		if got := texts(c.deliveries(count)); got != want {
			t.Errorf("since %s: got %s", since, got)
		}
	}
	for _, since := range []string{"0", "-1", "1001", "-5m", "0s", "nonsense", pandapush.Cursor{Epoch: pandapush.NewEpoch("other")}.String()} {
		if r := n.subscribeSince(t, n.handshake(t), "/app/public/a", since); r.Error != "Invalid cursor" {
			t.Errorf("since %s: %+v", since, r)
		}
	}
}

func TestGapIsSaid(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.WindowEntries = 2 })
	id := n.handshake(t)
	cursor := extOf(t, n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a"}`, id))[0]).Cursor
	for i := range 10 {
		n.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	n.log.trim("app", 3)
	ext := extOf(t, n.subscribeSince(t, n.handshake(t), "/app/public/a", cursor))
	if ext.Recovered == nil || *ext.Recovered || ext.Gap == nil || ext.Gap.Reason != pandapush.GapTrimmed || ext.Gap.From != cursor {
		t.Errorf("%+v", ext)
	}
	// The session that was away is told too, and gets what there is.
	c := n.dial(t)
	c.connect(id)
	if m := c.until("/meta/gap"); !strings.Contains(string(m.Ext), pandapush.GapTrimmed) {
		t.Errorf("%+v", m)
	}
	if got := texts(c.deliveries(3)); got != "7 8 9" {
		t.Errorf("got %s", got)
	}
	n.log.lose("app")
	if m := c.until("/meta/gap"); !strings.Contains(string(m.Ext), pandapush.GapEpoch) {
		t.Errorf("%+v", m)
	}
	n.publish(t, "/app/public/a", "10")
	if got := texts(c.deliveries(1)); got != "10" {
		t.Errorf("got %s", got)
	}
}

// TestGapIsSaidOnce: what the reply to a subscribe says of a gap is not told again, and what the stream has is delivered whatever
// the gap is.
func TestGapIsSaidOnce(t *testing.T) {
	n := startNode(t, nil)
	for i := range 10 {
		n.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	n.log.trim("app", 3)
	span, err := n.log.Span(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	for reason, cursor := range map[string]pandapush.Cursor{
		pandapush.GapTrimmed: {Epoch: span.Epoch, Position: span.First.Prev()},
		pandapush.GapAhead:   {Epoch: span.Epoch, Position: pandapush.Position{Millis: span.Last.Millis + 1}},
		pandapush.GapEpoch:   {Epoch: pandapush.NewEpoch("app"), Position: span.Last},
	} {
		t.Run(reason, func(t *testing.T) {
			id := n.handshake(t)
			ext := extOf(t, n.subscribeSince(t, id, "/app/public/*", cursor.String()))
			if ext.Gap == nil || ext.Gap.Reason != reason || ext.Cursor != cursor.String() {
				t.Errorf("%+v", ext)
			}
			replies := n.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0},"id":"1"}`, id))
			if got := texts(replies[1:]); len(replies) != 4 || got != "7 8 9" {
				t.Errorf("got %+v", replies[1:])
			}
		})
	}
}

func TestAcknowledgedBatchesAreNotRepeatedAndOthersAre(t *testing.T) {
	a, b, c := startNodes(t, nil)
	r := a.say(t, `{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["long-polling"],"ext":{"ack":true}}`)[0]
	if string(r.Ext) != `{"ack":true}` {
		t.Fatalf("%+v", r)
	}
	id := r.ClientID
	a.subscribe(t, id, "/app/public/a")
	connect := func(n *node, ack int64) (string, int64) {
		replies := n.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0},"ext":{"ack":%d}}`, id, ack))
		var ext struct{ Ack int64 }
		if err := json.Unmarshal(replies[0].Ext, &ext); err != nil {
			t.Fatalf("%v in %+v", err, replies[0])
		}
		return texts(replies[1:]), ext.Ack
	}
	_, ack := connect(a, 0)
	a.publish(t, "/app/public/a", "1")
	got, first := connect(b, ack)
	if got != "1" {
		t.Errorf("got %s", got)
	}
	b.publish(t, "/app/public/a", "2")
	got, second := connect(c, ack) // the answer before was lost
	if got != "1 2" || second <= first {
		t.Errorf("got %s, batch %d after %d", got, second, first)
	}
	if got, _ = connect(a, second); got != "" {
		t.Errorf("after the acknowledgement: %s", got)
	}
}

func TestAcknowledgingSocketGetsMessagesWithItsConnects(t *testing.T) {
	n := startNode(t, nil)
	c := n.dial(t)
	r := c.ask(`{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"],"ext":{"ack":true}}`)
	id := r.ClientID
	n.subscribe(t, id, "/app/public/a")
	c.send(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","id":"1","ext":{"ack":0}}`, id))
	n.publish(t, "/app/public/a", "1")
	frame := c.next()
	if len(frame) != 2 || frame[0].ID != "1" || texts(frame[1:]) != "1" || !strings.HasPrefix(string(frame[0].Ext), `{"ack":`) {
		t.Fatalf("%+v", frame)
	}
	n.publish(t, "/app/public/a", "2") // waits for the next connect
	c.send(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","id":"2","ext":%s}`, id, frame[0].Ext))
	if frame = c.next(); len(frame) != 2 || frame[0].ID != "2" || texts(frame[1:]) != "2" {
		t.Fatalf("%+v", frame)
	}
	// The socket breaks before the client has it.
	_ = c.conn.NetConn().Close()
	n.awaitNoSockets()
	c = n.dial(t)
	c.send(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket","id":"3","ext":{"ack":1}}`, id))
	if frame = c.next(); len(frame) != 2 || texts(frame[1:]) != "2" {
		t.Fatalf("%+v", frame)
	}
}

func TestKilledNodesClientsGoOnElsewhere(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/a")
	first := a.dial(t)
	first.attach(id)
	for i := range 5 {
		b.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	first.deliveries(5)
	a.kill()
	<-first.closed
	for i := range 5 {
		b.publish(t, "/app/public/a", fmt.Sprint(i+5))
	}
	second := b.dial(t)
	second.connect(id)
	var got []string
	for len(got) == 0 || got[len(got)-1] != "9" {
		got = append(got, texts(second.deliveries(1)))
	}
	// What node a had not written down yet comes again, and nothing is missing.
	if want := strings.Fields(numbers(10)); !slices.Equal(got, want[len(want)-len(got):]) || len(got) < 5 {
		t.Errorf("got %v", got)
	}
}

// TestPositionsHoldForSessionsThatAreLevel claims a session, which makes an exception of it, and expects that to be taken
// back: else all that it ever got is repeated when its node is killed.
func TestPositionsHoldForSessionsThatAreLevel(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.dial(t)
	c.attach(id)
	n.publish(t, "/app/public/a", "1")
	c.deliveries(1)
	n.writeExceptions(t.Context(), n.hub.positions())
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	if n.log.sessions[id].Behind {
		t.Error("the session is level, and its record says that it is behind")
	}
}

// TestSettledSessionGoesByItsNodesPosition: once a session is level, its node's position holds for it, so that little is
// repeated when the node is killed.
func TestSettledSessionGoesByItsNodesPosition(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/a")
	first := a.dial(t)
	first.attach(id)
	for i := range 5 {
		b.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	first.deliveries(5)
	a.awaitWritten(id)
	a.kill()
	<-first.closed
	b.publish(t, "/app/public/a", "5")
	second := b.dial(t)
	second.connect(id)
	if got := texts(second.deliveries(1)); got != "5" {
		t.Errorf("got %s", got)
	}
}

// awaitWritten waits until the node's position is the end of the stream, and the record of the session says that it holds.
func (n *node) awaitWritten(id string) {
	for written := false; !written; {
		<-time.After(time.Millisecond) // there is no signal to wait for
		n.log.mu.Lock()
		written = !n.log.sessions[id].Behind && n.log.positions[n.log.name]["app"].Position == n.log.streamLocked("app").last
		n.log.mu.Unlock()
	}
}

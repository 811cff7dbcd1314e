package edge

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// eventSource opens the event stream of a session.
func (n *node) eventSource(tb testing.TB, id, lastID string) *sse {
	tb.Helper()
	c := openEvents(tb, n.url+"/push/"+id, lastID)
	if c.response.StatusCode != http.StatusOK {
		tb.Fatalf("status %d", c.response.StatusCode)
	}
	c.block() // retry
	return c
}

// connectStream sends the connect of a client that uses EventSource.
func (n *node) connectStream(tb testing.TB, id string) message {
	tb.Helper()
	return n.say(tb, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"eventsource","id":"e"}`, id))[0]
}

// watchedClaims calls watch before a session is claimed for an event stream.
type watchedClaims struct {
	Records
	watch func()
}

func (w watchedClaims) ClaimSession(ctx context.Context, id, transport string, ttl time.Duration) (pandapush.Session, string, error) {
	if transport == pandapush.TransportEventSource {
		w.watch()
	}
	return w.Records.ClaimSession(ctx, id, transport, ttl)
}

// A client connects as soon as it hears that the stream is open. It must not end the stream by that.
func TestEventSourceIsItsSessionsBeforeItsClientKnows(t *testing.T) {
	var conn syscall.RawConn
	watch := func() {
		err := conn.Control(func(fd uintptr) {
			if read, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT); read > 0 {
				t.Errorf("the response has begun: %v", err)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
	n := startNode(t, func(c *Config) { c.Records = watchedClaims{c.Records, watch} })
	id := n.handshake(t)
	var dialer net.Dialer
	c, err := dialer.DialContext(t.Context(), "tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if conn, err = c.(*net.TCPConn).SyscallConn(); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /push/%s HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n", id)
	in := bufio.NewReader(c)
	response, err := http.ReadResponse(in, nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", response, err)
	}
	defer response.Body.Close()
	if reply := n.connectStream(t, id); !reply.ok() {
		t.Errorf("connect: %+v", reply)
	}
	n.subscribe(t, id, "/app/public/a")
	n.publish(t, "/app/public/a", "1")
	body, err := bufio.NewReader(response.Body).ReadString('}')
	if err != nil || !strings.Contains(body, `"data":1`) {
		t.Errorf("the stream has %q, %v", body, err)
	}
}

// cases 141 to 143 and 149 of testdata/bayeux/cases.txt
func TestEventSourceGetsMessagesWithoutAConnect(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := openEvents(t, n.url+"/push/"+id, "")
	if lines, _ := c.block(); len(lines) != 1 || lines[0] != "retry: 5000" {
		t.Errorf("it begins with %q", lines)
	}
	n.publish(t, "/app/public/a", "{\n\"n\": 1}")
	n.publish(t, "/app/public/a", "2")
	if e, _ := c.next(); !strings.HasPrefix(e.data, `[{"channel":"/app/public/a","data":{ "n": 1},"id":"`) || !strings.HasSuffix(e.data, e.id+`"}]`) {
		t.Errorf("got %+v", e)
	}
	if got := c.messages(1); texts(got) != "2" {
		t.Errorf("got %s", texts(got))
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/push/"+id, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for accept, status := range map[string]int{"text/html, text/event-stream": 200, "*/*": 400, "text/event-stream;q=1": 400} {
		request.Header.Set("Accept", accept)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("Accept %q: %d", accept, response.StatusCode)
		}
	}
}

// case 145
func TestSilentEventSourceIsWrittenTo(t *testing.T) {
	clock := newClock()
	n := startNode(t, func(c *Config) { c.Now, c.PingInterval = clock.get, 25*time.Second })
	c := n.eventSource(t, n.handshake(t), "")
	for range 3 {
		clock.add(10 * time.Second)
		n.sweepOnce(t.Context())
		if lines, ok := c.block(); !ok || len(lines) != 1 || lines[0] != ":" {
			t.Errorf("got %q", lines)
		}
	}
}

// case 148
func TestEventSourceOfAnUnknownClientIsRefused(t *testing.T) {
	n := startNode(t, nil)
	for _, id := range []string{"", "x", "__proto__", strings.Repeat("a", 31)} {
		if c := openEvents(t, n.url+"/push/"+id, ""); c.response.StatusCode != http.StatusNotFound {
			t.Errorf("%q: %d", id, c.response.StatusCode)
		}
	}
}

// case 144
func TestEventSourceClientLivesByItsConnects(t *testing.T) {
	clock := newClock()
	shared := newMemory()
	n := startNodeOn(t, shared, "one", func(c *Config) { c.Now = clock.get })
	other := startNodeOn(t, shared, "two", func(c *Config) { c.Now = clock.get })
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.eventSource(t, id, "")
	n.publish(t, "/app/public/a", "0")
	c.messages(1)                                    // so it is the path
	for i, at := range []*node{n, other, n, other} { // any of them, and the stream stays where it is
		clock.add(90 * time.Second)
		reply := at.connectStream(t, id)
		if !reply.ok() || reply.Advice.Interval != 60_000 || reply.Advice.Timeout != 0 {
			t.Fatalf("connect %d: %+v", i, reply)
		}
		n.publish(t, "/app/public/a", fmt.Sprint(i)) // and so the mail has been read
		if got := c.messages(1); texts(got) != fmt.Sprint(i) {
			t.Fatalf("got %s", texts(got))
		}
		n.sweepOnce(t.Context())
	}
	clock.add(2 * time.Minute)
	n.sweepOnce(t.Context())
	if _, ok := c.next(); ok { // case 147
		t.Error("the stream goes on without connects")
	}
}

// case 150
func TestSecondEventSourceReplacesTheFirst(t *testing.T) {
	shared := newMemory()
	n, other := startNodeOn(t, shared, "one", nil), startNodeOn(t, shared, "two", nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	first := n.eventSource(t, id, "")
	n.publish(t, "/app/public/a", "0")
	first.messages(1) // so it is the path
	second := n.eventSource(t, id, first.id)
	if _, ok := first.next(); ok {
		t.Error("the first goes on")
	}
	n.publish(t, "/app/public/a", "1")
	second.messages(1)
	third := other.eventSource(t, id, second.id)
	if _, ok := second.next(); ok {
		t.Error("the second goes on")
	}
	n.publish(t, "/app/public/a", "2")
	if got := third.messages(1); texts(got) != "2" {
		t.Errorf("got %s", texts(got))
	}
	n.say(t, fmt.Sprintf(`{"channel":"/meta/disconnect","clientId":%q}`, id)) // case 57
	if _, ok := third.next(); ok {
		t.Error("the third goes on")
	}
}

func TestEventSourceThatBreaksLosesNothing(t *testing.T) {
	shared := newMemory()
	n, other := startNodeOn(t, shared, "one", nil), startNodeOn(t, shared, "two", nil)
	for _, test := range []struct {
		name     string
		connects int    // after the first two messages, and two more messages come after them
		browser  bool   // says what it got last
		want     string // when the stream comes back
	}{
		{"a browser gets the rest", 0, true, "2 3 4"},
		{"nothing is proven", 0, false, "0 1 2 3 4"},
		{"a connect says what the last one found written", 2, false, "2 3 4"},
	} {
		id := n.handshake(t)
		n.subscribe(t, id, "/app/public/"+id)
		c := n.eventSource(t, id, "")
		send := func(from, to int) {
			for i := from; i < to; i++ {
				n.publish(t, "/app/public/"+id, fmt.Sprint(i))
			}
		}
		send(0, 2)
		c.messages(2)
		at := c.id
		for range test.connects {
			n.connectStream(t, id)
		}
		send(2, 4)
		if !test.browser {
			c.messages(2)
			at = ""
		}
		c.close()
		n.awaitNoSockets()
		send(4, 5)
		c = other.eventSource(t, id, at)
		if got := c.messages(strings.Count(test.want, " ") + 1); texts(got) != test.want {
			t.Errorf("%s: got %s", test.name, texts(got))
		}
		c.close()
		other.awaitNoSockets()
	}
}

// TestEventSourceThatComesBackAfterPollsRepeatsLittle: what a client got by polls, while its browser had no event stream, is not
// in what that says it got last, and does not come again; but for the last poll's, which the client may not have got.
func TestEventSourceThatComesBackAfterPollsRepeatsLittle(t *testing.T) {
	shared := newMemory()
	clock := newClock()
	timed := func(c *Config) { c.Now = clock.get }
	n, other := startNodeOn(t, shared, "one", timed), startNodeOn(t, shared, "two", timed)
	poll := func(id, message string) string {
		return texts(other.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"eventsource","advice":{"timeout":0},"id":%q}`, id, message))[1:])
	}
	for _, test := range []struct {
		name  string
		polls []string // ids of connects after the stream broke, with a message published before each
		got   int      // by the stream, as the browser says, of the two that were written
		want  string   // when the stream comes back
	}{
		{"the last poll's and the rest", []string{"a", "b", "c"}, 2, "4 5"},
		{"all, if the last poll was the first", []string{"a"}, 2, "2 3"},
		{"a lost answer was repeated", []string{"a", "b", "b", "c"}, 2, "5 6"},
		{"more, if the browser has less than was thought", []string{"a", "b"}, 1, "1 2 3 4"},
	} {
		id := n.handshake(t)
		n.subscribe(t, id, "/app/public/"+id)
		next := 0
		send := func() {
			n.publish(t, "/app/public/"+id, fmt.Sprint(next))
			next++
		}
		c := n.eventSource(t, id, "")
		send()
		send()
		at := c.messages(2)[test.got-1].ID
		n.connectStream(t, id)
		n.connectStream(t, id) // says that both have arrived
		c.close()
		n.awaitNoSockets()
		clock.add(returning) // it is not waited for any more
		for _, message := range test.polls {
			send()
			poll(id, message)
		}
		send()
		c = other.eventSource(t, id, at)
		if got := texts(c.messages(strings.Count(test.want, " ") + 1)); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
		c.close()
		other.awaitNoSockets()
	}
}

// TestConnectIsLeftToTheEventSourceThatIsDue: a connect soon after the event stream broke is not answered with what the server
// can't know to have arrived; the browser, when it comes back, says.
func TestConnectIsLeftToTheEventSourceThatIsDue(t *testing.T) {
	clock := newClock()
	shared := newMemory()
	n := startNodeOn(t, shared, "one", func(c *Config) { c.Now = clock.get })
	other := startNodeOn(t, shared, "two", func(c *Config) { c.Now = clock.get })
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.eventSource(t, id, "")
	n.publish(t, "/app/public/a", "0")
	n.publish(t, "/app/public/a", "1")
	c.messages(2)
	connect := func(number string) []message {
		return other.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"eventsource","id":%q}`, id, number))
	}
	c.close()
	n.awaitNoSockets()
	clock.add(5 * time.Second)
	n.publish(t, "/app/public/a", "2")
	for _, number := range []string{"e", "f"} {
		if replies := connect(number); len(replies) != 1 || !replies[0].ok() || replies[0].Advice.Interval != 3000 {
			t.Errorf("connect %s, five seconds after the stream broke: %+v", number, replies)
		}
	}
	c = n.eventSource(t, id, c.id)
	if got := texts(c.messages(1)); got != "2" {
		t.Errorf("got %s", got)
	}
	c.close()
	n.awaitNoSockets()
	clock.add(returning)
	if got := texts(connect("g")[1:]); got != "2" {
		t.Errorf("long after the stream broke a poll gets %s", got)
	}
	if got := texts(connect("h")[1:]); got != "" {
		t.Errorf("and then %s", got)
	}
}

func TestKilledNodesEventSourcesGoOnElsewhere(t *testing.T) {
	shared := newMemory()
	n, other := startNodeOn(t, shared, "one", nil), startNodeOn(t, shared, "two", nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.eventSource(t, id, "")
	n.publish(t, "/app/public/a", "0")
	c.messages(1)
	n.kill()
	other.publish(t, "/app/public/a", "1")
	c = other.eventSource(t, id, c.id)
	if got := c.messages(1); texts(got) != "1" {
		t.Errorf("got %s", texts(got))
	}
}

// Faye's browser client polls until it sees its stream open, and would give the transport up if that were closed meanwhile.
func TestPollsLeaveANewEventSourceAlone(t *testing.T) {
	clock := newClock()
	n := startNode(t, func(c *Config) { c.Now = clock.get })
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.eventSource(t, id, "")
	n.publish(t, "/app/public/a", "0")
	c.messages(1)
	poll := fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"p"}`, id)
	if reply := n.say(t, poll)[0]; !reply.ok() || reply.Advice.Interval != int(supersededPause.Milliseconds()) {
		t.Errorf("got %+v", reply)
	}
	n.publish(t, "/app/public/a", "1")
	c.messages(1)

	clock.add(opening) // the stream never reaches this client, it seems
	if replies := n.say(t, poll); len(replies) != 3 || texts(replies[1:]) != "0 1" || !replies[0].ok() {
		t.Errorf("got %+v", replies)
	}
	if _, ok := c.next(); ok {
		t.Error("the stream goes on")
	}
}

func TestEventSourceWhileRedisIsAwayComesBack(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	n.log.setAway(fmt.Errorf("test: %w", pandapush.ErrUnavailable))
	c := n.eventSource(t, id, "")
	if lines, _ := c.block(); len(lines) != 1 || !strings.HasPrefix(lines[0], "retry: ") {
		t.Errorf("got %q", lines)
	}
	if _, ok := c.block(); ok {
		t.Error("the stream goes on")
	}
	n.log.setAway(nil)
	n.publish(t, "/app/public/a", "1")
	if got := n.eventSource(t, id, "").messages(1); texts(got) != "1" {
		t.Errorf("got %s", texts(got))
	}
}

func TestDrainedEventSourceGoesOnElsewhere(t *testing.T) {
	shared := newMemory()
	n, other := startNodeOn(t, shared, "one", nil), startNodeOn(t, shared, "two", nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c := n.eventSource(t, id, "")
	n.publish(t, "/app/public/a", "1")
	c.messages(1)
	n.Drain(t.Context(), 0)
	if lines, _ := c.block(); len(lines) != 1 || !strings.HasPrefix(lines[0], "retry: ") {
		t.Errorf("got %q", lines)
	}
	other.publish(t, "/app/public/a", "2")
	if got := other.eventSource(t, id, c.id).messages(1); texts(got) != "2" {
		t.Errorf("got %s", texts(got))
	}
}

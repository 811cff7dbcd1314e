package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pandapush/pandapush"
)

// sse is a client of an event stream.
type sse struct {
	t        testing.TB
	response *http.Response
	lines    *bufio.Scanner
	leave    context.CancelFunc
	id       string // the last one seen, as a browser keeps it
}

// event is a server-sent event. Those without data are passed over, as browsers do.
type event struct{ kind, id, data string }

// openEvents opens an event stream.
func openEvents(tb testing.TB, url, lastID string) *sse {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		tb.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	response, err := http.DefaultTransport.RoundTrip(request) //nolint:bodyclose // closed by close
	if err != nil {
		tb.Fatal(err)
	}
	c := &sse{t: tb, response: response, lines: bufio.NewScanner(response.Body), leave: cancel, id: lastID}
	c.lines.Buffer(nil, 1<<20)
	tb.Cleanup(c.close)
	return c
}

// close leaves the stream.
func (c *sse) close() {
	c.leave()
	_ = c.response.Body.Close()
}

// block returns the lines of the next block, without data too. ok is false at the end of the stream.
func (c *sse) block() (lines []string, ok bool) {
	for c.lines.Scan() {
		if c.lines.Text() == "" && len(lines) > 0 {
			return lines, true
		}
		if text := c.lines.Text(); text != "" {
			lines = append(lines, text)
		}
	}
	return lines, false
}

// next returns the next event that has data; ok is false at the end of the stream.
func (c *sse) next() (e event, ok bool) {
	for {
		lines, ok := c.block()
		if !ok {
			return event{}, false
		}
		e := event{kind: "message"}
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "event":
				e.kind = value
			case "id":
				c.id = value
			case "data":
				e.data = value
			}
		}
		if e.id = c.id; e.data != "" {
			return e, true
		}
	}
}

// messages returns the next n messages.
func (c *sse) messages(n int) []message {
	c.t.Helper()
	var list []message
	for len(list) < n {
		e, ok := c.next()
		if !ok || e.kind != "message" {
			c.t.Fatalf("after %d messages of %d: %q %v", len(list), n, e, ok)
		}
		text := e.data
		if !strings.HasPrefix(text, "[") {
			text = "[" + text + "]"
		}
		list = append(list, parse(c.t, []byte(text))...)
	}
	return list
}

// wants is what a follower of channels is allowed by the test key.
func wants(channels ...string) map[pandapush.Pattern]pandapush.Grant {
	wanted := map[pandapush.Pattern]pandapush.Grant{}
	for _, channel := range channels {
		pattern, err := pandapush.ParsePattern(channel)
		if err != nil {
			panic(err)
		}
		wanted[pattern] = pandapush.Grant{App: pattern.App(), Scope: "/**", Sub: true, Key: "key"}
	}
	return wanted
}

// followURL returns the address of a stream of what is wanted; "since" is a parameter.
func (n *node) followURL(tb testing.TB, wanted map[pandapush.Pattern]pandapush.Grant) string {
	tb.Helper()
	return n.serveFollow(tb, wanted, func() {})
}

// serveFollow is followURL which calls began for each stream, from when on its follower hears of everything.
func (n *node) serveFollow(tb testing.TB, wanted map[pandapush.Pattern]pandapush.Grant, began func()) string {
	tb.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since := r.Header.Get("Last-Event-ID")
		if since == "" {
			since = r.URL.Query().Get("since")
		}
		if err := n.Follow(w, r, wanted, since); err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		began()
	}))
	tb.Cleanup(web.Close)
	return web.URL
}

// follow opens a stream and waits until its follower hears of everything.
func (n *node) follow(tb testing.TB, channels ...string) *sse {
	tb.Helper()
	began := make(chan struct{}, 1)
	c := openEvents(tb, n.serveFollow(tb, wants(channels...), func() { began <- struct{}{} }), "")
	if _, ok := c.block(); !ok { // retry
		tb.Fatal("no stream")
	}
	<-began
	return c
}

// followers returns the sessions of the node that have no record.
func (n *node) followers() []*session { return n.outlets.followers() }

func TestFollowerGetsWhatIsPublishedInOrder(t *testing.T) {
	n := startNode(t, nil)
	c := n.follow(t, "/app/public/a", "/app/private/**")
	for i, channel := range []string{"/app/public/a", "/app/private/x/y", "/app/public/b", "/app/private/z"} {
		n.publish(t, channel, fmt.Sprintf("{\n \"n\": %d\r\n}", i))
	}
	got := c.messages(3)
	if texts(got) != `{  "n": 0  } {  "n": 1  } {  "n": 3  }` {
		t.Errorf("got %s", texts(got))
	}
	if got[1].Channel != "/app/private/x/y" || got[1].ID == "" || got[2].ID != c.id {
		t.Errorf("got %+v, last id %s", got, c.id)
	}
	h := c.response.Header
	if h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" || !strings.Contains(h.Get("Cache-Control"), "no-cache") {
		t.Errorf("headers %v", h)
	}
}

func TestFollowerResumesOnAnotherNodeExactly(t *testing.T) {
	shared := newMemory()
	one, two := startNodeOn(t, shared, "one", nil), startNodeOn(t, shared, "two", nil)
	c := one.follow(t, "/app/public/**")
	for i := range 5 {
		one.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	c.messages(3)
	at := c.id
	one.kill()
	for i := 5; i < 300; i++ { // more than is read at a time
		two.publish(t, "/app/public/a/b", fmt.Sprint(i))
	}
	c = openEvents(t, two.followURL(t, wants("/app/public/**")), at)
	for i, m := range c.messages(297) {
		if string(m.Data) != fmt.Sprint(i+3) {
			t.Fatalf("message %d is %s", i, m.Data)
		}
	}
	two.publish(t, "/app/public/c", `"live"`)
	if got := c.messages(1); texts(got) != `"live"` {
		t.Errorf("got %s", texts(got))
	}
}

func TestFollowerBeginsWhereItStands(t *testing.T) {
	n := startNode(t, nil)
	c := n.follow(t, "/app/public/a")
	if _, ok := c.block(); !ok { // the id alone
		t.Fatal("no stream")
	}
	c = openEvents(t, n.followURL(t, wants("/app/public/a")), "")
	lines, _ := c.block()
	lines2, _ := c.block()
	if !strings.HasPrefix(lines[0], "retry: ") || len(lines2) != 2 || !strings.HasPrefix(lines2[1], "id: ") {
		t.Fatalf("the stream begins with %q %q", lines, lines2)
	}
	c.close()
	n.publish(t, "/app/public/a", "1")
	c = openEvents(t, n.followURL(t, wants("/app/public/a")), strings.TrimPrefix(lines2[1], "id: "))
	if got := c.messages(1); texts(got) != "1" {
		t.Errorf("got %s", texts(got))
	}
}

func TestFollowerRewinds(t *testing.T) {
	n := startNode(t, nil)
	for i := range 20 {
		n.publish(t, []string{"/app/public/a", "/app/public/b", "/app/public/c"}[i%3], fmt.Sprint(i))
	}
	url := n.followURL(t, wants("/app/public/a", "/app/public/b"))
	if got := openEvents(t, url+"?since=3", "").messages(3); texts(got) != "16 18 19" {
		t.Errorf("3 messages: %s", texts(got))
	}
	if got := openEvents(t, url+"?since=100", "").messages(14); texts(got)[:5] != "0 1 3" {
		t.Errorf("100 messages: %s", texts(got))
	}
	for _, bad := range []string{"0", "-1", "1001", "-2m", "x", "aaaaaaaaaaaa-1-1"} {
		c := openEvents(t, url+"?since="+bad, "")
		text, err := io.ReadAll(c.response.Body)
		if c.response.StatusCode != http.StatusTeapot || strings.TrimSpace(string(text)) != pandapush.ErrInvalidCursor.Error() {
			t.Errorf("since=%s: %d %q %v", bad, c.response.StatusCode, text, err)
		}
	}
	if count := n.subscribers(); count != 4 {
		t.Errorf("%d subscriptions", count)
	}
}

// TestRewindPassesOverWhatHasExpired: the last three messages are three that are delivered, whether they are in memory or in Redis.
func TestRewindPassesOverWhatHasExpired(t *testing.T) {
	for _, window := range []int{1, 100} {
		clock := newClock()
		n := startNode(t, func(c *Config) { c.Limits.WindowEntries, c.Now = window, clock.get })
		channel, err := pandapush.ParseChannel("/app/public/a")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			m := pandapush.Message{Channel: channel, Data: fmt.Append(nil, i)}
			if i%2 == 1 {
				m.Expires = clock.get()
			}
			if _, err := n.log.Append(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		url := n.followURL(t, wants("/app/public/a"))
		if got := openEvents(t, url+"?since=3", "").messages(3); texts(got) != "4 6 8" {
			t.Errorf("3 messages, %d of them in memory: %s", window, texts(got))
		}
	}
}

func TestFollowerGoesOnWhenRedisComesBack(t *testing.T) {
	n := startNode(t, nil)
	c := n.follow(t, "/app/public/a")
	n.publish(t, "/app/public/a", "0")
	c.messages(1)
	c.close()
	n.log.setAway(fmt.Errorf("test: %w", pandapush.ErrUnavailable))
	url := n.followURL(t, wants("/app/public/a"))
	refused := openEvents(t, url, "")
	if refused.response.StatusCode != http.StatusTeapot {
		t.Error("a stream from now on, though nobody knows where that is")
	}
	c = openEvents(t, url, c.id)
	if _, ok := c.block(); !ok {
		t.Fatal("a stream from a cursor was refused")
	}
	n.log.setAway(nil)
	n.publish(t, "/app/public/a", "1")
	if got := c.messages(1); texts(got) != "1" {
		t.Errorf("got %s", texts(got))
	}
}

func TestRevokedFollowerIsToldWhy(t *testing.T) {
	n := startNode(t, nil)
	c, open := n.follow(t, "/app/private/a"), n.follow(t, "/app/public/a")
	key := testKey
	key.RevokedAt = time.Now()
	n.keys.put(key)
	n.Revalidate()
	for _, c := range []*sse{c, open} { // the key was used for both
		if end, ok := c.next(); !ok || end.kind != "end" || end.data != `{"reason":"Revoked key"}` {
			t.Errorf("got %+v", end)
		}
		if _, ok := c.next(); ok {
			t.Error("the stream goes on")
		}
	}
	n.awaitNoSockets()
	if n.subscribers() != 0 {
		t.Error("subscriptions are left")
	}
}

func TestFollowerEndsWithItsToken(t *testing.T) {
	clock := newClock()
	n := startNode(t, func(c *Config) { c.Now = clock.get })
	wanted := wants("/app/private/a", "/app/private/b")
	for pattern, grant := range wanted {
		grant.Expires = clock.get().Add(time.Minute)
		if pattern.String() == "/app/private/b" {
			grant.Expires = clock.get().Add(time.Hour)
		}
		wanted[pattern] = grant
	}
	c := openEvents(t, n.followURL(t, wanted), "")
	c.block()
	n.publish(t, "/app/private/b", "1")
	c.messages(1)
	clock.add(time.Minute)
	n.sweepOnce(t.Context())
	if end, ok := c.next(); !ok || end.kind != "end" || end.data != `{"reason":"Expired token"}` {
		t.Errorf("got %+v", end)
	}
	if _, ok := c.next(); ok {
		t.Error("the stream goes on")
	}
}

func TestSilentStreamIsWrittenTo(t *testing.T) {
	clock := newClock()
	n := startNode(t, func(c *Config) { c.Now, c.PingInterval = clock.get, 25*time.Second })
	c, other := n.follow(t, "/app/public/a"), n.follow(t, "/app/public/b")
	c.block() // where it begins
	other.block()
	n.publish(t, "/app/public/b", "1")
	at := other.messages(1)[0].ID
	clock.add(25 * time.Second)
	n.sweepOnce(t.Context())
	if lines, ok := c.block(); !ok || len(lines) != 2 || lines[0] != ":" || lines[1] != "id: "+at {
		t.Errorf("got %q, and not the cursor of what others got", lines)
	}
}

func TestSlowFollowerReadsTheLog(t *testing.T) {
	n := startNode(t, func(c *Config) {
		c.Limits.QueueMessages = 10
		c.WriteTimeout = time.Minute
	})
	c := n.follow(t, "/app/public/a")
	big := fmt.Sprintf("%q", strings.Repeat("x", 100<<10))
	const messages = 100 // more than a socket's buffers hold, in both kernels
	for range messages {
		n.publish(t, "/app/public/a", big)
	}
	list := c.messages(messages)
	for i := 1; i < len(list); i++ {
		if list[i].ID == list[i-1].ID {
			t.Fatal("repeated")
		}
	}
	if testutil.ToFloat64(n.stats.slow) == 0 {
		t.Error("it was never slow")
	}
}

func TestFollowerThatLeavesIsForgotten(t *testing.T) {
	n := startNode(t, nil)
	c := n.follow(t, "/app/public/a")
	n.publish(t, "/app/public/a", "1")
	c.messages(1)
	if len(n.followers()) != 1 || n.subscribers() != 1 {
		t.Fatal("not there")
	}
	c.close()
	n.awaitNoSockets()
	if len(n.followers()) != 0 || n.subscribers() != 0 {
		t.Error("still there")
	}
}

func TestDrainTellsFollowersWhenToComeBack(t *testing.T) {
	n := startNode(t, nil)
	c := n.follow(t, "/app/public/a")
	c.block()
	n.Drain(t.Context(), 0)
	lines, ok := c.block()
	if !ok || len(lines) != 1 || !strings.HasPrefix(lines[0], "retry: ") {
		t.Errorf("got %q", lines)
	}
	if _, ok := c.block(); ok {
		t.Error("the stream goes on")
	}
	late := openEvents(t, n.followURL(t, wants("/app/public/a")), "")
	if late.response.StatusCode != http.StatusOK {
		t.Errorf("status %d: a browser would give up", late.response.StatusCode)
	}
	for {
		if _, ok := late.block(); !ok {
			break
		}
	}
	if n.subscribers() != 0 {
		t.Error("subscriptions are left")
	}
}

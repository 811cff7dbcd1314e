package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pandapush/pandapush"
)

// behindProxies has a node believe what the test says of its address.
func behindProxies(c *Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}

// limited returns how often a limit was met.
func (n *node) limited(limit string) float64 {
	return testutil.ToFloat64(n.stats.limited.WithLabelValues(limit))
}

// sayFrom posts messages from an address.
func (n *node) sayFrom(tb testing.TB, addr, body string) []message {
	tb.Helper()
	status, _, answer := n.exchangeHTTP(tb, http.MethodPost, "/push", "application/json", body, "X-Forwarded-For", addr)
	if status != http.StatusOK {
		tb.Fatalf("%d %s", status, answer)
	}
	return parse(tb, []byte(answer))
}

// dialWith opens a WebSocket with headers of the request.
func (n *node) dialWith(tb testing.TB, headers ...string) *wsClient {
	tb.Helper()
	c := &wsClient{t: tb, frames: make(chan []byte, 100), closed: make(chan error, 1), ponged: make(chan string, 10)}
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Set(headers[i], headers[i+1])
	}
	conn, response, err := gws.NewClient(c, &gws.ClientOption{Addr: "ws" + strings.TrimPrefix(n.url, "http") + "/push", RequestHeader: header})
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
	c.read()
	return c
}

// closeCode waits for the server to close the socket.
func (c *wsClient) closeCode() (code uint16, text string) {
	c.t.Helper()
	err := <-c.closed
	c.closed <- err
	var closed *gws.CloseError
	if !errors.As(err, &closed) {
		c.t.Fatalf("closed without a word: %v", err)
	}
	return closed.Code, string(closed.Reason)
}

func TestSessionsOfAnAddress(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) {
		behindProxies(c)
		c.Limits.Sessions, c.Now = 2, now.get
	})
	const crowd, other = "203.0.113.7", "203.0.113.8"
	first := n.sayFrom(t, crowd, handshakeBody)[0].ClientID
	second := n.sayFrom(t, crowd, handshakeBody)[0].ClientID
	refused := func() bool {
		t.Helper()
		r := n.sayFrom(t, crowd, handshakeBody)[0]
		if !r.ok() && (r.Error != "Too many sessions from your address" || r.Advice == nil || r.Advice.Reconnect != "handshake" || r.Advice.Interval < 1000) {
			t.Errorf("%+v", r)
		}
		return !r.ok()
	}
	if !refused() {
		t.Error("a third session began")
	}
	if n.limited("sessions") != 1 {
		t.Error("not counted")
	}
	if r := n.sayFrom(t, other, handshakeBody)[0]; !r.ok() {
		t.Errorf("another address: %+v", r)
	}
	n.sayFrom(t, crowd, fmt.Sprintf(`{"channel":"/meta/disconnect","clientId":%q}`, first))
	if refused() {
		t.Error("the place of a session that has ended was not given away")
	}
	now.add(n.ttl() / 2)
	n.sayFrom(t, crowd, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0}}`, second))
	now.add(n.ttl()/2 + 1)
	n.sweepOnce(t.Context()) // forgets the one that has not connected since
	if refused() {
		t.Error("the place of a session that has expired was not given away")
	}
	if !refused() {
		t.Error("a session that connects was forgotten")
	}

	// Sessions that come from other nodes are let in for a while yet.
	connect := `{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0}}`
	var last message
	for range 3 {
		last = n.sayFrom(t, crowd, fmt.Sprintf(connect, n.handshake(t)))[0]
	}
	if last.ok() || last.Error != "Too many sessions from your address" || last.Advice.Interval < 1000 {
		t.Errorf("%+v", last)
	}
	// A guess at a session takes no place.
	n.sayFrom(t, other, fmt.Sprintf(connect, strings.Repeat("a", 31)))
	if r := n.sayFrom(t, other, handshakeBody)[0]; !r.ok() {
		t.Errorf("%+v", r)
	}
}

func TestSocketsOfAnAddress(t *testing.T) {
	n := startNode(t, func(c *Config) {
		behindProxies(c)
		c.Limits.Sessions = 1
	})
	from := []string{"X-Forwarded-For", "203.0.113.7"}
	first := n.dialWith(t, from...)
	n.dialWith(t, from...)
	if code, text := n.dialWith(t, from...).closeCode(); code != 1008 || text != "too many connections from your address" {
		t.Errorf("%d %s", code, text)
	}
	if status, _, body := n.exchangeHTTP(t, http.MethodGet, "/push/"+n.handshake(t), "", "", "Accept", "text/event-stream", from[0], from[1]); status != http.StatusTooManyRequests {
		t.Errorf("event stream: %d %s", status, body)
	}
	if n.limited("sockets") != 2 {
		t.Error("not counted")
	}
	if r := n.dial(t).ask(handshakeBody); !r.ok() {
		t.Errorf("an address that is not known: %+v", r)
	}
	_ = first.conn.WriteClose(1000, nil)
	<-first.closed
	for n.visitorsOf("203.0.113.7") > 1 { // the server sees the end a little later
		if t.Context().Err() != nil {
			t.Fatal("never counted out")
		}
	}
	if r := n.dialWith(t, from...).ask(handshakeBody); !r.ok() {
		t.Errorf("after one has gone: %+v", r)
	}
}

// visitorsOf returns how many sockets an address has.
func (n *node) visitorsOf(addr string) int {
	n.visitors.mu.Lock()
	defer n.visitors.mu.Unlock()
	if at := n.visitors.all[netip.MustParseAddr(addr)]; at != nil {
		return at.sockets
	}
	return 0
}

func TestSocketWithoutASessionIsClosed(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) { c.Now = now.get })
	mute, refused, granted := n.dial(t), n.dial(t), n.dial(t)
	if r := refused.ask(`{"channel":"/meta/nonsense"}`); r.ok() {
		t.Errorf("%+v", r)
	}
	if r := granted.ask(handshakeBody); !r.ok() {
		t.Errorf("%+v", r)
	}
	mute.send(`[]`)
	mute.next()
	now.add(n.cfg.HandshakeTimeout)
	n.sweepOnce(t.Context())
	for _, c := range []*wsClient{mute, refused} {
		if code, text := c.closeCode(); code != 1008 || text != "nothing granted in time" {
			t.Errorf("%d %s", code, text)
		}
	}
	if n.limited("handshake_time") != 2 {
		t.Error("not counted")
	}
	if r := granted.ask(handshakeBody); !r.ok() {
		t.Errorf("%+v", r)
	}
}

func TestPublishingTooFast(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) { c.Limits.PublishRate, c.Now = 1, now.get })
	publish := func(say func(string) message, id string) string {
		return say(fmt.Sprintf(`{"channel":"/app/public/a","clientId":%q,"data":{},"ext":{"auth":{"key":"key","secret":"secret"}}}`, id)).Error
	}
	byPost := func(body string) message { return n.say(t, body)[0] }
	id := n.handshake(t)
	c := n.dial(t)
	c.attach(n.handshake(t))
	for name, say := range map[string]func(string) message{"post": byPost, "socket": c.ask} {
		for i, want := range []string{"", "", "Too many messages in a short time"} {
			if got := publish(say, id); got != want {
				t.Errorf("%s: message %d: %q", name, i, got)
			}
			if name == "socket" {
				id = n.handshake(t) // what a message on a socket says of its session does not count
			}
		}
	}
	if got := publish(byPost, n.handshake(t)); got != "" {
		t.Errorf("another session: %q", got)
	}
	now.add(time.Second)
	n.sweepOnce(t.Context())
	if got := publish(c.ask, id); got != "" {
		t.Errorf("a second later: %q", got)
	}
	if n.limited("publishes") != 2 {
		t.Error("not counted")
	}
	now.add(2 * time.Second)
	n.sweepOnce(t.Context())
	n.rates.mu.Lock()
	defer n.rates.mu.Unlock()
	if len(n.rates.buckets) != 0 {
		t.Errorf("%d buckets are kept", len(n.rates.buckets))
	}
}

// Who makes up another client id for each message is counted by the address.
func TestPublishingTooFastUnderManyNames(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) {
		behindProxies(c)
		c.Limits.PublishRate, c.Now = 1, now.get
	})
	publish := func(addr, id string) string {
		body := fmt.Sprintf(`{"channel":"/app/public/a","clientId":%q,"data":{},"ext":{"auth":{"key":"key","secret":"secret"}}}`, id)
		return n.sayFrom(t, addr, body)[0].Error
	}
	for i, want := range []string{"", "", "Too many messages in a short time", "Too many messages in a short time"} {
		if got := publish("198.51.100.1", fmt.Sprintf("%031d", i)); got != want {
			t.Errorf("made up: message %d: %q", i, got)
		}
	}
	id := n.sayFrom(t, "198.51.100.1", handshakeBody)[0].ClientID
	if got := publish("198.51.100.1", id); got != "" {
		t.Errorf("a session from the same address: %q", got)
	}
	if got := publish("198.51.100.2", "nosuch"); got != "" {
		t.Errorf("another address: %q", got)
	}
}

func TestOriginsOfAnApplication(t *testing.T) {
	n := startNode(t, nil)
	n.keys.set("app", pandapush.Settings{Origins: []string{"https://page.example"}})
	const auth = `"ext":{"auth":{"key":"key","secret":"secret"}}`
	ask := func(app, origin string) (errs [2]string) {
		id := n.handshake(t)
		_, _, answer := n.exchangeHTTP(t, http.MethodPost, "/push", "application/json", fmt.Sprintf(
			`[{"channel":"/meta/subscribe","clientId":%q,"subscription":"/%s/public/a"},{"channel":"/%s/public/a","data":1,%s}]`, id, app, app, auth), "Origin", origin)
		for i, r := range parse(t, []byte(answer)) {
			errs[i] = r.Error
		}
		return errs
	}
	const no = "Origin is not allowed"
	for _, test := range []struct {
		app, origin string
		want        [2]string
	}{
		{"app", "https://page.example", [2]string{}},
		{"app", "https://PAGE.example", [2]string{}},
		{"app", "https://evil.example", [2]string{no, no}},
		{"app", "null", [2]string{no, no}},
		{"app", n.url, [2]string{}},
		{"app", "", [2]string{}},
		{"other", "https://evil.example", [2]string{}},
	} {
		if got := ask(test.app, test.origin); got != test.want {
			t.Errorf("%s from %q: %q", test.app, test.origin, got)
		}
	}
	c := n.dialWith(t, "Origin", "https://evil.example")
	id := c.ask(handshakeBody).ClientID
	if r := c.ask(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a"}`, id)); r.Error != no {
		t.Errorf("%+v", r)
	}
}

func TestLimitsOfAnApplication(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.DataBytes = 10 })
	n.keys.set("app", pandapush.Settings{MaxMessageBytes: 20, Connections: 1})
	publish := func(app string, size int) string {
		return n.say(t, fmt.Sprintf(`{"channel":"/%s/public/a","data":%q,"ext":{"auth":{"key":"key","secret":"secret"}}}`, app, strings.Repeat("x", size-2)))[0].Error
	}
	for _, test := range []struct {
		app  string
		size int
		want string
	}{
		{"app", 20, ""},
		{"app", 21, "Message too large"},
		{"other", 10, ""},
		{"other", 11, "Message too large"},
	} {
		if got := publish(test.app, test.size); got != test.want {
			t.Errorf("%d bytes to %s: %q", test.size, test.app, got)
		}
	}

	subscribe := func(id, app string) string {
		return n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/%s/public/a"}`, id, app))[0].Error
	}
	one, two := n.handshake(t), n.handshake(t)
	if got := subscribe(one, "app"); got != "" {
		t.Error(got)
	}
	n.dial(t).attach(one)
	for _, test := range []struct{ id, app, want string }{
		{two, "app", "Application has too many connections"},
		{two, "other", ""},
		{one, "app", ""},
	} {
		if got := subscribe(test.id, test.app); got != test.want {
			t.Errorf("%s: %q", test.app, got)
		}
	}
	for app, want := range map[string]int{"app": http.StatusTeapot, "other": http.StatusOK} {
		if c := openEvents(t, n.followURL(t, wants("/"+app+"/public/a")), ""); c.response.StatusCode != want {
			t.Errorf("follow %s: %d", app, c.response.StatusCode)
		}
	}
	for limit, want := range map[string]float64{"message_bytes": 2, "connections": 2} {
		if got := n.limited(limit); got != want {
			t.Errorf("%s: counted %v", limit, got)
		}
	}
}

// tokens are a Limiter's, of one bucket.
type tokens struct {
	left  int
	asked string
}

func (l *tokens) Take(_ context.Context, app pandapush.AppID, bucket string, perSecond float64, burst, n int) (int, time.Duration) {
	l.asked = fmt.Sprintf("%s of %s: %g, %d", bucket, app, perSecond, burst)
	if l.left < n {
		return 0, time.Second
	}
	l.left -= n
	return l.left, 0
}

func TestPublishRateOfAnApplication(t *testing.T) {
	limiter := &tokens{left: 1}
	n := startNode(t, func(c *Config) { c.Limiter = limiter })
	n.keys.set("app", pandapush.Settings{PublishRate: 2.5})
	for i, want := range []string{"", "Too many messages in a short time"} {
		r := n.say(t, `{"channel":"/app/public/a","data":1,"ext":{"auth":{"key":"key","secret":"secret"}}}`)[0]
		if r.Error != want || limiter.asked != "app of app: 2.5, 3" {
			t.Errorf("message %d: %q after %q", i, r.Error, limiter.asked)
		}
	}
	n.publish(t, "/other/public/a", "1") // has no limit
}

func TestSubscriptionsOfASession(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.Subscriptions = 1 })
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	r := n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/b"}`, id))[0]
	if r.Error != "Too many subscriptions" || n.limited("subscriptions") != 1 {
		t.Errorf("%+v", r)
	}
	// A list of more than a session can have is not even looked at.
	for _, verb := range []string{"subscribe", "unsubscribe"} {
		r := n.say(t, fmt.Sprintf(`{"channel":"/meta/%s","clientId":%q,"subscription":["/app/public/a","/app/private/b"]}`, verb, id))[0]
		if r.Error != "Too many subscriptions" {
			t.Errorf("%s: %+v", verb, r)
		}
	}
	if n.limited("subscriptions") != 3 {
		t.Error("not counted")
	}
}

func TestFrameThatIsTooLarge(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.FrameBytes = 10 })
	c := n.dial(t)
	c.send(`[          ]`)
	if code, text := c.closeCode(); code != 1009 || text != "the message is too large" || n.limited("frame_bytes") != 1 {
		t.Errorf("%d %s", code, text)
	}
}

func TestFrameOfTooManyMessages(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.Messages = 2 })
	c := n.dial(t)
	if r := c.ask(`[{},{},{}]`); r.Error != "400:too many messages:Bad request" || n.limited("messages") != 1 {
		t.Errorf("%+v", r)
	}
}

func TestBodyThatIsNestedTooDeeply(t *testing.T) {
	n := startNode(t, nil)
	status, answer := n.post(t, strings.Repeat("[", 300)+strings.Repeat("]", 300))
	if status != http.StatusBadRequest || string(answer) != "Nested too deeply: at most 256 levels\n" || n.limited("depth") != 1 {
		t.Errorf("%d %q", status, answer)
	}
	c := n.dial(t)
	if r := c.ask(strings.Repeat("[", 300)); r.Error != "400:nested too deeply:Bad request" || n.limited("depth") != 2 {
		t.Errorf("%+v", r)
	}
}

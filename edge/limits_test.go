package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/frame"
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

func TestClientAddress(t *testing.T) {
	trust := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}
	tests := []struct {
		name, peer string
		forwarded  []string
		addr       string // "" for not known
	}{
		{"direct", "203.0.113.7:1", nil, "203.0.113.7"},
		{"direct, and it lies", "203.0.113.7:1", []string{"198.51.100.1"}, "203.0.113.7"},
		{"proxy", "10.0.0.1:1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"proxy, and the client lies", "10.0.0.1:1", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"proxies", "10.0.0.1:1", []string{"198.51.100.1, 203.0.113.7,10.9.9.9", "10.2.2.2"}, "203.0.113.7"},
		{"proxy that adds the port", "10.0.0.1:1", []string{"203.0.113.7:4711"}, "203.0.113.7"},
		{"proxy that says nothing", "10.0.0.1:1", nil, ""},
		{"proxy that says nonsense", "10.0.0.1:1", []string{"203.0.113.7, unknown"}, ""},
		{"client among the proxies", "10.0.0.1:1", []string{"10.0.0.5"}, ""},
		{"private network that nobody has named", "192.168.0.1:1", []string{"203.0.113.7"}, ""},
		{"this machine", "127.0.0.1:1", nil, ""},
		{"Unix socket", "@", []string{"203.0.113.7"}, ""},
		{"IPv6", "[2001:db8:1:2:3:4:5:6]:1", nil, "2001:db8:1:2::"},
		{"IPv6 with a zone", "[fe80::1%eth0]:1", nil, ""},
		{"IPv4 as IPv6", "[::ffff:203.0.113.7]:1", nil, "203.0.113.7"},
		{"IPv6 by a proxy", "[2001:db8:ffff::1]:1", []string{"[2001:db8:1:2:3:4:5:6]"}, "2001:db8:1:2::"},
		{"IPv6 by a proxy that adds the port", "[2001:db8:ffff::1]:1", []string{"[2001:db8:1:2:3:4:5:6]:80"}, "2001:db8:1:2::"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := &Server{cfg: Config{TrustedProxies: trust}}
			r := &http.Request{RemoteAddr: test.peer, Header: http.Header{"X-Forwarded-For": test.forwarded}}
			addr, _ := e.clientAddr(r)
			if got := addr.String(); got != test.addr && (addr.IsValid() || test.addr != "") {
				t.Errorf("got %s, want %s", got, test.addr)
			}
		})
	}
}

func TestForeignOrigin(t *testing.T) {
	tests := []struct {
		name    string
		method  string
		headers http.Header
		trusted bool
		origin  string
	}{
		{"program", "POST", nil, false, ""},
		{"page of this server", "POST", http.Header{"Origin": {"https://push.example"}}, false, ""},
		{"page of another", "POST", http.Header{"Origin": {"https://Page.example"}}, false, "https://page.example"},
		{"other port", "POST", http.Header{"Origin": {"http://push.example:81"}}, false, "http://push.example:81"},
		{"file", "POST", http.Header{"Origin": {"null"}}, false, "null"},
		{"page of a host that can't be", "GET", http.Header{"Origin": {"https://" + strings.Repeat("x", 300)}, "Upgrade": {"websocket"}}, false, "null"},
		{"behind a proxy", "POST", http.Header{"Origin": {"https://page.example"}, "X-Forwarded-Host": {"page.example"}}, true, ""},
		{"behind no proxy", "POST", http.Header{"Origin": {"https://page.example"}, "X-Forwarded-Host": {"page.example"}}, false, "https://page.example"},
		{"script of another page", "GET", http.Header{"Referer": {"https://page.example/x?y"}}, false, "https://page.example"},
		{"script of an own page", "GET", http.Header{"Referer": {"https://push.example/"}}, false, ""},
		{"script of a page that hides", "GET", http.Header{"Sec-Fetch-Site": {"cross-site"}}, false, "null"},
		{"own script of a page that hides", "GET", http.Header{"Sec-Fetch-Site": {"same-origin"}}, false, ""},
		{"referring program", "POST", http.Header{"Referer": {"https://page.example/"}}, false, ""},
		{"referring socket", "GET", http.Header{"Referer": {"https://page.example/"}, "Upgrade": {"websocket"}}, false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), test.method, "http://push.example/push", nil)
			if test.headers != nil {
				r.Header = test.headers
			}
			if got := foreignOrigin(r, test.trusted); got != test.origin {
				t.Errorf("got %q, want %q", got, test.origin)
			}
		})
	}
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

func TestBudget(t *testing.T) {
	b := budget{limit: 100}
	var one, two charge
	for _, step := range []struct {
		of   *charge
		held int
		ok   bool
		used int64
	}{
		{&one, uncharged, true, 0},
		{&one, uncharged + 60, true, 60},
		{&two, uncharged + 41, false, 60},
		{&two, uncharged, true, 60},
		{&two, uncharged + 40, true, 100},
		{&one, uncharged + 61, false, 100},
		{&one, uncharged + 1, true, 41},
		{&one, 0, true, 40},
		{&two, 0, true, 0},
		{&two, 0, true, 0},
	} {
		if ok := b.charge(step.of, step.held); ok != step.ok || b.used.Load() != step.used {
			t.Fatalf("%+v: %v, used %d", step, ok, b.used.Load())
		}
	}
}

// What has come of messages that have not ended is bounded for all clients together. Short messages are served meanwhile.
func TestMessagesThatDoNotEndAreBoundedTogether(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.InputBytes = 100_000 })
	begin := func() byteSocket { // a message that goes on
		s := n.openRaw(t)
		s.write(append(masked(0x01, "["+strings.Repeat(" ", 60_000)), masked(0x89, "have you got that?")...))
		return s
	}
	first, second := begin(), begin()
	for _, s := range []byteSocket{first, second} {
		if opcode, payload := s.frame(); opcode != frame.Pong {
			t.Fatalf("%d %q", opcode, payload)
		}
	}
	third := begin()
	opcode, payload := third.frame()
	if opcode == frame.Pong {
		opcode, payload = third.frame()
	}
	if opcode != frame.Close || frame.CloseCode([]byte(payload)) != frame.CodeTryLater {
		t.Errorf("%d %q, want a close frame", opcode, payload)
	}
	long := `[` + strings.Repeat(" ", 60_000) + `]`
	if status, header, _ := n.exchangeHTTP(t, http.MethodPost, "/push", "application/json", long); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("status %d", status)
	}
	if status, _ := n.post(t, handshakeBody); status != http.StatusOK {
		t.Errorf("a short message: status %d", status)
	}
	if met := n.limited("input_bytes"); met != 2 {
		t.Errorf("the limit was met %v times", met)
	}

	first.write(masked(0x80, "]")) // a message that ends makes room
	if opcode, payload := first.frame(); opcode != frame.Text || payload != "[]" {
		t.Errorf("%d %q", opcode, payload)
	}
	first.write(masked(0x89, "is it counted?")) // its room is given back after its answer, and before this one
	if opcode, payload := first.frame(); opcode != frame.Pong {
		t.Errorf("%d %q", opcode, payload)
	}
	if status, _ := n.post(t, long); status != http.StatusOK {
		t.Errorf("with room: status %d", status)
	}
	for _, s := range []byteSocket{first, second, third} {
		_ = s.Close()
	}
	n.awaitNoSockets()
	n.web.Close() // waits for the handlers, which give back what their bodies took when they have answered
	if left := n.input.used.Load(); left != 0 {
		t.Errorf("%d bytes are counted and gone", left)
	}
}

func TestFrameOfTooManyMessages(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.Messages = 2 })
	c := n.dial(t)
	if r := c.ask(`[{},{},{}]`); r.Error != "400:too many messages:Bad request" || n.limited("messages") != 1 {
		t.Errorf("%+v", r)
	}
}

package edge

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

func TestUserAgent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", pandapush.MaxUserAgent)
	for sent, want := range map[string]string{
		"":                 "",
		"curl/8.5.0":       "curl/8.5.0",
		"bad \xff\xfe end": "bad � end",
		long:               long[:pandapush.MaxUserAgent],
		"x" + long:         "x" + long[:pandapush.MaxUserAgent-2], // no half of a letter is left
	} {
		got := userAgent(&http.Request{Header: http.Header{"User-Agent": {sent}}})
		if got != want || !utf8.ValidString(got) {
			t.Errorf("%.20q: %q, want %q", sent, got, want)
		}
	}
}

// TestRecordSaysWhoTheClientIs: its user agent is that of the handshake, its transport that of its last connect.
func TestRecordSaysWhoTheClientIs(t *testing.T) {
	n := startNode(t, nil)
	_, _, answer := n.exchangeHTTP(t, http.MethodPost, "/push", "application/json", handshakeBody, "User-Agent", "Netscape/4")
	id := parse(t, []byte(answer))[0].ClientID
	check := func(transport string) {
		t.Helper()
		n.log.mu.Lock()
		defer n.log.mu.Unlock()
		if s := n.log.sessions[id]; s.Transport != transport || s.UserAgent != "Netscape/4" {
			t.Errorf("by %q, %q, want %q", s.Transport, s.UserAgent, transport)
		}
	}
	check("")
	connect := `[{"channel":"/meta/connect","clientId":"` + id + `","connectionType":"long-polling","advice":{"timeout":0}}]`
	n.say(t, connect)
	check(pandapush.TransportLongPolling)
	n.callback(t, connect)
	check(pandapush.TransportCallbackPolling)
	n.subscribe(t, id, "/app/public/a")
	events := openEvents(t, n.url+"/push/"+id, "")
	n.publish(t, "/app/public/a", "1")
	events.messages(1) // the stream begins before it is the session's
	check(pandapush.TransportEventSource)
	n.dial(t).attach(id)
	check(pandapush.TransportWebSocket)
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

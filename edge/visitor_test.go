package edge

import (
	"net/http"
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

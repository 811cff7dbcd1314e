package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// exchangeHTTP sends a request to the node and returns the answer with its body read.
func (n *node) exchangeHTTP(tb testing.TB, method, target, contentType, body string, headers ...string) (status int, header http.Header, answer string) {
	tb.Helper()
	request, err := http.NewRequestWithContext(tb.Context(), method, n.url+target, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// callback asks by callback-polling and returns the replies.
func (n *node) callback(tb testing.TB, message string) []message {
	tb.Helper()
	status, _, body := n.exchangeHTTP(tb, http.MethodGet, "/push/?jsonp=_cometd_jsonp_0&message="+url.QueryEscape(message), "", "")
	reply, ok := strings.CutPrefix(body, "/**/_cometd_jsonp_0(")
	reply, closed := strings.CutSuffix(reply, ");")
	if status != http.StatusOK || !ok || !closed {
		tb.Fatalf("%d %s", status, body)
	}
	return parse(tb, []byte(reply))
}

func TestBodiesOfAllKinds(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.FrameBytes, c.Limits.Messages = 1000, 3 })
	const ping = `[{"channel":"/meta/x","id":";"}]`
	const pong = `[{"id":";","channel":"/meta/x","error":"403:/meta/x:Forbidden channel","successful":false}]`
	form := "a=b&message=" + url.QueryEscape(ping) + "&message=second"
	tests := []struct {
		name, contentType, body string
		status                  int
		answer                  string
	}{
		{"JSON", "application/json", ping, 200, pong},
		{"JSON with a charset", "application/json; charset=utf-8", ping, 200, pong},
		{"one object", "application/json", ping[1 : len(ping)-1], 200, pong},
		{"JSON of no type", "", " " + ping, 200, pong},
		{"form", "application/x-www-form-urlencoded", form, 200, pong},
		{"form as text", "text/plain;charset=UTF-8", form, 200, pong},
		{"form as XML", "application/xml", form, 200, pong},
		{"form of no type", "", form, 200, pong},
		{"form with a plain semicolon", "text/plain", "message=" + strings.ReplaceAll(url.QueryEscape(ping), "%3B", ";"), 200, pong},
		{"form with a callback", "text/plain", form + "&jsonp=cb", 200, pong},
		{"form with a bad callback", "text/plain", form + "&jsonp=42", 400, "Bad request"},
		{"form that is JSON by name only", "application/json", form, 400, "Bad request"},
		{"JSON by another name", "text/json", `"a"`, 400, "Bad request"},
		{"form without message", "text/plain", "massage=" + ping, 400, "Bad request"},
		{"form with a message that is none", "text/plain", "message=1", 400, "Bad request"},
		{"form with a bad escape", "text/plain", "message=%zz", 400, "Bad request"},
		{"nothing", "application/json", "", 400, "Bad request"},
		{"byte order mark", "application/json", "\ufeff" + ping, 400, "Bad request"},
		{"no messages", "application/json", "[]", 200, "[]"},
		{"null", "application/json", "null", 200, "[]"},
		{"too many messages", "application/json", "[{},{},{},{}]", 413, "Too many messages: at most 3\n"},
		{"too long", "application/json", strings.Repeat(" ", 1001), 413, "Payload too large: at most 1000 bytes\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, header, body := n.exchangeHTTP(t, http.MethodPost, "/push/x", test.contentType, test.body, "Origin", "null")
			if status != test.status || body != test.answer {
				t.Errorf("%d %s", status, body)
			}
			if got := header.Get("Access-Control-Allow-Origin"); got != "null" {
				t.Errorf("a page may not read this: allowed origin %q", got)
			}
			if header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("may be sniffed")
			}
		})
	}
}

func TestChunkedBodyThatIsTooLong(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.FrameBytes = 10 })
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/push", struct{ io.Reader }{strings.NewReader(strings.Repeat(" ", 11))})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestBodyThatNeverArrivesIsRefused(t *testing.T) {
	n := startNode(t, func(c *Config) { c.HandshakeTimeout = time.Millisecond })
	conn := n.rawConn(t)
	if _, err := io.WriteString(conn, "POST /push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n["); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn) // the server closes: it could not read on
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("%q, %v", answer, err)
	}
}

// A client that does not read what it is answered is not waited for.
func TestAnswersHaveToBeRead(t *testing.T) {
	n := startNode(t, func(c *Config) { c.WriteTimeout = 50 * time.Millisecond })
	conn := n.rawConn(t)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	body := `[` + strings.Repeat(`{"channel":"/meta/x","id":"`+strings.Repeat("x", 900)+`"},`, 999) + `{}]`
	request := fmt.Sprintf("POST /push HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		if _, err := io.WriteString(conn, request); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("the server still has the connection")
		} else if err != nil {
			return // it has closed it
		}
	}
}

func TestOddMethods(t *testing.T) {
	n := startNode(t, nil)
	for _, method := range []string{"PUT", "PATCH", "DELETE", "HEAD", "TRACE"} {
		status, _, body := n.exchangeHTTP(t, method, "/push", "application/json", handshakeBody)
		if status != http.StatusBadRequest || method != http.MethodHead && body != "Bad request" {
			t.Errorf("%s: %d %s", method, status, body)
		}
	}
}

func TestPreflight(t *testing.T) {
	n := startNode(t, nil)
	tests := []struct {
		name, method string
		headers      []string
		origin       string
		allowed      string
	}{
		{"a page's", "OPTIONS", []string{"Origin", "https://a.example"}, "https://a.example", ""},
		{"a file's", "OPTIONS", []string{"Origin", "null"}, "null", ""},
		{"nobody's", "OPTIONS", []string{"Referer", "https://a.example/x"}, "*", ""},
		{"by another method", "GET", []string{"Origin", "https://a.example", "Access-Control-Request-Method", "POST"}, "https://a.example", ""},
		{"with headers", "OPTIONS", []string{"Origin", "null", "Access-Control-Request-Headers", "x-a,, x-b"}, "null", ", x-a, x-b"},
		{"with headers of a proxy", "OPTIONS", []string{"Origin", "null", "Access-Control-Request-Headers", "X-Forwarded-Host, x-a, x-forwarded-for,forwarded"}, "null", ", x-a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, header, body := n.exchangeHTTP(t, test.method, "/push", "", "", test.headers...)
			if status != http.StatusOK || body != "" {
				t.Errorf("%d %s", status, body)
			}
			for name, want := range map[string]string{
				"Access-Control-Allow-Origin":      test.origin,
				"Access-Control-Allow-Credentials": "true",
				"Access-Control-Allow-Headers":     "Accept, Authorization, Content-Type, Pragma, X-Requested-With" + test.allowed,
				"Access-Control-Allow-Methods":     "POST, GET",
				"Access-Control-Max-Age":           "86400",
				"Vary":                             "Origin",
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestCallbackPolling(t *testing.T) {
	n := startNode(t, nil)
	id := n.callback(t, handshakeBody)[0].ClientID
	n.subscribe(t, id, "/app/public/a")
	polled := make(chan []message)
	go func() {
		polled <- n.callback(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"callback-polling","id":"p"}`, id))
	}()
	awaitPoll(t, n, id)
	n.publish(t, "/app/public/a", "\"</script>&\u2028\u2029\"")
	replies := <-polled
	if len(replies) != 2 || replies[0].ID != "p" || string(replies[1].Data) != `"\u003c/script\u003e\u0026\u2028\u2029"` {
		t.Errorf("%+v", replies)
	}
	// And on by another transport, with the same session.
	c := n.dial(t)
	c.attach(id)
	n.publish(t, "/app/public/a", "2")
	if got := texts(c.deliveries(1)); got != "2" {
		t.Errorf("got %s", got)
	}
}

func TestCallbackScript(t *testing.T) {
	n := startNode(t, nil)
	const message = "&message=" + "%5B%5D"
	tests := []struct {
		name, query string
		answer      string // "" for a bad request
	}{
		{"named", "jsonp=cb" + message, "/**/cb([]);"},
		{"with dots", "jsonp=a.b$_.C1" + message, "/**/a.b$_.C1([]);"},
		{"not named", message, "/**/jsonpcallback([]);"},
		{"empty", "jsonp=" + message, "/**/jsonpcallback([]);"},
		{"as long as may be", "jsonp=" + strings.Repeat("a", 128) + message, "/**/" + strings.Repeat("a", 128) + "([]);"},
		{"longer", "jsonp=" + strings.Repeat("a", 129) + message, ""},
		{"number", "jsonp=42" + message, ""},
		{"call", "jsonp=alert(1)" + message, ""},
		{"element", "jsonp=a%5B0%5D" + message, ""},
		{"line", "jsonp=abc%0Ax" + message, ""},
		{"no name between dots", "jsonp=a..b" + message, ""},
		{"no name before a dot", "jsonp=.a" + message, ""},
		{"not of ASCII", "jsonp=%C3%A4" + message, ""},
		{"bad escape", "jsonp=%zz" + message, ""},
		{"no message", "jsonp=cb", ""},
		{"empty message", "jsonp=cb&message=", ""},
		{"bad message", "jsonp=cb&message=%7B", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, header, body := n.exchangeHTTP(t, http.MethodGet, "/push?"+test.query, "", "")
			if test.answer == "" {
				if status != http.StatusBadRequest || body != "Bad request" {
					t.Errorf("%d %s", status, body)
				}
				return
			}
			if status != http.StatusOK || body != test.answer {
				t.Errorf("%d %s", status, body)
			}
			for name, want := range map[string]string{
				"Content-Type":           "text/javascript; charset=utf-8",
				"Content-Disposition":    "attachment; filename=f.txt",
				"Cache-Control":          "no-cache, no-store",
				"X-Content-Type-Options": "nosniff",
				"Content-Length":         fmt.Sprint(len(body)),
			} {
				if got := header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

// An abandoned callback poll loses nothing: script elements are given up without a word. A node that has yet to notice answers
// a poll that nobody reads, and answers again when the client tries it again, as Faye does: with the same id.
func TestAbandonedCallbackPollLosesNothing(t *testing.T) {
	const poll = `{"channel":"/meta/connect","clientId":%q,"connectionType":"callback-polling","id":%q}`
	tests := []struct {
		name    string
		noticed bool
		id      string
	}{
		{"noticed or not, the same connect", false, "1"},
		{"noticed, another connect", true, "2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := startNode(t, nil)
			id := n.handshake(t)
			n.subscribe(t, id, "/app/public/a")
			ctx, leave := context.WithCancel(t.Context())
			given := make(chan struct{})
			go func() {
				defer close(given)
				request, err := http.NewRequestWithContext(ctx, http.MethodGet,
					n.url+"/push?jsonp=cb&message="+url.QueryEscape(fmt.Sprintf(poll, id, "1")), nil)
				if err != nil {
					t.Error(err)
					return
				}
				if response, err := http.DefaultTransport.RoundTrip(request); err == nil {
					_ = response.Body.Close()
				}
			}()
			awaitPoll(t, n, id)
			leave()
			<-given
			if test.noticed {
				awaitDetached(n, id)
			}
			n.publish(t, "/app/public/a", "1")
			replies := n.callback(t, fmt.Sprintf(poll, id, test.id))
			if len(replies) != 2 || string(replies[1].Data) != "1" {
				t.Errorf("%+v", replies)
			}
		})
	}
}

func TestScriptsUnderTheMountPoint(t *testing.T) {
	n := startNode(t, func(c *Config) {
		c.Script = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method+" "+r.URL.Path) })
	})
	for _, path := range []string{"/push.js", "/push/client.js", "/push/push.js", "/push/faye-browser-min.js.map"} {
		for _, method := range []string{"GET", "POST"} {
			if _, _, body := n.exchangeHTTP(t, method, path, "", ""); body != method+" "+path {
				t.Errorf("%s %s: %q", method, path, body)
			}
		}
	}
	if status, _, _ := startNode(t, nil).exchangeHTTP(t, http.MethodGet, "/push/client.js", "", ""); status != http.StatusNotFound {
		t.Errorf("without a script: status %d", status)
	}
}

// FuzzCallbackScript holds that a script is a call of the callback with the same JSON, that HTML finds nothing in it, and
// that a callback is nothing but names.
func FuzzCallbackScript(f *testing.F) {
	f.Add("cb", `[{"data":"<\u2028>"}]`)
	f.Add("a.b", "[\"\u2028\u2029&\"]")
	f.Fuzz(func(t *testing.T, callback, reply string) {
		if !json.Valid([]byte(reply)) || !validCallback(callback) {
			t.Skip()
		}
		script := string(callbackScript(http.Header{}, callback, []byte(reply)))
		if strings.ContainsAny(script, "<>&\u2028\u2029") || strings.ContainsAny(callback, "()[]{};, \t\r\n\"'`\\/") {
			t.Fatal(script)
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(script, "/**/"+callback+"("), ");")
		var want, got any
		if json.Unmarshal([]byte(reply), &want) != nil {
			t.Skip() // a number that is too large for Go
		}
		if err := json.Unmarshal([]byte(inner), &got); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(want) != fmt.Sprint(got) {
			t.Fatalf("%v became %v", want, got)
		}
	})
}

// FuzzFormField holds that a field is found whatever stands around it.
func FuzzFormField(f *testing.F) {
	f.Add("a=b", `[{"channel":"/a;b"}]`)
	f.Add("%zz&=&&", "\x00")
	f.Fuzz(func(t *testing.T, before, value string) {
		if strings.HasPrefix(before, "message") || strings.Contains(before, "&message") {
			t.Skip()
		}
		got, found, err := formField(before+"&message="+url.QueryEscape(value), "message")
		if got != value || !found || err != nil {
			t.Fatalf("%q, %v, %v", got, found, err)
		}
	})
}

package edge

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// The fuzz targets talk to a whole server. Their seeds are what the dialogues send. "<A>" stands for the client id of a
// session that exists, so that what is tried gets further than to its name.

// seeds adds the payloads of all dialogues.
func seeds(f *testing.F, add func(payload string)) {
	f.Helper()
	known := commonNames(time.Minute)
	for _, d := range readDialogues(f) {
		for _, s := range d.steps {
			if s.sign == ">" && s.kind == "" {
				add(known.fill(s.text))
			}
		}
	}
}

// fuzzNode starts a server for a fuzz target. Connects are not held for long.
func fuzzNode(f *testing.F) *node {
	f.Helper()
	return startNode(f, func(c *Config) { c.Timeout, c.Limits.FrameBytes = 10*time.Millisecond, 64<<10 })
}

// recorder is a response that takes deadlines.
type recorder struct{ *httptest.ResponseRecorder }

func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }

// serveOnce has the server answer a request without a network.
func (n *node) serveOnce(r *http.Request) (status int, body string) {
	w := recorder{httptest.NewRecorder()}
	n.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// FuzzBody holds that whatever body is posted as whatever type gets an answer in form: an array of replies, or a refusal.
func FuzzBody(f *testing.F) {
	n := fuzzNode(f)
	id := n.handshake(f)
	seeds(f, func(payload string) {
		f.Add("application/json", payload)
		f.Add("application/x-www-form-urlencoded", "message="+url.QueryEscape(payload))
	})
	f.Add("text/plain;charset=UTF-8", "jsonp=cb&message=%5B%5D&message=x")
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/push", strings.NewReader(strings.ReplaceAll(body, "<A>", id)))
		r.Header.Set("Content-Type", kind)
		status, text := n.serveOnce(r)
		if status == http.StatusOK {
			checkReplies(t, text)
		} else if !slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, status) {
			t.Fatalf("status %d: %s", status, text)
		}
	})
}

// FuzzQuery holds the same of callback-polling: a script that is one call of the callback with an array of replies.
func FuzzQuery(f *testing.F) {
	n := fuzzNode(f)
	id := n.handshake(f)
	seeds(f, func(payload string) { f.Add("jsonp=cb&message=" + url.QueryEscape(payload)) })
	f.Add("message=%5B%5D&jsonp=a.b$_.C1")
	f.Add("message=%5B%5D&jsonp=alert(1)//")
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/push", http.NoBody)
		r.URL.RawQuery = strings.ReplaceAll(query, "<A>", id)
		status, text := n.serveOnce(r)
		if status != http.StatusOK {
			if status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge {
				t.Fatalf("status %d: %s", status, text)
			}
			return
		}
		before, array, after := cutArray(text)
		callback, ok := strings.CutPrefix(strings.TrimSuffix(before, "("), "/**/")
		if !ok || !validCallback(callback) || after != ");" || strings.ContainsAny(array, "<>&\u2028\u2029") {
			t.Fatalf("script %q", text)
		}
		checkReplies(t, array)
	})
}

// FuzzFrame holds that whatever is sent as a text frame gets frames of replies, and that the socket goes on, unless its own
// session was ended by it or it was not UTF-8.
func FuzzFrame(f *testing.F) {
	n := fuzzNode(f)
	seeds(f, func(payload string) { f.Add(payload) })
	f.Fuzz(func(t *testing.T, frame string) {
		p := newSocketPeer(&stage{t: t, nodes: []*node{n}})
		defer p.close()
		if err := p.send("", strings.ReplaceAll(frame, "<A>", n.handshake(t))); err != nil {
			t.Fatal(err)
		}
		// After what it was asked to do it may be gone.
		err := p.send("", `{"channel":"/the/end","data":1,"id":"the end"}`)
		for err == nil {
			var got item
			if got, err = p.next(); err != nil {
				t.Fatal(err)
			}
			switch got.kind {
			case "":
				checkReplies(t, "["+got.text+"]")
				if strings.Contains(got.text, `"id":"the end"`) && strings.Contains(got.text, `"/the/end"`) {
					return
				}
			case "empty", "close":
			case "end":
				return
			default:
				t.Fatal(got)
			}
		}
	})
}

// checkReplies checks that text is an array of messages: each a reply, which says whether it was successful, or a delivery.
func checkReplies(t *testing.T, text string) {
	t.Helper()
	var list []struct {
		Successful *bool           `json:"successful"`
		Data       json.RawMessage `json:"data"`
		Error      *string         `json:"error"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil || list == nil {
		t.Fatalf("%v in %s", err, text)
	}
	for _, m := range list {
		if (m.Successful == nil) == (m.Data == nil) || m.Successful != nil && *m.Successful != (m.Error == nil) {
			t.Fatalf("neither a reply nor a delivery: %s", text)
		}
	}
}

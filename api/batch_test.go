package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// batch sends a batch that the key authorises.
func (f *fixture) batch(body string, headers ...string) results {
	f.t.Helper()
	w := f.do(http.MethodPost, "/batch/app1", body, append(headers, "Content-Type: application/json", "Authorization: "+basic(key))...)
	var all results
	if err := json.Unmarshal(w.Body.Bytes(), &all); err != nil || w.Code != http.StatusOK {
		f.t.Fatalf("batch: %d %s", w.Code, w.Body)
	}
	return all
}

func TestBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	got := f.batch(`[{"channel":"/app1/public/a","data":{"n" : 1}}, {"data":{},"channels":["/app1/private/b","/app1/presence/c"],"exclude":"abc","ttl":"90s"},
		{"channel":"/app1/public/a","data":{"n":"\u00e9"},"ttl":30,"exclude":null}]`).Results
	want := []result{{"/app1/public/a", at(1).String()}, {"/app1/private/b", at(2).String()}, {"/app1/presence/c", at(3).String()}, {"/app1/public/a", at(4).String()}}
	if !slices.Equal(got, want) {
		t.Errorf("results %v\nwant    %v", got, want)
	}
	if data := f.payloads(); !slices.Equal(data, []string{`{"n" : 1}`, `{}`, `{}`, `{"n":"\u00e9"}`}) {
		t.Errorf("stored %q, want the bytes that were sent", data)
	}
	if m := f.stream.messages[2]; m.Exclude != "abc" || !m.Expires.Equal(now.Add(90*time.Second)) || !f.stream.messages[3].Expires.Equal(now.Add(30*time.Second)) {
		t.Errorf("stored %+v", f.stream.messages)
	}
	if !slices.Equal(f.keys.used, []pandapush.KeyID{"PSID1"}) {
		t.Errorf("used keys = %v", f.keys.used)
	}
	f.batch(`[{"channel":"/app1/public/a","data":{}}]`, "Content-Encoding: identity")
}

func TestBatchOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	const body = `[{"channel":"/app1/public/a","data":{}},{"channel":"/app1/public/b","data":{}}]`
	first := f.batch(body, "Idempotency-Key: k")
	again := f.batch(body, `Idempotency-Key: "k"`) // quoted is the same
	if !slices.Equal(first.Results, again.Results) || len(f.stream.messages) != 2 {
		t.Errorf("results %v, and then %v; stored %d", first, again, len(f.stream.messages))
	}
	w := f.do(http.MethodPost, "/batch/app1", `[{"channel":"/app1/public/a","data":{}}]`, "Idempotency-Key: k", "Authorization: "+basic(key))
	wantProblem(t, w, http.StatusConflict, "idempotency-key-reused", "")
}

func TestBatchFailures(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	f.stream.err = fmt.Errorf("dial: %w", pandapush.ErrUnavailable)
	w := f.do(http.MethodPost, "/batch/app1", `[{"channel":"/app1/public/a","data":{}},{"channel":"/app1/public/b","data":{}}]`, "Authorization: "+basic(key))
	d := wantProblem(t, w, http.StatusServiceUnavailable, "unavailable", "")
	if want := []result{{"/app1/public/a", at(1).String()}, {"/app1/public/b", ""}}; !slices.Equal(d.Results, want) {
		t.Errorf("results %v, want %v", d.Results, want)
	}
	wantHeaders(t, w.Header(), "Retry-After: 1")
	f.stream.err = errors.New("internals")
	w = f.do(http.MethodPost, "/batch/app1", `[{"channel":"/app1/public/a","data":{}}]`, "Authorization: "+basic(key))
	wantProblem(t, w, http.StatusInternalServerError, "internal", "")
}

// TestBadBatches: a batch in which anything is wrong stores nothing, and the answer names what.
func TestBadBatches(t *testing.T) {
	t.Parallel()
	many := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"channel":"/app1/public/a","data":{}},`, n), ",") + "]"
	}
	const good = `{"channel":"/app1/public/a","data":{}}`
	token := mint(t, key, pandapush.TokenClaims{Channel: "/app1/private/*", Pub: true})
	for _, row := range []struct {
		body    string
		headers []string
		status  int
		kind    string
		about   string
	}{
		{``, nil, 400, "invalid-body", ""},
		{`{}`, nil, 400, "invalid-body", ""},
		{`null`, nil, 400, "invalid-body", ""},
		{`[]`, nil, 400, "invalid-body", ""},
		{`[` + good, nil, 400, "invalid-body", ""},
		{`[` + good + `] []`, nil, 400, "invalid-body", ""},
		{"[{\"channel\":\"/app1/public/\xff\",\"data\":{}}]", nil, 400, "invalid-body", ""},
		{`[` + good + `,1]`, nil, 400, "invalid-body", "/1"},
		{`[` + good + `,null]`, nil, 400, "invalid-body", "/1/channel"},
		{`[` + good + `,"x"]`, nil, 400, "invalid-body", "/1"},
		{`[` + good + `,{}]`, nil, 400, "invalid-body", "/1/channel"},
		{`[{"channel":"/app1/public/a"}]`, nil, 400, "invalid-body", "/0/data"},
		{`[{"channel":"/app1/public/a","data":null}]`, nil, 400, "invalid-body", "/0/data"},
		{`[{"channel":"/app1/public/a","data":[]}]`, nil, 400, "invalid-body", "/0/data"},
		{`[{"channel":1,"data":{}}]`, nil, 400, "invalid-body", "/0/channel"},
		{`[{"channel":"/app1/public/a","channels":["/app1/public/b"],"data":{}}]`, nil, 400, "invalid-body", "/0/channels"},
		{`[{"channels":[],"data":{}}]`, nil, 400, "invalid-body", "/0/channel"},
		{`[{"channels":["/app1/public/b","b"],"data":{}}]`, nil, 400, "invalid-body", "/0/channels/1"},
		{`[{"channels":["/app1/public/b",""],"data":{}}]`, nil, 400, "invalid-body", "/0/channels/1"},
		{`[{"channel":"/app1/public/*","data":{}}]`, nil, 400, "invalid-body", "/0/channel"},
		{`[{"channel":"/app2/public/a","data":{}}]`, nil, 400, "invalid-body", "/0/channel"},
		{`[{"channel":"/app1/meta/a","data":{}}]`, nil, 403, "forbidden", "/0/channel"},
		{`[{"channel":"/app1/public/a","data":{},"text":1}]`, nil, 400, "invalid-body", "/0/text"},
		{`[{"channel":"/app1/public/a","data":{},"a/b~\"c":1}]`, nil, 400, "invalid-body", `/0/a~1b~0"c`},
		{`[{"channel":"/app1/public/a","data":{},"exclude":"A"}]`, nil, 400, "invalid-body", "/0/exclude"},
		{`[{"channel":"/app1/public/a","data":{},"exclude":7}]`, nil, 400, "invalid-body", "/0/exclude"},
		{`[{"channel":"/app1/public/a","data":{},"ttl":"x"}]`, nil, 400, "invalid-body", "/0/ttl"},
		{`[{"channel":"/app1/public/a","data":{},"exclude":""}]`, nil, 400, "invalid-body", "/0/exclude"},
		{`[{"channel":"/app1/public/a","data":{},"ttl":""}]`, nil, 400, "invalid-body", "/0/ttl"},
		{`[{"channel":"/app1/public/a","data":{},"ttl":0.5}]`, nil, 400, "invalid-body", "/0/ttl"},
		{`[{"channel":"/app1/public/a","data":{},"ttl":"25h"}]`, nil, 400, "invalid-body", "/0/ttl"},
		{`[{"channel":"/app1/public/a","data":{},"ttl":1e300}]`, nil, 400, "invalid-body", "/0/ttl"},
		{`[{"channel":"/app1/public/a","data":{"a":"` + strings.Repeat("x", 100) + `"}}]`, nil, 413, "too-large", "/0/data"},
		{many(maxBatch + 1), nil, 400, "invalid-body", "/1000"},
		{`[{"channels":[` + strings.Repeat(`"/app1/public/a",`, maxBatch) + `"/app1/public/a"],"data":{}}]`, nil, 400, "invalid-body", "/0"},
		{many(3000), nil, 413, "too-large", ""},
		{`[` + good + `]`, []string{"Content-Type: text/plain"}, 415, "unsupported-media-type", ""},
		{`[` + good + `]`, []string{"Content-Encoding: br"}, 415, "unsupported-media-type", ""},
		{`[` + good + `]`, []string{"Idempotency-Key: "}, 400, "invalid-parameter", "Idempotency-Key"},
		{`[` + good + `]`, []string{"If-Match: " + at(1).String()}, 400, "invalid-parameter", "If-Match"},
		{`[` + good + `]`, []string{"Authorization: Token x"}, 401, "unauthorized", ""},
		{`[` + good + `]`, []string{"Authorization: "}, 401, "unauthorized", ""},
		{`[{"channel":"/app1/private/a","data":{}},` + good + `]`, []string{"Authorization: Token " + token}, 403, "forbidden", "/1/channel"},
	} {
		f := newFixture(t, Config{MaxBody: 100, MaxBatchBody: 64 << 10})
		headers := slices.Clone(row.headers)
		if !slices.ContainsFunc(headers, func(h string) bool { return strings.HasPrefix(h, "Authorization") }) {
			headers = append(headers, "Authorization: "+basic(key))
		}
		w := f.do(http.MethodPost, "/batch/app1", row.body, headers...)
		wantProblem(t, w, row.status, row.kind, row.about)
		if len(f.stream.messages) > 0 {
			t.Errorf("%.100s is refused, but %d messages are stored", row.body, len(f.stream.messages))
		}
	}
	for _, query := range []string{"ttl=5", "exclude=abc"} { // which would say nothing of any message
		for _, contentType := range []string{"application/json", typeLines} {
			f := newFixture(t, Config{})
			w := f.do(http.MethodPost, "/batch/app1?"+query, `[`+good+`]`, "Content-Type: "+contentType, "Authorization: "+basic(key))
			name, _, _ := strings.Cut(query, "=")
			wantProblem(t, w, http.StatusBadRequest, "invalid-parameter", name)
		}
	}
	w := newFixture(t, Config{}).do(http.MethodPost, "/batch/app-1", "[]")
	wantProblem(t, w, http.StatusNotFound, "not-found", "")
	w = newFixture(t, Config{}).do(http.MethodPost, "/batch/app1", many(maxBatch), "Authorization: "+basic(key))
	if w.Code != http.StatusOK {
		t.Errorf("a batch of %d: %d %s", maxBatch, w.Code, w.Body)
	}
}

// FuzzBatch checks that whatever a stranger sends is stored as a whole, as JSON objects on valid channels of the
// application, or not at all.
func FuzzBatch(f *testing.F) {
	f.Add(`[{"channel":"/app1/public/a","data":{}}]`)
	f.Add(`[{"channels":["/app1/public/a","/app1/private/b"],"data":{"a":[1e400]},"ttl":30,"exclude":"abc"}]`)
	f.Add(`[{"channel":"/app1/public/a","data":{},"ttl":"1h"},{"Channel":"x"}]`)
	f.Fuzz(func(t *testing.T, body string) {
		s, w := newFixture(t, Config{}), httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/batch/app1", strings.NewReader(body))
		r.Header.Set("Authorization", basic(key))
		s.echo.ServeHTTP(w, r)
		if w.Code >= 500 || w.Code == http.StatusOK != (len(s.stream.messages) > 0) {
			t.Fatalf("%d %s, %d messages stored", w.Code, w.Body, len(s.stream.messages))
		}
		for _, m := range s.stream.messages {
			if !json.Valid(m.Data) || firstByte(m.Data) != '{' || m.Channel.App() != "app1" || m.Channel.Kind() == pandapush.Meta {
				t.Fatalf("stored %s on %s", m.Data, m.Channel)
			}
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	f := newFixture(b, Config{})
	message := `{"channel":"/app1/public/load","data":{"text":"` + strings.Repeat("x", 100) + `"}},`
	body := "[" + strings.TrimSuffix(strings.Repeat(message, maxBatch), ",") + "]"
	r := httptest.NewRequest(http.MethodPost, "/batch/app1", http.NoBody)
	r.Header.Set("Authorization", basic(key))
	w := discard{make(http.Header)}
	b.ReportAllocs()
	for b.Loop() {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		clear(w.header)
		f.echo.ServeHTTP(w, r)
		if len(f.stream.messages) != maxBatch {
			b.Fatal("not published")
		}
		f.keys.used, f.stream.messages = f.keys.used[:0], f.stream.messages[:0]
	}
}

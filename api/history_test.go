package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
)

// page is an answer with history.
type page struct {
	Messages []struct {
		ID, Channel string
		Data        struct{ N int }
		Notice      bool
	}
	Cursor, Next string
	Gap          *gap
}

// numbers returns the messages' payloads.
func (p page) numbers() (all []int) {
	for _, m := range p.Messages {
		all = append(all, m.Data.N)
	}
	return all
}

// history reads a page.
func (f *fixture) history(target string, headers ...string) (p page) {
	f.t.Helper()
	w := f.do(http.MethodGet, "/channel"+target, "", append(headers, "Authorization: "+basic(key))...)
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusOK {
		f.t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return p
}

// fill stores n messages, of which every third is on /app1/public/b, the others on /app1/public/a.
func (f *fixture) fill(n int) {
	f.t.Helper()
	for i := range n {
		name := "/app1/public/a"
		if i%3 == 2 {
			name = "/app1/public/b"
		}
		channel, err := pandapush.ParseChannel(name)
		if err != nil {
			f.t.Fatal(err)
		}
		if _, err := f.stream.Append(f.t.Context(), pandapush.Message{Channel: channel, Data: fmt.Appendf(nil, `{"n":%d}`, i+1)}); err != nil {
			f.t.Fatal(err)
		}
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	f.fill(9) // 3, 6 and 9 are on b
	c := func(n int) string { return at(n).String() }
	for _, row := range []struct {
		query string
		want  []int
		next  string
	}{
		{"a", []int{8, 7, 5, 4, 2, 1}, ""},
		{"*", []int{9, 8, 7, 6, 5, 4, 3, 2, 1}, ""},
		{"**?order=oldest", []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, ""},
		{"%2A?order=newest&limit=2", []int{9, 8}, at(8).Position.Prev().String()},
		{"*?order=oldest&limit=2", []int{1, 2}, "2-0"},
		{"b?limit=2", []int{9, 6}, at(6).Position.Prev().String()},
		{"b?limit=3", []int{9, 6, 3}, at(3).Position.Prev().String()}, // 1 and 2 have not been looked at
		{"c", nil, ""},
		{"a?since=" + c(5), []int{8, 7}, ""},
		{"a?since=" + c(5) + "&order=oldest", []int{7, 8}, ""},
		{"*?since=" + c(9), nil, ""},
		{"*?until=" + c(2), []int{2, 1}, ""},
		{"*?since=" + c(2) + "&until=" + c(5), []int{5, 4, 3}, ""},
		{"*?since=" + c(5) + "&until=" + c(5), nil, ""},
		{"*?since=2m", []int{9, 8}, ""}, // the fake needs a minute a message
		{"*?since=2m&order=oldest", []int{8, 9}, ""},
		{"*?until=7m", []int{2, 1}, ""},
		{"*?since=7m&until=5m", []int{4, 3}, ""},
		{"b?since=2", []int{9, 6}, at(6).Position.Prev().String()},
		{"b?since=2&order=oldest", []int{6, 9}, at(6).Position.Prev().String()},
		{"b?since=2&until=" + c(8), []int{6, 3}, at(3).Position.Prev().String()},
		{"b?since=100", []int{9, 6, 3}, ""},
	} {
		p := f.history("/app1/public/" + row.query)
		_, next, _ := strings.Cut(p.Next, "-")
		if !slices.Equal(p.numbers(), row.want) || next != row.next || p.Cursor != c(9) || p.Gap != nil {
			t.Errorf("%s: %v, next %q, cursor %q, gap %v; want %v, next %q", row.query, p.numbers(), next, p.Cursor, p.Gap, row.want, row.next)
		}
	}
	p := f.history("/app1/public/b?limit=1")
	if m := p.Messages[0]; m.ID != c(9) || m.Channel != "/app1/public/b" {
		t.Errorf("%+v", m)
	}
}

func TestHistoryGaps(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	f.fill(9)
	f.stream.trimmed = 4
	lost, ahead := at(2), at(20)
	lost.Epoch = pandapush.NewEpoch("app1")
	for _, row := range []struct {
		since string
		want  []int
		gap   string
	}{
		{at(4).String(), []int{5, 6, 7, 8, 9}, ""},
		{at(3).String(), []int{5, 6, 7, 8, 9}, "trimmed"},
		{lost.String(), []int{5, 6, 7, 8, 9}, "epoch"},
		{ahead.String(), []int{5, 6, 7, 8, 9}, "ahead"},
	} {
		p := f.history("/app1/public/*?order=oldest&since=" + row.since)
		reason := ""
		if p.Gap != nil {
			reason = p.Gap.Reason
			if p.Gap.From != row.since || p.Gap.To != at(4).String() {
				t.Errorf("%s: gap %+v", row.since, p.Gap)
			}
		}
		if !slices.Equal(p.numbers(), row.want) || reason != row.gap {
			t.Errorf("since %s: %v, gap %q; want %v, gap %q", row.since, p.numbers(), reason, row.want, row.gap)
		}
	}
}

// TestHistorySaysWhatIsMarked: where Redis lost its newest messages the stream has a mark, which is a gap for who reads past it.
func TestHistorySaysWhatIsMarked(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	f.fill(3)
	mark := pandapush.Message{Channel: pandapush.GapChannel("app1"), Data: []byte(`{"app":"app1","from":"` + at(2).String() + `","reason":"ahead"}`), Notice: true}
	if _, err := f.stream.Append(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	f.fill(3)
	for query, told := range map[string]bool{"order=oldest&since=" + at(1).String(): true, "since=" + at(1).String(): true, "since=" + at(4).String(): false, "since=7": false} {
		p := f.history("/app1/public/**?" + query)
		if (p.Gap != nil) != told || told && (p.Gap.Reason != "ahead" || p.Gap.From != at(2).String() || p.Gap.To != at(4).String()) {
			t.Errorf("%s: gap %+v", query, p.Gap)
		}
	}
}

// TestHistoryTrimmedWhileItIsRead: what was there when the request came, and was gone when its turn came, is a gap as well.
func TestHistoryTrimmedWhileItIsRead(t *testing.T) {
	t.Parallel()
	for _, order := range []string{"oldest", "newest"} {
		f := newFixture(t, Config{})
		f.fill(300)
		f.stream.trimLater = 250
		p := f.history("/app1/public/*?limit=1000&order=" + order + "&since=" + at(10).String())
		if p.Gap == nil || p.Gap.Reason != "trimmed" || p.Gap.From != at(10).String() || p.Gap.To != at(250).String() {
			t.Errorf("%s first: %d messages, gap %+v", order, len(p.Messages), p.Gap)
		}
	}
}

// TestHistoryIsAsItWasSent: the bytes of the payloads are not touched; what has expired is not there; notices are marked.
func TestHistoryIsAsItWasSent(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	f.fill(3)
	f.stream.messages[0].Data = []byte(" {\"n\" : 1, \"html\":\"<\u2028>\"}\n")
	f.stream.messages[1].Expires = now
	f.stream.messages[2].Notice = true
	w := f.do(http.MethodGet, "/channel/app1/public/*", "")
	wantAnswer(t, w, http.StatusOK, `{"messages":[{"id":"`+at(3).String()+`","channel":"/app1/public/b","data":{"n":3},"notice":true},`+
		`{"id":"`+at(1).String()+`","channel":"/app1/public/a","data": {"n" : 1, "html":"<`+"\u2028"+`>"}`+"\n"+`}],"cursor":"`+at(3).String()+`"}`)
	wantHeaders(t, w.Header(), "Content-Type: application/json; charset=utf-8", "Cache-Control: no-store", "Vary: Accept", "Access-Control-Allow-Origin: *")
	if w := f.do(http.MethodGet, "/channel/app1/public/*", "", "Accept: text/html"); w.Code != http.StatusOK {
		t.Errorf("a browser gets %d", w.Code)
	}
}

// TestHistoryIsBounded: a request looks at a bounded number of entries, and then says where to go on.
func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	f.fill(scanEntries + 10)
	p := f.history("/app1/public/c")
	if len(p.Messages) > 0 || p.Next == "" {
		t.Fatalf("%d messages, next %q", len(p.Messages), p.Next)
	}
	if p = f.history("/app1/public/c?until=" + p.Next); p.Next != "" {
		t.Errorf("the rest goes on at %s", p.Next)
	}
	f.stream.messages = f.stream.messages[:10]
	for i := range f.stream.messages {
		f.stream.messages[i].Data = []byte(`{"n":` + strconv.Itoa(i+1) + `,"x":"` + strings.Repeat("x", scanBytes/4) + `"}`)
	}
	if p = f.history("/app1/public/*"); len(p.Messages) != 4 || p.Next == "" {
		t.Errorf("of large messages %v come at once, next %q", p.numbers(), p.Next)
	}
}

// TestHistoryPages: whatever the limit and the order, the pages together are what matches, each message once.
func TestHistoryPages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		f := newFixture(t, Config{})
		f.fill(rapid.IntRange(0, 300).Draw(r, "messages"))
		f.stream.trimmed = rapid.IntRange(0, len(f.stream.messages)).Draw(r, "trimmed")
		channel := rapid.SampledFrom([]string{"a", "b", "c", "*"}).Draw(r, "channel")
		order := rapid.SampledFrom([]string{"newest", "oldest"}).Draw(r, "order")
		limit := rapid.IntRange(40, 150).Draw(r, "limit")
		var want []int
		for i, m := range f.stream.messages[f.stream.trimmed:] {
			if channel == "*" || strings.HasSuffix(m.Channel.String(), "/"+channel) {
				want = append(want, f.stream.trimmed+i+1)
			}
		}
		param := map[string]string{"newest": "until", "oldest": "since"}[order]
		if order == "newest" {
			slices.Reverse(want)
		}
		var got []int
		for target := fmt.Sprintf("/app1/public/%s?order=%s&limit=%d", channel, order, limit); ; {
			p := f.history(target)
			got = append(got, p.numbers()...)
			if p.Next == "" {
				break
			}
			target = fmt.Sprintf("/app1/public/%s?order=%s&limit=%d&%s=%s", channel, order, limit, param, p.Next)
		}
		if !slices.Equal(got, want) {
			r.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

func TestHistoryAccess(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	token := func(channel string, sub bool) string {
		return "Authorization: Bearer " + mint(t, key, pandapush.TokenClaims{Channel: channel, Sub: sub, Pub: !sub})
	}
	for _, row := range []struct {
		target string
		header string
		status int
		kind   string
	}{
		{"/app1/public/a", "X: y", 200, ""},
		{"/app1/private/a", token("/app1/private/*", true), 200, ""},
		{"/app1/presence/a", token("/app1/presence/a", true), 200, ""}, // reading is not being there
		{"/app1/presence/a", "Authorization: " + basic(key), 200, ""},
		{"/app1/private/a", "X: y", 401, "unauthorized"},
		{"/app1/private/a", "Authorization: Digest x", 401, "unauthorized"},
		{"/app1/private/a", "Authorization: Token x", 401, "unauthorized"},
		{"/app1/private/a", "Authorization: " + basic(revoked), 401, "unauthorized"},
		{"/app1/private/a", token("/app1/private/*", false), 403, "forbidden"},
		{"/app1/private/**", token("/app1/private/*", true), 403, "forbidden"},
		{"/app2/public/a", "X: y", 404, "not-found"},
		{"/app1/public", "X: y", 404, "not-found"},
		{"/app1/public/*/a", "X: y", 404, "not-found"},
		{"/app1/public/a@b", "X: y", 404, "not-found"},
	} {
		w := f.do(http.MethodGet, "/channel"+row.target, "", row.header)
		if row.status != http.StatusOK {
			wantProblem(t, w, row.status, row.kind, "")
		} else if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", row.target, w.Code, w.Body)
		}
		if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (row.status == http.StatusUnauthorized) || strings.Contains(challenge, "Basic") {
			t.Errorf("%s: %d with WWW-Authenticate %q", row.target, w.Code, challenge)
		}
	}
	f.keys.set(pandapush.Settings{Suspended: true})
	wantProblem(t, f.do(http.MethodGet, "/channel/app1/public/a", ""), http.StatusForbidden, "suspended", "")
	f.keys.set(pandapush.Settings{})
	f.stream.err = fmt.Errorf("dial: %w", pandapush.ErrUnavailable)
	wantProblem(t, f.do(http.MethodGet, "/channel/app1/public/a", ""), http.StatusServiceUnavailable, "unavailable", "")
}

// TestBadParameters: a parameter that is out of range, malformed, or conflicts with another is named.
func TestBadParameters(t *testing.T) {
	t.Parallel()
	lost := at(2)
	lost.Epoch = pandapush.NewEpoch("app1")
	foreign := at(2)
	foreign.Epoch = pandapush.NewEpoch("app2")
	for _, row := range []struct{ query, param string }{
		{"limit=0", "limit"},
		{"limit=1001", "limit"},
		{"limit=-1", "limit"},
		{"limit=", "limit"},
		{"limit=ten", "limit"},
		{"limit=1&limit=2", "limit"},
		{"order=up", "order"},
		{"order=newest&order=newest", "order"},
		{"order=", "order"},
		{"since=0", "since"},
		{"since=1001", "since"},
		{"since=-5", "since"},
		{"since=-5m", "since"},
		{"since=0s", "since"},
		{"since=", "since"},
		{"since=yesterday", "since"},
		{"since=" + foreign.String(), "since"},
		{"since=" + at(1).String() + "&since=5", "since"},
		{"since=5&limit=5", "limit"},
		{"until=5", "until"},
		{"until=", "until"},
		{"until=x", "until"},
		{"until=" + lost.String(), "until"},
		{"since=1m&until=2m", "until"},
		{"since=" + at(2).String() + "&until=" + at(1).String() + "&order=oldest", "until"},
		{"token=a&token=b", "token"},
		{"limit=5&since=%zz", "since"},
		{"channel=/app1/public/b", "channel"},
		{"%zz", ""},
		{"a;b", ""},
	} {
		f := newFixture(t, Config{})
		f.fill(2)
		wantProblem(t, f.do(http.MethodGet, "/channel/app1/public/a?"+row.query, ""), http.StatusBadRequest, "invalid-parameter", row.param)
	}
	for _, row := range []struct{ query, header, param string }{
		{"ttl=", "", "ttl"},
		{"ttl=0", "", "ttl"},
		{"ttl=0.5", "", "ttl"},
		{"ttl=-1s", "", "ttl"},
		{"ttl=25h", "", "ttl"},
		{"ttl=NaN", "", "ttl"},
		{"ttl=Inf", "", "ttl"},
		{"ttl=x", "", "ttl"},
		{"ttl=5&ttl=5", "", "ttl"},
		{"exclude=", "", "exclude"},
		{"exclude=A", "", "exclude"},
		{"exclude=" + strings.Repeat("a", 65), "", "exclude"},
		{"exclude=a&exclude=b", "", "exclude"},
		{"exclude=%q", "", "exclude"},
		{"token=&token=", "", "token"},
		{"%zz", "", ""},
		{"", "Idempotency-Key: ", "Idempotency-Key"},
		{"", `Idempotency-Key: ""`, "Idempotency-Key"},
		{"", "Idempotency-Key: " + strings.Repeat("a", 256), "Idempotency-Key"},
		{"", "Idempotency-Key: é", "Idempotency-Key"},
		{"", "If-Match: ", "If-Match"},
		{"", "If-Match: *", "If-Match"},
		{"", "If-Match: W/\"" + at(1).String() + `"`, "If-Match"},
		{"", "If-Match: " + at(1).String() + ", " + at(2).String(), "If-Match"},
		{"", "If-Match: " + foreign.String(), "If-Match"},
	} {
		f := newFixture(t, Config{})
		headers := []string{"Accept: application/json", "Authorization: " + basic(key)}
		if row.header != "" {
			headers = append(headers, row.header)
		}
		w := f.do(http.MethodPost, "/channel/app1/public/a?"+row.query, `{}`, headers...)
		wantProblem(t, w, http.StatusBadRequest, "invalid-parameter", row.param)
		if len(f.stream.messages) > 0 {
			t.Errorf("%+v is refused, but stored", row)
		}
	}
	f := newFixture(t, Config{})
	w := f.do(http.MethodPost, "/channel/app1/public/a", `{}`, "Accept: application/json", "If-Match: x", "If-Match: y", "Authorization: "+basic(key))
	wantProblem(t, w, http.StatusBadRequest, "invalid-parameter", "If-Match")
}

func TestPublishOptions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{HistoryAge: time.Hour})
	f.keys.set(pandapush.Settings{HistoryAge: 2 * time.Hour, MaxMessageBytes: 20})
	for query, ttl := range map[string]time.Duration{"ttl=30": 30 * time.Second, "ttl=1.5": 1500 * time.Millisecond, "ttl=2h": 2 * time.Hour} {
		f.do(http.MethodPost, "/channel/app1/public/a?"+query, `{}`, "Authorization: "+basic(key))
		if m := f.stream.messages[len(f.stream.messages)-1]; !m.Expires.Equal(now.Add(ttl)) {
			t.Errorf("%s: expires at %v", query, m.Expires)
		}
	}
	f.do(http.MethodPost, "/channel/app1/public/a?exclude=0abc", `{}`, "Authorization: "+basic(key))
	if m := f.stream.messages[3]; m.Exclude != "0abc" || !m.Expires.IsZero() {
		t.Errorf("stored %+v", m)
	}
	w := f.publish("application/json", `{"text":"too long for it"}`, "Accept: application/json")
	wantProblem(t, w, http.StatusRequestEntityTooLarge, "too-large", "")
}

func TestPublishOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	send := func(target, body, k string, headers ...string) *httptest.ResponseRecorder {
		return f.do(http.MethodPost, target, body, append(headers, "Idempotency-Key: "+k, "Accept: application/json", "Authorization: "+basic(key))...)
	}
	first := send("/channel/app1/public/a?ttl=30", `{"n":1}`, "k")
	again := send("/channel/app1/public/a?ttl=30", `{"n":1}`, `"k"`)
	wantAnswer(t, again, http.StatusOK, first.Body.String())
	wantHeaders(t, first.Header(), "Idempotency-Replayed: ")
	wantHeaders(t, again.Header(), "Idempotency-Replayed: true", "X-Message-Id: "+first.Header().Get("X-Message-Id"))
	for _, other := range []*httptest.ResponseRecorder{
		send("/channel/app1/public/a?ttl=30", `{"n":2}`, "k"),
		send("/channel/app1/public/b?ttl=30", `{"n":1}`, "k"),
		send("/channel/app1/public/a", `{"n":1}`, "k"),
		send("/channel/app1/public/a?ttl=30&exclude=a", `{"n":1}`, "k"),
		send("/batch/app1", `[{"channel":"/app1/public/a","data":{"n":1}}]`, "k"),
	} {
		wantProblem(t, other, http.StatusConflict, "idempotency-key-reused", "")
	}
	if len(f.stream.messages) != 1 {
		t.Errorf("%d messages are stored", len(f.stream.messages))
	}
	wantAnswer(t, f.publish("application/json", `{"n":1}`, "Idempotency-Key: k"), http.StatusConflict, refusal("Idempotency key was used for another request"))
}

func TestPublishIfNothingIsNewer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	send := func(after string) *httptest.ResponseRecorder {
		return f.do(http.MethodPost, "/channel/app1/public/a", `{}`, "If-Match: "+after, "Accept: application/json", "Authorization: "+basic(key))
	}
	f.fill(3) // the last is on b
	d := wantProblem(t, send(at(1).String()), http.StatusPreconditionFailed, "changed", "If-Match")
	if d.Newest != at(2).String() || d.Cursor != at(3).String() {
		t.Errorf("newest %q, cursor %q", d.Newest, d.Cursor)
	}
	wantAnswer(t, send(`"`+d.Newest+`"`), http.StatusOK, `{"id":"`+at(4).String()+`"}`)
	lost := at(4)
	lost.Epoch = pandapush.NewEpoch("app1")
	d = wantProblem(t, send(lost.String()), http.StatusPreconditionFailed, "cursor-too-old", "If-Match")
	if d.Newest != "" || d.Cursor != at(4).String() {
		t.Errorf("newest %q, cursor %q", d.Newest, d.Cursor)
	}
	wantAnswer(t, send(d.Cursor), http.StatusOK, `{"id":"`+at(5).String()+`"}`)
}

// FuzzQuery checks that whatever stands in a query is taken or refused with the name of what is wrong.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"limit=5&order=oldest", "since=5&until=2m", "since=" + at(2).String() + "&until=" + at(1).String(), "ttl=1e400&exclude=%zz", "a;b", "token=&token=", "channel=/app1/public/b",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		s := newFixture(t, Config{Follower: followed{}})
		s.fill(3)
		for _, request := range []struct{ method, path, accept string }{
			{http.MethodGet, "/channel/app1/public/*", ""},
			{http.MethodGet, "/channel/app1/public/*", typeEvents},
			{http.MethodPost, "/channel/app1/public/a", "application/json"},
			{http.MethodPost, "/batch/app1", ""},
		} {
			r := httptest.NewRequest(request.method, request.path, strings.NewReader("{}"))
			r.URL.RawQuery = query
			r.Header = http.Header{"Authorization": {basic(key)}, "Accept": {request.accept}}
			w := s.serve(r)
			var d document
			if w.Code >= http.StatusInternalServerError || w.Code == http.StatusBadRequest && json.Unmarshal(w.Body.Bytes(), &d) != nil {
				t.Errorf("%s %s?%s: %d %s", request.method, request.path, query, w.Code, w.Body)
			}
			if _, err := url.ParseQuery(query); err == nil && d.Type == docs+"invalid-parameter" && d.Param == "" {
				t.Errorf("%s %s?%s: %s names nothing", request.method, request.path, query, w.Body)
			}
		}
	})
}

package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/pandapush/pandapush"
)

// patience is how long a test waits for what must not take long; less than the readTimeout after which net/http answers
// whoever does not end a request.
const patience = readTimeout / 2

// duplex is a stream of lines over a real connection: what is sent is answered while the request goes on.
type duplex struct {
	t       *testing.T
	conn    net.Conn
	answers *bufio.Reader // lines, once the header has been read
	status  int
}

// openLines begins a stream of lines at a server of f.
func (f *fixture) openLines(t *testing.T, headers ...string) *duplex {
	t.Helper()
	return f.openLinesAt(t, httptest.NewServer(f.echo), headers...)
}

// openLinesAt is openLines at that server.
func (f *fixture) openLinesAt(t *testing.T, server *httptest.Server, headers ...string) *duplex {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(); server.Close() })
	_, err = fmt.Fprintf(conn, "POST /batch/app1 HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n%s\r\n",
		basic(key), typeLines, strings.Join(append(headers, ""), "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return &duplex{t, conn, bufio.NewReader(response.Body), response.StatusCode}
}

// send sends text as a chunk, whatever lines it has.
func (d *duplex) send(text string) {
	d.t.Helper()
	if _, err := fmt.Fprintf(d.conn, "%x\r\n%s\r\n", len(text), text); err != nil {
		d.t.Fatal(err)
	}
}

// next returns the next line of the answer.
func (d *duplex) next() (answer struct {
	document
	ID string `json:"id"`
},
) {
	d.t.Helper()
	line, err := d.answers.ReadBytes('\n')
	if err != nil {
		d.t.Fatalf("%q, %v", line, err)
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		d.t.Fatalf("%s: %v", line, err)
	}
	return answer
}

// over fails the test unless the answer ends properly, with nothing more in it.
func (d *duplex) over() {
	d.t.Helper()
	if rest, err := io.ReadAll(d.answers); err != nil || len(rest) > 0 {
		d.t.Errorf("the answer ends with %q, %v", rest, err)
	}
}

func line(n int) string { return fmt.Sprintf(`{"channel":"/app1/public/a","data":{"n":%d}}`+"\n", n) }

func TestLinesAreAnsweredAsTheyCome(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	d := f.openLines(t)
	for n := 1; n <= 3; n++ {
		d.send(line(n))
		if got := d.next(); got.ID != at(n).String() {
			t.Errorf("line %d: %+v", n, got)
		}
	}
	d.send("\n" + line(4) + "  \r\n" + line(5)[:10])
	d.send(line(5)[10:] + strings.TrimSuffix(line(6), "\n")) // the last one ends with the body
	d.send("")
	for n := 4; n <= 6; n++ {
		if got := d.next(); got.ID != at(n).String() {
			t.Errorf("line %d: %+v", n, got)
		}
	}
	d.over()
}

// TestBadLines: each is answered with what is wrong, and the others are stored.
func TestBadLines(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{MaxBody: 100})
	d := f.openLines(t)
	bad := []struct{ line, kind, field string }{
		{`{`, "invalid-body", ""},
		{`{} {}`, "invalid-body", ""},
		{`1`, "invalid-body", ""},
		{"\xff", "invalid-body", ""},
		{`{"channel":"/app1/public/a"}`, "invalid-body", "/data"},
		{`{"channels":["/app1/public/a"],"data":{}}`, "invalid-body", "/channels"},
		{`{"channel":"/app2/public/a","data":{}}`, "invalid-body", "/channel"},
		{`{"channel":"/app1/meta/a","data":{}}`, "forbidden", "/channel"},
		{`{"channel":"/app1/public/a","data":{"a":"` + strings.Repeat("x", 100) + `"}}`, "too-large", "/data"},
	}
	var all strings.Builder
	for i, b := range bad {
		all.WriteString(b.line + "\n" + line(i))
	}
	d.send(all.String())
	for i, b := range bad {
		if got := d.next(); got.Type != docs+b.kind || got.Field != b.field {
			t.Errorf("%s: %+v", b.line, got)
		}
		if got := d.next(); got.ID != at(i+1).String() {
			t.Errorf("the line after %s: %+v", b.line, got)
		}
	}
	f.stream.mu.Lock()
	f.stream.err = fmt.Errorf("dial: %w", pandapush.ErrUnavailable)
	f.stream.mu.Unlock()
	d.send(line(0) + line(1))
	if first, second := d.next(), d.next(); first.ID == "" || second.Type != docs+"unavailable" {
		t.Errorf("of two lines while Redis is away: %+v and %+v", first, second)
	}
	d.send(strings.Repeat("x", 100+lineExtra+1))
	if got := d.next(); got.Type != docs+"too-large" {
		t.Errorf("a line without end: %+v", got)
	}
	d.over()
}

// TestLinesCutOff: of a stream whose connection breaks, the lines that are whole are stored.
func TestLinesCutOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	done := make(chan struct{})
	f.echo.Pre(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			defer close(done)
			return next(c)
		}
	})
	d := f.openLines(t)
	d.send(line(1))
	d.next()
	whole := line(2)
	d.send(whole[:len(whole)-1]) // an object, but is it all?
	if err := d.conn.Close(); err != nil {
		t.Fatal(err)
	}
	<-done
	if got := f.payloads(); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
}

func TestLinesEndWhenTheServerDrains(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	d := f.openLines(t)
	d.send(line(1))
	d.next()
	f.api.SetDraining()
	d.over()
}

// TestLinesOfASuspendedApplication: the credential is looked at for every group of lines.
func TestLinesOfASuspendedApplication(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	d := f.openLines(t)
	d.send(line(1))
	d.next()
	f.keys.set(pandapush.Settings{Suspended: true})
	d.send(line(2))
	if got := d.next(); got.Type != docs+"suspended" {
		t.Errorf("a line for a suspended application: %+v", got)
	}
	d.send("")
	d.over()
}

func TestLinesWithinLimits(t *testing.T) {
	t.Parallel()
	bucket := &counter{left: 2}
	f := newFixture(t, Config{Limiter: bucket, Rate: Rate{PerSecond: 1000, Burst: 2}})
	d := f.openLines(t)
	d.send(line(1) + line(2) + line(3) + line(4) + line(5))
	d.send("")
	for n := 1; n <= 5; n++ {
		if got := d.next(); got.ID != at(n).String() {
			t.Errorf("line %d: %+v", n, got)
		}
	}
	d.over()
	if bucket.refusals == 0 || bucket.most > 2 {
		t.Errorf("%d refusals, at most %d at a time", bucket.refusals, bucket.most)
	}
}

// gate is a Limiter that waits for something to come through it.
type gate chan struct{}

func (g gate) Take(context.Context, pandapush.AppID, string, float64, int, int) (left int, wait time.Duration) {
	<-g
	return 0, 0
}

// TestLinesThatWaitHoldUpNoAnswers: what the limits let through is answered before the rest has its turn.
func TestLinesThatWaitHoldUpNoAnswers(t *testing.T) {
	t.Parallel()
	limiter := make(gate, 1)
	limiter <- struct{}{}
	f := newFixture(t, Config{Limiter: limiter, Rate: Rate{PerSecond: 1, Burst: 2}})
	d := f.openLines(t)
	d.send(line(1) + line(2) + line(3))
	d.send("")
	for n := 1; n <= 3; n++ {
		if got := d.next(); got.ID != at(n).String() {
			t.Errorf("line %d: %+v", n, got)
		}
		if n == 2 {
			limiter <- struct{}{}
		}
	}
	d.over()
}

// TestLinesInflated: a line is answered once it has come, however the body is divided, and damage is said.
func TestLinesInflated(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	d := f.openLines(t, "Content-Encoding: gzip")
	for n := 1; n <= 3; n++ {
		d.send(gzipped(t, line(n)))
		if got := d.next(); got.ID != at(n).String() {
			t.Errorf("line %d: %+v", n, got)
		}
	}
	d.send("no gzip any more")
	if got := d.next(); got.Type != docs+"invalid-body" {
		t.Errorf("%+v", got)
	}
	d.over()
	d = f.openLines(t, "Content-Encoding: gzip")
	d.send("no gzip at all")
	if got := d.next(); got.Detail != errNoGzip.Error() {
		t.Errorf("%+v", got)
	}
	d.over()
}

// TestLinesOutlastAnyOtherAnswer: how long answers may take at most counts for each line, and not for the stream.
func TestLinesOutlastAnyOtherAnswer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{MaxBody: 100})
	server := httptest.NewUnstartedServer(f.echo)
	server.Config.WriteTimeout = time.Nanosecond
	server.Start()
	d := f.openLinesAt(t, server)
	d.send(line(1))
	if got := d.next(); got.ID != at(1).String() {
		t.Errorf("%+v", got)
	}
	d.send(strings.Repeat("x", 100+lineExtra+1))
	if got := d.next(); got.Type != docs+"too-large" {
		t.Errorf("%+v", got)
	}
	d.over()
}

// TestRefusedLinesAreAnsweredAtOnce: who opens a stream that is refused hears so, and need not end it before.
func TestRefusedLinesAreAnsweredAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	for header, status := range map[string]int{"Idempotency-Key: x": http.StatusBadRequest, "Content-Encoding: br": http.StatusUnsupportedMediaType} {
		if d := f.openLines(t, header); d.status != status {
			t.Errorf("%s: %d", header, d.status)
		}
	}
	f.keys.set(pandapush.Settings{Suspended: true})
	if d := f.openLines(t); d.status != http.StatusForbidden {
		t.Errorf("suspended: %d", d.status)
	}
}

// TestLinesOfAClientThatWaitsToBeAsked: the body comes after a 100, which net/http's client would wait for.
func TestLinesOfAClientThatWaitsToBeAsked(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	server := httptest.NewServer(f.echo)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/batch/app1", unsized{strings.NewReader(line(1))})
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {basic(key)}, "Content-Type": {typeLines}, "Expect": {"100-continue"}}
	transport := &http.Transport{ExpectContinueTimeout: time.Hour}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	if want := `{"id":"` + at(1).String() + "\"}\n"; string(text) != want || response.StatusCode != http.StatusOK {
		t.Errorf("%d %q", response.StatusCode, text)
	}
}

func TestLinesRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	for _, header := range []string{"Idempotency-Key: x", "If-Match: x"} {
		name, _, _ := strings.Cut(header, ":")
		w := f.do(http.MethodPost, "/batch/app1", line(1), header, "Content-Type: "+typeLines, "Authorization: "+basic(key))
		wantProblem(t, w, http.StatusBadRequest, "invalid-parameter", name)
	}
	w := f.do(http.MethodPost, "/batch/app1", line(1), "Content-Encoding: br", "Content-Type: "+typeLines, "Authorization: "+basic(key))
	wantProblem(t, w, http.StatusUnsupportedMediaType, "unsupported-media-type", "")
	w = f.do(http.MethodPost, "/batch/app1", gzipped(t, line(1)+line(2)), "Content-Encoding: gzip", "Content-Type: "+typeLines, "Authorization: "+basic(key))
	wantAnswer(t, w, http.StatusOK, `{"id":"`+at(1).String()+"\"}\n"+`{"id":"`+at(2).String()+"\"}\n")
}

package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pandapush/pandapush/cmd/pandapush/loadtest"
)

// loadtestEnv is the environment of a loadtest against url.
func loadtestEnv(url string) vars {
	return vars{"PANDAPUSH_URL": url, "PANDAPUSH_KEY": devKey.id, "PANDAPUSH_SECRET": devKey.secret}
}

// loadtestResult reads what a loadtest has printed with --json.
func loadtestResult(t *testing.T, text string) (r loadtest.Result) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return r
}

// TestLoadtest runs a short test against a server.
func TestLoadtest(t *testing.T) {
	t.Parallel()
	n := startNode(t, settings(t))
	for _, transport := range []string{loadtest.WebSocket, loadtest.EventStream} {
		text := mustCommand(t, loadtestEnv(n.url), "loadtest", "/devapp/private/load", "--transport", transport, "--subscribers", "30",
			"--channels", "3", "--publishers", "2", "--rate", "100", "--duration", "500ms", "--ramp", "0", "--json")
		r := loadtestResult(t, text)
		if r.Published == 0 || r.Failed != 0 || r.Published+r.Unsent > 50 {
			t.Errorf("%s: published %d of 50, %d failed: %v, %d not sent", transport, r.Published, r.Failed, r.Failures, r.Unsent)
		}
		if want := 10 * r.Published; r.Delivered != want || r.Lost+r.Repeated+r.OutOfOrder+r.Reconnects != 0 || r.Gone != 0 {
			t.Errorf("%s: want %d delivered in order and once, got %+v", transport, want, r)
		}
		if r.Delivery.P50 <= 0 || r.Delivery.Max < r.Delivery.P99 || r.Publish.P50 <= 0 {
			t.Errorf("%s: latencies %+v, %+v", transport, r.Delivery, r.Publish)
		}
	}
	stdout, stderr, err := command(t, loadtestEnv(n.url), "loadtest", "/devapp/public/load", "--duration", "100ms", "--rate", "50")
	if err != nil || !strings.Contains(stdout, "lost              0\n") || !strings.Contains(stdout, "deliveries by latency") {
		t.Errorf("%v, %s\n%s", err, stderr, stdout)
	}
}

// TestLoadtestRefuses gives what cannot be tested, and wants to be told why.
func TestLoadtestRefuses(t *testing.T) {
	t.Parallel()
	n := startNode(t, settings(t))
	right := loadtestEnv(n.url)
	token := mustCommand(t, settings(t), "token", "/devapp/private/load/**", "--key", devKey.id, "--secret", devKey.secret, "--pub")
	for _, c := range []struct {
		env  vars
		args string
		want string
	}{
		{right.with(vars{"PANDAPUSH_SECRET": "wrong"}), "/devapp/public/load", "Invalid secret"},
		{right, "/nosuch/public/load", "Could not find"},
		{right, "/devapp/presence/load", "has to be a public or a private one"},
		{right, "/devapp", "/devapp: "},
		{right, "/devapp/public/load --rate 0", "--rate 0"},
		{right, "/devapp/public/load --transport pigeon", "websocket"},
		{right.with(vars{"PANDAPUSH_URL": "push.example"}), "/devapp/public/load", `"push.example" is no address`},
		{right.with(vars{"PANDAPUSH_URL": "http://127.0.0.1:1"}), "/devapp/public/load", "connection refused"},
		{right, "/devapp/public/load --subscribers 2000000000", "ulimit -n"},
		{vars{"PANDAPUSH_URL": n.url, "PANDAPUSH_TOKEN": token}, "/devapp/private/load", "subscribe to /devapp/private/load/"},
	} {
		_, _, err := command(t, c.env, append([]string{"loadtest"}, strings.Fields(c.args)...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("loadtest %s: %v, want %q", c.args, err, c.want)
		}
	}
}

// loadtestFront is a proxy in front of servers, as tests need one to see what a loadtest makes of a bad deployment. It tells
// which publishes of a test pass; handle may have others become of them.
type loadtestFront struct {
	*httptest.Server

	target atomic.Pointer[url.URL]
	handle func(number int64, w http.ResponseWriter, r *http.Request, pass func()) // by one publish at a time, from 1
	seen   chan int64                                                              // the newest number that was answered
	count  atomic.Int64
}

// newLoadtestFront starts a proxy to a server.
func newLoadtestFront(t *testing.T, to string) *loadtestFront {
	t.Helper()
	f := &loadtestFront{seen: make(chan int64, 1)}
	f.aim(t, to)
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(f.target.Load()) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		Transport:    &http.Transport{},
	}
	f.handle = func(_ int64, _ http.ResponseWriter, _ *http.Request, pass func()) { pass() }
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || strings.HasSuffix(r.URL.Path, "/probe") {
			proxy.ServeHTTP(w, r)
			return
		}
		number := f.count.Add(1)
		f.handle(number, w, r, func() { proxy.ServeHTTP(w, r) })
		select {
		case <-f.seen:
		default:
		}
		f.seen <- number
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
		proxy.Transport.(*http.Transport).CloseIdleConnections()
	})
	return f
}

// aim sends what comes from now on to another server.
func (f *loadtestFront) aim(t *testing.T, to string) {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	f.target.Store(u)
}

// await waits until n more publishes were answered.
func (f *loadtestFront) await(n int64) {
	for end := f.count.Load() + n; <-f.seen < end; {
	}
}

// TestLoadtestSeesWhatIsWrong runs a test through a proxy that acknowledges a message and throws it away, sends one twice,
// and holds one back until a later one has passed. Then it is stopped, as by Ctrl-C.
func TestLoadtestSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	n := startNode(t, settings(t))
	front := newLoadtestFront(t, n.url)
	again := func(r *http.Request, body []byte) {
		if r, err := n.send(t.Context(), http.MethodPost, r.URL.Path, string(body), devKey.sign); err != nil || r.status != http.StatusOK {
			t.Errorf("publish by the proxy: %v, %+v", err, r)
		}
	}
	var held []byte
	front.handle = func(number int64, w http.ResponseWriter, r *http.Request, pass func()) {
		if number > 8 {
			pass()
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch number {
		case 3: // thrown away
		case 5:
			again(r, body)
			again(r, body)
		case 7:
			held = body
		case 8:
			again(r, body)
			again(r, held)
		default:
			again(r, body)
		}
		w.WriteHeader(http.StatusOK)
	}
	p := begin(t, loadtestEnv(front.URL), "loadtest", "/devapp/private/load", "--subscribers", "10", "--channels", "1", "--publishers", "1",
		"--rate", "100", "--duration", "1h", "--settle", "3s", "--json")
	front.await(20)
	p.stop()
	err := p.wait(t)
	r := loadtestResult(t, p.stdout.String())
	if err == nil || err.Error() != "10 messages were lost" {
		t.Errorf("it ended with %v", err)
	}
	if r.Lost != 10 || r.Repeated != 10 || r.OutOfOrder != 10 || r.Delivered != 10*(r.Published-1) {
		t.Errorf("want 10 lost, repeated and out of order, got %+v", r)
	}
}

// TestLoadtestThroughADeploy replaces the node under a test, first in peace and then by SIGKILL, and wants nothing to be lost
// or repeated.
func TestLoadtestThroughADeploy(t *testing.T) {
	t.Parallel()
	env := shared(t, settings(t))
	mustCommand(t, env, "migrate", "up")
	another := func() *node { return forkNode(t, env.with(vars{"DATA_DIR": t.TempDir()})) }
	for _, transport := range []string{loadtest.WebSocket, loadtest.EventStream} {
		first, second, third := another(), another(), another()
		front := newLoadtestFront(t, first.url)
		p := begin(t, loadtestEnv(front.URL), "loadtest", "/devapp/private/load", "--transport", transport, "--subscribers", "20",
			"--rate", "50", "--duration", "1h", "--settle", patience.String(), "--json")
		front.await(20)
		front.aim(t, second.url)
		first.stop()
		if err := first.wait(t); err != nil {
			t.Error(err)
		}
		front.await(20)
		eventually(t, "all subscribers are on the second node", func() bool { return second.gauge(t, "pandapush_edge_sessions") >= 20 })
		front.aim(t, third.url)
		_ = syscall.Kill(second.pid, syscall.SIGKILL)
		_ = second.wait(t) // killed, as it should be
		front.await(20)
		p.stop()
		if err := p.wait(t); err != nil {
			t.Errorf("%s: %v", transport, err)
		}
		r := loadtestResult(t, p.stdout.String())
		if r.Reconnects < 40 || r.Lost+r.Repeated+r.OutOfOrder != 0 || r.Published < 60 {
			t.Errorf("%s: want 60 messages, 40 reconnects and nothing wrong, got %+v", transport, r)
		}
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pandapush/pandapush/db/dbtest"
)

const (
	// patience bounds what tests wait for; nothing that works comes near it.
	patience = 2 * time.Minute
	// asProgram in its environment makes the test binary be pandapush, for tests that want a process of its own.
	asProgram = "PANDAPUSH_TEST_AS_PROGRAM"
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	dbtest.Main(m)
}

// vars are environment variables.
type vars map[string]string

func (v vars) get(name string) string { return v[name] }

// with returns v with others added or in place of its own.
func (v vars) with(others vars) vars {
	both := maps.Clone(v)
	maps.Copy(both, others)
	return both
}

// settings returns those of a server of the test's own: a data folder, any free port, and the development application.
func settings(tb testing.TB) vars {
	tb.Helper()
	return vars{
		"DATA_DIR": tb.TempDir(), "LISTEN": "127.0.0.1:0", "LOG_FORMAT": "json", "DRAIN_SECONDS": "1",
		"DEV_APPLICATION_ID": "devapp", "DEV_KEY_ID": "devkey", "DEV_KEY_SECRET": "devsecret",
	}
}

// program is a running pandapush.
type program struct {
	stdout, stderr *transcript
	pid            int // zero if it runs in this process
	stop           func()
	done           chan struct{} // closed when it has ended
	err            error         // how; read after done
	awaited        bool          // the test has looked at err
}

// begin runs pandapush in this process, until the test ends at the latest.
func begin(tb testing.TB, env vars, args ...string) *program {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := newProgram(tb)
	p.stop = cancel
	go func() { p.ended(run(ctx, args, env.get, p.stdout, p.stderr)) }()
	return p
}

// fork is begin with a process of its own, which gets signals.
func fork(tb testing.TB, env vars, args ...string) *program {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), self, args...)
	cmd.Env = []string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	p := newProgram(tb)
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	if err := cmd.Start(); err != nil {
		p.ended(err)
		tb.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	p.stop = func() { _ = cmd.Process.Signal(syscall.SIGTERM) } // fails only if it has ended
	go func() { p.ended(cmd.Wait()) }()
	return p
}

// newProgram has the program that is about to start stopped when the test ends. Its failure then is the test's.
func newProgram(tb testing.TB) *program {
	tb.Helper()
	p := &program{stdout: newTranscript(), stderr: newTranscript(), stop: func() {}, done: make(chan struct{})}
	tb.Cleanup(func() {
		p.stop()
		if err := p.wait(tb); err != nil {
			tb.Error("pandapush:", err)
		}
		if tb.Failed() {
			tb.Logf("standard error of pandapush:\n%s", p.stderr)
		}
	})
	return p
}

func (p *program) ended(err error) {
	p.err = err
	close(p.done)
	p.stdout.end()
	p.stderr.end()
}

// wait waits until the program has ended, and returns its error: an *exec.ExitError if it is a process. Only the first call
// does, since an error that a test has looked at is no surprise at its end.
func (p *program) wait(tb testing.TB) error {
	tb.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		if p.pid != 0 {
			_ = syscall.Kill(p.pid, syscall.SIGKILL) // so that nothing is left of it
		}
		tb.Fatalf("pandapush does not end; its standard error:\n%s", p.stderr)
	}
	if p.awaited {
		return nil
	}
	p.awaited = true
	return p.err
}

// command runs a short command in this process, and returns what it printed.
func command(tb testing.TB, env vars, args ...string) (stdout, stderr string, err error) {
	tb.Helper()
	p := begin(tb, env, args...)
	err = p.wait(tb)
	return p.stdout.String(), p.stderr.String(), err
}

// mustCommand is command for what has to work. It returns standard output without the last line's end.
func mustCommand(tb testing.TB, env vars, args ...string) string {
	tb.Helper()
	stdout, stderr, err := command(tb, env, args...)
	if err != nil {
		tb.Fatalf("pandapush %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}

// node is a running server.
type node struct {
	*program
	url  string
	http *http.Client
}

// startNode runs a server in this process.
func startNode(tb testing.TB, env vars, args ...string) *node {
	tb.Helper()
	return newNode(tb, begin(tb, env, append([]string{"serve"}, args...)...))
}

// forkNode runs a server in a process of its own.
func forkNode(tb testing.TB, env vars, args ...string) *node {
	tb.Helper()
	return newNode(tb, fork(tb, env, append([]string{"serve"}, args...)...))
}

// newNode waits until the server listens.
func newNode(tb testing.TB, p *program) *node {
	tb.Helper()
	var listening struct{ Addr string }
	if err := json.Unmarshal([]byte(p.stderr.await(tb, `"msg":"listening"`)), &listening); err != nil {
		tb.Fatal(err)
	}
	// Proxy settings of the environment are none of the test's business.
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections() // those of the commands publish, subscribe and health
	})
	return &node{program: p, url: "http://" + listening.Addr, http: &http.Client{Transport: transport, Timeout: patience}}
}

// response is an HTTP response that has been read.
type response struct {
	status int
	header http.Header
	body   string
}

// get asks for a path.
func (n *node) get(tb testing.TB, path string) response {
	tb.Helper()
	r, err := n.send(tb.Context(), http.MethodGet, path, "", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// keyPair is a key and its secret.
type keyPair struct{ id, secret string }

var devKey = keyPair{"devkey", "devsecret"}

// sign is the key as the credential of a request.
func (k keyPair) sign(r *http.Request) { r.SetBasicAuth(k.id, k.secret) }

// auth is the key as the credential of a Bayeux message.
func (k keyPair) auth() string { return `{"key":"` + k.id + `","secret":"` + k.secret + `"}` }

// publish publishes data on channel.
func (n *node) publish(tb testing.TB, sign func(*http.Request), channel, data string) response {
	tb.Helper()
	r, err := n.send(tb.Context(), http.MethodPost, "/channel"+channel, data, sign)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// mustPublish is publish for what has to work. It returns the message's id.
func (n *node) mustPublish(tb testing.TB, sign func(*http.Request), channel, data string) string {
	tb.Helper()
	r := n.publish(tb, sign, channel, data)
	id := r.header.Get("X-Message-Id")
	if r.status != http.StatusOK || id == "" {
		tb.Fatalf("publish on %s: %d %s, message id %q", channel, r.status, r.body, id)
	}
	return id
}

// send sends a request and reads the response. sign may be nil.
func (n *node) send(ctx context.Context, method, path, body string, sign func(*http.Request)) (response, error) {
	request, err := http.NewRequestWithContext(ctx, method, n.url+path, strings.NewReader(body))
	if err != nil {
		return response{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if sign != nil {
		sign(request)
	}
	answer, err := n.http.Do(request)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return response{answer.StatusCode, answer.Header, string(text)}, err
}

// eventually asks until it is told yes, for what gives no signal of its own.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("waited in vain: %s", what)
		}
	}
}

// transcript is what a program has written. It may be written and read by any goroutine.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	over    bool
	changed chan struct{} // closed and made anew whenever something above changes
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

// Write implements io.Writer.
func (o *transcript) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

// end says that nothing more will come.
func (o *transcript) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	close(o.changed)
	o.changed = make(chan struct{})
}

// String returns what has been written so far.
func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// lines returns the whole lines that have been written so far.
func (o *transcript) lines() []string {
	all := strings.Split(o.String(), "\n")
	return all[:len(all)-1]
}

// await waits for a whole line that contains part, and returns the first.
func (o *transcript) await(tb testing.TB, part string) string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		o.mu.Lock()
		changed, over := o.changed, o.over
		o.mu.Unlock()
		for _, line := range o.lines() {
			if strings.Contains(line, part) {
				return line
			}
		}
		if over {
			tb.Fatalf("the program ended without a line with %q; it wrote:\n%s", part, o)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			tb.Fatalf("waited in vain for a line with %q among:\n%s", part, o)
		}
	}
}

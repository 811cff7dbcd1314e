package loadtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandapush/pandapush"
)

// Transports of subscribers.
const (
	WebSocket   = "websocket"
	EventStream = "eventstream"
)

// Config says what a test does. All of it but the credential and Progress has to be given.
type Config struct {
	URL       string            // of the deployment, http or https
	Channel   pandapush.Channel // a public or private one; the test's own channels are below it
	Key       pandapush.KeyID   // with Secret
	Secret    pandapush.Secret
	Token     string // in place of a key; has to cover Channel and two levels below it
	Transport string // WebSocket or EventStream

	Subscribers int
	Publishers  int           // publish at the same time, each one message after the other
	Channels    int           // which subscribers and messages are spread over
	Rate        float64       // messages/s of all publishers together
	Size        int           // of a message's data, bytes, at least; a few tens are always needed
	Ramp        time.Duration // over which subscribers connect
	Duration    time.Duration // of the publishing
	Settle      time.Duration // longest to wait afterwards for what is missing

	Progress io.Writer // told how it goes; nil for nobody
	Terminal bool      // Progress is a terminal, on which a line can be written over
}

// connectPatience is how long subscribers may take to connect after the last has begun to.
const connectPatience = 30 * time.Second

// test is a run of the load test.
type test struct {
	// Set before any goroutine is started, then never changed.
	cfg       Config
	run       string   // names the run's channels
	channels  []string // names
	transport transport
	http      *http.Client
	zero      time.Time               // due times are nanoseconds since then
	delivery  latencies               // from when a message was due until a subscriber had it
	publish   latencies               // until its publisher had the answer
	fail      context.CancelCauseFunc // gives the test up; any goroutine
	ready     chan struct{}           // one for each subscriber that has subscribed

	subscribers []*subscriber
	publishers  []*publisher

	publishing       atomic.Int64 // when it began, nanoseconds since zero; 0 before
	attempted        atomic.Int64 // publishes begun: each is then published or failed
	published        atomic.Int64 // acknowledged
	failed           atomic.Int64 // not acknowledged: stored or not
	unsent           atomic.Int64 // due, and not begun in time
	delivered        atomic.Int64 // all subscribers together, each message once
	late             atomic.Int64 // of these, those out of order
	repeat           atomic.Int64 // those that came again
	connected        atomic.Int64 // subscribers that are
	returns, longest atomic.Int64 // their comebacks, and the longest that one was away, in nanoseconds

	mu       sync.Mutex
	failures map[string]int64 // publishes by what became of them
	trouble  error            // why a subscriber's connection failed, the newest
}

// Run runs a test and returns what was measured. When ctx is done it stops publishing, waits for what is under way as it
// does at the end, and returns what was measured so far. The error says why nothing could be.
func Run(ctx context.Context, cfg Config) (*Result, error) {
	t, err := newTest(cfg)
	if err != nil {
		return nil, err
	}
	defer t.http.CloseIdleConnections()
	if err := t.probe(ctx); err != nil {
		return nil, err
	}
	live, fail := context.WithCancelCause(context.WithoutCancel(ctx)) // subscribers outlive ctx: what is under way is for them
	t.fail = fail
	var readers sync.WaitGroup
	defer readers.Wait()
	defer fail(nil)
	told := t.tell(live)
	defer told()

	began := time.Now()
	readers.Go(func() { t.connect(live, &readers) })
	if err := t.awaitReady(ctx, live); err != nil {
		return nil, err
	}
	result := &Result{ConnectSeconds: time.Since(began).Seconds()}
	used := processorTime()
	began = time.Now()
	t.publishAll(ctx, live)
	result.Seconds = time.Since(began).Seconds()
	result.Busy = busy(processorTime()-used, time.Since(began))
	t.settle(live)
	if err := context.Cause(live); err != nil {
		return nil, err
	}
	t.fill(result)
	return result, nil
}

// newTest checks cfg and prepares a test.
func newTest(cfg Config) (*test, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no address of a server: it takes one like https://push.example.com", cfg.URL)
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	if kind := cfg.Channel.Kind(); kind != pandapush.Public && kind != pandapush.Private {
		return nil, fmt.Errorf("%s: the channel has to be a public or a private one", cfg.Channel)
	}
	if err := allowFiles(cfg.Subscribers + cfg.Publishers); err != nil {
		return nil, err
	}
	idle := &http.Transport{MaxIdleConnsPerHost: cfg.Publishers}
	t := &test{
		cfg: cfg, run: strings.ToLower(rand.Text()[:8]), http: &http.Client{Transport: idle, Timeout: publishPatience},
		zero: time.Now(), ready: make(chan struct{}, cfg.Subscribers), failures: make(map[string]int64),
	}
	t.delivery, t.publish = newLatencies(cfg.Subscribers), newLatencies(cfg.Publishers)
	for i := range cfg.Channels {
		name := cfg.Channel.String() + "/" + t.run + "/" + strconv.Itoa(i)
		if _, err := pandapush.ParsePlainChannel(name); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		t.channels = append(t.channels, name)
	}
	switch cfg.Transport {
	case WebSocket:
		t.transport = newWebSocket(cfg)
	case EventStream:
		t.transport = newEventStream(cfg)
	default:
		return nil, fmt.Errorf("no transport %q, only %s and %s", cfg.Transport, WebSocket, EventStream)
	}
	for i := range cfg.Subscribers {
		t.subscribers = append(t.subscribers, &subscriber{
			test: t, channel: i % cfg.Channels, name: t.channels[i%cfg.Channels], latency: t.delivery.of(i), tracks: make([]track, cfg.Publishers),
		})
	}
	for i := range cfg.Publishers {
		t.publishers = append(t.publishers, &publisher{
			test: t, number: i, latency: t.publish.of(i), sent: make([]int64, cfg.Channels), doubtful: make([][]int64, cfg.Channels),
		})
	}
	return t, nil
}

// probe publishes a message that nobody waits for, so that a wrong address or credential is found before anything else.
func (t *test) probe(ctx context.Context) error {
	err := t.post(ctx, t.cfg.Channel.String()+"/"+t.run+"/probe", []byte("{}"))
	if err != nil {
		return fmt.Errorf("publish on %s: %w", t.cfg.Channel, err)
	}
	return nil
}

// connect starts all subscribers, spread over the ramp.
func (t *test) connect(live context.Context, readers *sync.WaitGroup) {
	began := time.Now()
	for i, s := range t.subscribers {
		due := t.cfg.Ramp * time.Duration(i) / time.Duration(len(t.subscribers))
		if !pause(live, due-time.Since(began)) {
			return
		}
		readers.Go(func() { s.run(live) })
	}
}

// awaitReady waits until every subscriber has subscribed.
func (t *test) awaitReady(ctx, live context.Context) error {
	late := time.NewTimer(t.cfg.Ramp + connectPatience)
	defer late.Stop()
	for n := range t.subscribers {
		select {
		case <-t.ready:
		case <-live.Done():
			return context.Cause(live)
		case <-ctx.Done():
			return errors.New("stopped before all subscribers were connected: nothing was measured")
		case <-late.C:
			t.mu.Lock()
			defer t.mu.Unlock()
			return fmt.Errorf("only %d of %d subscribers have connected in time: %w",
				n, len(t.subscribers), cmp.Or(t.trouble, errors.New("no answer")))
		}
	}
	return nil
}

// publishAll publishes until the duration is over or ctx or live is done, and returns when all that was sent is answered.
func (t *test) publishAll(ctx, live context.Context) {
	ctx, stop := context.WithTimeout(ctx, t.cfg.Duration)
	defer stop()
	defer context.AfterFunc(live, stop)()
	began := time.Now()
	t.publishing.Store(int64(began.Sub(t.zero)))
	var all sync.WaitGroup
	for _, p := range t.publishers {
		all.Go(func() { p.run(ctx, live, began) })
	}
	all.Wait()
}

// settle waits until nothing is missing any more, or for the time that was given for that.
func (t *test) settle(live context.Context) {
	deadline := time.Now().Add(t.cfg.Settle)
	for t.lost() > 0 && time.Now().Before(deadline) && pause(live, 50*time.Millisecond) {
	}
}

// lost returns how many messages are missing, all subscribers together. No publisher may be running.
func (t *test) lost() (n int64) {
	for _, s := range t.subscribers {
		n += s.lost(t.publishers)
	}
	return n
}

// troubled notes why a subscriber's connection failed.
func (t *test) troubled(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.trouble = err
}

// pause waits, and returns false if ctx was done before it was over.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

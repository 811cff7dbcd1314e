//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// chaosKind is a row of the table of promises.
type chaosKind struct {
	name        string
	instances   int
	exactlyOnce bool   // P3; the others are promised P4: nothing lost, and what came just before a fault may come again
	library     string // of JavaScript; "" for the clients in Go
	transport   string
}

var chaosKinds = []chaosKind{
	{name: "faye websocket", instances: 3, library: "faye", transport: "websocket"},
	{name: "faye eventsource", instances: 2, library: "faye", transport: "eventsource"},
	{name: "faye long-polling", instances: 3, library: "faye", transport: "long-polling"},
	{name: "client.js websocket", instances: 2, exactlyOnce: true, library: "pandapush", transport: "websocket"},
	{name: "client.js eventsource", instances: 2, exactlyOnce: true, library: "pandapush", transport: "eventsource"},
	{name: "client.js long-polling", instances: 2, exactlyOnce: true, library: "pandapush", transport: "long-polling"},
	{name: "cometd ack websocket", instances: 2, exactlyOnce: true, library: "cometd", transport: "websocket"},
	{name: "cometd ack long-polling", instances: 2, exactlyOnce: true, library: "cometd", transport: "long-polling"},
	{name: "ext.since websocket", instances: 3, exactlyOnce: true},
	{name: "server-sent events", instances: 3, exactlyOnce: true, transport: "follow"},
}

// message names one attempt to publish: the number is that of its channel. An attempt that was not acknowledged may have
// been stored all the same, and the next one is then another message.
type message struct {
	channel    string
	n, attempt int
}

// receipt is one message that a client got.
type receipt struct {
	message

	at     time.Time
	cursor pandapush.Cursor
}

// chaosClient is what has happened to one client.
type chaosClient struct {
	kind       chaosKind
	name       string
	subscribed bool // to everything, for the first time
	receipts   []receipt
	has        map[message]bool
	events     map[string]int // how often; see clients.mjs
	errors     []string       // what must not happen at all
	last       string         // event
}

// hasAll reports whether the client got all of want.
func (c *chaosClient) hasAll(want []message) bool {
	return !slices.ContainsFunc(want, func(m message) bool { return !c.has[m] })
}

// chaosRecord collects what happens to the clients. Any goroutine may use it.
type chaosRecord struct {
	begin time.Time
	logf  func(format string, args ...any) // nil = quiet; set before the clients start

	mu      sync.Mutex
	changed chan struct{} // closed and made anew when anything below changes
	clients map[string]*chaosClient
}

func newChaosRecord(begin time.Time) *chaosRecord {
	return &chaosRecord{begin: begin, changed: make(chan struct{}), clients: make(map[string]*chaosClient)}
}

func (r *chaosRecord) change(client string, f func(c *chaosClient)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r.clients[client])
	close(r.changed)
	r.changed = make(chan struct{})
}

// add makes a client known.
func (r *chaosRecord) add(kind chaosKind, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients[name] = &chaosClient{kind: kind, name: name, has: make(map[message]bool), events: make(map[string]int)}
}

// message notes that client got m with that id.
func (r *chaosRecord) message(client string, at time.Time, m message, id string) {
	cursor, err := pandapush.ParseCursor(chaosApp, id)
	r.change(client, func(c *chaosClient) {
		if err != nil {
			c.errors = append(c.errors, fmt.Sprintf("the id %q is no cursor", id))
		}
		c.receipts = append(c.receipts, receipt{m, at, cursor})
		c.has[m] = true
	})
}

// event notes anything else that happened to client.
func (r *chaosRecord) event(client string, at time.Time, what, detail string) {
	if r.logf != nil && what != "connect" {
		r.logf("%s: %s %s (at %.2fs)", client, what, detail, at.Sub(r.begin).Seconds())
	}
	r.change(client, func(c *chaosClient) {
		c.events[what]++
		c.last = what + " " + detail
		switch what {
		case "subscribed":
			c.subscribed = true
		case "error":
			c.errors = append(c.errors, detail)
		case "connect":
			if detail != c.kind.transport {
				c.events["another transport"]++
			}
		}
	})
}

// await waits until ok, which is called with r locked, for every client; it returns those for which it never was.
func (r *chaosRecord) await(ctx context.Context, patience time.Duration, ok func(*chaosClient) bool) (late []string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		late = nil
		r.mu.Lock()
		for name, c := range r.clients {
			if !ok(c) {
				late = append(late, name)
			}
		}
		changed := r.changed
		r.mu.Unlock()
		if len(late) == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			slices.Sort(late)
			return late
		}
	}
}

// describe returns what happened to the clients last.
func (r *chaosRecord) describe(clients []string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, name := range clients {
		c := r.clients[name]
		fmt.Fprintf(&b, "\n  %s: %d messages, events %v, the last: %s", name, len(c.receipts), c.events, c.last)
	}
	return b.String()
}

// results returns all clients as they are now: some may go on connecting.
func (r *chaosRecord) results() []*chaosClient {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*chaosClient, 0, len(r.clients))
	for _, c := range r.clients {
		now := *c
		now.has, now.events = maps.Clone(c.has), maps.Clone(c.events)
		now.receipts, now.errors = slices.Clone(c.receipts), slices.Clone(c.errors)
		list = append(list, &now)
	}
	slices.SortFunc(list, func(a, b *chaosClient) int { return strings.Compare(a.name, b.name) })
	return list
}

// startChaosClients starts the instances of every kind. They end with the test.
func startChaosClients(ctx context.Context, tb testing.TB, proxy *chaosProxy, record *chaosRecord) {
	tb.Helper()
	type description struct {
		Name      string `json:"name"`
		Library   string `json:"library"`
		Transport string `json:"transport"`
		Retry     int    `json:"retry"` // seconds
		URL       string `json:"url"`
	}
	var descriptions []description
	for _, kind := range chaosKinds {
		for i := range kind.instances {
			name := fmt.Sprintf("%s #%d", kind.name, i+1)
			record.add(kind, name)
			addr := proxy.open(name)
			if kind.transport == "follow" {
				startFollowClient(ctx, tb, name, addr, record)
				continue
			}
			if kind.library == "" {
				startSinceClient(ctx, tb, &sinceClient{name: name, addr: addr, record: record})
				continue
			}
			d := description{name, kind.library, kind.transport, 5, "http://" + addr + "/push"} // Faye's default
			if i%2 == 1 {
				d.Retry = 1 // comes back sooner, and so sees more of the faults
			}
			descriptions = append(descriptions, d)
		}
	}
	config, err := json.Marshal(map[string]any{"clients": descriptions, "subscriptions": chaosSubscriptions})
	if err != nil {
		tb.Fatal(err)
	}
	startJavaScript(tb, string(config), record)
}

// startJavaScript runs clients.mjs.
func startJavaScript(tb testing.TB, config string, record *chaosRecord) {
	tb.Helper()
	if _, err := os.Stat("../../client/dist/index.mjs"); err != nil {
		tb.Fatal("client.js has not been built: scripts/build does it")
	}
	cmd := exec.Command("node", "../../client/chaos/clients.mjs", config) // not CommandContext: it ends in order, below
	cmd.Stderr = createLog(tb, "clients.log")
	log := createLog(tb, "clients.jsonl")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	c, err := startChild(cmd, cmd.StdoutPipe, func(line []byte) {
		_, _ = fmt.Fprintf(log, "%s\n", line) // a full disk is seen elsewhere
		var l struct {
			Client        string
			T             int64
			Event, Detail string
			Channel, ID   string
			N, Attempt    int
		}
		if err := json.Unmarshal(line, &l); err != nil || l.Client == "" {
			return // some library's own output
		}
		at := time.UnixMilli(l.T)
		if l.Event != "" {
			record.event(l.Client, at, l.Event, l.Detail)
		} else {
			record.message(l.Client, at, message{l.Channel, l.N, l.Attempt}, l.ID)
		}
	})
	if err != nil {
		tb.Fatalf("%v: the JavaScript clients need Node", err)
	}
	tb.Cleanup(func() {
		select {
		case <-c.done:
			tb.Errorf("the JavaScript clients ended: %v; see %s", c.err, log.Name())
		default:
			_ = stdin.(io.Closer).Close() // on this they end
			<-c.done
		}
	})
}

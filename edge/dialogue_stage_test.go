package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/client"
	"github.com/pandapush/pandapush/streams"
)

// patience bounds what a dialogue waits for; nothing that works comes near it.
const patience = time.Minute

// stage is where one dialogue is told once.
type stage struct {
	t         testing.TB
	nodes     []*node
	transport string // of peers whose names do not say
	clock     *clock
	names     names
	peers     map[string]peer
	turn      int
}

// peer is one connection, or one after the other, of a client.
type peer interface {
	send(kind, text string) error // a payload, or what kind says
	next() (item, error)          // waits for what comes next
	close()                       // without a word
	rest() ([]item, error)        // what came by the end and was not asked for
}

// item is something that a peer got.
type item struct {
	kind string // "" for a message, "empty" for an array of none, "pong", "close", "end"
	text string
}

func (i item) String() string { return strings.TrimSpace(i.kind + " " + i.text) }

// redisStages counts the stages on Redis, so that each has keys of its own.
var redisStages atomic.Int64

// script is the client as all stages serve it: to compress it for each would take most of the test's time.
var script = sync.OnceValue(client.FayeHandler)

func newStage(t *testing.T, d *dialogue, transport string, nodes int, redis string) *stage {
	t.Helper()
	s := &stage{t: t, transport: transport, clock: newClock(), peers: map[string]peer{}, names: commonNames(d.timeout)}
	shared, prefix := newMemory(), fmt.Sprintf("d%d", redisStages.Add(1))
	shared.now = s.clock.get
	for i := range nodes {
		name := string(rune('a' + i))
		// No pings: the clock makes leaps, and a socket that is silent for so long would be taken for dead.
		change := func(c *Config) {
			c.Timeout, c.PingInterval, c.Now, c.Script = d.timeout, 24*time.Hour, s.clock.get, script()
			c.BatchWindow = d.window
			c.HandshakeTimeout = 24 * time.Hour // a dialogue may leave one of its sockets unused
		}
		if redis == "" {
			s.nodes = append(s.nodes, startNodeOn(t, shared, name, change))
		} else {
			s.nodes = append(s.nodes, startNodeOnRedis(t, redis, prefix, name, change))
		}
	}
	return s
}

// commonNames are what every dialogue knows.
func commonNames(timeout time.Duration) names {
	return names{
		"<types>": `["long-polling","cross-origin-long-polling","callback-polling","websocket","eventsource","in-process"]`,
		"<retry>": fmt.Sprintf(`{"reconnect":"retry","interval":0,"timeout":%[1]d,"maxInterval":%[1]d}`, timeout.Milliseconds()),
		"<again>": `{"reconnect":"handshake","interval":"<*>"}`,
		"<BOM>":   "\ufeff",
		"<auth>":  `"ext":{"auth":{"key":"key","secret":"secret"}}`,
	}
}

// startNodeOnRedis starts a node whose streams and records are in a real Redis.
func startNodeOnRedis(t *testing.T, url, prefix, name string, change func(*Config)) *node {
	t.Helper()
	s, err := streams.Open(t.Context(), streams.Config{Redis: streams.Topology{URLs: []string{url}}, Prefix: prefix, Node: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	n := &node{keys: newMemoryKeys(t, testKey, pandapush.Key{ID: "key", App: "other", Secret: "secret"})}
	cfg := Config{Node: name, Stream: s, Records: s, Presence: s, Occupancy: s, Keys: n.keys, Log: slog.New(slog.DiscardHandler)}
	change(&cfg)
	n.Server = New(cfg)
	ctx, stop := context.WithCancel(context.Background())
	n.serve(t, func() {
		if err := s.Run(ctx, streams.Handlers{Deliver: n.Deliver, Gap: n.Gap, Notice: func(streams.Notice) {}, Mail: n.Mail}); err != nil {
			t.Error(err)
		}
	}, stop)
	return n
}

// node returns the node that the next request goes to.
func (s *stage) node() *node {
	s.turn++
	return s.nodes[s.turn%len(s.nodes)]
}

// tell plays a dialogue. Peers in turn send and get; what nobody expected by the end is wrong.
func (d *dialogue) tell(t *testing.T, s *stage) {
	t.Helper()
	defer func() {
		for _, p := range s.peers {
			p.close()
		}
	}()
	for i := 0; i < len(d.steps); {
		n := 1
		for d.steps[i].kind == "any" && i+n < len(d.steps) && d.steps[i+n].kind == "any" && d.steps[i+n].peer == d.steps[i].peer {
			n++
		}
		if err := s.do(d.steps[i : i+n]); err != nil {
			t.Fatalf("%s: %v", d.steps[i].where, err)
		}
		i += n
	}
	for _, name := range slices.Sorted(maps.Keys(s.peers)) {
		rest, err := s.peers[name].rest()
		if err != nil {
			t.Errorf("%s at the end: %v", name, err)
		}
		for _, i := range rest {
			t.Errorf("%s got besides: %s", name, i)
		}
	}
}

// do does one step, or several that happen in any order.
func (s *stage) do(steps []step) error {
	first := steps[0]
	switch first.sign {
	case "":
		return s.command(strings.SplitN(s.names.fill(first.text), " ", 3))
	case "<":
		return s.expect(steps)
	case "<<":
		return s.expectResponse(first)
	}
	if mark := s.names.missing(first.text); mark != "" {
		return fmt.Errorf("nothing is known of %s", mark)
	}
	if first.sign == ">>" {
		return s.request(first)
	}
	p, err := s.peer(first.peer)
	if err != nil {
		return err
	}
	return p.send(first.kind, s.names.fill(first.text))
}

// peer returns a peer by its name, a new one if it has not spoken yet.
func (s *stage) peer(name string) (peer, error) {
	if p, ok := s.peers[name]; ok {
		return p, nil
	}
	var p peer
	switch transport := transportOf(name, s.transport); transport {
	case "http":
		p = newHTTPPeer(s)
	case "ws", "websocket":
		p = newSocketPeer(s)
	case "es":
		return nil, errors.New("no stream was asked for")
	default:
		return nil, fmt.Errorf("who is %s?", name)
	}
	s.peers[name] = p
	return p, nil
}

// expect waits for what steps say, in any order if there are several.
func (s *stage) expect(steps []step) error {
	p, err := s.peer(steps[0].peer)
	if err != nil {
		return err
	}
	for len(steps) > 0 {
		got, err := p.next()
		if err != nil {
			return err
		}
		var mismatch error
		found := slices.IndexFunc(steps, func(want step) bool {
			mismatch = s.matches(want, got)
			return mismatch == nil
		})
		if found < 0 {
			return fmt.Errorf("got %s: %w", got, mismatch)
		}
		steps = slices.Delete(slices.Clone(steps), found, found+1)
	}
	return nil
}

// matches compares what came with one step.
func (s *stage) matches(want step, got item) error {
	kind := want.kind
	if kind == "any" {
		kind = ""
	}
	if kind == "" && want.text == "[]" {
		kind = "empty"
	}
	switch {
	case got.kind != kind:
		return fmt.Errorf("want %s %s", kind, want.text)
	case kind == "":
		return s.names.match(want.text, got.text)
	case kind != "empty" && want.text != got.text:
		return fmt.Errorf("want %s %s", kind, want.text)
	}
	return nil
}

// command does what no peer does, or what is too common to be told in full.
func (s *stage) command(words []string) error {
	switch words[0] {
	case "begin": // begin NAME: a handshake whose client id gets the name
		s.names[words[1]] = s.node().handshake(s.t)
	case "subscribe": // subscribe ID CHANNEL
		s.node().subscribe(s.t, words[1], words[2])
	case "publish": // publish CHANNEL DATA
		s.node().publish(s.t, words[1], words[2])
		return s.settle()
	case "settle": // waits until every node has what was published
		return s.settle()
	case "held": // held ID: waits until a connect is held, and the session is level
		return s.await("held", func() bool {
			return slices.ContainsFunc(s.nodes, func(n *node) bool { return n.holds(words[1]) })
		})
	case "attached": // attached ID: waits until the session has a path
		return s.await("attached", func() bool {
			return slices.ContainsFunc(s.nodes, func(n *node) bool {
				session, ok := n.sessions.get(words[1])
				return ok && session.hasPath()
			})
		})
	case "detached": // detached ID: waits until it has none
		return s.await("detached", func() bool {
			return !slices.ContainsFunc(s.nodes, func(n *node) bool {
				_, ok := n.sessions.get(words[1])
				return ok
			})
		})
	case "close": // close PEER: its connection goes without a word
		s.peers[words[1]].close()
		delete(s.peers, words[1])
	case "clock": // clock DURATION: so much later
		d, err := time.ParseDuration(words[1])
		if err != nil {
			return err
		}
		s.clock.add(d)
		for _, n := range s.nodes {
			n.sweepOnce(s.t.Context())
		}
	default:
		return fmt.Errorf("what is %q?", words[0])
	}
	return nil
}

// settle waits until every node has handed out all that is in the streams. What a connect without a hold brings would
// otherwise depend on how fast a node reads.
func (s *stage) settle() error {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	for _, n := range s.nodes {
		for _, t := range n.hub.all() {
			if err := t.join(ctx); err != nil {
				return err
			}
			end, err := n.cfg.Stream.Tail(ctx, t.app)
			if err != nil {
				return err
			}
			n.hub.reach(ctx, t.app, end.Position)
		}
	}
	return ctx.Err()
}

// all returns what the hub keeps of each application, also of those whose stream it is about to read.
func (h *hub) all() []*tenant {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Collect(maps.Values(h.tenants))
}

func (s *session) hasPath() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outlet != nil || s.poll != nil
}

// holds reports whether a connect of the session is held, and what comes is pushed to it: while a session is behind, it may be
// answered with a part of what is there.
func (n *node) holds(id string) bool {
	session, ok := n.sessions.get(id)
	if !ok {
		return false
	}
	session.mu.Lock()
	defer session.mu.Unlock()
	return (session.poll != nil || session.held != nil) && session.behindLocked() == nil
}

// await waits until something is so that gives no signal of itself.
func (s *stage) await(what string, ok func() bool) error {
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-deadline:
			return fmt.Errorf("waited in vain: %s", what)
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

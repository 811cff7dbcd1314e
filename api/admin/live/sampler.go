package live

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandapush/pandapush"
)

// lease is how long a share counts without another: a node that is late once is still there.
const lease = 3 * Interval

// Board is where nodes leave their shares for each other. It must return within a few seconds when Redis is away.
type Board interface {
	// Share leaves this node's share for ttl, and returns those of all nodes.
	Share(ctx context.Context, share []byte, ttl time.Duration) (map[string][]byte, error)
}

// Config is what a Sampler is made of.
type Config struct {
	Node      string // this one's name
	About     About
	Sources   []func() map[pandapush.AppID]pandapush.Usage          // what this node knows; they are added up
	Followers func() map[pandapush.Follower]pandapush.FollowerCount // of this node; nil: none
	Board     Board
	Gatherer  prometheus.Gatherer // this node's metrics
	Draining  func() bool         // nil: never
	Log       *slog.Logger        // nil for none
}

// Sampler samples. Its methods are safe for concurrent use; Run may be called once.
type Sampler struct {
	cfg   Config
	meter meter
	gauge gauge
	news  chan struct{} // has one in it if a sample is due before its time
	down  bool          // the board did not answer last time; owned by Run

	mu      sync.Mutex
	history history
	shares  map[string]share
	next    chan struct{} // closed by the next sample
}

// NewSampler returns a Sampler that knows nothing until Run.
func NewSampler(cfg Config) *Sampler {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Draining == nil {
		cfg.Draining = func() bool { return false }
	}
	return &Sampler{cfg: cfg, meter: meter{sources: cfg.Sources}, gauge: gauge{from: cfg.Gatherer}, next: make(chan struct{}), news: make(chan struct{}, 1)}
}

// Run takes a sample every Interval, and when it is told to, until ctx ends.
func (s *Sampler) Run(ctx context.Context) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		s.sample(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.news:
		}
	}
}

// Refresh has the next sample taken now, since something has changed that operators wait to see.
func (s *Sampler) Refresh() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// sample takes one sample. While Redis is away, this node is all there is.
func (s *Sampler) sample(ctx context.Context) {
	now := time.Now()
	own := share{About: s.cfg.About, At: now, Draining: s.cfg.Draining()}
	own.Process, own.Latency = s.gauge.read(now)
	own.add(s.meter.read(now))
	if s.cfg.Followers != nil {
		own.addFollowers(s.cfg.Followers())
	}

	shares := map[string]share{}
	text, err := json.Marshal(own)
	if err == nil {
		var texts map[string][]byte
		texts, err = s.cfg.Board.Share(ctx, text, lease)
		shares = decodeShares(texts)
	}
	if ctx.Err() != nil {
		return
	}
	if down := err != nil; down != s.down {
		s.down = down
		s.cfg.Log.WarnContext(ctx, "live numbers of other nodes", "missing", down, "error", err)
	}
	shares[s.cfg.Node] = own
	s.keep(now, shares)
}

// keep adds the shares up.
func (s *Sampler) keep(now time.Time, shares map[string]share) {
	whole := Sample{At: now, Nodes: make(map[string]Node, len(shares))}
	apps := map[pandapush.AppID]map[string]Numbers{}
	for node, sh := range shares {
		whole.Nodes[node] = Node{sh.Total, sh.Latency}
		whole.Total = whole.Total.plus(sh.Total)
		whole.Latency = whole.Latency.slower(sh.Latency)
		for app, n := range sh.Apps {
			if apps[app] == nil {
				apps[app] = map[string]Numbers{}
			}
			apps[app][node] = n.unpack()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shares = shares
	s.history.add(whole, apps)
	close(s.next)
	s.next = make(chan struct{})
}

// Followers returns how many followers an application has on all nodes, by the key that let them in. They are those of the last
// sample.
func (s *Sampler) Followers(app pandapush.AppID) map[pandapush.KeyID]pandapush.FollowerCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[pandapush.KeyID]pandapush.FollowerCount{}
	for _, sh := range s.shares {
		for _, f := range sh.Followers {
			if f.App == app {
				n := counts[f.Key]
				counts[f.Key] = pandapush.FollowerCount{
					Connections: n.Connections + f.Connections, Subscriptions: n.Subscriptions + f.Subscriptions,
				}
			}
		}
	}
	return counts
}

// Next returns a channel that is closed when there is another sample.
func (s *Sampler) Next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// App returns an application's connections and subscriptions, and its rates over the last minute. It returns nil if they are not
// known: before the first sample, or if a node has more applications to tell of than it may (maxShared).
func (s *Sampler) App(app pandapush.AppID) *Numbers {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.history.nodes[app]; !ok && (len(s.history.samples) == 0 || s.cut()) {
		return nil
	}
	n := s.history.recent(app)
	return &n
}

// cut reports whether a share may leave applications out. Its caller holds mu.
func (s *Sampler) cut() bool {
	for _, sh := range s.shares {
		if len(sh.Apps) >= maxShared {
			return true
		}
	}
	return false
}

// AppHistory returns the samples of one application, the oldest first. They must not be changed.
func (s *Sampler) AppHistory(app pandapush.AppID) []AppSample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.app(app)
}

// History returns the samples of the whole service, the oldest first. They must not be changed.
func (s *Sampler) History() []Sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.samples
}

// NodeView is a node that gave a sign of life.
type NodeView struct {
	ID string
	About
	Process
	Node
	Seen     time.Time // by its own clock
	Draining bool
	Self     bool // it is the one that answers
}

// Nodes returns all nodes by name.
func (s *Sampler) Nodes() []NodeView {
	s.mu.Lock()
	defer s.mu.Unlock()
	return viewNodes(s.shares, s.cfg.Node)
}

// NodesIn is Nodes for somebody who is no node, from what is on the Board.
func NodesIn(shares map[string][]byte) []NodeView { return viewNodes(decodeShares(shares), "") }

func viewNodes(shares map[string]share, self string) []NodeView {
	nodes := make([]NodeView, 0, len(shares))
	for id, sh := range shares {
		nodes = append(nodes, NodeView{id, sh.About, sh.Process, Node{sh.Total, sh.Latency}, sh.At, sh.Draining, id == self})
	}
	slices.SortFunc(nodes, func(a, b NodeView) int { return cmp.Compare(a.ID, b.ID) })
	return nodes
}

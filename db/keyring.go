package db

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandapush/pandapush"
)

const (
	loadTimeout = 30 * time.Second // bounds one load
	retryFirst  = 250 * time.Millisecond
	retryLast   = 15 * time.Second
)

// Store is what a KeyRing needs of the database. The methods end when their context does.
type Store interface {
	AppSettings(ctx context.Context) (map[pandapush.AppID]pandapush.Settings, error)
	AllKeys(ctx context.Context) ([]pandapush.Key, error)
	// AddUses adds all of uses or, with an error, none. It may sort them.
	AddUses(ctx context.Context, uses []Use) error
}

// KeyRingConfig configures a KeyRing.
type KeyRingConfig struct {
	TTL           time.Duration         // between periodic loads, give or take a tenth; 5 minutes if 0
	StatsInterval time.Duration         // between flushes of use counts; 1 minute if 0
	Log           *slog.Logger          // nil for none
	Metrics       prometheus.Registerer // nil for none
	// Changed, if not nil, is called after a load that found an application (its settings included) or a key created, deleted
	// or changed; one call at a time. The next load waits for it to return.
	Changed func()
}

// KeyRing holds all applications and keys in memory, so that no check of a credential waits for the database. It
// implements pandapush.Keys. All methods may be called concurrently; Run only once.
type KeyRing struct {
	// Set by NewKeyRing.
	store    Store
	cfg      KeyRingConfig
	metrics  ringMetrics
	requests chan struct{} // holds one element while a reload is asked for

	loading chan struct{} // holds one element while a load runs, so that an older answer never replaces a newer one
	current atomic.Pointer[snapshot]

	pending map[keyRef]Use // uses taken from the counters but not yet written; owned by Run's flushing goroutine
}

var _ pandapush.Keys = (*KeyRing)(nil)

// NewKeyRing returns an empty KeyRing: call Load, then Run.
func NewKeyRing(store Store, cfg KeyRingConfig) *KeyRing {
	if cfg.TTL <= 0 {
		cfg.TTL = 5 * time.Minute
	}
	if cfg.StatsInterval <= 0 {
		cfg.StatsInterval = time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &KeyRing{
		store: store, cfg: cfg, metrics: newRingMetrics(cfg.Metrics),
		requests: make(chan struct{}, 1), loading: make(chan struct{}, 1), pending: map[keyRef]Use{},
	}
	r.current.Store(new(snapshot))
	return r
}

// HasApp reports whether the application exists. It neither blocks nor allocates.
func (r *KeyRing) HasApp(app pandapush.AppID) bool {
	_, ok := r.current.Load().apps[app]
	return ok
}

// Settings returns what is set for that application: nothing if it does not exist. It neither blocks nor allocates; the
// slices in it are shared and must not be changed.
func (r *KeyRing) Settings(app pandapush.AppID) pandapush.Settings { return r.current.Load().apps[app] }

// Key returns the key of that application, also when it is expired or revoked. Its UseCount and LastUsed are as old as the
// last load. It neither blocks nor allocates.
func (r *KeyRing) Key(app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, bool) {
	e, ok := r.current.Load().keys[keyRef{app, id}]
	if !ok {
		return pandapush.Key{}, false
	}
	return e.key, true
}

// Used counts one use of a key, to be written to the database later. It neither blocks nor allocates.
func (r *KeyRing) Used(app pandapush.AppID, id pandapush.KeyID) {
	if e, ok := r.current.Load().keys[keyRef{app, id}]; ok {
		e.uses.Add(1)
	}
}

// Load reads everything again. After an error the ring keeps what it had.
func (r *KeyRing) Load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	select {
	case r.loading <- struct{}{}:
		defer func() { <-r.loading }()
	case <-ctx.Done():
		return fmt.Errorf("load keys: %w", ctx.Err())
	}

	next, err := r.read(ctx)
	r.metrics.loaded(next, err)
	if err != nil {
		return fmt.Errorf("load keys: %w", err)
	}
	old := r.current.Swap(next)
	for _, id := range next.newlyUnreadable(old) {
		r.cfg.Log.WarnContext(ctx, "expiry of key cannot be read: taken as expired", "key_id", string(id))
	}
	if r.cfg.Changed != nil && !next.same(old) {
		r.cfg.Changed()
	}
	return nil
}

func (r *KeyRing) read(ctx context.Context) (*snapshot, error) {
	apps, err := r.store.AppSettings(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := r.store.AllKeys(ctx)
	if err != nil {
		return nil, err
	}
	return newSnapshot(r.current.Load(), apps, keys), nil
}

// Reload asks Run to load as soon as it can, and returns at once. However many requests come while a load runs, they lead
// to one more load.
func (r *KeyRing) Reload() {
	select {
	case r.requests <- struct{}{}:
	default: // asked for already, and that load has not begun
	}
}

// Run loads on request and every TTL, and writes use counts every StatsInterval and once more at its end. It returns when
// ctx ends. While the database is away it says so in the log once, and tries again with increasing delays.
func (r *KeyRing) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { r.reloadLoop(ctx) })
	both.Go(func() { r.flushLoop(ctx) }) // apart, so that a slow flush does not hold up a revocation
	both.Wait()
}

func (r *KeyRing) reloadLoop(ctx context.Context) {
	down := outage{log: r.cfg.Log, what: "loading keys"}
	retry := retryFirst
	timer := time.NewTimer(jittered(r.cfg.TTL))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.requests:
		case <-timer.C:
		}
		err := r.Load(ctx)
		if ctx.Err() != nil {
			return
		}
		down.report(ctx, err)
		if err != nil {
			timer.Reset(jittered(retry))
			retry = min(2*retry, retryLast)
			continue
		}
		retry = retryFirst
		timer.Reset(jittered(r.cfg.TTL))
	}
}

// jittered returns d give or take a tenth, so that nodes started together do not keep loading together.
func jittered(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}

// outage logs the beginning and the end of a time in which something fails, and nothing in between.
type outage struct {
	log   *slog.Logger
	what  string
	since time.Time // zero while all is well
}

func (o *outage) report(ctx context.Context, err error) {
	switch {
	case err != nil && o.since.IsZero():
		o.since = time.Now()
		o.log.WarnContext(ctx, "database fails; going on from memory", "doing", o.what, "error", err)
	case err == nil && !o.since.IsZero():
		o.log.InfoContext(ctx, "database works again", "doing", o.what, "after", time.Since(o.since))
		o.since = time.Time{}
	}
}

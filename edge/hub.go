package edge

import (
	"context"
	"sync"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
	"github.com/pandapush/pandapush/edge/trie"
)

// delivery is one message as every socket gets it: encoded once a node, shared by all sessions, never changed.
type delivery struct {
	app      pandapush.AppID
	position pandapush.Position
	wire     []byte // the Bayeux message, a JSON object
}

// hub knows which session on this node wants which messages: application → pattern trie → sessions.
//
// Locks are taken in the order hub, tenant, session. Deliver holds a tenant's lock while it matches and queues, which
// never blocks; what has to be written is written by others.
type hub struct {
	stream Stream
	flush  *flusher
	now    func() time.Time
	stats  *metrics

	mu      sync.RWMutex
	tenants map[pandapush.AppID]*tenant
}

// tenant is what the hub keeps for one application.
type tenant struct {
	app  pandapush.AppID
	join func(context.Context) error // reads the application's stream from here on; once, also if called by many

	mu       sync.Mutex
	subs     trie.Trie[*session]
	cursor   pandapush.Cursor // what has been handed to the sessions; epoch and position known once joined
	waiters  []waiter         // for cursor to get somewhere
	inFlight int              // subscribes under way: the tenant must stay
	idle     time.Time        // since when nobody subscribes; zero while somebody does

	// Used by deliver alone, and kept here so that matching allocates nothing.
	visit   func([]*session)
	message *pandapush.Message
	current *delivery
	woken   []*session
	queued  int
}

// waiter waits for a position to be handed out.
type waiter struct {
	position pandapush.Position
	reached  chan struct{}
}

func newHub(stream Stream, flush *flusher, now func() time.Time, stats *metrics) *hub {
	return &hub{stream: stream, flush: flush, now: now, stats: stats, tenants: map[pandapush.AppID]*tenant{}}
}

// Deliver hands entries of one application, in stream order, to every session that wants them. It never blocks. Calls
// for one application come one after the other.
func (h *hub) Deliver(app pandapush.AppID, entries []pandapush.Message) {
	h.mu.RLock()
	t := h.tenants[app]
	h.mu.RUnlock()
	if t == nil || len(entries) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range entries {
		t.message, t.current = &entries[i], nil
		t.subs.Match(entries[i].Channel.String(), t.visit)
	}
	t.message, t.current = nil, nil
	t.cursor = entries[len(entries)-1].Cursor
	t.waiters = release(t.waiters, t.cursor.Position)
	h.flush.add(t.woken...)
	h.stats.deliveries.Add(float64(t.queued))
	clear(t.woken)
	t.woken, t.queued = t.woken[:0], 0
}

// visitLocked queues the current message for sessions, encoding it for the first of them.
func (t *tenant) visitLocked(sessions []*session) {
	if t.current == nil {
		m := t.message
		t.current = &delivery{
			app: t.app, position: m.Cursor.Position,
			wire: bayeux.AppendDelivery(make([]byte, 0, len(m.Data)+len(m.Channel.String())+96), m.Channel.String(), m.Data, m.Cursor),
		}
	}
	for _, s := range sessions {
		queued, wake := s.push(t.current)
		if queued {
			t.queued++
		}
		if wake {
			t.woken = append(t.woken, s)
		}
	}
}

// Gap tells the hub that an application's stream came back as another one, or shorter: from here on cursor is its end.
func (h *hub) Gap(app pandapush.AppID, _, to pandapush.Cursor) {
	h.mu.RLock()
	t := h.tenants[app]
	h.mu.RUnlock()
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cursor = to
	// Whoever waits for a position of the lost stream waits in vain.
	for _, w := range t.waiters {
		close(w.reached)
	}
	t.waiters = nil
}

func release(waiters []waiter, to pandapush.Position) []waiter {
	kept := waiters[:0]
	for _, w := range waiters {
		if w.position.Compare(to) > 0 {
			kept = append(kept, w)
		} else {
			close(w.reached)
		}
	}
	clear(waiters[len(kept):])
	return kept
}

// subscribe adds s under pattern and reports whether it was not there yet. When it returns, every message that is appended
// later reaches s (P1). The error wraps pandapush.ErrUnavailable, or is pandapush.ErrTooManySubs or errSessionEnded.
func (h *hub) subscribe(ctx context.Context, s *session, pattern pandapush.Pattern, grant pandapush.Grant) (isNew bool, err error) {
	t := h.enter(pattern.App())
	defer h.exit(t)
	if err := t.join(ctx); err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	isNew, err = s.addSubscription(pattern, grant, t.cursor.Position)
	if isNew {
		t.subs.Add(pattern.String(), s)
		h.stats.subscriptions.Inc()
	}
	return isNew, err
}

// unsubscribe takes s off pattern. What is queued already stays queued.
func (h *hub) unsubscribe(s *session, pattern pandapush.Pattern) {
	t := h.enter(pattern.App())
	defer h.exit(t)
	t.mu.Lock()
	defer t.mu.Unlock()
	s.removeSubscription(pattern)
	if t.subs.Remove(pattern.String(), s) {
		h.stats.subscriptions.Dec()
	}
}

// reach waits until everything of app up to position has been handed to the sessions, or ctx ends. It returns at once
// for an application that nobody here subscribes to.
func (h *hub) reach(ctx context.Context, app pandapush.AppID, position pandapush.Position) {
	h.mu.RLock()
	t := h.tenants[app]
	h.mu.RUnlock()
	if t == nil {
		return
	}
	t.mu.Lock()
	if t.subs.Len() == 0 || position.Compare(t.cursor.Position) <= 0 {
		t.mu.Unlock()
		return
	}
	w := waiter{position, make(chan struct{})}
	t.waiters = append(t.waiters, w)
	t.mu.Unlock()
	select {
	case <-w.reached:
	case <-ctx.Done():
	}
}

// enter returns the tenant of app, made if need be, and keeps it until exit.
func (h *hub) enter(app pandapush.AppID) *tenant {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tenants[app]
	if t == nil {
		t = &tenant{app: app}
		t.visit = t.visitLocked
		t.join = h.joinOnce(t)
		h.tenants[app] = t
	}
	t.mu.Lock()
	t.inFlight++
	t.mu.Unlock()
	return t
}

func (h *hub) exit(t *tenant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.inFlight--
	if t.inFlight > 0 || t.subs.Len() > 0 {
		t.idle = time.Time{}
	} else if t.idle.IsZero() {
		t.idle = h.now()
	}
}

// joinOnce returns a function that joins t's stream, and remembers success but not failure: when Redis is away, the next
// subscriber tries again.
func (h *hub) joinOnce(t *tenant) func(context.Context) error {
	turn := make(chan struct{}, 1) // a mutex that a caller can give up waiting for
	joined := false
	return func(ctx context.Context) error {
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		defer func() { <-turn }()
		if joined {
			return nil
		}
		cursor, err := h.stream.Join(ctx, t.app)
		if err != nil {
			return err
		}
		joined = true
		t.mu.Lock()
		defer t.mu.Unlock()
		if cursor.Position.Compare(t.cursor.Position) >= 0 { // else Deliver was faster
			t.cursor = cursor
		}
		return nil
	}
}

// sweep stops reading the streams that nobody has subscribed to for a while.
func (h *hub) sweep(after time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for app, t := range h.tenants {
		t.mu.Lock()
		over := !t.idle.IsZero() && t.inFlight == 0 && t.subs.Len() == 0 && h.now().Sub(t.idle) >= after
		t.mu.Unlock()
		if over {
			delete(h.tenants, app)
			h.stream.Leave(app)
		}
	}
}

// apps returns how many streams this node reads.
func (h *hub) apps() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.tenants)
}

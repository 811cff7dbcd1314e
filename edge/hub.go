package edge

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge/bayeux"
	"github.com/pandapush/pandapush/edge/trie"
)

// hub knows which session on this node wants which messages: application → pattern trie → sessions.
//
// Locks are taken in the order hub, tenant, session. Deliver holds a tenant's lock while it matches and queues, which
// never blocks; what has to be written is written by others.
type hub struct {
	stream Stream
	flush  *flusher
	now    func() time.Time
	stats  *metrics
	limits Limits

	mu      sync.RWMutex
	tenants map[pandapush.AppID]*tenant
}

// tenant is what the hub keeps for one application: who wants what, and the newest of its stream.
type tenant struct {
	app    pandapush.AppID
	join   func(context.Context) error      // has the stream read from here on; once, also if called by many
	cursor atomic.Pointer[pandapush.Cursor] // what has been handed to all sessions; nil until joined; stored under mu

	caughtUp usageOfReaders

	deepening chan struct{} // a mutex that a caller can give up waiting for: who reads what the window lacks

	mu      sync.Mutex
	subs    trie.Trie[*session]
	window  window
	waiters []waiter        // for cursor to get somewhere
	users   int             // feeds and calls that need the tenant to stay
	usage   pandapush.Usage // without what is in caughtUp
	idle    time.Time       // since when nobody does; zero while somebody does

	// Used by deliver alone, and kept here so that matching allocates nothing.
	visit   func([]*session)
	current *delivery
	woken   []*session
	queued  int
}

// waiter waits for a position to be handed out.
type waiter struct {
	position pandapush.Position
	reached  chan struct{}
}

func newHub(stream Stream, flush *flusher, now func() time.Time, stats *metrics, limits Limits) *hub {
	return &hub{stream: stream, flush: flush, now: now, stats: stats, limits: limits, tenants: map[pandapush.AppID]*tenant{}}
}

// at returns what has been handed to all sessions.
func (t *tenant) at() pandapush.Cursor {
	if c := t.cursor.Load(); c != nil {
		return *c
	}
	return pandapush.Cursor{}
}

// Deliver hands entries of one application, in stream order, to every session that wants them and is level with the
// stream; those that are behind find them in the window. It never blocks. Calls for one application come one after the
// other.
func (h *hub) Deliver(app pandapush.AppID, entries []pandapush.Message) {
	t := h.tenant(app)
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	entries = after(t.at(), entries)
	if len(entries) == 0 {
		return
	}
	if t.cursor.Load() == nil { // faster than Join's answer: what came before is not in the window
		t.window.reset(entries[0].Cursor.Position.Prev())
	}
	for i := range entries {
		t.current = encode(&entries[i])
		t.window.add(t.current)
		if t.current.gap != nil {
			t.subs.Each(func(s *session) { t.visitLocked([]*session{s}) })
			continue
		}
		t.subs.Match(t.current.channel, t.visit)
	}
	t.current = nil
	cursor := entries[len(entries)-1].Cursor
	t.cursor.Store(&cursor)
	t.waiters = release(t.waiters, cursor.Position)
	h.flush.add(t.woken...)
	h.stats.deliveries.Add(float64(t.queued))
	clear(t.woken)
	t.woken, t.queued = t.woken[:0], 0
}

// after returns the entries that come after cursor. Join may return a cursor whose entry is only about to be delivered: who
// wants it has read it from Redis then, as all that is before the window.
func after(cursor pandapush.Cursor, entries []pandapush.Message) []pandapush.Message {
	i := slices.IndexFunc(entries, func(m pandapush.Message) bool {
		return m.Cursor.Epoch != cursor.Epoch || m.Cursor.Position.Compare(cursor.Position) > 0
	})
	if i < 0 {
		return nil
	}
	return entries[i:]
}

// encode makes the form of a message that all sessions share.
func encode(m *pandapush.Message) *delivery {
	channel := m.Channel.String()
	if from, reason, ok := m.Gap(); ok {
		return &delivery{app: m.Channel.App(), channel: channel, position: m.Cursor.Position, gap: &gap{from, m.Cursor, reason}}
	}
	event := appendEventHead(make([]byte, 0, len(m.Data)+len(channel)+160), "", m.Cursor)
	from := len(event)
	if m.Notice {
		event = bayeux.AppendNotice(event, m.Channel, oneLine(m.Data), m.Cursor)
	} else {
		event = bayeux.AppendDelivery(event, channel, oneLine(m.Data), m.Cursor)
	}
	to := len(event)
	event = append(event, eventTail...)
	d := &delivery{
		app: m.Channel.App(), channel: channel, position: m.Cursor.Position, exclude: m.Exclude, notice: m.Notice,
		wire: event[from:to:to], event: event,
	}
	if !m.Expires.IsZero() {
		d.expires = m.Expires.UnixMilli()
	}
	return d
}

// visitLocked queues the current message for sessions.
func (t *tenant) visitLocked(sessions []*session) {
	for _, s := range sessions {
		queued, wake := s.push(t.current)
		if queued {
			t.queued++
			t.usage.Delivered++
			t.usage.BytesOut += uint64(len(t.current.wire))
		}
		if wake {
			t.woken = append(t.woken, s)
		}
	}
}

// Gap tells the hub that an application's stream came back as another one, or as it was before: from here on, cursor is
// its end. It returns the sessions that want something of it.
func (h *hub) Gap(app pandapush.AppID, to pandapush.Cursor) []*session {
	t := h.tenant(app)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cursor.Store(&to)
	t.window.reset(to.Position)
	for _, w := range t.waiters { // for a position of the lost stream, in vain
		close(w.reached)
	}
	t.waiters = nil
	var sessions []*session
	t.subs.Each(func(s *session) {
		if s.reposition(t, to) {
			sessions = append(sessions, s)
		}
	})
	return sessions
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

// add lets s have what pattern matches. What comes of it depends on how far the session has got: see session.push.
func (t *tenant) add(s *session, pattern pandapush.Pattern, stats *metrics) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.addLocked(s, pattern, stats)
}

func (t *tenant) addLocked(s *session, pattern pandapush.Pattern, stats *metrics) {
	if s.subscribes(pattern) && t.subs.Add(pattern.String(), s) {
		stats.subscriptions.Inc()
		t.usage.Subscriptions++
	}
}

// remove takes s off pattern. What is queued already stays queued.
func (t *tenant) remove(s *session, pattern pandapush.Pattern, stats *metrics) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subs.Remove(pattern.String(), s) {
		stats.subscriptions.Dec()
		t.usage.Subscriptions--
	}
}

// reach waits until everything of app up to position has been handed to the sessions, or ctx ends. It returns at once
// for an application that is not read here.
func (h *hub) reach(ctx context.Context, app pandapush.AppID, position pandapush.Position) {
	t := h.tenant(app)
	if t == nil || t.cursor.Load() == nil {
		return
	}
	t.mu.Lock()
	if position.Compare(t.at().Position) <= 0 {
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

func (h *hub) tenant(app pandapush.AppID) *tenant {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.tenants[app]
}

// enter returns the tenant of app, made if need be, and keeps it until exit.
func (h *hub) enter(app pandapush.AppID) *tenant {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tenants[app]
	if t == nil {
		t = &tenant{app: app, deepening: make(chan struct{}, 1), window: window{maxEntries: h.limits.WindowEntries, maxBytes: h.limits.WindowBytes}}
		t.window.reset(pandapush.Position{})
		t.visit = t.visitLocked
		t.join = h.joinOnce(t)
		h.tenants[app] = t
	}
	t.mu.Lock()
	t.users++
	t.idle = time.Time{}
	t.mu.Unlock()
	return t
}

func (h *hub) exit(t *tenant) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users--; t.users == 0 {
		t.idle = h.now()
	}
}

// joinOnce returns a function that joins t's stream, and remembers success but not failure: when Redis is away, the next
// one who asks tries again.
func (h *hub) joinOnce(t *tenant) func(context.Context) error {
	turn := make(chan struct{}, 1) // a mutex that a caller can give up waiting for
	return func(ctx context.Context) error {
		if t.cursor.Load() != nil {
			return nil
		}
		select {
		case turn <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		defer func() { <-turn }()
		if t.cursor.Load() != nil {
			return nil
		}
		cursor, err := h.stream.Join(ctx, t.app)
		if err != nil {
			return err
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.cursor.Load() == nil { // else Deliver was faster
			t.window.reset(cursor.Position)
			t.cursor.Store(&cursor)
		}
		return nil
	}
}

// sweep drops what is old from the windows, and stops reading the streams that nobody has wanted for a while.
func (h *hub) sweep(unused, age time.Duration) {
	now := h.now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for app, t := range h.tenants {
		t.mu.Lock()
		t.window.dropBefore(now.Add(-age))
		over := !t.idle.IsZero() && now.Sub(t.idle) >= unused
		t.mu.Unlock()
		if over {
			delete(h.tenants, app)
			h.stream.Leave(app)
		}
	}
}

// positions returns how far each stream has been handed out.
func (h *hub) positions() map[pandapush.AppID]pandapush.Cursor {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := make(map[pandapush.AppID]pandapush.Cursor, len(h.tenants))
	for app, t := range h.tenants {
		if c := t.cursor.Load(); c != nil {
			all[app] = *c
		}
	}
	return all
}

// apps returns how many streams this node reads.
func (h *hub) apps() int {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.tenants)
}

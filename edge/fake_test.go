package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// memory is what nodes share, in place of Redis: streams, session records, positions and mail. It makes the same
// promises where the edge relies on them: an append is stored before it returns; what is appended after a Join reaches
// Deliver, in order and from a goroutine of its own; a record is claimed by one node at a time.
type memory struct {
	mu        sync.Mutex
	streams   map[pandapush.AppID]*memoryStream
	sessions  map[string]pandapush.Session
	positions map[string]map[pandapush.AppID]pandapush.Cursor
	once      map[string]pandapush.Cursor
	rooms     map[string]*memoryRoom
	occupied  map[pandapush.AppID]*memoryOccupied
	nodes     map[string]*memoryNode
	expires   map[string]time.Time // of sessions
	now       func() time.Time     // by which they do; set before any node runs
	away      error                // what every method returns, if set
	ranges    int                  // calls of Range
	refused   chan struct{}        // gets one for each claim while away
}

type memoryStream struct {
	epoch   pandapush.Epoch
	last    pandapush.Position
	entries []pandapush.Message
	trimmed bool
}

func newMemory() *memory {
	return &memory{
		streams: map[pandapush.AppID]*memoryStream{}, sessions: map[string]pandapush.Session{},
		positions: map[string]map[pandapush.AppID]pandapush.Cursor{}, once: map[string]pandapush.Cursor{}, nodes: map[string]*memoryNode{},
		expires: map[string]time.Time{}, now: time.Now, refused: make(chan struct{}, 1000),
	}
}

// memoryNode is one node's view: its Stream and its Records.
type memoryNode struct {
	*memory
	name   string
	edge   *Server
	joined map[pandapush.AppID]bool

	work sync.Cond // of queue, with memory.mu
	todo []func()
	over bool
	dead bool // gets no more mail
}

// node adds a node. Its Server is set before run.
func (m *memory) node(name string) *memoryNode {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := &memoryNode{memory: m, name: name, joined: map[pandapush.AppID]bool{}}
	n.work.L = &m.mu
	m.nodes[name] = n
	return n
}

// run does what a reader does until stop.
func (n *memoryNode) run() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for {
		for len(n.todo) == 0 && !n.over {
			n.work.Wait()
		}
		if n.over {
			return
		}
		todo := n.todo
		n.todo = nil
		n.mu.Unlock()
		for _, do := range todo {
			do()
		}
		n.mu.Lock()
	}
}

func (n *memoryNode) stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.over = true
	n.work.Broadcast()
}

func (n *memoryNode) laterLocked(do func()) {
	n.todo = append(n.todo, do)
	n.work.Signal()
}

func (m *memory) setAway(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = err
}

// awaitClaims waits until so many claims were refused.
func (m *memory) awaitClaims(count int) {
	for range count {
		<-m.refused
	}
}

func (m *memory) streamLocked(app pandapush.AppID) *memoryStream {
	s := m.streams[app]
	if s == nil {
		s = &memoryStream{epoch: pandapush.NewEpoch(app), last: pandapush.Position{Millis: 1}}
		m.streams[app] = s
	}
	return s
}

// trim removes the oldest entries of a stream but keep.
func (m *memory) trim(app pandapush.AppID, keep int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.streamLocked(app)
	s.entries, s.trimmed = s.entries[len(s.entries)-keep:], true
}

// lose replaces a stream by an empty one, and tells the nodes.
func (m *memory) lose(app pandapush.AppID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.streamLocked(app)
	delete(m.streams, app)
	s := m.streamLocked(app)
	for _, n := range m.nodes {
		if n.joined[app] {
			n.laterLocked(func() {
				n.edge.Gap(app, pandapush.Cursor{Epoch: old.epoch, Position: old.last}, pandapush.Cursor{Epoch: s.epoch, Position: s.last})
			})
		}
	}
}

// rollBack loses the newest entries of a stream, and marks the place as activate.lua does.
func (m *memory) rollBack(t *testing.T, app pandapush.AppID, entries int) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.streamLocked(app)
	s.entries = s.entries[:len(s.entries)-entries]
	from := pandapush.Cursor{Epoch: s.epoch, Position: s.entries[len(s.entries)-1].Cursor.Position}
	data := fmt.Sprintf(`{"app":%q,"from":%q,"reason":%q}`, app, from, pandapush.GapAhead)
	if _, err := m.appendLocked(pandapush.Message{Channel: pandapush.GapChannel(app), Data: []byte(data), Notice: true}); err != nil {
		t.Fatal(err)
	}
}

func (n *memoryNode) Append(_ context.Context, message pandapush.Message) (pandapush.Cursor, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.appendLocked(message)
}

func (m *memory) appendLocked(message pandapush.Message) (pandapush.Cursor, error) {
	if m.away != nil {
		return pandapush.Cursor{}, m.away
	}
	app := message.Channel.App()
	s := m.streamLocked(app)
	s.last.Seq++
	message.Cursor = pandapush.Cursor{Epoch: s.epoch, Position: s.last}
	message.Data = slices.Clone(message.Data) // the caller's buffer is the caller's
	s.entries = append(s.entries, message)
	for _, other := range m.nodes {
		if other.joined[app] {
			other.laterLocked(func() { other.edge.Deliver(app, []pandapush.Message{message}) })
		}
	}
	return message.Cursor, nil
}

func (n *memoryNode) AppendOnce(_ context.Context, message pandapush.Message, key string, _ time.Duration) (pandapush.Cursor, bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cursor, ok := n.once[key]; ok {
		return cursor, true, nil
	}
	cursor, err := n.appendLocked(message)
	if err == nil {
		n.once[key] = cursor
	}
	return cursor, false, err
}

func (n *memoryNode) Join(ctx context.Context, app pandapush.AppID) (pandapush.Cursor, error) {
	cursor, err := n.Tail(ctx, app)
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		n.joined[app] = true
		cursor.Position = n.streamLocked(app).last
	}
	return cursor, err
}

func (n *memoryNode) Leave(app pandapush.AppID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.joined, app)
}

func (m *memory) Tail(_ context.Context, app pandapush.AppID) (pandapush.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.streamLocked(app)
	return pandapush.Cursor{Epoch: s.epoch, Position: s.last}, m.away
}

func (m *memory) Range(_ context.Context, app pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ranges++
	var list []pandapush.Message
	for _, e := range m.streamLocked(app).entries {
		p := e.Cursor.Position
		if p.Compare(after) > 0 && (upTo == pandapush.Position{} || p.Compare(upTo) <= 0) && len(list) < count {
			list = append(list, e)
		}
	}
	return list, m.away
}

func (m *memory) Rewind(_ context.Context, app pandapush.AppID, count int64, age time.Duration) (pandapush.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.streamLocked(app)
	first := len(s.entries) - int(count)
	if count == 0 {
		first = slices.IndexFunc(s.entries, func(e pandapush.Message) bool {
			return e.Cursor.Position.Millis >= uint64(time.Now().Add(-age).UnixMilli())
		})
	}
	if first < 0 {
		first = 0
	}
	if len(s.entries) == 0 {
		return pandapush.Cursor{Epoch: s.epoch, Position: s.last}, m.away
	}
	return pandapush.Cursor{Epoch: s.epoch, Position: s.entries[first].Cursor.Position.Prev()}, m.away
}

func (m *memory) Span(_ context.Context, app pandapush.AppID) (pandapush.Span, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.streamLocked(app)
	span := pandapush.Span{Epoch: s.epoch, First: s.last, Last: s.last, Length: int64(len(s.entries)), Trimmed: s.trimmed}
	if len(s.entries) > 0 {
		span.First = s.entries[0].Cursor.Position.Prev()
	}
	return span, m.away
}

// copied returns a record that shares nothing, as one that went through Redis.
func copied(s pandapush.Session) (out pandapush.Session) {
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(err)
	}
	if out.Subscriptions == nil {
		out.Subscriptions = map[string]pandapush.Subscription{}
	}
	if out.Cursors == nil {
		out.Cursors = map[pandapush.AppID]pandapush.Cursor{}
	}
	return out
}

// sessionLocked returns the record of a session that has not expired.
func (m *memory) sessionLocked(id string) (pandapush.Session, bool) {
	if s, ok := m.sessions[id]; ok && m.now().Before(m.expires[id]) {
		return s, true
	}
	return pandapush.Session{}, false
}

func (m *memory) storeLocked(id string, s pandapush.Session, ttl time.Duration) {
	m.sessions[id], m.expires[id] = s, m.now().Add(ttl)
}

func (m *memory) CreateSession(_ context.Context, id string, s pandapush.Session, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	m.storeLocked(id, copied(s), ttl)
	return nil
}

func (n *memoryNode) ClaimSession(_ context.Context, id, transport string, ttl time.Duration) (pandapush.Session, string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s, ok := n.sessionLocked(id)
	if n.away != nil || !ok {
		if n.away != nil {
			n.refused <- struct{}{}
		}
		return s, "", n.missing(ok)
	}
	former := ""
	if s.Attached && s.Owner != n.name {
		former = s.Owner
	}
	level, before := s.Attached && !s.Behind, s.Owner
	s.Fence, s.Owner, s.Attached, s.Transport = s.Fence+1, n.name, true, transport
	claimed := copied(s)
	if level {
		s.Former, s.FormerAt = before, n.now()
	}
	s.Behind = true // until its owner saves it
	n.storeLocked(id, s, ttl)
	return claimed, former, nil
}

func (m *memory) missing(ok bool) error {
	if m.away != nil || ok {
		return m.away
	}
	return fmt.Errorf("session: %w", pandapush.ErrNotFound)
}

func (n *memoryNode) SaveSession(ctx context.Context, id string, s pandapush.Session, ttl time.Duration) error {
	n.mu.Lock()
	dead := n.dead
	n.mu.Unlock()
	if dead {
		return fmt.Errorf("save: %w", pandapush.ErrUnavailable)
	}
	return n.memory.SaveSession(ctx, id, s, ttl)
}

func (m *memory) SaveSession(_ context.Context, id string, s pandapush.Session, ttl time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, ok := m.sessionLocked(id)
	if m.away != nil || !ok {
		return m.missing(ok)
	}
	if stored.Fence != s.Fence {
		return pandapush.ErrNotOwner
	}
	s = copied(s)
	stored.Attached, stored.Behind, stored.Answer, stored.Former = s.Attached, s.Behind, s.Answer, ""
	maps.Copy(stored.Cursors, s.Cursors)
	for pattern, sub := range stored.Subscriptions {
		sub.From = s.Subscriptions[pattern].From
		stored.Subscriptions[pattern] = sub
	}
	m.storeLocked(id, stored, ttl)
	return nil
}

func (m *memory) ChangeSubscriptions(_ context.Context, id string, add map[string]pandapush.Subscription, remove []string, limit int) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessionLocked(id)
	if m.away != nil || !ok {
		return "", false, m.missing(ok)
	}
	s = copied(s)
	for pattern, sub := range add {
		app, _ := pandapush.ParsePattern(pattern)
		if _, ok := s.Cursors[app.App()]; !ok {
			s.Cursors[app.App()] = sub.From
		}
		if old, ok := s.Subscriptions[pattern]; ok {
			at := old.From
			if at == (pandapush.Cursor{}) && !s.Attached {
				at = s.Cursors[app.App()]
			}
			if !sub.Since || at != (pandapush.Cursor{}) && at.Position.Compare(sub.From.Position) <= 0 {
				sub.From = old.From
			}
		}
		if sub.From == s.Cursors[app.App()] {
			sub.From = pandapush.Cursor{}
		}
		sub.Since = false
		s.Subscriptions[pattern] = sub
	}
	for _, pattern := range remove {
		delete(s.Subscriptions, pattern)
	}
	if len(s.Subscriptions) > limit {
		return "", false, pandapush.ErrTooManySubs
	}
	m.sessions[id] = s
	return s.Owner, s.Attached, nil
}

func (m *memory) EndSession(_ context.Context, id string) (string, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessionLocked(id)
	if m.away != nil || !ok {
		return "", false, m.missing(ok)
	}
	delete(m.sessions, id)
	m.endSeatsLocked(id, s)
	return s.Owner, s.Attached, nil
}

func (m *memory) TouchSessions(_ context.Context, ids []string, ttl time.Duration) (gone []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if s, ok := m.sessionLocked(id); ok {
			m.storeLocked(id, s, ttl)
		} else {
			gone = append(gone, id)
		}
	}
	return gone, m.away
}

func (n *memoryNode) SavePositions(_ context.Context, positions map[pandapush.AppID]pandapush.Cursor) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead {
		return fmt.Errorf("save: %w", pandapush.ErrUnavailable)
	}
	if n.positions[n.name] == nil {
		n.positions[n.name] = map[pandapush.AppID]pandapush.Cursor{}
	}
	maps.Copy(n.positions[n.name], positions)
	return n.away
}

func (m *memory) Position(_ context.Context, node string, apps []pandapush.AppID) (map[pandapush.AppID]pandapush.Cursor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[pandapush.AppID]pandapush.Cursor{}
	for _, app := range apps {
		if c, ok := m.positions[node][app]; ok {
			found[app] = c
		}
	}
	return found, m.away
}

func (m *memory) Send(_ context.Context, node string, mail pandapush.Mail) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.nodes[node]; n != nil && !n.dead && m.away == nil {
		n.laterLocked(func() { n.edge.Mail(mail) })
	}
	return m.away
}

// Gone knows of nodes that were killed.
func (m *memory) Gone(_ context.Context, node string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.nodes[node]
	return n != nil && n.dead, m.away
}

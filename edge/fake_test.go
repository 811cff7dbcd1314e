package edge

import (
	"context"
	"sync"
	"testing"

	"github.com/pandapush/pandapush"
)

// memoryLog is a Stream that keeps streams in memory and hands entries on from a goroutine of its own, as a reader does. It
// passes the same promises as the real one where the edge relies on them: an append is stored before it returns, and what
// is appended after a Join reaches deliver, in order.
type memoryLog struct {
	deliver func(pandapush.AppID, []pandapush.Message)

	mu     sync.Mutex
	more   sync.Cond
	last   map[pandapush.AppID]pandapush.Cursor
	joined map[pandapush.AppID]bool
	queue  []pandapush.Message
	away   error // what Append and Join return, if set
	closed bool
}

func newMemoryLog(t testing.TB) *memoryLog {
	t.Helper()
	l := &memoryLog{last: map[pandapush.AppID]pandapush.Cursor{}, joined: map[pandapush.AppID]bool{}}
	l.more.L = &l.mu
	return l
}

func (l *memoryLog) Append(_ context.Context, m pandapush.Message) (pandapush.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away != nil {
		return pandapush.Cursor{}, l.away
	}
	m.Cursor = l.nextLocked(m.Channel.App())
	m.Data = append([]byte(nil), m.Data...) // the caller's buffer is the caller's
	if l.joined[m.Channel.App()] {
		l.queue = append(l.queue, m)
		l.more.Signal()
	}
	return m.Cursor, nil
}

func (l *memoryLog) nextLocked(app pandapush.AppID) pandapush.Cursor {
	c := l.currentLocked(app)
	c.Position.Seq++
	l.last[app] = c
	return c
}

func (l *memoryLog) currentLocked(app pandapush.AppID) pandapush.Cursor {
	c, ok := l.last[app]
	if !ok {
		c = pandapush.Cursor{Epoch: pandapush.NewEpoch(app), Position: pandapush.Position{Millis: 1}}
		l.last[app] = c
	}
	return c
}

func (l *memoryLog) Join(_ context.Context, app pandapush.AppID) (pandapush.Cursor, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away != nil {
		return pandapush.Cursor{}, l.away
	}
	l.joined[app] = true
	return l.currentLocked(app), nil
}

func (l *memoryLog) Leave(app pandapush.AppID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.joined, app)
}

// run hands entries on until stop.
func (l *memoryLog) run() {
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.more.Wait()
		}
		if l.closed {
			l.mu.Unlock()
			return
		}
		batch := l.queue
		l.queue = nil
		l.mu.Unlock()
		for _, m := range batch { // one by one: the applications are mixed
			l.deliver(m.Channel.App(), []pandapush.Message{m})
		}
	}
}

func (l *memoryLog) stop() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.more.Signal()
}

func (l *memoryLog) setAway(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = err
}

// memoryKeys are Keys in a map.
type memoryKeys struct {
	mu   sync.Mutex
	keys map[pandapush.AppID]map[pandapush.KeyID]pandapush.Key
	used map[pandapush.KeyID]int
}

func newMemoryKeys(keys ...pandapush.Key) *memoryKeys {
	k := &memoryKeys{keys: map[pandapush.AppID]map[pandapush.KeyID]pandapush.Key{}, used: map[pandapush.KeyID]int{}}
	for _, key := range keys {
		k.put(key)
	}
	return k
}

func (k *memoryKeys) put(key pandapush.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[key.App] == nil {
		k.keys[key.App] = map[pandapush.KeyID]pandapush.Key{}
	}
	k.keys[key.App][key.ID] = key
}

func (k *memoryKeys) HasApp(app pandapush.AppID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys[app] != nil
}

func (k *memoryKeys) Key(app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.keys[app][id]
	return key, ok
}

func (k *memoryKeys) Used(_ pandapush.AppID, id pandapush.KeyID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used[id]++
}

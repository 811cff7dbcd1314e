package streams

import (
	"sync"
	"sync/atomic"

	"github.com/pandapush/pandapush"
)

// usage counts what is appended, by application. There are as many counters as applications that have published here: those
// who append have made sure that the application exists.
type usage struct {
	mu       sync.RWMutex
	counters map[pandapush.AppID]*appends
}

type appends struct{ messages, bytes atomic.Uint64 }

// add counts a message that Redis has acknowledged. It does not allocate but for an application's first.
func (u *usage) add(m *pandapush.Message) {
	c := u.of(m.Channel.App())
	c.messages.Add(1)
	c.bytes.Add(uint64(len(m.Data)))
}

func (u *usage) of(app pandapush.AppID) *appends {
	u.mu.RLock()
	c := u.counters[app]
	u.mu.RUnlock()
	if c != nil {
		return c
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.counters == nil {
		u.counters = map[pandapush.AppID]*appends{}
	}
	if u.counters[app] == nil {
		u.counters[app] = new(appends)
	}
	return u.counters[app]
}

// Usage returns how many messages this node has appended for each application since it started, and their bytes.
func (s *Streams) Usage() map[pandapush.AppID]pandapush.Usage {
	s.usage.mu.RLock()
	defer s.usage.mu.RUnlock()
	all := make(map[pandapush.AppID]pandapush.Usage, len(s.usage.counters))
	for app, c := range s.usage.counters {
		all[app] = pandapush.Usage{Published: c.messages.Load(), BytesIn: c.bytes.Load()}
	}
	return all
}

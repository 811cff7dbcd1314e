package edge

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/pandapush/pandapush"
)

// usageOfReaders counts what was handed to sessions that read it themselves. Those hold their own lock then, and not the tenant's.
type usageOfReaders struct{ messages, bytes atomic.Uint64 }

func (u *usageOfReaders) add(batch []*delivery) {
	size := 0
	for _, d := range batch {
		size += len(d.wire)
	}
	u.messages.Add(uint64(len(batch)))
	u.bytes.Add(uint64(size))
}

// Turnover is how many subscriptions clients have made by way of this node since it started, and how many they have given up.
// Those to meta channels do not count, nor do followers.
type Turnover struct{ Made, GivenUp uint64 }

// turnovers counts by application. There are as many as applications that have been subscribed to, which exist.
type turnovers struct {
	mu sync.Mutex
	of map[pandapush.AppID]Turnover
}

func (t *turnovers) add(pattern pandapush.Pattern, made, givenUp uint64) {
	if pattern.Kind() == pandapush.Meta {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = map[pandapush.AppID]Turnover{}
	}
	n := t.of[pattern.App()]
	t.of[pattern.App()] = Turnover{n.Made + made, n.GivenUp + givenUp}
}

// Turnover returns the counters of each application.
func (e *Server) Turnover() map[pandapush.AppID]Turnover {
	e.turnovers.mu.Lock()
	defer e.turnovers.mu.Unlock()
	return maps.Clone(e.turnovers.of)
}

// Usage returns what this node has to do with each application whose stream it reads. A subscription that is being made
// counts as a session.
func (e *Server) Usage() map[pandapush.AppID]pandapush.Usage {
	e.hub.mu.RLock()
	defer e.hub.mu.RUnlock()
	all := make(map[pandapush.AppID]pandapush.Usage, len(e.hub.tenants))
	for app, t := range e.hub.tenants {
		t.mu.Lock()
		usage := t.usage
		usage.Delivered += t.caughtUp.messages.Load()
		usage.BytesOut += t.caughtUp.bytes.Load()
		usage.Sessions = int64(t.users)
		t.mu.Unlock()
		all[app] = usage
	}
	return all
}

// Followers counts this node's followers.
func (e *Server) Followers() map[pandapush.Follower]pandapush.FollowerCount {
	counts := map[pandapush.Follower]pandapush.FollowerCount{}
	for _, s := range e.outlets.followers() {
		counted := map[pandapush.Follower]bool{}
		for _, sub := range s.subscriptions() {
			kind := pandapush.Follower{App: sub.grant.App, Key: sub.grant.Key}
			n := counts[kind]
			n.Subscriptions++
			if !counted[kind] {
				counted[kind] = true
				n.Connections++
			}
			counts[kind] = n
		}
	}
	return counts
}

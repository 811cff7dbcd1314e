package edge

import (
	"context"
	"maps"
	"sync"
	"time"
)

// nodes remembers which nodes have not answered lately, so that ten thousand sessions of a dead node wait for it once, and
// one of them asks it.
type nodes struct {
	mu    sync.Mutex
	dead  map[string]time.Time     // since when
	asked map[string]chan struct{} // nodes whose answer is waited for; closed when there is news of them
}

// alive reports whether nothing is known against a node.
func (n *nodes) alive(node string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.aliveLocked(node, now)
}

func (n *nodes) aliveLocked(node string, now time.Time) bool {
	since, ok := n.dead[node]
	if ok && now.Sub(since) >= deadFor {
		delete(n.dead, node)
		return true
	}
	return !ok
}

// mayAsk reports whether a node is to be asked something: it is not if it is dead. The first to ask is let through; who comes
// before that one has an answer waits for news of the node, or until ctx ends. Whoever was let through has heard, silent or
// forget called when it has an answer or has given up.
func (n *nodes) mayAsk(ctx context.Context, node string, now func() time.Time) bool {
	n.mu.Lock()
	if !n.aliveLocked(node, now()) {
		n.mu.Unlock()
		return false
	}
	news := n.asked[node]
	if news == nil {
		if n.asked == nil {
			n.asked = map[string]chan struct{}{}
		}
		n.asked[node] = make(chan struct{})
		n.mu.Unlock()
		return true
	}
	n.mu.Unlock()
	select {
	case <-news:
		return n.alive(node, now())
	case <-ctx.Done():
		return false
	}
}

// silent notes that a node has not answered.
func (n *nodes) silent(node string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dead == nil {
		n.dead = map[string]time.Time{}
	}
	// A node that starts again has another name, so nobody asks about most of these a second time.
	maps.DeleteFunc(n.dead, func(_ string, since time.Time) bool { return now.Sub(since) >= deadFor })
	n.dead[node] = now
	n.newsLocked(node)
}

// heard notes that a node lives.
func (n *nodes) heard(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.dead, node)
	n.newsLocked(node)
}

// forget lets others ask: the one who did has learned nothing.
func (n *nodes) forget(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.newsLocked(node)
}

func (n *nodes) newsLocked(node string) {
	if news := n.asked[node]; news != nil {
		close(news)
		delete(n.asked, node)
	}
}

package edge

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// addresses counts what each address has on this node: its open sockets, and its sessions, which are those that began or
// connected here lately. A session is not told apart by being attached: a stranger could have any number of them that connect
// for a moment now and then.
//
// The limit is for new sessions. One that comes from elsewhere is let in until there are twice as many, so that a node that
// goes down does not lock out those who were on it; and there may be twice as many sockets, since some are dead and not yet
// known to be. The zero address has no limits.
type addresses struct {
	limit int
	seed  maphash.Seed

	mu  sync.Mutex
	all map[netip.Addr]*address
}

// address is what is counted for one.
type address struct {
	sockets  int
	sessions map[uint64]time.Time // when each connected last, by a hash of its id
}

func newAddresses(limit int) *addresses {
	return &addresses{limit: limit, seed: maphash.MakeSeed(), all: map[netip.Addr]*address{}}
}

// open counts a socket, and reports false if there are too many. What is counted is to be closed.
func (a *addresses) open(addr netip.Addr) bool {
	if !addr.IsValid() {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.atLocked(addr)
	if at.sockets >= 2*a.limit {
		return false
	}
	at.sockets++
	return true
}

// close undoes open.
func (a *addresses) close(addr netip.Addr) {
	if !addr.IsValid() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.atLocked(addr)
	at.sockets--
	a.forgetLocked(addr, at)
}

// begin counts a new session, and reports false if there are too many.
func (a *addresses) begin(addr netip.Addr, id string, now time.Time) bool {
	return a.count(addr, id, now, a.limit)
}

// visit notes that a session connects. It reports false if that comes from elsewhere and there are far too many.
func (a *addresses) visit(addr netip.Addr, id string, now time.Time) bool {
	return a.count(addr, id, now, 2*a.limit)
}

func (a *addresses) count(addr netip.Addr, id string, now time.Time, limit int) bool {
	if !addr.IsValid() {
		return true
	}
	hash := maphash.String(a.seed, id)
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.atLocked(addr)
	if _, known := at.sessions[hash]; !known && len(at.sessions) >= limit {
		return false
	}
	at.sessions[hash] = now
	return true
}

// knows reports whether a session began or connected here lately, from that address. Of the zero address it is not known.
func (a *addresses) knows(addr netip.Addr, id string) bool {
	if !addr.IsValid() {
		return true
	}
	hash := maphash.String(a.seed, id)
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.all[addr]
	if at == nil {
		return false
	}
	_, known := at.sessions[hash]
	return known
}

// end forgets a session that its client has ended.
func (a *addresses) end(addr netip.Addr, id string) {
	if !addr.IsValid() {
		return
	}
	hash := maphash.String(a.seed, id)
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.atLocked(addr)
	delete(at.sessions, hash)
	a.forgetLocked(addr, at)
}

// sweep forgets the sessions that have not connected since a moment: their records are gone, or other nodes have them.
func (a *addresses) sweep(before time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for addr, at := range a.all {
		for hash, seen := range at.sessions {
			if seen.Before(before) {
				delete(at.sessions, hash)
			}
		}
		a.forgetLocked(addr, at)
	}
}

func (a *addresses) atLocked(addr netip.Addr) *address {
	at := a.all[addr]
	if at == nil {
		at = &address{sessions: map[uint64]time.Time{}}
		a.all[addr] = at
	}
	return at
}

func (a *addresses) forgetLocked(addr netip.Addr, at *address) {
	if at.sockets == 0 && len(at.sessions) == 0 {
		delete(a.all, addr)
	}
}

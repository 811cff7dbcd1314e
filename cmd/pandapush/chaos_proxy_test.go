//go:build linux

package main

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// chaosProxy is a TCP balancer that takes every connection to the next node, and breaks connections at command. Every
// client has an address of its own, a lane, so that it is known whom a fault hits.
type chaosProxy struct {
	t     testing.TB
	pumps sync.WaitGroup

	mu    sync.Mutex
	nodes []string // addresses; "" while out of rotation
	next  int
	lanes map[string]*chaosLane
}

// flow is how the connections of a lane carry bytes.
type flow int

const (
	flowing  flow = iota
	stalled       // not at all
	crawling      // at crawlRate
)

const (
	crawlRate = 20 << 10 // bytes per second
	chunk     = 8 << 10  // bytes that are carried at a time
	// receiveBuffer is the one towards the nodes. It keeps the kernel from taking megabytes for a client that reads at a
	// crawl; with one that is smaller than a few packets, which are of 64 KiB here, TCP itself would crawl for ever.
	receiveBuffer = 256 << 10
)

// chaosLane is the address and the connections of one client.
type chaosLane struct {
	proxy    *chaosProxy
	listener net.Listener

	mu      sync.Mutex
	flow    flow
	changed chan struct{} // closed and made anew when flow changes
	links   map[*chaosLink]struct{}
	left    map[int]time.Time // when the last connection to a node ended
}

// chaosLink is one connection of a client and the one to a node that belongs to it.
type chaosLink struct {
	lane         *chaosLane
	client, node *net.TCPConn
	nodeIndex    int
	gone         chan struct{}
	end          func() // closes both and gone; any number of times
}

func newChaosProxy(tb testing.TB, nodes int) *chaosProxy {
	tb.Helper()
	p := &chaosProxy{t: tb, nodes: make([]string, nodes), lanes: make(map[string]*chaosLane)}
	tb.Cleanup(func() {
		for _, lane := range p.lanes {
			_ = lane.listener.Close() // a listener's Close fails only if it is closed already
			lane.cut()
		}
		p.pumps.Wait()
	})
	return p
}

// setNode puts a node into rotation, or with "" out of it.
func (p *chaosProxy) setNode(i int, addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nodes[i] = addr
}

// rotate returns the nodes in rotation, from the next one on.
func (p *chaosProxy) rotate() (order []int, addrs []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.nodes {
		if at := (p.next + i) % len(p.nodes); p.nodes[at] != "" {
			order, addrs = append(order, at), append(addrs, p.nodes[at])
		}
	}
	if len(order) > 0 {
		p.next = order[0] + 1
	}
	return order, addrs
}

// open makes a lane for client and returns its address.
func (p *chaosProxy) open(client string) string {
	p.t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(p.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	lane := &chaosLane{
		proxy: p, listener: listener, changed: make(chan struct{}),
		links: make(map[*chaosLink]struct{}), left: make(map[int]time.Time),
	}
	p.mu.Lock()
	p.lanes[client] = lane
	p.mu.Unlock()
	p.pumps.Go(lane.accept)
	return listener.Addr().String()
}

// names returns all clients, sorted.
func (p *chaosProxy) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name := range p.lanes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// cut ends all connections of the clients, without a good-bye.
func (p *chaosProxy) cut(clients []string) {
	for _, name := range clients {
		p.lane(name).cut()
	}
}

// setFlow changes how the clients' connections carry bytes, those to come included.
func (p *chaosProxy) setFlow(clients []string, f flow) {
	for _, name := range clients {
		lane := p.lane(name)
		lane.mu.Lock()
		lane.flow = f
		close(lane.changed)
		lane.changed = make(chan struct{})
		lane.mu.Unlock()
	}
}

func (p *chaosProxy) lane(client string) *chaosLane {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lanes[client]
}

// on returns the clients that have a connection to the node, or had one after since.
func (p *chaosProxy) on(node int, since time.Time) []string {
	return slices.DeleteFunc(p.names(), func(name string) bool {
		lane := p.lane(name)
		lane.mu.Lock()
		defer lane.mu.Unlock()
		for link := range lane.links {
			if link.nodeIndex == node {
				return false
			}
		}
		return lane.left[node].Before(since)
	})
}

func (l *chaosLane) accept() {
	for {
		conn, err := l.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.proxy.t.Errorf("proxy: %v", err)
			return
		}
		l.proxy.pumps.Go(func() { l.serve(conn.(*net.TCPConn)) })
	}
}

// serve connects a client to the first node that answers.
func (l *chaosLane) serve(client *net.TCPConn) {
	dialer := net.Dialer{Timeout: time.Second}
	order, addrs := l.proxy.rotate()
	for i, addr := range addrs {
		node, err := dialer.DialContext(context.Background(), "tcp", addr)
		if err != nil {
			continue
		}
		link := &chaosLink{lane: l, client: client, node: node.(*net.TCPConn), nodeIndex: order[i], gone: make(chan struct{})}
		link.end = sync.OnceFunc(func() { l.remove(link) })
		_ = link.node.SetReadBuffer(receiveBuffer) // best effort
		l.mu.Lock()
		l.links[link] = struct{}{}
		l.mu.Unlock()
		var pumps sync.WaitGroup
		pumps.Go(func() { link.pump(link.node, client) })
		pumps.Go(func() { link.pump(client, link.node) })
		pumps.Wait()
		link.end()
		return
	}
	_ = client.Close() // nobody serves it: all it can be told
}

func (l *chaosLane) remove(link *chaosLink) {
	l.mu.Lock()
	delete(l.links, link)
	l.left[link.nodeIndex] = time.Now()
	l.mu.Unlock()
	close(link.gone)
	_ = errors.Join(link.client.Close(), link.node.Close()) // one of them may have failed already
}

// cut resets all connections.
func (l *chaosLane) cut() {
	l.mu.Lock()
	links := make([]*chaosLink, 0, len(l.links))
	for link := range l.links {
		links = append(links, link)
	}
	l.mu.Unlock()
	for _, link := range links {
		_ = errors.Join(link.client.SetLinger(0), link.node.SetLinger(0)) // fails only on one that has ended
		link.end()
	}
}

// pump carries bytes one way. An orderly end is passed on; anything else ends both ways.
func (l *chaosLink) pump(to, from *net.TCPConn) {
	buffer := make([]byte, chunk)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !l.lane.admit(n, l.gone) {
			return
		}
		if _, failed := to.Write(buffer[:n]); failed != nil {
			l.end()
			return
		}
		if errors.Is(err, io.EOF) && to.CloseWrite() == nil {
			return
		}
		if err != nil {
			l.end()
			return
		}
	}
}

// admit waits until n more bytes may pass, and returns false if the link ends before.
func (l *chaosLane) admit(n int, gone <-chan struct{}) bool {
	for {
		l.mu.Lock()
		f, changed := l.flow, l.changed
		l.mu.Unlock()
		var enough <-chan time.Time
		switch f {
		case flowing:
			return true
		case crawling:
			enough = time.After(time.Duration(n) * time.Second / crawlRate)
		case stalled:
		}
		select {
		case <-enough:
			return true
		case <-changed:
		case <-gone:
			return false
		}
	}
}

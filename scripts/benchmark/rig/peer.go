package rig

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
)

// Programs says where the programs of the servers are.
type Programs struct {
	Pandapush string // the program
	Peers     string // folder of the programs of peers/
	Node      string // folder peers/node, with its packages installed; empty if there is no Node
}

// Peer is a kind of server, Pandapush being one.
type Peer struct {
	Name    string
	Dialect load.Dialect
	NoRedis bool // it has nothing to do with Redis, and there is one node of it only
	Since   bool // a client that comes back to another node gets what it missed
	Aside   bool // no aim needs it to be measured more than once

	program  func(Programs) string // empty: not to be had here
	args     func(p Programs, redis *Redis) []string
	settings []string
}

// Server is a running peer.
type Server struct {
	*Process

	Addr netip.AddrPort
}

// Names of those that others are compared with.
const (
	Pandapush  = "Pandapush"
	NoWindow   = "Pandapush (window 0)"
	Centrifuge = "Centrifuge"
	History    = "Centrifuge (history)"
	FayeRedis  = "Faye (Redis)"
	SocketIO   = "Socket.IO"
	Floor      = "Floor"
	Coalescing = "Floor (coalescing)"
)

// Peers returns all that can be measured, in the order in which they are.
func Peers() []Peer {
	pandapush := func(p Programs) string { return p.Pandapush }
	peer := func(name string) func(Programs) string {
		return func(p Programs) string { return filepath.Join(p.Peers, name) }
	}
	node := func(p Programs) string {
		if p.Node == "" {
			return ""
		}
		return "node"
	}
	serve := func(Programs, *Redis) []string { return []string{"serve"} }
	ours := load.Bayeux{WebSocket: "/push", Secret: Secret}
	faye := load.Bayeux{WebSocket: "/bayeux"}
	return []Peer{
		{Name: Pandapush, Dialect: ours, Since: true, program: pandapush, args: serve},
		{Name: NoWindow, Dialect: ours, Since: true, program: pandapush, args: serve, settings: []string{"BATCH_WINDOW=0"}},
		{Name: Centrifuge, Dialect: load.Centrifuge{}, program: peer("centrifuge"), args: func(_ Programs, r *Redis) []string {
			return []string{"--redis", r.Addr}
		}},
		{Name: History, Dialect: load.Centrifuge{Recover: true}, Since: true, program: peer("centrifuge"), args: func(_ Programs, r *Redis) []string {
			return []string{"--redis", r.Addr, "--history", "10000"}
		}},
		{Name: "Faye (memory)", Dialect: faye, NoRedis: true, Aside: true, program: node, args: func(p Programs, _ *Redis) []string {
			return []string{filepath.Join(p.Node, "faye.js")}
		}},
		{Name: FayeRedis, Dialect: faye, Aside: true, program: node, args: func(p Programs, r *Redis) []string {
			return []string{filepath.Join(p.Node, "faye.js"), r.port()}
		}},
		{Name: SocketIO, Dialect: load.SocketIO{}, Aside: true, program: node, args: func(p Programs, r *Redis) []string {
			return []string{filepath.Join(p.Node, "socketio.js"), r.port()}
		}},
		{Name: Floor, Dialect: load.Plain{}, NoRedis: true, program: peer("floor"), args: func(Programs, *Redis) []string { return nil }},
		{Name: Coalescing, Dialect: load.Plain{}, NoRedis: true, Aside: true, program: peer("floor"), args: func(Programs, *Redis) []string {
			return []string{"--coalesce", "5ms"}
		}},
	}
}

// Has reports whether the peer can be started here.
func (p Peer) Has(programs Programs) bool { return p.program(programs) != "" }

// Channel returns the name of a channel that every peer takes.
func Channel(number int) string { return load.ChannelName(App, number) }

// StartPeer starts a server of that kind, on a free port. redis is nil for one that needs none.
func (r *Rig) StartPeer(name string, p Peer, programs Programs, redis *Redis, settings ...string) (*Server, error) {
	if p.program(programs) == programs.Pandapush {
		node, err := r.StartNode(name, programs.Pandapush, redis, append(p.settings, settings...)...)
		if err != nil {
			return nil, err
		}
		return server(node.Process, node.Addr)
	}
	process, err := r.start(name, []string{"PATH=" + os.Getenv("PATH"), "NODE_ENV=production"}, p.program(programs), p.args(programs, redis)...)
	if err != nil {
		return nil, err
	}
	addr := ""
	err = process.await(func() bool {
		text, err := os.ReadFile(process.log)
		line, _, whole := strings.Cut(string(text), "\n")
		addr = line
		return err == nil && whole
	})
	if err != nil {
		return nil, err
	}
	return server(process, addr)
}

func server(p *Process, addr string) (*Server, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, p.explain("says that it listens on " + addr)
	}
	return &Server{p, a}, nil
}

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

// wireMessage is a reply or a delivery on the wire.
type wireMessage struct {
	answer

	Subscription string `json:"subscription"`
}

// bayeuxSocket is a Bayeux client on a WebSocket. Like Faye's it always has a connect under way, until it is told to come
// back later.
type bayeuxSocket struct {
	gws.BuiltinEventHandler
	tb       testing.TB
	conn     *gws.Conn
	node     *node
	clientID string
	messages chan wireMessage // all but the replies to connects
	sentAway chan int         // the interval in ms, when a connect's reply has one
	closed   chan error
}

// dial opens a WebSocket and begins a session on it.
func (n *node) dial(tb testing.TB) *bayeuxSocket {
	tb.Helper()
	s := n.open(tb)
	s.send(`{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"]}`)
	s.clientID = s.await("the handshake's reply", func(m wireMessage) bool { return m.Channel == "/meta/handshake" }).ClientID
	if s.clientID == "" {
		tb.Fatal("handshake refused")
	}
	s.connect()
	return s
}

// moveTo waits until the node sends the client away, and then goes on with its session on another.
func (s *bayeuxSocket) moveTo(n *node) *bayeuxSocket {
	s.tb.Helper()
	select {
	case <-s.closed:
	case <-time.After(patience):
		s.tb.Fatal("socket not closed")
	}
	next := n.open(s.tb)
	next.clientID = s.clientID
	for len(s.messages) > 0 {
		next.messages <- <-s.messages
	}
	next.connect()
	return next
}

// open opens a WebSocket.
func (n *node) open(tb testing.TB) *bayeuxSocket {
	tb.Helper()
	s := &bayeuxSocket{
		tb: tb, node: n, messages: make(chan wireMessage, 1000), sentAway: make(chan int, 1), closed: make(chan error, 1),
	}
	conn, upgrade, err := gws.NewClient(s, &gws.ClientOption{Addr: "ws" + strings.TrimPrefix(n.url, "http") + "/push"})
	if err != nil {
		tb.Fatal(err)
	}
	if upgrade.Body != nil {
		_ = upgrade.Body.Close()
	}
	s.conn = conn
	var reading sync.WaitGroup
	reading.Go(conn.ReadLoop)
	tb.Cleanup(func() {
		_ = conn.NetConn().Close()
		reading.Wait()
	})
	return s
}

// OnMessage implements gws.Event.
func (s *bayeuxSocket) OnMessage(_ *gws.Conn, frame *gws.Message) {
	defer func() { _ = frame.Close() }()
	var list []wireMessage
	if err := json.Unmarshal(frame.Bytes(), &list); err != nil {
		s.tb.Errorf("%v in %s", err, frame.Bytes())
	}
	for _, m := range list {
		switch {
		case m.Channel != "/meta/connect":
			s.messages <- m
		case m.Advice.Interval > 0:
			s.sentAway <- m.Advice.Interval
		default:
			s.connect()
		}
	}
}

// OnClose implements gws.Event.
func (s *bayeuxSocket) OnClose(_ *gws.Conn, err error) { s.closed <- err }

func (s *bayeuxSocket) send(text string) {
	if err := s.conn.WriteString(text); err != nil {
		s.tb.Error(err)
	}
}

// connect sends a connect. That the server has closed the socket since it answered the last one is seen by OnClose.
func (s *bayeuxSocket) connect() {
	_ = s.conn.WriteString(fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"websocket"}`, s.clientID))
}

// await returns the next message that ok is true for, and passes over others.
func (s *bayeuxSocket) await(what string, ok func(wireMessage) bool) wireMessage {
	s.tb.Helper()
	timeout := time.After(patience)
	for {
		select {
		case m := <-s.messages:
			if ok(m) {
				return m
			}
		case err := <-s.closed:
			s.closed <- err
			select {
			case m := <-s.messages: // came before the close
				if ok(m) {
					return m
				}
			default:
				s.tb.Fatalf("waited for %s on a socket that was closed: %v", what, err)
			}
		case <-timeout:
			s.tb.Fatalf("waited in vain for %s", what)
		}
	}
}

// subscribe subscribes with a key and waits until that is confirmed.
func (s *bayeuxSocket) subscribe(key keyPair, pattern string) {
	s.tb.Helper()
	s.send(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"auth":%s}}`, s.clientID, pattern, key.auth()))
	reply := s.await("the reply to a subscribe", func(m wireMessage) bool { return m.Channel == "/meta/subscribe" })
	if !*reply.Successful {
		s.tb.Fatalf("subscribe %s: %s", pattern, reply.Error)
	}
}

// publish publishes with a key and waits until that is confirmed. Deliveries before the confirmation are passed over.
func (s *bayeuxSocket) publish(key keyPair, channel, data string) {
	s.tb.Helper()
	s.send(fmt.Sprintf(`{"channel":%q,"clientId":%q,"data":%s,"ext":{"auth":%s}}`, channel, s.clientID, data, key.auth()))
	reply := s.await("the reply to a publish", func(m wireMessage) bool { return m.Channel == channel && m.Successful != nil })
	if !*reply.Successful {
		s.tb.Fatalf("publish on %s: %s", channel, reply.Error)
	}
}

// delivery returns the next delivery: a message that is not a reply.
func (s *bayeuxSocket) delivery() wireMessage {
	s.tb.Helper()
	return s.await("a delivery", func(m wireMessage) bool { return m.Successful == nil })
}

// revoked waits until the server has ended as many subscriptions as want has, and checks which and why.
func (s *bayeuxSocket) revoked(want map[string]string) {
	s.tb.Helper()
	got := map[string]string{}
	for range want {
		m := s.await("the end of a subscription", func(m wireMessage) bool { return m.Channel == "/meta/unsubscribe" })
		got[m.Subscription] = m.Error
	}
	if !maps.Equal(got, want) {
		s.tb.Errorf("these subscriptions have ended: %v, want %v", got, want)
	}
}

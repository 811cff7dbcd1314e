package edge

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// claimsRecords counts the claims of sessions.
type claimsRecords struct {
	Records

	claims atomic.Int64
}

func (r *claimsRecords) ClaimSession(ctx context.Context, id, transport string, ttl time.Duration) (pandapush.Session, string, error) {
	r.claims.Add(1)
	return r.Records.ClaimSession(ctx, id, transport, ttl)
}

// begin handshakes by the socket.
func (c *wsClient) begin() string {
	c.t.Helper()
	c.send(`{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"],"id":"1"}`)
	return c.until("/meta/handshake").ClientID
}

// subscribe subscribes by the socket.
func (c *wsClient) subscribe(id, channel string) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q}`, id, channel))
	c.until("/meta/subscribe")
}

// TestSocketThatMadeASessionNeedNotClaimIt: it connects without a claim, and what came for the session before that has waited.
func TestSocketThatMadeASessionNeedNotClaimIt(t *testing.T) {
	records := &claimsRecords{}
	n := startNode(t, func(c *Config) { records.Records, c.Records = c.Records, records })
	c := n.dial(t)
	id := c.begin()
	c.subscribe(id, "/app/public/a")
	n.publish(t, "/app/public/a", "1")
	if m := c.ask(`{"channel":"/meta/unsubscribe","clientId":"` + id + `","subscription":"/app/public/none"}`); len(c.got) > 0 {
		t.Errorf("got %v before the connect, and %v", c.got, m)
	}
	c.attach(id)
	n.publish(t, "/app/public/a", "2")
	if got := texts(c.deliveries(2)); got != "1 2" {
		t.Errorf("got %s", got)
	}
	if claims := records.claims.Load(); claims > 0 {
		t.Errorf("%d claims", claims)
	}
	again := n.dial(t)
	again.attach(id)
	if claims := records.claims.Load(); claims != 1 {
		t.Errorf("%d claims when it came back by another socket", claims)
	}
	<-c.closed
}

// TestSessionMadeByASocketGoesOnElsewhere handshakes by a socket of one node, and subscribes and connects at others.
func TestSessionMadeByASocketGoesOnElsewhere(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	made := a.dial(t)
	id := made.begin()
	b.subscribe(t, id, "/app/public/a")
	b.publish(t, "/app/public/a", "1")
	c := b.dial(t)
	c.attach(id)
	a.publish(t, "/app/public/a", "2")
	if got := texts(c.deliveries(2)); got != "1 2" {
		t.Errorf("got %s", got)
	}
	if _, here := a.sessions.get(id); here {
		t.Error("the node that made it still has it")
	}
	if other := made.begin(); other == id { // the socket is good for another one
		t.Error("the same id again")
	}
}

// TestKilledBeforeTheConnectLosesNothing: a session that has not connected yet has got nothing, whatever the position of
// its node is.
func TestKilledBeforeTheConnectLosesNothing(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	busy := a.dial(t) // another client has the node read the stream
	other := busy.begin()
	busy.subscribe(other, "/app/public/a")
	busy.attach(other)
	made := a.dial(t)
	id := made.begin()
	made.subscribe(id, "/app/public/a")
	b.publish(t, "/app/public/a", "1")
	busy.deliveries(1)
	a.awaitPosition()
	a.kill()
	<-made.closed
	b.publish(t, "/app/public/a", "2")
	c := b.dial(t)
	c.attach(id)
	if got := texts(c.deliveries(2)); got != "1 2" {
		t.Errorf("got %s", got)
	}
}

// TestSocketThatNeverConnectsLeavesItsSessionToOthers closes it after the subscribe.
func TestSocketThatNeverConnectsLeavesItsSessionToOthers(t *testing.T) {
	n := startNode(t, nil)
	made := n.dial(t)
	id := made.begin()
	made.subscribe(id, "/app/public/a")
	_ = made.conn.NetConn().Close()
	n.awaitNoSockets()
	if len(n.sessions.list()) > 0 {
		t.Error("the session is still attached")
	}
	n.publish(t, "/app/public/a", "1")
	c := n.dial(t)
	c.attach(id)
	if got := texts(c.deliveries(1)); got != "1" {
		t.Errorf("got %s", got)
	}
}

// awaitPosition waits until the node's position is the end of the stream.
func (n *node) awaitPosition() {
	for written := false; !written; {
		<-time.After(time.Millisecond) // there is no signal to wait for
		n.log.mu.Lock()
		written = n.log.positions[n.log.name]["app"].Position == n.log.streamLocked("app").last
		n.log.mu.Unlock()
	}
}

package edge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// attachLevel attaches a session by a socket to n, brings it three messages and waits until all that is written down of it
// is that its node's position holds.
func attachLevel(t *testing.T, n *node) (id string, c *wsClient) {
	t.Helper()
	id = n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	c = n.dial(t)
	c.attach(id)
	n.awaitRecord(id, func(s pandapush.Session) bool { return !s.Behind })
	for i := range 3 {
		n.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	c.deliveries(3)
	n.awaitProof(t, id)
	n.awaitWritten(id)
	return id, c
}

// wantNext publishes on n, and checks that this is the first message that the session gets when it is attached to n.
func (n *node) wantNext(t *testing.T, id string) {
	t.Helper()
	n.publish(t, "/app/public/a", `"next"`)
	c := n.dial(t)
	c.connect(id)
	if got := texts(c.deliveries(1)); got != `"next"` {
		t.Errorf("got %s again", got)
	}
}

// TestClaimThatCameToNothingRepeatsNothing: a node claims a session and does not learn of it, since Redis was too slow, or is
// killed before it has attached it. Whoever claims it next goes on from what the owner before it knows.
func TestClaimThatCameToNothingRepeatsNothing(t *testing.T) {
	t.Parallel()
	for _, owner := range []string{"alive", "killed"} {
		for _, claimer := range []string{"comes back", "is asked", "killed"} {
			t.Run(fmt.Sprintf("owner %s, claimer %s", owner, claimer), func(t *testing.T) {
				t.Parallel()
				a, b, c := startNodes(t, nil)
				id, first := attachLevel(t, a)
				if owner == "killed" {
					a.kill()
				}
				if _, _, err := b.log.ClaimSession(t.Context(), id, pandapush.TransportWebSocket, b.ttl()); err != nil {
					t.Fatal(err)
				}
				next := c
				switch claimer {
				case "comes back":
					next = b
				case "killed":
					b.kill()
				}
				next.wantNext(t, id)
				<-first.closed // also if its node lives
			})
		}
	}
}

// TestDetachedWhileRedisIsAway: what a client has got is not forgotten when it can't be written down.
func TestDetachedWhileRedisIsAway(t *testing.T) {
	a, b, c := startNodes(t, nil)
	lose := func(t *testing.T) (id string) {
		t.Helper()
		id, socket := attachLevel(t, a)
		a.log.setAway(fmt.Errorf("%w: as told", pandapush.ErrUnavailable))
		_ = socket.conn.NetConn().Close()
		a.awaitNoSockets()
		a.log.setAway(nil)
		return id
	}
	t.Run("it comes back", func(t *testing.T) { a.wantNext(t, lose(t)) })
	t.Run("it comes elsewhere", func(t *testing.T) { b.wantNext(t, lose(t)) })
	t.Run("it comes when its node has died", func(t *testing.T) {
		id := lose(t)
		a.awaitRecord(id, func(s pandapush.Session) bool { return !s.Attached })
		a.kill()
		c.wantNext(t, id)
	})
	if left := a.unsaved.list(); len(left) > 1 { // a killed node writes nothing
		t.Errorf("%d records are kept for ever", len(left))
	}
}

// TestUnsavedPollIsNotAnsweredTwice: a poll that is answered while Redis is away is known to have been.
func TestUnsavedPollIsNotAnsweredTwice(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/a")
	answered := make(chan []message)
	go func() {
		answered <- a.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"1"}`, id))
	}()
	a.awaitPolled(id)
	channel, err := pandapush.ParseChannel("/app/public/a")
	if err != nil {
		t.Fatal(err)
	}
	a.log.mu.Lock() // Redis goes right after it has stored a message
	if _, err := a.log.appendLocked(pandapush.Message{Channel: channel, Data: []byte("1")}); err != nil {
		t.Error(err)
	}
	a.log.away = fmt.Errorf("%w: as told", pandapush.ErrUnavailable)
	a.log.mu.Unlock()
	if got := texts((<-answered)[1:]); got != "1" {
		t.Fatalf("got %s", got)
	}
	a.log.setAway(nil)
	replies := b.say(t, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0},"id":"2"}`, id))
	if got := texts(replies[1:]); got != "" {
		t.Errorf("got %s again", got)
	}
}

// awaitPolled waits until the session has a poll and is level.
func (n *node) awaitPolled(id string) {
	for polled := false; !polled; {
		<-time.After(time.Millisecond) // there is no signal to wait for
		if s, ok := n.sessions.get(id); ok {
			s.mu.Lock()
			polled = s.poll != nil && s.behindLocked() == nil
			s.mu.Unlock()
		}
	}
}

// awaitRecord waits until the record of a session is as ok says.
func (n *node) awaitRecord(id string, ok func(pandapush.Session) bool) {
	for written := false; !written; {
		<-time.After(time.Millisecond) // there is no signal to wait for
		n.log.mu.Lock()
		written = ok(n.log.sessions[id])
		n.log.mu.Unlock()
	}
}

// TestLostRecordsAreRestored: records that Redis has lost are written anew, also while another Redis is away.
func TestLostRecordsAreRestored(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Records = halfAway{c.Records} })
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	n.dial(t).attach(id)
	n.log.mu.Lock()
	delete(n.log.sessions, id)
	n.log.mu.Unlock()
	n.touch(t.Context())
	n.log.mu.Lock()
	defer n.log.mu.Unlock()
	if s, ok := n.log.sessions[id]; !ok || len(s.Subscriptions) != 1 {
		t.Errorf("the record is %+v", s)
	}
}

// halfAway is Records of which some can't be reached by TouchSessions.
type halfAway struct{ Records }

func (r halfAway) TouchSessions(ctx context.Context, ids []string, ttl time.Duration) ([]string, error) {
	gone, err := r.Records.TouchSessions(ctx, ids, ttl)
	return gone, errors.Join(err, pandapush.ErrUnavailable)
}

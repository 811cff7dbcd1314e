package edge

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// slowRecords lets a test act between the reading of a session's record and the session's coming into being.
type slowRecords struct {
	Records
	claimed, proceed, changed chan struct{}
}

func (r *slowRecords) ClaimSession(ctx context.Context, id, transport string, ttl time.Duration) (pandapush.Session, string, error) {
	s, former, err := r.Records.ClaimSession(ctx, id, transport, ttl)
	r.claimed <- struct{}{}
	<-r.proceed
	return s, former, err
}

func (r *slowRecords) ChangeSubscriptions(ctx context.Context, id string, add map[string]pandapush.Subscription, remove []string, limit int) (string, bool, error) {
	owner, attached, err := r.Records.ChangeSubscriptions(ctx, id, add, remove, limit)
	if len(add) > 0 {
		r.changed <- struct{}{}
	}
	return owner, attached, err
}

// A client that polls sends its connect and a subscribe at the same time.
func TestSubscribeWhileTheSessionIsBeingAttached(t *testing.T) {
	slow := &slowRecords{claimed: make(chan struct{}, 1), proceed: make(chan struct{}), changed: make(chan struct{}, 1)}
	n := startNode(t, func(c *Config) {
		slow.Records, c.Records = c.Records, slow
		c.Timeout = 2 * time.Second // what a poll that is not answered with the message takes
	})
	id := n.handshake(t)
	answers := make(chan string, 1)
	go func() {
		_, answer, err := n.tryPost(t.Context(), fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"2"}`, id))
		answers <- fmt.Sprint(string(answer), err)
	}()
	<-slow.claimed

	subscribed := make(chan struct{})
	go func() {
		defer close(subscribed)
		n.subscribe(t, id, "/app/public/x")
	}()
	<-slow.changed
	close(slow.proceed)
	<-subscribed

	n.publish(t, "/app/public/x", `"hello"`)
	if answer := <-answers; !strings.Contains(answer, `"hello"`) {
		t.Errorf("the poll was answered with %s", answer)
	}
}

// stalledRecords lets a test act before a session's subscriptions are changed.
type stalledRecords struct {
	Records
	began, proceed chan struct{}
}

func (r *stalledRecords) ChangeSubscriptions(ctx context.Context, id string, add map[string]pandapush.Subscription, remove []string, limit int) (string, bool, error) {
	if len(add) > 0 {
		r.began <- struct{}{}
		<-r.proceed
	}
	return r.Records.ChangeSubscriptions(ctx, id, add, remove, limit)
}

// TestPositionsDoNotHoldForWhatIsBeingSubscribed: a node's position that is written while a session subscribes may be beyond
// the beginning of the subscription, which the session does not know of yet.
func TestPositionsDoNotHoldForWhatIsBeingSubscribed(t *testing.T) {
	stalled := &stalledRecords{began: make(chan struct{}), proceed: make(chan struct{})}
	n := startNode(t, func(c *Config) { stalled.Records, c.Records = c.Records, stalled })
	id := n.handshake(t)
	c := n.dial(t)
	c.attach(id)
	behind := func() bool {
		n.writeExceptions(t.Context(), n.hub.positions())
		n.log.mu.Lock()
		defer n.log.mu.Unlock()
		return n.log.sessions[id].Behind
	}
	if behind() {
		t.Error("a session that is nowhere yet has a record that says that it is behind")
	}
	c.send(fmt.Sprintf(`[{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a","id":"3"}]`, id))
	<-stalled.began
	if !behind() {
		t.Error("a session subscribes, and its record says that the node's position holds for it")
	}
	close(stalled.proceed)
	c.until("/meta/subscribe")
	for behind() {
		<-time.After(time.Millisecond) // the change is made after the reply; there is no signal to wait for
	}
}

// A path may be found to be lost, and the session have another one before it is taken from that.
func TestLateEndOfAPathHarmsNoOther(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	first, second := n.dial(t), n.dial(t)
	first.attach(id)
	s, _ := n.sessions.get(id)
	old := path{outlet: s.outlet}
	second.attach(id)
	for _, lost := range []path{old, {poll: newPoll()}} {
		n.detach(s, lost, endClosed)
	}
	n.publish(t, "/app/public/a", "1")
	if got := texts(second.deliveries(1)); got != "1" {
		t.Errorf("got %s", got)
	}
}

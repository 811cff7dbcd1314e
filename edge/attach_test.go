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

package edge

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/pandapush/pandapush"
)

func TestRedisAwayIsSaid(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.log.setAway(fmt.Errorf("append: %w", pandapush.ErrUnavailable))
	replies := n.say(t, fmt.Sprintf(`[{"channel":"/app/public/a","data":1,"ext":{"auth":{"key":"key","secret":"secret"}}},
		{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a"}]`, id))
	if replies[0].Error != "407:/app/public/a:Failed to publish" || replies[1].Error != "500::Internal server error" {
		t.Errorf("%+v", replies)
	}
	n.log.setAway(nil)
	n.subscribe(t, id, "/app/public/a")
	n.publish(t, "/app/public/a", "1")
}

// TestPollWhileRedisIsAway: a poll that is repeated, since its answer was lost, is not told that all is well while nobody can look
// up what that had in it. Its client would go on to the next one, which proves that it has got the answer.
func TestPollWhileRedisIsAway(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	n.publish(t, "/app/public/a", "1")
	connect := func(advice string) string {
		return fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"a"%s}`, id, advice)
	}
	const now = `,"advice":{"timeout":0}`
	if got := texts(n.say(t, connect(now))[1:]); got != "1" {
		t.Fatalf("got %s", got)
	}
	n.log.setAway(fmt.Errorf("claim: %w", pandapush.ErrUnavailable))
	if status, body := n.post(t, connect(now)); status != http.StatusServiceUnavailable {
		t.Errorf("while Redis is away: %d %s", status, body)
	}
	type answer struct {
		status int
		body   []byte
		err    error
	}
	held := make(chan answer)
	go func() {
		status, body, err := n.tryPost(t.Context(), connect(""))
		held <- answer{status, body, err}
	}()
	n.log.awaitClaims(2)
	n.log.setAway(nil)
	if a := <-held; a.err != nil || a.status != http.StatusOK || texts(parse(t, a.body)[1:]) != "1" {
		t.Errorf("a poll that was held until Redis was back: %v, %d %s", a.err, a.status, a.body)
	}
}

package edge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

func TestFollowerIsToldOfAGap(t *testing.T) {
	n := startNode(t, nil)
	c := n.follow(t, "/app/public/a")
	n.publish(t, "/app/public/a", "0")
	c.messages(1)
	c.close()
	at := c.id
	n.awaitNoSockets()
	for i := range 10 {
		n.publish(t, "/app/public/a", fmt.Sprint(i+1))
	}
	n.log.trim("app", 4)
	other := startNodeOn(t, n.log.memory, "two", nil) // has nothing of it in memory
	c = openEvents(t, other.followURL(t, wants("/app/public/a")), at)
	gap, ok := c.next()
	if !ok || gap.kind != "gap" || !strings.Contains(gap.data, `"from":"`+at+`"`) || !strings.Contains(gap.data, `"reason":"trimmed"`) || gap.id == at {
		t.Fatalf("got %+v", gap)
	}
	if got := c.messages(4); texts(got) != "7 8 9 10" {
		t.Errorf("got %s", texts(got))
	}
}

func TestFollowerOfALostStreamIsTold(t *testing.T) {
	n := startNode(t, nil)
	c := n.follow(t, "/app/public/a")
	n.publish(t, "/app/public/a", "0")
	c.messages(1)
	n.log.lose("app")
	if gap, ok := c.next(); !ok || gap.kind != "gap" || !strings.Contains(gap.data, `"reason":"epoch"`) {
		t.Fatalf("got %+v", gap)
	}
	n.publish(t, "/app/public/a", "1")
	if got := c.messages(1); texts(got) != "1" {
		t.Errorf("got %s", texts(got))
	}
}

// TestFollowerOfAStreamThatOvertookItsReaderIsTold: what was removed before the node read it is a gap for those who are level.
func TestFollowerOfAStreamThatOvertookItsReaderIsTold(t *testing.T) {
	n := startNode(t, nil)
	c := n.follow(t, "/app/public/a")
	n.publish(t, "/app/public/a", "0")
	from, err := pandapush.ParseCursor("app", c.messages(1)[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	to := from
	to.Position.Seq += 1000
	n.Gap("app", from, to)
	n.log.mu.Lock()
	n.log.streamLocked("app").last = to.Position
	n.log.mu.Unlock()
	n.publish(t, "/app/public/a", "1")
	want := fmt.Sprintf(`{"app":"app","from":%q,"to":%q,"reason":"trimmed"}`, from, to)
	if e, ok := c.next(); !ok || e.kind != "gap" || e.data != want {
		t.Errorf("got %+v, want %s", e, want)
	}
	if got := texts(c.messages(1)); got != "1" {
		t.Errorf("and then %s", got)
	}
}

// TestSlowFollowerIsToldOfWhatIsTrimmed: what is no longer kept when a follower that was level gets to read it is a gap.
func TestSlowFollowerIsToldOfWhatIsTrimmed(t *testing.T) {
	n := startNode(t, func(c *Config) {
		c.Limits.QueueMessages, c.Limits.WindowEntries = 10, 10
		c.WriteTimeout = time.Minute
	})
	c := n.follow(t, "/app/public/a")
	const messages = 100 // more than a socket's buffers hold, in both kernels
	big := strings.Repeat("x", 100<<10)
	for i := range messages {
		n.publish(t, "/app/public/a", fmt.Sprintf(`"%d %s"`, i, big))
	}
	n.log.trim("app", 20)
	next, gaps := 0, 0
	for next < messages {
		e, ok := c.next()
		switch {
		case !ok:
			t.Fatalf("the stream ends before message %d", next)
		case e.kind == "gap":
			gaps++
			next = messages - 20
		case !strings.Contains(e.data, fmt.Sprintf(`"%d `, next)):
			t.Fatalf("%.60s in place of message %d, and nothing was said", e.data, next)
		default:
			next++
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps", gaps)
	}
}

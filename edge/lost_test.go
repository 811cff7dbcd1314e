package edge

import (
	"fmt"
	"strings"
	"testing"
)

// A Redis that comes back without its newest entries has a mark in the stream. These tests hold that everybody who subscribes to
// something of the application is told, once, wherever they were and whatever they had seen.

// wantLoss fails the test unless m tells of a loss.
func wantLoss(t *testing.T, what string, m message) {
	t.Helper()
	if m.Channel != "/meta/gap" || !strings.Contains(string(m.Ext), `"reason":"ahead"`) {
		t.Errorf("%s is told %+v", what, m)
	}
}

func TestLossIsToldToThoseWhoAreThere(t *testing.T) {
	n := startNode(t, nil)
	other := startNodeOn(t, n.log.memory, "two", nil)
	id, far, poll := n.handshake(t), other.handshake(t), n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	n.subscribe(t, id, "/app/public/**") // told once nevertheless
	other.subscribe(t, far, "/app/public/quiet")
	n.subscribe(t, poll, "/app/public/a")
	c, quiet := n.dial(t), other.dial(t)
	c.attach(id)
	quiet.attach(far)
	follower := n.follow(t, "/app/public/a")
	for i := range 4 {
		n.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	c.deliveries(4)
	follower.messages(4)
	connect := fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0}}`, poll)
	n.say(t, connect)
	n.log.rollBack(t, "app", 2)
	n.publish(t, "/app/public/a", "4")
	n.publish(t, "/app/public/quiet", "5")

	wantLoss(t, "a socket", c.until("/meta/gap"))
	if got := texts(c.deliveries(2)); got != "4 5" {
		t.Errorf("and then gets %s", got)
	}
	wantLoss(t, "a socket elsewhere that nothing was for", quiet.until("/meta/gap"))
	if got := texts(quiet.deliveries(1)); got != "5" {
		t.Errorf("and then gets %s", got)
	}
	gap, ok := follower.next()
	if !ok || gap.kind != "gap" || !strings.Contains(gap.data, `"reason":"ahead"`) || !strings.Contains(gap.data, `"to":"`+gap.id+`"`) {
		t.Errorf("a follower is told %+v", gap)
	}
	if got := texts(follower.messages(1)); got != "4" {
		t.Errorf("and then gets %s", got)
	}
	replies := n.say(t, connect)
	if len(replies) != 3 || texts(replies[2:]) != "4" {
		t.Fatalf("a poll gets %+v", replies)
	}
	wantLoss(t, "a poll", replies[1])
	if replies := n.say(t, connect); len(replies) != 1 {
		t.Errorf("the next poll gets %+v", replies)
	}
}

// TestLossIsToldToThoseWhoWereAway: with cursors from before the loss, of what is left and of what is lost, on a node that has
// seen nothing of it.
func TestLossIsToldToThoseWhoWereAway(t *testing.T) {
	n := startNode(t, nil)
	away := n.handshake(t)
	n.subscribe(t, away, "/app/public/a")
	follower := n.follow(t, "/app/public/a")
	for i := range 6 {
		n.publish(t, "/app/public/a", fmt.Sprint(i))
	}
	got := follower.messages(6)
	follower.close()
	n.awaitNoSockets()
	n.log.rollBack(t, "app", 2)
	n.publish(t, "/app/public/a", "6")
	other := startNodeOn(t, n.log.memory, "two", nil)

	for seen, rest := range map[int]string{1: "2 3", 3: "", 5: ""} {
		follower := openEvents(t, other.followURL(t, wants("/app/public/a")), got[seen].ID)
		if rest != "" {
			if got := texts(follower.messages(2)); got != rest {
				t.Errorf("a follower that had %d gets %s", seen, got)
			}
		}
		gap, ok := follower.next()
		if !ok || gap.kind != "gap" || !strings.Contains(gap.data, `"from":"`+got[3].ID+`"`) {
			t.Errorf("a follower that had %d is told %+v", seen, gap)
		}
		if got := texts(follower.messages(1)); got != "6" {
			t.Errorf("and then gets %s", got)
		}
		follower.close()
		follower = openEvents(t, other.followURL(t, wants("/app/public/a")), gap.id)
		if got := texts(follower.messages(1)); got != "6" { // and fails if anything else is told
			t.Errorf("a follower that had been told gets %s", got)
		}
		follower.close()

		id := other.handshake(t)
		ext := extOf(t, other.subscribeSince(t, id, "/app/public/*", got[seen].ID))
		if ext.Recovered == nil || !*ext.Recovered || ext.Gap != nil {
			t.Errorf("%+v", ext)
		}
		c := other.dial(t)
		c.connect(id)
		wantLoss(t, "who subscribes", c.until("/meta/gap"))
	}

	connect := fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0}}`, away)
	replies := other.say(t, connect)
	if len(replies) != 7 || texts(replies[1:5]) != "0 1 2 3" || texts(replies[6:]) != "6" {
		t.Fatalf("a session that was away gets %+v", replies)
	}
	wantLoss(t, "a session that was away", replies[5])
	if replies := n.say(t, connect); len(replies) != 1 {
		t.Errorf("its next poll gets %+v", replies)
	}
}

// TestLossIsToldAgainIfThatDidNotArrive: a socket that dies with the news has not told it.
func TestLossIsToldAgainIfThatDidNotArrive(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/a")
	first := a.dial(t)
	first.attach(id)
	a.publish(t, "/app/public/a", "0")
	a.publish(t, "/app/public/a", "1")
	first.deliveries(2)
	a.awaitProof(t, id)
	first.deaf.Store(true)
	a.log.rollBack(t, "app", 1)
	wantLoss(t, "the first socket", first.until("/meta/gap")) // as far as its node knows it has not
	second := b.dial(t)
	second.connect(id)
	wantLoss(t, "the second socket", second.until("/meta/gap"))
}

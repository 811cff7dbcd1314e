package edge

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// beginning subscribes somebody else, and returns where the stream is.
func (n *node) beginning(t *testing.T) (cursor string) {
	t.Helper()
	return extOf(t, n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/start"}`, n.handshake(t)))[0]).Cursor
}

// byChannel returns the data of deliveries, in their order.
func byChannel(list []message) map[string]string {
	all := map[string][]string{}
	for _, m := range list {
		all[m.Channel] = append(all[m.Channel], string(m.Data))
	}
	texts := map[string]string{}
	for channel, data := range all {
		texts[channel] = strings.Join(data, " ")
	}
	return texts
}

// A subscription that has been brought up to date is not done with what was written for it until its client has got that, and
// meanwhile does not hold back the others.
func TestWhatASubscriptionCaughtUpWithMayHaveToComeAgain(t *testing.T) {
	a, b, _ := startNodes(t, nil)
	cursor := a.beginning(t)
	for i := range 3 * catchUpMessages {
		a.publish(t, "/app/public/old", fmt.Sprint(i))
	}
	id := a.handshake(t)
	a.subscribe(t, id, "/app/public/live")
	first := a.dial(t)
	first.attach(id)
	a.publish(t, "/app/public/live", "0")
	first.deliveries(1)
	a.awaitProof(t, id)

	first.deaf.Store(true)
	extOf(t, a.subscribeSince(t, id, "/app/public/old", cursor))
	first.deliveries(3 * catchUpMessages)
	a.publish(t, "/app/public/live", "1")
	first.deliveries(1)
	second := b.dial(t)
	second.attach(id) // by a client that does not say what it has got
	got := byChannel(second.deliveries(3*catchUpMessages + 1))
	if got["/app/public/old"] != numbers(3*catchUpMessages) || got["/app/public/live"] != "1" {
		t.Errorf("got %v", got)
	}

	b.awaitProof(t, id)
	b.publish(t, "/app/public/old", `"end"`)
	second.deliveries(1)
	b.awaitProof(t, id)
	third := a.dial(t)
	third.attach(id)
	a.publish(t, "/app/public/live", "2")
	if got := texts(third.deliveries(1)); got != "2" {
		t.Errorf("after all had arrived: %s", got)
	}
}

// Whatever polls are lost, and whatever is subscribed to from whenever, a client that tries again gets each message once.
func TestLostPollsAndLaggingSubscriptions(t *testing.T) {
	shared := newMemory()
	small := func(c *Config) { c.Limits.QueueMessages, c.Limits.WindowEntries = 3, 20 }
	nodes := []*node{startNodeOn(t, shared, "a", small), startNodeOn(t, shared, "b", small)}
	const atOnce = `,"advice":{"timeout":0}`
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		any := func() *node { return nodes[rapid.IntRange(0, 1).Draw(r, "node")] }
		channels := []string{fmt.Sprintf("/app/public/%d/x", round), fmt.Sprintf("/app/public/%d/y", round), fmt.Sprintf("/app/public/%d/z", round)}
		id, cursor := nodes[0].handshake(t), nodes[0].beginning(t)
		subscribed, published, connects := map[string]bool{}, map[string]int{}, 0
		var got []message
		publish := func(channel string) {
			any().publish(t, channel, fmt.Sprint(published[channel]))
			published[channel]++
		}
		poll := func(lost int, ext string) (delivered []message) {
			connects++
			for range lost + 1 { // until it is answered, a connect is tried again with its id
				delivered = any().say(t, fmt.Sprintf(
					`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","id":"%d"%s}`, id, connects, ext))[1:]
			}
			got = append(got, delivered...)
			return delivered
		}
		for _, step := range rapid.SliceOfN(rapid.IntRange(0, 9), 1, 60).Draw(r, "steps") {
			channel := rapid.SampledFrom(channels).Draw(r, "channel")
			switch {
			case step < 5:
				publish(channel)
			case step < 7 && !subscribed[channel]:
				subscribed[channel] = true
				extOf(t, any().subscribeSince(t, id, channel, cursor))
			default:
				poll(rapid.IntRange(0, 2).Draw(r, "lost"), atOnce)
			}
		}
		total := 0
		for channel := range subscribed {
			total += published[channel]
		}
		for len(got) < total && len(poll(0, "")) > 0 { // a node may be a moment behind
		}
		poll(0, atOnce) // brings nothing more
		texts := byChannel(got)
		for _, channel := range channels {
			want := ""
			if subscribed[channel] {
				want = numbers(published[channel])
			}
			if texts[channel] != want {
				r.Fatalf("%s: got %q, want %q", channel, texts[channel], want)
			}
		}
	})
}

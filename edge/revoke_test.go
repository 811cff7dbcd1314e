package edge

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// token mints one for subscribing to a channel of the application.
func token(tb testing.TB, channel string, expires time.Time) string {
	tb.Helper()
	text, err := pandapush.MintToken(testKey, pandapush.TokenClaims{Channel: channel, Sub: true, Expires: expires})
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// subscribeWith subscribes a session with a token.
func (n *node) subscribeWith(tb testing.TB, id, channel, token string) {
	tb.Helper()
	replies := n.say(tb, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,"ext":{"auth":{"token":%q}}}`, id, channel, token))
	if len(replies) != 1 || !replies[0].ok() {
		tb.Fatalf("subscribe %s: %+v", channel, replies)
	}
}

const expiryHandshake = `{"channel":"/meta/handshake","version":"1.0","supportedConnectionTypes":["websocket"],"ext":{"pandapush":{"expiry":true}}}`

// poll connects by long-polling and returns what waits.
func (n *node) poll(tb testing.TB, id, connectID string) []message {
	tb.Helper()
	return n.say(tb, fmt.Sprintf(`{"channel":"/meta/connect","clientId":%q,"connectionType":"long-polling","advice":{"timeout":0},"id":%q}`, id, connectID))
}

func TestExpiredSubscriptions(t *testing.T) {
	tests := []struct {
		name      string
		enforce   bool
		handshake string
		ends      bool
		advice    string
	}{
		{"are left alone", false, handshakeBody, false, ""},
		{"end for a client that renews", false, expiryHandshake, true, ""},
		{"end where that is enforced", true, handshakeBody, true, "handshake"},
		{"end where that is enforced, for a client that renews", true, expiryHandshake, true, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			now := newClock()
			n := startNode(t, func(c *Config) { c.Now, c.EnforceExpiry = now.get, test.enforce })
			id := n.say(t, test.handshake)[0].ClientID
			n.subscribeWith(t, id, "/app/private/short", token(t, "/app/private/*", now.get().Add(10*time.Second)))
			n.subscribeWith(t, id, "/app/private/long", token(t, "/app/private/*", now.get().Add(20*time.Second)))
			c := n.dial(t)
			c.attach(id)
			now.add(10 * time.Second)
			n.sweepOnce(t.Context())
			if test.ends {
				r := c.until("/meta/unsubscribe")
				if r.ok() || r.Error != "Expired token" || string(r.Subscription) != `"/app/private/short"` || r.ClientID != id {
					t.Errorf("%+v", r)
				}
				if (r.Advice != nil) != (test.advice != "") || r.Advice != nil && (r.Advice.Reconnect != test.advice || r.Advice.Interval < 1000) {
					t.Errorf("advice %+v", r.Advice)
				}
			}
			n.publish(t, "/app/private/short", `"short"`)
			n.publish(t, "/app/private/long", `"long"`)
			want := `"short" "long"`
			if test.ends {
				want = `"long"`
			}
			if got := texts(c.deliveries(len(want) / 6)); got != want {
				t.Errorf("got %s", got)
			}
			n.log.mu.Lock()
			defer n.log.mu.Unlock()
			if _, stored := n.log.sessions[id].Subscriptions["/app/private/short"]; stored == test.ends {
				t.Errorf("in the record: %t", stored)
			}
		})
	}
}

// TestMemberLeavesWithItsToken: whose subscription ends because its token has expired is in the room no more.
func TestMemberLeavesWithItsToken(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) { c.Now, c.EnforceExpiry = now.get, true })
	watch := n.observe(t)
	bob := n.handshake(t)
	text, err := pandapush.MintToken(testKey, pandapush.TokenClaims{
		Channel: room, Sub: true, Presence: json.RawMessage(`{"id":"bob"}`), Expires: now.get().Add(10 * time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.subscribeWith(t, bob, room, text)
	n.dial(t).attach(bob)
	n.enter(t, n.handshake(t), room, `{"id":"ann"}`)
	now.add(10 * time.Second)
	n.sweepOnce(t.Context())
	if got := texts(watch.deliveries(3)); got != `{"subscribe":{"bob":{"id":"bob"}}} {"subscribe":{"ann":{"id":"ann"}}} {"unsubscribe":{"bob":null}}` {
		t.Errorf("the room was told %s", got)
	}
	if seats := n.seated(t, room); seats != 1 {
		t.Errorf("%d seats are taken", seats)
	}
}

func TestSubscriptionsThatEndBetweenTwoPolls(t *testing.T) {
	now := newClock()
	n := startNode(t, func(c *Config) { c.Now = now.get })
	id := n.say(t, expiryHandshake)[0].ClientID
	n.subscribeWith(t, id, "/app/private/a", token(t, "/app/private/*", now.get().Add(10*time.Second)))
	n.publish(t, "/app/private/a", `"in time"`)
	if got := n.poll(t, id, "1"); len(got) != 2 || string(got[1].Data) != `"in time"` {
		t.Errorf("%+v", got)
	}
	now.add(10 * time.Second)
	n.publish(t, "/app/private/a", `"too late"`)
	if got := n.poll(t, id, "2"); len(got) != 2 || got[1].Channel != "/meta/unsubscribe" || got[1].Error != "Expired token" {
		t.Errorf("%+v", got)
	}

	n.subscribe(t, id, "/app/private/b")
	if got := n.poll(t, id, "3"); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	revoked := testKey
	revoked.RevokedAt = now.get()
	n.keys.put(revoked)
	if got := n.poll(t, id, "4"); len(got) != 2 || got[1].Error != "Revoked key" {
		t.Errorf("%+v", got)
	}
	if got := n.poll(t, id, "5"); len(got) != 1 {
		t.Errorf("told again: %+v", got)
	}
}

// A newer token for a channel that the session has changes nothing but how long it has it, by whichever node it comes.
func TestRenewedSubscriptionStaysWhereItIs(t *testing.T) {
	now := newClock()
	shared := newMemory()
	change := func(c *Config) { c.Now = now.get }
	one, two := startNodeOn(t, shared, "one", change), startNodeOn(t, shared, "two", change)
	for _, by := range []*node{one, two} {
		t.Run(by.cfg.Node, func(t *testing.T) {
			id := one.say(t, expiryHandshake)[0].ClientID
			start := now.get()
			one.subscribeWith(t, id, "/app/private/a", token(t, "/app/private/*", start.Add(10*time.Second)))
			c := one.dial(t)
			c.attach(id)
			var want string
			for i := range 30 {
				one.publish(t, "/app/private/a", fmt.Sprint(i))
				if i%10 == 5 {
					by.subscribeWith(t, id, "/app/private/a", token(t, "/app/private/*", start.Add(time.Hour)))
				}
				want += fmt.Sprint(i, " ")
			}
			if by != one { // told by mail; a message sent after it comes after it
				awaitGrant(t, one, id, start.Add(time.Hour))
			}
			now.add(10 * time.Second)
			one.sweepOnce(t.Context())
			one.publish(t, "/app/private/a", "30")
			if got := texts(c.deliveries(31)); got != want+"30" {
				t.Errorf("got %s", got)
			}
			one.publish(t, "/app/private/a", "31") // nothing is repeated behind it either
			if got := texts(c.deliveries(1)); got != "31" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// awaitGrant waits until the session's subscription expires at a moment.
func awaitGrant(t *testing.T, n *node, id string, expires time.Time) {
	t.Helper()
	for {
		s, ok := n.sessions.get(id)
		if !ok {
			t.Fatal("not attached")
		}
		if subs := s.subscriptions(); len(subs) == 1 && subs[0].grant.Expires.Unix() == expires.Unix() {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("never told")
		}
	}
}

// A renewal asks for the end of the stream before it changes the session. What is delivered in between does not come again.
func TestRenewalThatIsOvertakenByMessages(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/private/a")
	c := n.dial(t)
	c.attach(id)
	end, err := n.log.Tail(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	n.publish(t, "/app/private/a", "1")
	c.deliveries(1)
	s, _ := n.sessions.get(id)
	sub := s.subscriptions()[0]
	n.include(t.Context(), s, sub.pattern, pandapush.Subscription{Grant: sub.grant, From: end})
	n.publish(t, "/app/private/a", "2")
	if got := texts(c.deliveries(1)); got != "2" {
		t.Errorf("got %s", got)
	}
}

// A session that is behind renews, and gets all that it has not read yet.
func TestRenewedSubscriptionOfASessionThatIsBehind(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/private/a")
	n.publish(t, "/app/private/a", "1")
	n.subscribe(t, id, "/app/private/a")
	n.publish(t, "/app/private/a", "2")
	if got := n.poll(t, id, "1"); len(got) != 3 || texts(got[1:]) != "1 2" {
		t.Errorf("%+v", got)
	}
}

// With "since" the same subscribe goes back.
func TestSubscribingAgainToThePast(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	n.publish(t, "/app/public/a", "1")
	if got := n.poll(t, id, "1"); len(got) != 2 {
		t.Errorf("%+v", got)
	}
	n.say(t, fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":"/app/public/a","ext":{"since":"1"}}`, id))
	if got := n.poll(t, id, "2"); len(got) != 2 || string(got[1].Data) != "1" {
		t.Errorf("%+v", got)
	}
}

// A key is revoked after it was checked and before what it allowed is among the subscriptions that are looked at then.
func TestKeyRevokedWhileSomethingIsGranted(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/private/a")
	c := n.dial(t)
	c.attach(id)
	s, _ := n.sessions.get(id)
	grant := s.subscriptions()[0].grant
	key := testKey
	key.RevokedAt = time.Now()
	n.keys.put(key)

	n.applyTo(t.Context(), s, change{Add: map[string]pandapush.Subscription{"/app/private/b": {Grant: grant}}})
	if r := c.until("/meta/unsubscribe"); r.ok() || r.Error != "Revoked key" || string(r.Subscription) != `"/app/private/b"` {
		t.Errorf("the session was told %+v", r)
	}
	follower := openEvents(t, n.followURL(t, wants("/app/private/a")), "")
	follower.block()
	if end, ok := follower.next(); !ok || end.kind != "end" || end.data != `{"reason":"Revoked key"}` {
		t.Errorf("the follower was told %+v", end)
	}
}

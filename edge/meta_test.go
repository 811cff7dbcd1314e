package edge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pandapush/pandapush"
)

const keyAuth = `"ext":{"auth":{"key":"key","secret":"secret"}}`

// TestChannelsInUse: a listener is told which channels are in use, in the frame of the reply and behind it, and then what
// changes, whichever node that is on.
func TestChannelsInUse(t *testing.T) {
	shared := newMemory()
	a, b := startNodeOn(t, shared, "a", nil), startNodeOn(t, shared, "b", nil)
	early := a.handshake(t)
	a.subscribe(t, early, "/app/public/a")
	a.subscribe(t, early, "/app/public/wild/*")
	a.dial(t).attach(early)

	for i, pattern := range []string{"/app/meta/channels", "/app/meta/*"} {
		id, c := a.handshake(t), a.dial(t)
		c.attach(id)
		c.send(fmt.Sprintf(`{"channel":"/meta/subscribe","clientId":%q,"subscription":%q,%s}`, id, pattern, keyAuth))
		frame := c.next()
		if len(frame) != 2 || !frame[0].ok() || frame[1].Channel != "/app/meta/channels" || !strings.Contains(string(frame[1].Data), `"/app/public/a"`) ||
			strings.Contains(string(frame[1].Data), "wild") || strings.Contains(string(frame[1].Data), "meta") || string(frame[1].Ext) != `{"notice":"meta"}` {
			t.Fatalf("subscribing to %s is answered with %+v", pattern, frame)
		}
		late, name := b.handshake(t), fmt.Sprint("/app/public/late-", i)
		b.subscribe(t, late, name)
		b.dial(t).attach(late)
		if m := c.deliveries(1)[0]; string(m.Data) != `{"occupied":["`+name+`"]}` || m.ID == "" {
			t.Errorf("then comes %+v", m)
		}
	}
}

func TestChannelsInUseForFollowers(t *testing.T) {
	n := startNode(t, nil)
	id := n.handshake(t)
	n.subscribe(t, id, "/app/public/a")
	n.dial(t).attach(id)
	c := n.follow(t, "/app/meta/channels")
	if got := texts(c.messages(1)); got != `{"occupied":["/app/public/a"]}` {
		t.Errorf("told %s", got)
	}
	n.subscribe(t, id, "/app/public/b")
	if got := texts(c.messages(1)); got != `{"occupied":["/app/public/b"]}` {
		t.Errorf("then %s", got)
	}
}

// TestStatistics: the numbers reach whoever listens, over any transport, and nothing of them is in the stream.
func TestStatistics(t *testing.T) {
	n := startNode(t, nil)
	id, c := n.handshake(t), n.dial(t)
	n.subscribe(t, id, "/app/meta/statistics")
	c.attach(id)
	follower := n.follow(t, "/app/meta/statistics")
	end, err := n.log.Tail(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		n.TellStatistics(t.Context(), func(app pandapush.AppID) pandapush.Statistics {
			if app != "app" {
				t.Errorf("asked for %s", app)
			}
			return pandapush.Statistics{Sessions: 2, Subscriptions: 3, Published: 0.5, Delivered: 7}
		})
	}
	want := `{"source":"cluster","stats":{"connections":2,"sessions":2,"clients":2,"subscriptions":3,"channels":0,"presence":0,"publishes":0.5,"deliveries":7}}`
	for _, m := range append(c.deliveries(2), follower.messages(2)...) {
		if string(m.Data) != want || m.Channel != "/app/meta/statistics" || string(m.Ext) != `{"notice":"meta"}` || m.ID != "" {
			t.Errorf("told %+v", m)
		}
	}
	if now, err := n.log.Tail(t.Context(), "app"); err != nil || now != end {
		t.Errorf("the stream went on from %v to %v, %v", end, now, err)
	}
}

// TestOccupiedIsJSON: names of channels have no characters that JSON escapes.
func TestOccupiedIsJSON(t *testing.T) {
	wire := appendOccupied(nil, "app", &pandapush.Occupied{Channels: []string{"/app/public/a-_~!($)@", "/app/public/b"}})
	var m struct{ Data struct{ Occupied []string } }
	if err := json.Unmarshal(wire, &m); err != nil || len(m.Data.Occupied) != 2 || m.Data.Occupied[0] != "/app/public/a-_~!($)@" {
		t.Errorf("%s: %v", wire, err)
	}
}

package edge

import (
	"testing"

	"github.com/pandapush/pandapush"
)

func TestUsageCountsWhatAnApplicationGets(t *testing.T) {
	n := startNode(t, nil)
	first, second := n.handshake(t), n.handshake(t)
	n.subscribe(t, first, "/app/public/a")
	n.subscribe(t, first, "/app/public/b")
	n.subscribe(t, second, "/app/public/a")
	for _, id := range []string{first, second} {
		c := n.dial(t)
		c.attach(id)
		n.publish(t, "/app/public/a", `"x"`)
		c.deliveries(1)
	}
	got := n.Usage()["app"]
	if got.Sessions != 2 || got.Subscriptions != 3 || got.Delivered != 3 || got.BytesOut < 3*uint64(len(`{"channel":"/app/public/a","data":"x"}`)) {
		t.Errorf("%+v", got)
	}
	if other := n.Usage()["other"]; other != (pandapush.Usage{}) {
		t.Errorf("another application has %+v", other)
	}
}

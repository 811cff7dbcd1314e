package streams_test

import (
	"testing"

	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// TestSentinel kills the server that a Sentinel watches: appends and reads go on with its replica.
func TestSentinel(t *testing.T) {
	t.Parallel()
	w := streamstest.Sentinel(t)
	a := streamstest.Open(t, streams.Config{Node: "a", Redis: streams.Topology{
		Sentinel: streams.Sentinel{Master: streamstest.SentinelMaster, Addrs: []string{w.Sentinel}},
	}})
	a.MustJoin("shop")
	before := a.Send("/shop/public/x", `1`)
	a.Await("shop", before)
	copied := w.Replica.Client()
	until(t, func() bool { return copied.Exists(t.Context(), streams.LogKey("shop")).Val() == 1 })
	w.Primary.Kill()
	after := sendWhenBack(t, a, "/shop/public/x")
	if after.Epoch != before.Epoch {
		t.Errorf("the epoch changed: %v, then %v", before, after)
	}
	a.Await("shop", after)
}

// until asks until the answer is yes.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for !ok() {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
}

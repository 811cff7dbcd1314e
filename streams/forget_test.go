package streams_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// TestForget: the messages of a deleted application are gone at once, and after some time nothing is left of it, while others'
// stay.
func TestForget(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	a, client := streamstest.Open(t, on(server, "a")), server.Client()
	before := a.Send("/shop/public/x", `1`)
	kept := a.Send("/bank/public/x", `1`)
	if err := a.Forget(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if left, err := a.Range(t.Context(), "shop", pandapush.Position{}, pandapush.Position{}, 10); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	late := a.Send("/shop/public/x", `2`) // by a node that does not know yet
	if late.Epoch == before.Epoch {
		t.Error("a stream made after the messages were removed has their epoch")
	}
	of := func() (keys []string) {
		keys = client.Keys(t.Context(), "pp:{*}:shop:*").Val()
		slices.Sort(keys)
		return keys
	}
	sweep := func() {
		t.Helper()
		client.Del(t.Context(), "pp:{0}:trim")
		if err := streams.SweepOnce(a.Streams, t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	sweep()
	if got := of(); len(got) != 2 {
		t.Errorf("at once there are %v", got)
	}
	if err := client.ZAdd(t.Context(), "pp:{41}:deleted", redis.Z{Score: float64(time.Now().Add(-time.Hour).UnixMilli()), Member: "shop"}).Err(); err != nil {
		t.Fatal(err)
	}
	sweep()
	if got := of(); len(got) > 0 {
		t.Errorf("later there are %v", got)
	}
	for name, set := range map[string][]string{
		"applications": client.SMembers(t.Context(), "pp:{41}:apps").Val(), "deleted ones": client.ZRange(t.Context(), "pp:{41}:deleted", 0, -1).Val(),
	} {
		if slices.Contains(set, "shop") {
			t.Errorf("it is among the %s: %v", name, set)
		}
	}
	if all, err := a.Range(t.Context(), "bank", pandapush.Position{}, pandapush.Position{}, 10); err != nil || len(all) != 1 || all[0].Cursor != kept {
		t.Errorf("another application has %v, %v", all, err)
	}
}

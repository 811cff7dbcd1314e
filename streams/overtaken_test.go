package streams_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// TestOvertakenReader: of what is removed before a reader comes to it, it says so; whether it was reading meanwhile, or was cut
// off and comes back.
func TestOvertakenReader(t *testing.T) {
	t.Parallel()
	for _, cutOff := range []bool{false, true} {
		server := streamstest.Start(t, streamstest.Options{})
		cfg := on(server, "a")
		cfg.MaxLen = 100
		a := streamstest.Open(t, cfg)
		a.MustJoin("shop")
		from := a.Send("/shop/public/x", `1`)
		a.Await("shop", from)

		tx := server.Client().TxPipeline() // nobody reads in between
		if cutOff {
			tx.ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes")
		}
		var added *redis.StringCmd
		for i := range 1000 {
			added = tx.XAdd(t.Context(), &redis.XAddArgs{
				Stream: streams.LogKey("shop"), MaxLen: 100, Approx: true, Values: []string{"c", "/shop/public/x", "d", fmt.Sprint(i)},
			})
		}
		if _, err := tx.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		last, err := pandapush.ParsePosition(added.Val())
		if err != nil {
			t.Fatal(err)
		}
		gap := a.AwaitGap("shop")
		got := a.Await("shop", pandapush.Cursor{Epoch: from.Epoch, Position: last})[1:]
		if len(got) >= 1000 || gap.From != from || gap.To.Epoch != from.Epoch || gap.To.Position != got[0].Cursor.Position.Prev() {
			t.Errorf("cut off %t: gap %+v after %v, and then %d messages from %v on", cutOff, gap, from, len(got), got[0].Cursor)
		}
		if gaps := a.Gaps(); len(gaps) != 1 {
			t.Errorf("cut off %t: gaps %v", cutOff, gaps)
		}
	}
}

// TestBurstIsNoGap: what comes all at once is not taken for what is left of more.
func TestBurstIsNoGap(t *testing.T) {
	t.Parallel()
	server := streamstest.Start(t, streamstest.Options{})
	cfg := on(server, "a")
	cfg.MaxLen = 2000
	a := streamstest.Open(t, cfg)
	a.MustJoin("shop")
	send := func() pandapush.Cursor {
		t.Helper()
		messages := make([]pandapush.Message, 1000)
		for i := range messages {
			messages[i] = streamstest.Message(t, "/shop/public/x", `1`)
		}
		cursors, err := a.AppendAll(t.Context(), messages)
		if err != nil {
			t.Fatal(err)
		}
		return cursors[len(cursors)-1]
	}
	if got := a.Await("shop", send()); len(got) != 1000 {
		t.Errorf("%d messages", len(got))
	}
	if err := server.Client().XTrimMaxLen(t.Context(), streams.LogKey("shop"), 0).Err(); err != nil { // as age does
		t.Fatal(err)
	}
	if got := a.Await("shop", send()); len(got) != 2000 {
		t.Errorf("%d messages", len(got))
	}
	if gaps := a.Gaps(); len(gaps) != 0 {
		t.Errorf("gaps %v, though nothing was lost", gaps)
	}
}

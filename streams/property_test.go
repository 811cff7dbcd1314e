package streams_test

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// TestNoGapNoReorder is P1: whatever joins and leaves happen while others append, an application's messages are delivered
// in order and each once, and from the cursor of a join on, until it is left, all of them.
func TestNoGapNoReorder(t *testing.T) {
	t.Parallel()
	url := streamstest.Redis(t)
	open := func(node string) *streamstest.Node {
		return streamstest.Open(t, streams.Config{
			Redis: streams.Topology{URLs: []string{url}}, Node: node, Log: slog.New(slog.DiscardHandler),
		})
	}
	reader, writer := open("reader"), open("writer")
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		app := pandapush.AppID(fmt.Sprintf("run%d", run))
		messages := rapid.IntRange(1, 60).Draw(rt, "messages")
		publishers := rapid.IntRange(1, 4).Draw(rt, "publishers")
		joins := rapid.SliceOfN(rapid.Bool(), 1, 6).Draw(rt, "joins")

		var appending sync.WaitGroup
		sent := make([][]pandapush.Cursor, publishers)
		for p := range publishers {
			appending.Go(func() {
				for range messages {
					c, err := writer.Append(t.Context(), streamstest.Message(t, "/"+string(app)+"/public/x", `1`))
					if err != nil {
						t.Error(err)
						return
					}
					sent[p] = append(sent[p], c)
				}
			})
		}
		for _, join := range joins {
			if join {
				reader.MustJoin(app)
			} else {
				reader.Leave(app)
			}
		}
		start := reader.MustJoin(app) // from here on nothing may be missing
		appending.Wait()
		last := writer.Send("/"+string(app)+"/public/x", `"last"`)

		want := []pandapush.Cursor{last}
		for _, c := range slices.Concat(sent...) {
			if c.Position.Compare(start.Position) > 0 {
				want = append(want, c)
			}
		}
		slices.SortFunc(want, func(a, b pandapush.Cursor) int { return a.Position.Compare(b.Position) })
		checkDelivered(rt, reader.Await(app, last), start, want)
		reader.Leave(app)
	})
}

// checkDelivered compares what was delivered after start with what was to be, and the order of all of it.
func checkDelivered(t *rapid.T, messages []pandapush.Message, start pandapush.Cursor, want []pandapush.Cursor) {
	var got []pandapush.Cursor
	for i, m := range messages {
		if i > 0 && m.Cursor.Position.Compare(messages[i-1].Cursor.Position) <= 0 {
			t.Fatalf("%v is delivered after %v", m.Cursor, messages[i-1].Cursor)
		}
		if m.Cursor.Position.Compare(start.Position) > 0 {
			got = append(got, m.Cursor)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("joined at %v: delivered %v, want %v", start, got, want)
	}
}

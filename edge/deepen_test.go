package edge

import (
	"log/slog"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush"
)

func TestManyWhoAreEquallyFarBackReadTheStreamOnce(t *testing.T) {
	e, log, cursors := freshServer(t, 300)
	tenant := e.hub.enter("app")
	if err := tenant.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	var g errgroup.Group
	for range 100 {
		g.Go(func() error {
			why, _, err := e.gap(t.Context(), tenant, cursors[0])
			if why != "" {
				t.Errorf("gap: %s", why)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if pages := 300/catchUpMessages + 1; log.ranges > pages {
		t.Errorf("the stream was read %d times, for %d pages", log.ranges, pages)
	}
	var got []*delivery
	for at := cursors[0].Position; len(got) == 0 || at != cursors[299].Position; {
		got, at = tenant.window.read(at, nil, func(*delivery) bool { return true }, 1000, 1<<20, got)
	}
	if len(got) != 299 {
		t.Errorf("the window has %d messages after the first, want 299", len(got))
	}
}

func TestWindowDoesNotPretendToReachWhatIsTrimmed(t *testing.T) {
	e, log, cursors := freshServer(t, 50)
	log.trim("app", 10)
	tenant := e.hub.enter("app")
	if err := tenant.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		why, _, err := e.gap(t.Context(), tenant, cursors[0])
		if why != pandapush.GapTrimmed || err != nil {
			t.Errorf("gap: %q, %v", why, err)
		}
	}
	if log.ranges > 1 {
		t.Errorf("the stream was read %d times, in vain", log.ranges)
	}
	if why, _, err := e.gap(t.Context(), tenant, cursors[45]); why != "" || err != nil || !tenant.covers(cursors[45]) {
		t.Errorf("what is there was not read: %q, %v", why, err)
	}
}

// freshServer returns a server that reads no stream yet and does not run, and a stream of n entries.
func freshServer(t *testing.T, n int) (*Server, *memoryNode, []pandapush.Cursor) {
	t.Helper()
	log := newMemory().node("one")
	e := New(Config{Node: "one", Stream: log, Records: log, Keys: newMemoryKeys(t, testKey), Log: slog.New(slog.DiscardHandler)})
	channel, err := pandapush.ParseChannel("/app/public/a")
	if err != nil {
		t.Fatal(err)
	}
	cursors := make([]pandapush.Cursor, n)
	for i := range cursors {
		if cursors[i], err = log.Append(t.Context(), pandapush.Message{Channel: channel, Data: []byte("1")}); err != nil {
			t.Fatal(err)
		}
	}
	return e, log, cursors
}

// A stream's first entry may be handed out before its join is answered. What is then read from before it does not have it again.
func TestEntryThatOvertakesTheJoinIsThereOnce(t *testing.T) {
	const last = 9
	e, log, cursors := freshServer(t, last+1)
	tenant := e.hub.enter("app")
	entries, err := log.Range(t.Context(), "app", cursors[last-1].Position, cursors[last].Position, 1)
	if err != nil {
		t.Fatal(err)
	}
	e.Deliver("app", entries)
	if err := tenant.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	if why, _, err := e.gap(t.Context(), tenant, cursors[0]); why != "" || err != nil {
		t.Fatalf("gap: %q, %v", why, err)
	}
	got, _ := tenant.window.read(cursors[0].Position, nil, func(*delivery) bool { return true }, 1000, 1<<20, nil)
	if len(got) != last {
		t.Errorf("the window has %d messages after the first, want %d", len(got), last)
	}
}

// And it may be handed out only after the join was answered with its cursor: it has been read from before the window then.
func TestEntryThatTheJoinOvertakesIsThereOnce(t *testing.T) {
	const last = 9
	e, log, cursors := freshServer(t, last+1)
	tenant := e.hub.enter("app")
	if err := tenant.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	entries, err := log.Range(t.Context(), "app", cursors[last-3].Position, cursors[last].Position, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, late := range [][]pandapush.Message{entries[:2], entries[2:]} {
		e.Deliver("app", late)
		if at := tenant.at(); at != cursors[last] {
			t.Errorf("the stream is at %+v, want %+v", at, cursors[last])
		}
	}
	if why, _, err := e.gap(t.Context(), tenant, cursors[0]); why != "" || err != nil {
		t.Fatalf("gap: %q, %v", why, err)
	}
	got, _ := tenant.window.read(cursors[0].Position, nil, func(*delivery) bool { return true }, 1000, 1<<20, nil)
	if len(got) != last {
		t.Errorf("the window has %d messages after the first, want %d", len(got), last)
	}
}

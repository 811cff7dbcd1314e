package edge

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
)

// TestWindowEqualsAPlainList drives a window and a list of all entries, and asks both the same.
func TestWindowEqualsAPlainList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &window{maxEntries: rapid.IntRange(1, 40).Draw(t, "entries"), maxBytes: rapid.IntRange(400, 8000).Draw(t, "bytes")}
		var all []*delivery
		at := pandapush.Position{Millis: 1}
		for range rapid.IntRange(0, 20).Draw(t, "before") { // entries that are older than the window
			at.Seq++
			all = append(all, &delivery{channel: "/a/public/x", position: at, wire: make([]byte, 100)})
		}
		w.reset(at)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				at.Millis += rapid.Uint64Range(0, 2).Draw(t, "millis")
				at.Seq += rapid.Uint64Range(1, 3).Draw(t, "seq")
				d := &delivery{channel: "/a/public/" + rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "channel"), position: at, wire: make([]byte, rapid.IntRange(0, 300).Draw(t, "size"))}
				w.add(d)
				all = append(all, d)
			},
			"deepen": func(t *rapid.T) {
				older := slices.IndexFunc(all, func(d *delivery) bool { return d.position.Compare(w.floor) > 0 })
				if older < 0 {
					older = len(all)
				}
				if older == 0 || w.full {
					t.Skip("nothing is older, or there is no room")
				}
				from := rapid.IntRange(0, older-1).Draw(t, "from")
				w.prepend(slices.Clone(all[from+1:older]), all[from].position)
			},
			"drop": func(t *rapid.T) {
				w.dropBefore(time.UnixMilli(int64(rapid.Uint64Range(0, at.Millis+1).Draw(t, "before"))))
			},
			"read": func(t *rapid.T) { checkRead(t, w, all) },
			"last": func(t *rapid.T) { checkLast(t, w, all) },
			"": func(t *rapid.T) {
				if w.len() > w.maxEntries || w.bytes > w.maxBytes && w.len() > 1 {
					t.Fatalf("%d entries, %d bytes", w.len(), w.bytes)
				}
				n := 0
				for _, numbers := range w.channels {
					n += len(numbers)
				}
				if n != w.len() {
					t.Fatalf("the index has %d of %d entries", n, w.len())
				}
			},
		})
	})
}

func checkRead(t *rapid.T, w *window, all []*delivery) {
	after := pandapush.Position{Millis: 1}
	if len(all) > 0 && rapid.Bool().Draw(t, "from an entry") {
		after = rapid.SampledFrom(all).Draw(t, "after").position
	}
	if !w.covers(after) {
		return
	}
	wanted := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"/a/public/x", "/a/public/y", "/a/public/z"}), 0, 3, rapid.ID[string]).Draw(t, "wanted")
	want := func(d *delivery) bool { return slices.Contains(wanted, d.channel) }
	channels := wanted
	if rapid.Bool().Draw(t, "scan") {
		channels = nil
	}
	var expected, got []*delivery
	for _, d := range all {
		if d.position.Compare(after) > 0 && want(d) {
			expected = append(expected, d)
		}
	}
	limit := rapid.IntRange(1, 50).Draw(t, "limit")
	for low := after; ; {
		batch, reached := w.read(low, channels, want, limit, 1<<20, nil)
		got = append(got, batch...)
		if len(batch) > limit || reached.Compare(low) < 0 {
			t.Fatalf("%d messages, at %v after %v", len(batch), reached, low)
		}
		if reached == low {
			break
		}
		low = reached
	}
	if !slices.Equal(got, expected) {
		t.Fatalf("read %d entries after %v, want %d", len(got), after, len(expected))
	}
}

func checkLast(t *rapid.T, w *window, all []*delivery) {
	n := rapid.IntRange(1, 5).Draw(t, "n")
	want := func(d *delivery) bool { return d.channel == "/a/public/x" }
	position, whole := w.last(n, want)
	var after []*delivery
	for _, d := range all {
		if d.position.Compare(position) > 0 && want(d) {
			after = append(after, d)
		}
	}
	if whole && len(after) != n || !whole && len(after) >= n {
		t.Fatalf("last(%d) = %v, %v: %d entries follow", n, position, whole, len(after))
	}
}

func BenchmarkWindowRead(b *testing.B) {
	for _, channels := range []int{1, 100} {
		b.Run(fmt.Sprintf("entries=10000/channels=%d", channels), func(b *testing.B) {
			w := &window{maxEntries: 10_000, maxBytes: 1 << 30}
			w.reset(pandapush.Position{})
			for i := range 10_000 {
				w.add(&delivery{channel: fmt.Sprint("/a/public/", i%channels), position: pandapush.Position{Millis: uint64(i + 1)}})
			}
			after := pandapush.Position{Millis: 9_900}
			var batch []*delivery
			b.ReportAllocs()
			for b.Loop() {
				batch, _ = w.read(after, []string{"/a/public/0"}, func(*delivery) bool { return true }, 128, 1<<20, batch[:0])
			}
			if len(batch) == 0 {
				b.Fatal("nothing was read")
			}
		})
	}
}

package loadtest

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestTrackEqualsAModel has numbers arrive in any order, and compares with what a plain list of them says.
func TestTrackEqualsAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.Int64Range(0, 30).Draw(t, "sent")
		arrivals := rapid.SliceOf(rapid.Int64Range(1, max(1, sent))).Draw(t, "arrivals")
		doubtful := rapid.SliceOfDistinct(rapid.Int64Range(1, max(1, sent)), rapid.ID[int64]).Draw(t, "doubtful")
		if sent == 0 {
			arrivals, doubtful = nil, nil
		}
		var tr track
		var seen []int64
		for _, n := range arrivals {
			want := inOrder
			switch {
			case slices.Contains(seen, n):
				want = repeated
			case len(seen) > 0 && n < slices.Max(seen):
				want = outOfOrder
			}
			if got := tr.take(n); got != want {
				t.Fatalf("after %v, %d is %v, want %v", seen, n, got, want)
			}
			seen = append(seen, n)
		}
		var lost int64
		for n := int64(1); n <= sent; n++ {
			if !slices.Contains(seen, n) && !slices.Contains(doubtful, n) {
				lost++
			}
		}
		if got := tr.lost(sent, doubtful); got != lost {
			t.Errorf("of %d, %v came and %v are doubtful: %d lost, want %d", sent, seen, doubtful, got, lost)
		}
	})
}

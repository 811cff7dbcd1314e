package loadtest

import (
	"fmt"
	"testing"
	"time"
)

// TestLatencyOfKnownValues records values in several histograms.
func TestLatencyOfKnownValues(t *testing.T) {
	t.Parallel()
	all := newLatencies(3)
	for i, d := range []time.Duration{time.Millisecond, 900 * time.Microsecond, 3 * time.Millisecond, time.Hour, -time.Second} {
		all.of(i).record(d)
	}
	sum := all.sum()
	if sum.P50 < 0.99 || sum.P50 > 1.01 {
		t.Errorf("half is %v ms, want 1", sum.P50)
	}
	if whole := float64(longest.Milliseconds()); sum.Max < 0.999*whole || sum.Max > 1.001*whole {
		t.Errorf("the longest is %v ms, want %v, which is what a histogram holds", sum.Max, whole)
	}
	var n int64
	for i, b := range sum.Histogram {
		n += b.Count
		if i > 0 && b.UpTo != 2*sum.Histogram[i-1].UpTo {
			t.Errorf("%v ms follows %v ms", b.UpTo, sum.Histogram[i-1].UpTo)
		}
	}
	if got := fmt.Sprint(sum.Histogram[:5]); n != 5 || got != "[{0.25 1} {0.5 0} {1 2} {2 0} {4 1}]" {
		t.Errorf("%d values, %s…", n, got)
	}
}

// TestLatencyOfNothing has a test in which nothing arrived.
func TestLatencyOfNothing(t *testing.T) {
	t.Parallel()
	if sum := newLatencies(1).sum(); sum.Max != 0 || len(sum.Histogram) != 0 {
		t.Errorf("got %+v", sum)
	}
}

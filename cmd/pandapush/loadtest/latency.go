package loadtest

import (
	"math"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// longest is what a histogram can hold; what takes longer counts as that.
const longest = 10 * time.Minute

// latency is a histogram. Any goroutine may use it.
type latency struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram // microseconds, to three digits
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest.Microseconds(), 3) }

// record adds a value.
func (l *latency) record(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.histogram.RecordValue(min(max(d, 0), longest).Microseconds()); err != nil {
		panic(err) // the value is in the range that the histogram was made for
	}
}

// latencies are some histograms of the same thing, so that not all who record wait for each other.
type latencies []*latency

func newLatencies(users int) latencies {
	const most = 16
	all := make(latencies, min(users, most))
	for i := range all {
		all[i] = &latency{histogram: newHistogram()}
	}
	return all
}

// of returns the histogram that a user records into.
func (l latencies) of(user int) *latency { return l[user%len(l)] }

// Latency says how long something took.
type Latency struct {
	P50       float64  `json:"p50Ms"`
	P90       float64  `json:"p90Ms"`
	P99       float64  `json:"p99Ms"`
	P999      float64  `json:"p999Ms"`
	Max       float64  `json:"maxMs"`
	Histogram []Bucket `json:"histogram"` // those from the first that is not empty to the last
}

// Bucket is how many values were above the bucket before and not above UpTo.
type Bucket struct {
	UpTo  float64 `json:"upToMs"` // each twice as much as the one before
	Count int64   `json:"count"`
}

// sum returns what all of them have recorded.
func (l latencies) sum() Latency {
	all := newHistogram()
	for _, part := range l {
		part.mu.Lock()
		all.Merge(part.histogram) // all are of one range: nothing is dropped
		part.mu.Unlock()
	}
	at := func(percent float64) float64 { return float64(all.ValueAtPercentile(percent)) / 1000 }
	return Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(all.Max()) / 1000, Histogram: buckets(all)}
}

// firstBucket is how far the first bucket reaches, in microseconds.
const firstBucket = 250

func buckets(h *hdrhistogram.Histogram) (all []Bucket) {
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		n := 0
		for ; bar.From > firstBucket<<n; n++ {
		}
		for len(all) <= n {
			all = append(all, Bucket{UpTo: firstBucket * math.Exp2(float64(len(all))) / 1000})
		}
		all[n].Count += bar.Count
	}
	for len(all) > 0 && all[0].Count == 0 {
		all = all[1:]
	}
	return all
}

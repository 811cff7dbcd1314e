package live

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Latency is how long messages take, in seconds, nil while there are none: from Redis' time stamp of one to its being handed
// to the sessions of a node.
type Latency struct {
	P50 *float64 `json:"p50"`
	P99 *float64 `json:"p99"`
}

// slower returns the worse of both.
func (l Latency) slower(m Latency) Latency {
	worse := func(a, b *float64) *float64 {
		if a == nil || b != nil && *b > *a {
			return b
		}
		return a
	}
	return Latency{worse(l.P50, m.P50), worse(l.P99, m.P99)}
}

// Process is what a node says of its own process.
type Process struct {
	CPU        float64 `json:"cpu"` // cores that it keeps busy
	Memory     int64   `json:"memory_bytes"`
	Goroutines int64   `json:"goroutines"`
}

// The series that a node's own metrics are read from.
const (
	seriesLag        = "pandapush_streams_read_lag_seconds"
	seriesCPU        = "process_cpu_seconds_total"
	seriesMemory     = "process_resident_memory_bytes"
	seriesGoroutines = "go_goroutines"
)

// gauge reads a node's own metrics.
type gauge struct {
	from prometheus.Gatherer

	at     time.Time
	cpu    float64
	before *dto.Histogram // of the lag; nil before the first reading
}

// read returns what the metrics say since the call before. What is not measured is zero.
func (g *gauge) read(now time.Time) (p Process, l Latency) {
	families, err := g.from.Gather()
	if err != nil && len(families) == 0 {
		return p, l // parts that fail are left out; a scrape of /metrics says which
	}
	seconds := now.Sub(g.at).Seconds()
	for _, f := range families {
		if len(f.GetMetric()) == 0 {
			continue
		}
		switch m := f.GetMetric()[0]; f.GetName() {
		case seriesCPU:
			if cpu := m.GetCounter().GetValue(); !g.at.IsZero() && seconds > 0 {
				p.CPU = math.Max(0, cpu-g.cpu) / seconds
			}
			g.cpu = m.GetCounter().GetValue()
		case seriesMemory:
			p.Memory = int64(m.GetGauge().GetValue())
		case seriesGoroutines:
			p.Goroutines = int64(m.GetGauge().GetValue())
		case seriesLag:
			l = Latency{quantile(g.before, m.GetHistogram(), 0.5), quantile(g.before, m.GetHistogram(), 0.99)}
			g.before = m.GetHistogram()
		}
	}
	g.at = now
	return p, l
}

// quantile estimates a quantile of what a histogram counted between two readings, as a Prometheus server does; nil if it
// counted nothing. What is beyond the last bound counts as the last bound. before may be nil.
func quantile(before, after *dto.Histogram, q float64) *float64 {
	grown := float64(after.GetSampleCount() - before.GetSampleCount())
	if grown <= 0 {
		return nil
	}
	rank, low, below := q*grown, 0.0, 0.0
	for i, bucket := range after.GetBucket() {
		high, n := bucket.GetUpperBound(), float64(bucket.GetCumulativeCount())
		if i < len(before.GetBucket()) {
			n -= float64(before.GetBucket()[i].GetCumulativeCount())
		}
		if n >= rank && n > below && !math.IsInf(high, 1) {
			v := low + (high-low)*(rank-below)/(n-below)
			return &v
		}
		if !math.IsInf(high, 1) {
			low, below = high, n
		}
	}
	return &low
}

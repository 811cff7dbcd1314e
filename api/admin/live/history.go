package live

import (
	"time"

	"github.com/pandapush/pandapush"
)

const (
	// Interval is the time between samples.
	Interval = 5 * time.Second
	// Samples is how many of them are kept: 15 minutes.
	Samples = 180

	maxKept = 2000 // applications with a history
	recent  = 12   // samples of the last minute
)

// Node is a node's part of a sample.
type Node struct {
	Numbers Numbers `json:"numbers"`
	Latency Latency `json:"latency"`
}

// Sample is the whole service at one moment.
type Sample struct {
	At      time.Time
	Total   Numbers
	Latency Latency // the slowest node's
	Nodes   map[string]Node
}

// AppSample is one application at one moment.
type AppSample struct {
	At    time.Time
	Total Numbers
	Nodes map[string]Numbers // nil but in the newest sample
}

// history is what was, the oldest first. Its owner guards it.
type history struct {
	samples []Sample
	apps    map[pandapush.AppID][]Numbers // as long as samples, or shorter: then the oldest are missing
	nodes   map[pandapush.AppID]map[string]Numbers
}

// add takes the newest sample. What it is given is not copied.
func (h *history) add(s Sample, apps map[pandapush.AppID]map[string]Numbers) {
	h.samples = pushed(h.samples, s)
	h.nodes = apps
	if h.apps == nil {
		h.apps = map[pandapush.AppID][]Numbers{}
	}
	for app, past := range h.apps {
		if past = shifted(past, sum(apps[app])); idle(past) {
			delete(h.apps, app)
			continue
		}
		h.apps[app] = past
	}
	for app, shares := range apps {
		if _, kept := h.apps[app]; !kept && len(h.apps) < maxKept {
			h.apps[app] = []Numbers{sum(shares)}
		}
	}
}

// pushed appends to a list of at most Samples. The array is replaced now and then, so that whoever has the old list may
// read on.
func pushed[T any](list []T, v T) []T {
	if len(list) < Samples {
		return append(list, v)
	}
	if cap(list) > len(list) {
		return append(list[1:], v)
	}
	next := make([]T, Samples, 2*Samples)
	copy(next, list[1:])
	next[Samples-1] = v
	return next
}

// shifted appends to a list of at most Samples in place: nobody else has it.
func shifted(list []Numbers, n Numbers) []Numbers {
	if len(list) < Samples {
		return append(list, n)
	}
	copy(list, list[1:])
	list[Samples-1] = n
	return list
}

func sum(shares map[string]Numbers) (total Numbers) {
	for _, n := range shares {
		total = total.plus(n)
	}
	return total
}

// idle reports whether nothing has happened for all of the history.
func idle(past []Numbers) bool {
	for _, n := range past {
		if n != (Numbers{}) {
			return false
		}
	}
	return true
}

// recent returns one application's numbers for a list, in which those of a single sample are no help: whoever publishes every
// ten seconds would have them in every other one. Counts are of now, rates are those of the last minute on average.
func (h *history) recent(app pandapush.AppID) Numbers {
	now := sum(h.nodes[app])
	past, kept := h.apps[app]
	// The very first sample has no rates.
	n := min(recent, len(h.samples)-1)
	if !kept || n < 1 {
		return now
	}
	var total Numbers
	for _, sample := range past[max(0, len(past)-n):] {
		total = total.plus(sample)
	}
	return Numbers{
		now.Connections, now.Subscriptions, total.Published / float64(n), total.Delivered / float64(n),
		total.BytesIn / float64(n), total.BytesOut / float64(n),
	}
}

// app returns one application's history.
func (h *history) app(app pandapush.AppID) []AppSample {
	past := h.apps[app]
	samples := make([]AppSample, len(h.samples))
	missing := len(h.samples) - len(past)
	for i, s := range h.samples {
		samples[i].At = s.At
		if i >= missing {
			samples[i].Total = past[i-missing]
		}
	}
	if n := len(samples); n > 0 {
		samples[n-1].Nodes = h.nodes[app]
		samples[n-1].Total = sum(h.nodes[app])
	}
	return samples
}

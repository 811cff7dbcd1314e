package loadtest

import (
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what a test measured.
type Result struct {
	Transport   string  `json:"transport"`
	Subscribers int     `json:"subscribers"`
	Publishers  int     `json:"publishers"`
	Channels    int     `json:"channels"`
	Rate        float64 `json:"rate"`      // asked for, messages/s
	Size        int     `json:"sizeBytes"` // of a message's data

	ConnectSeconds float64 `json:"connectSeconds"` // until all had subscribed
	Seconds        float64 `json:"seconds"`        // of publishing
	Busy           float64 `json:"busy"`           // share of all processors that the test itself used, 0 to 1

	Published int64            `json:"published"` // acknowledged
	Failed    int64            `json:"failed"`    // not acknowledged: stored or not
	Failures  map[string]int64 `json:"failures"`  // those, by what was wrong
	Unsent    int64            `json:"unsent"`    // due, but no publisher was free in time

	Delivered   int64   `json:"delivered"`     // all subscribers together, each message once
	Lost        int64   `json:"lost"`          // acknowledged and not delivered
	Repeated    int64   `json:"repeated"`      // delivered again
	OutOfOrder  int64   `json:"outOfOrder"`    // delivered after a later one of the same publisher and channel
	Reconnects  int64   `json:"reconnects"`    // connections that broke and were resumed
	LongestAway float64 `json:"longestAwayMs"` // longest that it took a subscriber to come back
	Gone        int     `json:"gone"`          // subscribers that were not connected at the end

	Delivery Latency `json:"deliveryLatency"` // from when a message was due until a subscriber had it
	Publish  Latency `json:"publishLatency"`  // from when it was due until it was acknowledged
}

// busyEnough is how much of all processors a test may use without being what limited the measurement.
const busyEnough = 0.8

// busy returns the share of all processors.
func busy(used, elapsed time.Duration) float64 {
	return used.Seconds() / elapsed.Seconds() / float64(runtime.GOMAXPROCS(0))
}

// fill adds what was counted. All publishers have ended.
func (t *test) fill(r *Result) {
	r.Transport, r.Subscribers, r.Publishers, r.Channels = t.cfg.Transport, t.cfg.Subscribers, t.cfg.Publishers, t.cfg.Channels
	r.Rate, r.Size = t.cfg.Rate, t.cfg.Size
	r.Published, r.Unsent = t.published.Load(), t.unsent.Load()
	r.Failed = t.failed.Load()
	t.mu.Lock()
	r.Failures = maps.Clone(t.failures)
	t.mu.Unlock()
	r.Lost = t.lost()
	r.Delivered, r.Repeated, r.OutOfOrder = t.delivered.Load(), t.repeat.Load(), t.late.Load()
	r.Reconnects, r.LongestAway = t.returns.Load(), float64(t.longest.Load())/1e6
	r.Gone = t.cfg.Subscribers - int(t.connected.Load())
	r.Delivery, r.Publish = t.delivery.sum(), t.publish.sum()
}

// Err returns an error if the deployment did not keep what it promises, or nothing came of the test.
func (r *Result) Err() error {
	switch {
	case r.Published == 0:
		return fmt.Errorf("none of %d messages was acknowledged", r.Failed)
	case r.Lost > 0:
		return fmt.Errorf("%d messages were lost", r.Lost)
	case r.OutOfOrder > 0:
		return fmt.Errorf("%d messages came out of order", r.OutOfOrder)
	}
	return nil
}

// Print writes the result for a person.
func (r *Result) Print(w io.Writer) error {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range r.rows() {
		fmt.Fprintf(table, "%s\t%s\n", row[0], row[1])
	}
	fmt.Fprint(table, "\nlatency, ms\tp50\tp90\tp99\tp99.9\tmax\n")
	for _, l := range []struct {
		name string
		Latency
	}{{"due to delivered", r.Delivery}, {"due to acknowledged", r.Publish}} {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", l.name, short(l.P50), short(l.P90), short(l.P99), short(l.P999), short(l.Max))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	r.histogram(&text)
	if r.Busy > busyEnough {
		fmt.Fprintf(&text, "\nThis machine was %.0f %% busy with the test itself, which may be what limited it: use more machines.\n", 100*r.Busy)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// rows returns the counts, each with its name.
func (r *Result) rows() [][2]string {
	failed := []string{fmt.Sprint(r.Failed)}
	for _, reason := range slices.Sorted(maps.Keys(r.Failures)) {
		failed = append(failed, fmt.Sprintf("%d: %s", r.Failures[reason], reason))
	}
	rows := [][2]string{
		{"subscribers", fmt.Sprintf("%d by %s on %d channels, connected in %.1f s", r.Subscribers, r.Transport, r.Channels, r.ConnectSeconds)},
		{"published", fmt.Sprintf("%d in %.1f s, %.1f/s", r.Published, r.Seconds, float64(r.Published)/r.Seconds)},
		{"not acknowledged", strings.Join(failed, "; ")},
		{"delivered", fmt.Sprintf("%d, %.1f/s", r.Delivered, float64(r.Delivered)/r.Seconds)},
		{"lost", fmt.Sprint(r.Lost)},
		{"repeated", fmt.Sprint(r.Repeated)},
		{"out of order", fmt.Sprint(r.OutOfOrder)},
		{"reconnects", fmt.Sprint(r.Reconnects)},
	}
	if r.Reconnects > 0 {
		rows[len(rows)-1][1] += fmt.Sprintf(", back after at most %s ms", short(r.LongestAway))
	}
	if r.Unsent > 0 {
		rows = append(rows, [2]string{"not sent in time", fmt.Sprintf("%d: the server answers too slowly, or more publishers are needed", r.Unsent)})
	}
	if r.Gone > 0 {
		rows = append(rows, [2]string{"gone at the end", fmt.Sprintf("%d subscribers", r.Gone)})
	}
	return rows
}

// histogram draws how long deliveries took.
func (r *Result) histogram(text *strings.Builder) {
	const width = 40
	var most, all int64
	for _, b := range r.Delivery.Histogram {
		most, all = max(most, b.Count), all+b.Count
	}
	if all > 0 {
		fmt.Fprint(text, "\ndeliveries by latency\n")
	}
	for _, b := range r.Delivery.Histogram {
		fmt.Fprintf(text, "to %9s ms %5.1f %% %s\n", short(b.UpTo), 100*float64(b.Count)/float64(all), strings.Repeat("#", int(width*b.Count/most)))
	}
}

// short writes milliseconds with three digits or so.
func short(ms float64) string {
	switch {
	case ms < 1:
		return fmt.Sprintf("%.2f", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

package streams

import "github.com/prometheus/client_golang/prometheus"

// metrics are the series of this package. They count whether or not they are registered.
type metrics struct {
	appends      prometheus.Counter
	appendErrors prometheus.Counter
	appendTime   prometheus.Histogram
	batchSize    prometheus.Histogram
	entries      prometheus.Counter
	reads        prometheus.Counter
	readErrors   prometheus.Counter
	skipped      *prometheus.CounterVec
	gaps         prometheus.Counter
	lag          prometheus.Histogram
	apps         prometheus.Gauge
	trimmed      prometheus.Counter
	callBatch    prometheus.Histogram
	repeats      prometheus.Counter
	claims       *prometheus.CounterVec
	mails        *prometheus.CounterVec
	ranges       prometheus.Counter
	rangeEntries prometheus.Counter
	leases       *prometheus.CounterVec
	seats        *prometheus.CounterVec
}

// Why an entry was skipped: labels of streams_skipped_entries_total.
const (
	skippedForeign  = "foreign"  // not written by Pandapush, or to another application's stream
	skippedBackward = "backward" // its id is not after the one before it
)

// What came of a claim: labels of streams_claims_total.
const (
	claimOK       = "claimed"  // nobody had it
	claimTakeover = "takeover" // another node had it attached
	claimGone     = "gone"
	claimFailed   = "failed"
)

// What happened to a seat in a room: labels of streams_seats_total.
const (
	seatJoined   = "joined"   // a subscription began, or was renewed
	seatReturned = "returned" // a session came back
	seatTouched  = "touched"
	seatLeft     = "left"
	seatExpired  = "expired" // its session did not come back
)

// What came of a request for tokens: labels of streams_leases_total.
const (
	leaseGranted = "granted"
	leaseRefused = "refused"
	leaseLocal   = "local" // Redis did not answer
)

// Labels of streams_mails_total.
const (
	mailSent     = "sent"
	mailReceived = "received"
)

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "pandapush_streams_" + name, Help: help})
	}
	histogram := func(name, help string, bounds []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pandapush_streams_" + name, Help: help, Buckets: bounds})
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pandapush_streams_" + name, Help: help}, []string{label})
	}
	m := &metrics{
		appends:      counter("appends_total", "Messages that Redis acknowledged."),
		appendErrors: counter("append_errors_total", "Appends that failed."),
		appendTime:   histogram("append_seconds", "Time from the call to Redis' acknowledgement.", prometheus.ExponentialBuckets(0.0001, 2, 15)),
		batchSize:    histogram("append_batch_entries", "Appends that shared a pipeline.", prometheus.ExponentialBuckets(1, 2, 10)),
		entries:      counter("read_entries_total", "Entries read from streams."),
		reads:        counter("reads_total", "Reads that returned something."),
		readErrors:   counter("read_errors_total", "Reads that failed, attempts to connect again included."),
		gaps:         counter("gaps_total", "Streams found to have lost entries."),
		lag:          histogram("read_lag_seconds", "Age of the newest entry of a read, by Redis' clock and this one.", prometheus.ExponentialBuckets(0.0001, 2.5, 14)),
		trimmed:      counter("trimmed_entries_total", "Entries removed by this node's age sweeps."),
		apps:         prometheus.NewGauge(prometheus.GaugeOpts{Name: "pandapush_streams_active_apps", Help: "Applications whose streams this node reads."}),
		skipped:      vector("skipped_entries_total", "Entries that were not handed on, by reason.", "reason"),
		callBatch:    histogram("call_batch_commands", "Commands that shared a pipeline, but for appends.", prometheus.ExponentialBuckets(1, 2, 10)),
		repeats:      counter("repeated_appends_total", "Messages that came again and were not appended again."),
		claims:       vector("claims_total", "Sessions claimed, by what came of it.", "result"),
		mails:        vector("mails_total", "Mails between nodes.", "direction"),
		ranges:       counter("ranges_total", "Ranges of streams that were asked for."),
		leases:       vector("leases_total", "Requests for blocks of messages that may be published, by what came of it.", "result"),
		rangeEntries: counter("range_entries_total", "Entries read for ranges."),
		seats:        vector("seats_total", "Seats in rooms, by what was done to them.", "action"),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.appends, m.appendErrors, m.appendTime, m.batchSize, m.entries, m.reads, m.readErrors, m.skipped, m.gaps, m.lag, m.apps, m.trimmed,
		m.callBatch, m.repeats, m.claims, m.mails, m.ranges, m.rangeEntries, m.leases, m.seats,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

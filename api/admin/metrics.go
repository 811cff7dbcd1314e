package admin

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are the series of this package.
type metrics struct {
	requests *prometheus.CounterVec
	duration prometheus.Histogram
	watchers prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	auto := promauto.With(reg)
	return &metrics{
		requests: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "pandapush_admin_requests_total", Help: "Requests to the admin API that were answered.",
		}, []string{"route", "status"}),
		duration: auto.NewHistogram(prometheus.HistogramOpts{
			Name: "pandapush_admin_request_duration_seconds", Help: "Time until a request to the admin API was answered, event streams left out.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 13),
		}),
		watchers: auto.NewGauge(prometheus.GaugeOpts{
			Name: "pandapush_admin_watchers", Help: "Event streams of live numbers that are open.",
		}),
	}
}

func (m *metrics) observe(rt route, status int, took time.Duration) {
	m.requests.WithLabelValues(rt.method+" "+rt.path, strconv.Itoa(status)).Inc()
	if !rt.endless {
		m.duration.Observe(took.Seconds())
	}
}

package db

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// ringMetrics are the series of a KeyRing.
type ringMetrics struct {
	apps, keys prometheus.Gauge
	last       prometheus.Gauge
	loads      *prometheus.CounterVec // by outcome: ok, error
}

// newRingMetrics registers the series with reg, or with nothing if it is nil.
func newRingMetrics(reg prometheus.Registerer) ringMetrics {
	auto := promauto.With(reg)
	return ringMetrics{
		apps: auto.NewGauge(prometheus.GaugeOpts{
			Name: "pandapush_keyring_apps", Help: "Applications in memory.",
		}),
		keys: auto.NewGauge(prometheus.GaugeOpts{
			Name: "pandapush_keyring_keys", Help: "Keys in memory, expired and revoked ones included.",
		}),
		last: auto.NewGauge(prometheus.GaugeOpts{
			Name: "pandapush_keyring_last_load_timestamp_seconds", Help: "Unix time of the last load that succeeded.",
		}),
		loads: auto.NewCounterVec(prometheus.CounterOpts{
			Name: "pandapush_keyring_loads_total", Help: "Loads of all keys, by outcome.",
		}, []string{"outcome"}),
	}
}

// loaded records a load and, if it succeeded, what it found.
func (m ringMetrics) loaded(s *snapshot, err error) {
	if err != nil {
		m.loads.WithLabelValues("error").Inc()
		return
	}
	m.loads.WithLabelValues("ok").Inc()
	m.apps.Set(float64(len(s.apps)))
	m.keys.Set(float64(len(s.keys)))
	m.last.SetToCurrentTime()
}

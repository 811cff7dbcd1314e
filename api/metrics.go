package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the series of this package. A nil *metrics counts nothing.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	if reg == nil {
		return nil
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pandapush_http_requests_total",
			Help: "Requests to the HTTP API that were answered.",
		}, []string{"route", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "pandapush_http_request_duration_seconds",
			Help:    "Time until a request to the HTTP API was answered.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	reg.MustRegister(m.requests, m.duration)
	return m
}

// routeMetrics are the series of one route, found once and not for each request.
type routeMetrics struct {
	requests *prometheus.CounterVec // by method and status
	duration prometheus.Observer
}

// of returns the series of a route; nil for nil.
func (m *metrics) of(route string) *routeMetrics {
	if m == nil {
		return nil
	}
	return &routeMetrics{
		requests: m.requests.MustCurryWith(prometheus.Labels{"route": route}),
		duration: m.duration.WithLabelValues(route),
	}
}

func (m *routeMetrics) observe(method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(methodLabel(method), strconv.Itoa(status)).Inc()
	m.duration.Observe(took.Seconds())
}

// methodLabel bounds the label: a client may send any word for a method.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

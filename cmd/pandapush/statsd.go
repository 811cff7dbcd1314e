package main

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/cactus/go-statsd-client/v5/statsd"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/edge"
)

const (
	// statsdInterval is how often counters are sent.
	statsdInterval = 5 * time.Second
	// statsdResolve is how often the server's name is looked up.
	statsdResolve = time.Minute
)

// statsdSender sends counters to a statsd server, for dashboards that were made for the Node version; it has the names and
// the meaning that they had there. The numbers come from what is counted anyway. What the network loses is lost.
type statsdSender struct {
	client    statsd.Statter
	metrics   prometheus.Gatherer
	published func() map[pandapush.AppID]pandapush.Usage
	turnover  func() map[pandapush.AppID]edge.Turnover
	log       *slog.Logger
	sent      map[string]uint64 // by name: the counter as it was when it was last sent
}

// newStatsd returns a sender, or nil if no server is set. The error is one of the settings: that the server's name can't be
// looked up.
func newStatsd(f statsdFlags, log *slog.Logger) (*statsdSender, error) {
	if f.StatsdHost == "" {
		return nil, nil
	}
	address := net.JoinHostPort(f.StatsdHost, strconv.Itoa(int(f.StatsdPort)))
	client, err := statsd.NewClientWithConfig(&statsd.ClientConfig{
		Address: address, Prefix: cmp.Or(f.StatsdPrefix, "pandapush"), UseBuffered: true, ResInterval: statsdResolve,
	})
	if err != nil {
		return nil, &settingError{"STATSD_HOST", f.StatsdHost, "a host that can be looked up"}
	}
	return &statsdSender{client: client, log: log, sent: map[string]uint64{}}, nil
}

// run sends what has been counted, every so often, until ctx ends, and once more then.
func (s *statsdSender) run(ctx context.Context) {
	ticker := time.NewTicker(statsdInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			s.send()
		case <-ctx.Done():
			s.send()
			return
		}
	}
}

// send sends how much each counter has grown, if it has.
func (s *statsdSender) send() {
	for name, total := range s.counters() {
		if grown := total - s.sent[name]; total > s.sent[name] {
			s.sent[name] = total
			if err := s.client.Inc(name, int64(min(grown, math.MaxInt64)), 1); err != nil {
				s.log.Debug("statsd", "error", err)
			}
		}
	}
}

// counters returns what has been counted since this node started, by name.
func (s *statsdSender) counters() map[string]uint64 {
	all := map[string]uint64{}
	families, err := s.metrics.Gather()
	if err != nil {
		s.log.Debug("statsd", "error", err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if name := statsdName(family.GetName(), m); name != "" {
				all[name] += uint64(m.GetCounter().GetValue())
			}
		}
	}
	for app, n := range s.published() {
		all["apps."+string(app)+".publish"] = n.Published
	}
	for app, n := range s.turnover() {
		all["apps."+string(app)+".subscribe"] = n.Made
		all["apps."+string(app)+".unsubscribe"] = n.GivenUp
		all["subscribe"] += n.Made
		all["unsubscribe"] += n.GivenUp
	}
	return all
}

// statsdName returns the name of the counter that a series counts for, or "".
func statsdName(family string, m *dto.Metric) string {
	label := func(name string) string {
		for _, pair := range m.GetLabel() {
			if pair.GetName() == name {
				return pair.GetValue()
			}
		}
		return ""
	}
	switch family {
	case "pandapush_edge_messages_total":
		if label("verb") == "handshake" && label("result") == "ok" {
			return "handshake"
		}
	case "pandapush_edge_sessions_detached_total":
		if reason := label("reason"); reason == "disconnect" || reason == "expired" {
			return "disconnect"
		}
	case "pandapush_edge_sockets_closed_total", "pandapush_edge_streams_closed_total":
		return "close"
	case "pandapush_streams_appends_total":
		return "publish"
	}
	return ""
}

// observe sends the status and the duration of each request that is not one of Bayeux.
func (s *statsdSender) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if strings.HasPrefix(c.Request().URL.Path, "/push") {
			return next(c)
		}
		start := time.Now()
		if err := next(c); err != nil {
			c.Error(err) // answers it
		}
		if r := c.Response(); r.Committed { // else the connection has been taken over
			// What can't be sent is lost, as on the network.
			_ = s.client.Inc("responses.all."+strconv.Itoa(r.Status), 1, 1)
			_ = s.client.TimingDuration("duration.all", time.Since(start), 1)
		}
		return nil
	}
}

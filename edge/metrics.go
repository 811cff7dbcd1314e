package edge

import "github.com/prometheus/client_golang/prometheus"

// reason says why a session or a socket ended; it is a metric label and nothing else is one.
type reason string

// Why sessions and sockets end.
const (
	endDisconnect  reason = "disconnect"  // the client said so
	endExpired     reason = "expired"     // the client stopped connecting
	endSlow        reason = "slow"        // the client does not read what it is sent
	endDead        reason = "dead"        // no answer to pings
	endSuperseded  reason = "superseded"  // the client connected elsewhere
	endClosed      reason = "closed"      // the client closed the socket, or the network did
	endProtocol    reason = "protocol"    // the client broke the WebSocket protocol
	endDrain       reason = "drain"       // this node is going down
	endMute        reason = "mute"        // nothing was granted to the client in time
	endCrowded     reason = "crowded"     // the client's address has too many sockets
	endAnswered    reason = "answered"    // a poll was answered; the next one attaches again
	endUnavailable reason = "unavailable" // Redis is away, and the client is to come back
	endRefused     reason = "refused"     // what it was let in with has expired or been revoked
	endPartial     reason = "partial"     // the client began a message and did not end it
	endPanic       reason = "panic"       // a bug of ours
)

// metrics are the series of this package.
type metrics struct {
	sessions      prometheus.Gauge
	sockets       prometheus.Gauge
	streams       prometheus.Gauge
	polls         prometheus.Gauge
	subscriptions prometheus.Gauge
	messages      *prometheus.CounterVec // by verb and result
	deliveries    prometheus.Counter
	frames        prometheus.Counter
	detached      *prometheus.CounterVec // sessions, by reason
	resumes       *prometheus.CounterVec // by where the messages came from
	takeovers     prometheus.Counter
	slow          prometheus.Counter
	repeated      prometheus.Counter
	closed        *prometheus.CounterVec // sockets, by reason
	streamsClosed *prometheus.CounterVec // event streams, by reason
	revoked       prometheus.Counter
	joins         prometheus.Counter
	seats         prometheus.Gauge
	limited       *prometheus.CounterVec // by limit
}

func newMetrics(r prometheus.Registerer, apps func() int) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "pandapush", Subsystem: "edge", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "pandapush", Subsystem: "edge", Name: name, Help: help}
	}
	m := &metrics{
		sessions:      gauge("sessions", "Sessions on this node: Bayeux clients and followers."),
		sockets:       gauge("sockets", "Open WebSockets."),
		streams:       gauge("streams", "Open event streams."),
		polls:         gauge("polls", "Long polls being held."),
		subscriptions: gauge("subscriptions", "Subscriptions on this node."),
		messages:      prometheus.NewCounterVec(counter("messages_total", "Bayeux messages received, by verb and result."), []string{"verb", "result"}),
		deliveries:    prometheus.NewCounter(counter("deliveries_total", "Messages queued for a session, once for each session.")),
		frames:        prometheus.NewCounter(counter("frames_total", "WebSocket frames written with deliveries.")),
		detached:      prometheus.NewCounterVec(counter("sessions_detached_total", "Sessions that lost their path on this node, by reason."), []string{"reason"}),
		resumes:       prometheus.NewCounterVec(counter("resumes_total", "Sessions and subscriptions brought up to the stream: from the window, from redis, or with a gap."), []string{"from"}),
		takeovers:     prometheus.NewCounter(counter("takeovers_total", "Sessions taken over from another node that had them attached.")),
		slow:          prometheus.NewCounter(counter("slow_total", "Times that a session's queue was full, so that it had to read the stream itself.")),
		repeated:      prometheus.NewCounter(counter("repeated_publishes_total", "Publishes that were sent again and not stored again.")),
		closed:        prometheus.NewCounterVec(counter("sockets_closed_total", "WebSockets closed, by reason."), []string{"reason"}),
		streamsClosed: prometheus.NewCounterVec(counter("streams_closed_total", "Event streams closed, by reason."), []string{"reason"}),
		revoked:       prometheus.NewCounter(counter("subscriptions_revoked_total", "Subscriptions ended because their key or application is gone.")),
		joins:         prometheus.NewCounter(counter("presence_joins_total", "Subscriptions to rooms.")),
		seats:         gauge("presence_seats", "Seats in rooms that sessions on this node had when they were last touched."),
		limited:       prometheus.NewCounterVec(counter("limited_total", "What was refused because of a limit, by limit."), []string{"limit"}),
	}
	if r != nil {
		r.MustRegister(m.sessions, m.sockets, m.streams, m.polls, m.subscriptions, m.messages, m.deliveries, m.frames, m.detached, m.resumes, m.takeovers, m.slow, m.repeated, m.closed, m.streamsClosed, m.revoked, m.joins, m.seats, m.limited,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Namespace: "pandapush", Subsystem: "edge", Name: "applications", Help: "Applications that somebody on this node subscribes to.",
			}, func() float64 { return float64(apps()) }))
	}
	return m
}

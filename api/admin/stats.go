package admin

import (
	"net/http"
	"slices"

	"github.com/pandapush/pandapush/api/admin/live"
)

// appSampleView is an application at one moment, as the API shows it.
type appSampleView struct {
	At     string                  `json:"at"`
	Total  live.Numbers            `json:"total"`
	Nodes  map[string]live.Numbers `json:"nodes"`
	Stream *streamView             `json:"stream"`
}

func viewAppSample(s live.AppSample, stream *streamView) appSampleView {
	if s.Nodes == nil {
		s.Nodes = map[string]live.Numbers{}
	}
	return appSampleView{instant(s.At), s.Total, s.Nodes, stream}
}

func (s *Server) appStats(c *call) error {
	stream, err := s.spans.of(c.r.Context(), c.app.ID)
	if err != nil {
		return err
	}
	samples := []appSampleView{}
	for _, sample := range s.cfg.Live.AppHistory(c.app.ID) {
		samples = append(samples, viewAppSample(sample, nil))
	}
	return c.reply(http.StatusOK, map[string]any{"interval": int(live.Interval.Seconds()), "samples": samples, "stream": stream})
}

func (s *Server) followAppStats(c *call) error {
	return s.follow(c, func() any {
		history := s.cfg.Live.AppHistory(c.app.ID)
		newest := history[len(history)-1]
		stream, err := s.spans.of(c.r.Context(), c.app.ID)
		if err != nil { // Redis is away: the rest is still worth seeing
			return viewAppSample(newest, nil)
		}
		return viewAppSample(newest, &stream)
	})
}

// sampleView is the whole service at one moment, as the API shows it.
type sampleView struct {
	At      string               `json:"at"`
	Total   live.Numbers         `json:"total"`
	Latency live.Latency         `json:"latency"`
	Nodes   map[string]live.Node `json:"nodes"`
}

func viewSample(s live.Sample) sampleView {
	return sampleView{instant(s.At), s.Total, s.Latency, s.Nodes}
}

func (s *Server) stats(c *call) error {
	samples := []sampleView{}
	for _, sample := range s.cfg.Live.History() {
		samples = append(samples, viewSample(sample))
	}
	return c.reply(http.StatusOK, map[string]any{"interval": int(live.Interval.Seconds()), "samples": samples})
}

func (s *Server) followStats(c *call) error {
	return s.follow(c, func() any {
		history := s.cfg.Live.History()
		return viewSample(history[len(history)-1])
	})
}

// nodeView is a node as the API shows it.
type nodeView struct {
	ID         string       `json:"id"`
	Version    string       `json:"version"`
	Go         string       `json:"go"`
	Host       string       `json:"host"`
	StartedAt  string       `json:"started_at"`
	SeenAt     string       `json:"seen_at"`
	Draining   bool         `json:"draining"`
	Self       bool         `json:"self"`
	Numbers    live.Numbers `json:"numbers"`
	Latency    live.Latency `json:"latency"`
	CPU        float64      `json:"cpu"`
	Memory     int64        `json:"memory_bytes"`
	Goroutines int64        `json:"goroutines"`
}

func (s *Server) listNodes(c *call) error {
	nodes := []nodeView{}
	for _, n := range s.cfg.Live.Nodes() {
		nodes = append(nodes, nodeView{
			n.ID, n.Version, n.Go, n.Host, instant(n.Started), instant(n.Seen), n.Draining, n.Self, n.Numbers, n.Latency,
			n.CPU, n.Memory, n.Goroutines,
		})
	}
	return c.reply(http.StatusOK, nodes)
}

func (s *Server) config(c *call) error {
	settings := s.cfg.Settings
	if settings == nil {
		settings = []Setting{}
	}
	return c.reply(http.StatusOK, slices.Clone(settings))
}

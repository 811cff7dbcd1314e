package api

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// checkTimeout bounds one readiness check.
const checkTimeout = 2 * time.Second

// healthCheck is GET /health_check.json: what is running. It asks nobody, so that it answers as long as the process does.
func (s *Server) healthCheck(w http.ResponseWriter, _ *http.Request) {
	sendJSON(w, http.StatusOK, build{s.config.Version, s.config.Revision, s.config.Built})
}

// build is the answer of /health_check.json.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"rev"`
	Built    string `json:"built"`
}

// status is the answer of /livez and /readyz.
type status struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks,omitempty"`
}

// livez is GET /livez. What the process depends on is none of its business: a restart would mend nothing there.
func livez(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	sendJSON(w, http.StatusOK, status{Status: "ok"})
}

// readyz is GET /readyz: whether requests should come to this process. Why they should not goes to the log, not to
// whoever asks. Requests that come together share one run of the checks, so that a flood of them does not reach Redis or
// the database.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if s.drained.Err() != nil {
		sendJSON(w, http.StatusServiceUnavailable, status{Status: "draining"})
		return
	}
	_, _, _ = s.probing.Do("", func() (any, error) { s.probe(r.Context()); return nil, nil }) // the checks hold the outcome
	code, answer := http.StatusOK, status{Status: "ok", Checks: make(map[string]string, len(s.checks))}
	for _, c := range s.checks {
		answer.Checks[c.Name] = "ok"
		if c.failing.Load() {
			code, answer.Status = http.StatusServiceUnavailable, "unavailable"
			answer.Checks[c.Name] = "failing"
		}
	}
	sendJSON(w, code, answer)
}

// check is a Check and how it went last.
type check struct {
	Check
	failing atomic.Bool
}

// probe runs all checks side by side. It does not end with the request that began it, since others may share it.
func (s *Server) probe(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	var running sync.WaitGroup
	for _, c := range s.checks {
		running.Go(func() { s.runCheck(ctx, c) })
	}
	running.Wait()
}

// runCheck runs one check and logs a change of its outcome.
func (s *Server) runCheck(ctx context.Context, c *check) {
	err := c.Func(ctx)
	failing := err != nil
	switch changed := c.failing.Swap(failing) != failing; {
	case changed && failing:
		s.log.WarnContext(ctx, "readiness check fails", "check", c.Name, "error", err)
	case changed:
		s.log.InfoContext(ctx, "readiness check passes again", "check", c.Name)
	}
}

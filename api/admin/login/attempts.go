package login

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// attempts are the logins that are tried: slowed down, counted and logged.
type attempts struct {
	throttle *throttle
	known    func(*http.Request) string // a client's address, or ""
	log      *slog.Logger
	total    *prometheus.CounterVec
}

func newAttempts(cfg *Config) *attempts {
	return &attempts{
		throttle: newThrottle(cfg.Now), known: cfg.Address, log: cfg.Log,
		total: promauto.With(cfg.Metrics).NewCounterVec(prometheus.CounterOpts{
			Name: "pandapush_admin_login_failures_total", Help: "Logins that were refused, by reason.",
		}, []string{"reason"}),
	}
}

// address returns whom a request's failures are counted for.
func (a *attempts) address(r *http.Request) string {
	if known := a.known(r); known != "" {
		return known
	}
	return hostOf(r)
}

// try returns a ThrottledError if a login must not be looked at yet. user is "" where it is not known before.
func (a *attempts) try(r *http.Request, user string) error {
	wait := a.throttle.wait(a.address(r), user)
	if wait <= 0 {
		return nil
	}
	a.total.WithLabelValues("throttled").Inc()
	return ThrottledError{wait}
}

// failed counts a login that was wrong. The log does not have the user: people type their password there.
func (a *attempts) failed(r *http.Request, user string) {
	a.throttle.failed(a.address(r), user)
	a.total.WithLabelValues("wrong").Inc()
	a.log.WarnContext(r.Context(), "login failed", "address", a.address(r))
}

func (a *attempts) passed(r *http.Request, user string) { a.throttle.passed(a.address(r), user) }

package api

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

// Rate is a limit of messages: so many per second, and so many at once. The zero Rate is none.
type Rate struct {
	PerSecond float64
	Burst     int // zero: what comes in a second, at least one
}

// burst returns the messages that may come at once.
func (r Rate) burst() int { return cmp.Or(r.Burst, max(1, int(math.Ceil(r.PerSecond)))) }

// Limiter counts messages against limits that hold for all nodes together. It must be safe for concurrent use.
type Limiter interface {
	// Take takes n of the messages that a bucket of app still allows, and returns how many are left, about, and zero; or it
	// takes none, and returns how long to wait until there are n. n is at most burst. It answers within a second, Redis or no
	// Redis.
	Take(ctx context.Context, app pandapush.AppID, bucket string, perSecond float64, burst, n int) (left int, wait time.Duration)
}

// limit is a Rate that applies to a request.
type limit struct {
	name   string // for the client
	bucket string // for the Limiter
	rate   Rate
}

// limitsOf returns the limits of who publishes by grant, the narrower first: what that refuses costs the wider nothing.
func (s *Server) limitsOf(grant pandapush.Grant) []limit {
	var all []limit
	if rate := s.config.KeyRate; rate.PerSecond > 0 {
		all = append(all, limit{"key", "key-" + string(grant.Key), rate})
	}
	rate := s.config.Rate
	if settings := s.config.Keys.Settings(grant.App); settings.PublishRate > 0 {
		rate = Rate{settings.PublishRate, settings.PublishBurst}
	}
	if rate.PerSecond > 0 {
		all = append(all, limit{"app", "app", rate})
	}
	return all
}

// spend counts n messages against the limits of grant, and says in h what is left of them. The error is a problem.
func (s *Server) spend(ctx context.Context, h http.Header, grant pandapush.Grant, n int) error {
	limits := s.limitsOf(grant)
	if len(limits) == 0 || s.config.Limiter == nil {
		return nil
	}
	policies, states := make([]string, 0, 2), make([]string, 0, 2)
	for _, l := range limits {
		burst := l.rate.burst()
		if n > burst {
			return &problem{kind: kindBody, detail: fmt.Sprintf("More than the %d messages that may be published at once", burst)}
		}
		left, wait := s.config.Limiter.Take(ctx, grant.App, l.bucket, l.rate.PerSecond, burst, n)
		// draft-ietf-httpapi-ratelimit-headers: q messages in w seconds; r of them left, and the rest again in t.
		full := math.Ceil(float64(burst) / l.rate.PerSecond)
		policies = append(policies, fmt.Sprintf("%q;q=%d;w=%.0f", l.name, burst, full))
		t := math.Ceil(float64(burst-left) / l.rate.PerSecond)
		if wait > 0 {
			t = math.Ceil(wait.Seconds())
		}
		states = append(states, fmt.Sprintf("%q;r=%d;t=%.0f", l.name, left, t))
		h.Set("RateLimit-Policy", strings.Join(policies, ", "))
		h.Set("RateLimit", strings.Join(states, ", "))
		if wait > 0 {
			return &problem{kind: kindRate, retry: wait, detail: fmt.Sprintf(
				"The limit of %g messages per second for the %s is reached", l.rate.PerSecond, longName(l.name))}
		}
	}
	return nil
}

func longName(limit string) string {
	if limit == "app" {
		return "application"
	}
	return limit
}

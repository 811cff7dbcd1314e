package api

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// counter is a Limiter of a few messages. A refusal fills it up again.
type counter struct {
	left int // to begin with; at most so many are taken at once

	mu       sync.Mutex
	full     int
	most     int // that were wanted at once
	refusals int
	buckets  []string
}

func (c *counter) Take(_ context.Context, app pandapush.AppID, bucket string, _ float64, _, n int) (left int, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full, c.most = max(c.full, c.left), max(c.most, n)
	c.buckets = append(c.buckets, string(app)+" "+bucket)
	if c.left < n {
		left, c.left = c.left, c.full
		c.refusals++
		return left, time.Millisecond
	}
	c.left -= n
	return c.left, 0
}

func TestLimits(t *testing.T) {
	t.Parallel()
	bucket := &counter{left: 3}
	f := newFixture(t, Config{Limiter: bucket, Rate: Rate{PerSecond: 0.5, Burst: 3}})
	w := f.publish("application/json", `{}`)
	wantAnswer(t, w, http.StatusOK, "OK")
	wantHeaders(t, w.Header(), `RateLimit-Policy: "app";q=3;w=6`, `RateLimit: "app";r=2;t=2`, "Retry-After: ")
	f.publish("application/json", `{}`)
	f.publish("application/json", `{}`)
	w = f.publish("application/json", `{}`)
	wantAnswer(t, w, http.StatusTooManyRequests, refusal("The limit of 0.5 messages per second for the application is reached"))
	wantHeaders(t, w.Header(), `RateLimit-Policy: "app";q=3;w=6`, `RateLimit: "app";r=0;t=1`, "Retry-After: 1")
	if len(f.stream.messages) != 3 {
		t.Errorf("%d messages are stored", len(f.stream.messages))
	}
	two := `[{"channels":["/app1/public/a","/app1/public/b"],"data":{}}]`
	w = f.do(http.MethodPost, "/batch/app1", two, "Authorization: "+basic(key))
	wantHeaders(t, w.Header(), `RateLimit: "app";r=1;t=4`)
	w = f.do(http.MethodPost, "/batch/app1", two, "Authorization: "+basic(key))
	wantProblem(t, w, http.StatusTooManyRequests, "rate-limited", "")
	w = f.do(http.MethodPost, "/batch/app1", `[{"channels":["/app1/public/a","/app1/public/b","/app1/public/c","/app1/public/d"],"data":{}}]`, "Authorization: "+basic(key))
	wantProblem(t, w, http.StatusBadRequest, "invalid-body", "") // it would never be allowed
}

// TestLimitsOfAnApplication: what is set for it counts, and a key has a limit beside.
func TestLimitsOfAnApplication(t *testing.T) {
	t.Parallel()
	bucket := &counter{left: 100}
	f := newFixture(t, Config{Limiter: bucket, Rate: Rate{PerSecond: 1}, KeyRate: Rate{PerSecond: 2.5}})
	f.keys.set(pandapush.Settings{PublishRate: 20, PublishBurst: 50})
	w := f.publish("application/json", `{}`)
	wantHeaders(t, w.Header(), `RateLimit-Policy: "key";q=3;w=2, "app";q=50;w=3`)
	if len(bucket.buckets) != 2 || bucket.buckets[0] != "app1 key-PSID1" || bucket.buckets[1] != "app1 app" {
		t.Errorf("buckets %q", bucket.buckets)
	}
	f.do(http.MethodPost, "/channel/app1/private/a", `{}`, "Authorization: Token x")
	f.do(http.MethodGet, "/channel/app1/public/a", "")
	if len(bucket.buckets) != 2 {
		t.Errorf("strangers and readers have taken from %q", bucket.buckets[2:])
	}
}

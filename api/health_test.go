package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestHealthCheck(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{Version: "3.0.0", Revision: "abc", Built: "2026-11-23"})
	f.api.SetDraining() // is no concern of it
	w := f.do(http.MethodGet, "/health_check.json", "")
	wantAnswer(t, w, http.StatusOK, `{"version":"3.0.0","rev":"abc","built":"2026-11-23"}`)
	wantHeaders(t, w.Header(), "Content-Type: application/json; charset=utf-8")
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	var redis error
	f := newFixture(t, Config{Ready: []Check{
		{"database", func(context.Context) error { return nil }},
		{"redis", func(context.Context) error { return redis }},
	}})
	ready := func(status int, body string) {
		t.Helper()
		w := f.do(http.MethodGet, "/readyz", "")
		wantAnswer(t, w, status, body)
		wantHeaders(t, w.Header(), "Content-Type: application/json; charset=utf-8", "Cache-Control: no-store")
		wantAnswer(t, f.do(http.MethodGet, "/livez", ""), http.StatusOK, `{"status":"ok"}`)
	}
	ready(http.StatusOK, `{"status":"ok","checks":{"database":"ok","redis":"ok"}}`)
	redis = errors.New("dial 10.0.0.7")
	ready(http.StatusServiceUnavailable, `{"status":"unavailable","checks":{"database":"ok","redis":"failing"}}`)
	ready(http.StatusServiceUnavailable, `{"status":"unavailable","checks":{"database":"ok","redis":"failing"}}`)
	redis = nil
	ready(http.StatusOK, `{"status":"ok","checks":{"database":"ok","redis":"ok"}}`)
	f.api.SetDraining()
	ready(http.StatusServiceUnavailable, `{"status":"draining"}`)

	log := f.log.String()
	if strings.Count(log, "dial 10.0.0.7") != 1 || strings.Count(log, "passes again") != 1 {
		t.Errorf("want each change of state logged once:\n%s", log)
	}
}

func TestReadinessWithoutChecks(t *testing.T) {
	t.Parallel()
	wantAnswer(t, newFixture(t, Config{}).do(http.MethodGet, "/readyz", ""), http.StatusOK, `{"status":"ok"}`)
}

// TestReadinessBounds checks that slow checks run side by side, once for all who ask, and for two seconds at most, though
// the one that asked first has gone.
func TestReadinessBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := make(chan string, 10)
		slow := func(name string) Check {
			return Check{name, func(ctx context.Context) error {
				calls <- name
				<-ctx.Done()
				return ctx.Err()
			}}
		}
		f := newFixture(t, Config{Ready: []Check{slow("a"), slow("b")}})
		start := time.Now()
		first, leave := context.WithCancel(t.Context())
		var askers sync.WaitGroup
		for _, ctx := range []context.Context{first, t.Context(), t.Context()} {
			askers.Go(func() {
				w := httptest.NewRecorder()
				f.echo.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", http.NoBody))
				wantAnswer(t, w, http.StatusServiceUnavailable, `{"status":"unavailable","checks":{"a":"failing","b":"failing"}}`)
			})
			synctest.Wait()
		}
		leave()
		askers.Wait()
		if took := time.Since(start); took != checkTimeout || len(calls) != 2 {
			t.Errorf("took %v and %d checks", took, len(calls))
		}
	})
}

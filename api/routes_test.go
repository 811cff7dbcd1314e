package api

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	w := f.do(http.MethodGet, "/nope", "")
	wantAnswer(t, w, http.StatusNotFound, "<!DOCTYPE html>\n<title>Not Found</title>\n<pre>Cannot GET /nope</pre>\n")
	wantHeaders(t, w.Header(), "Content-Type: text/html; charset=utf-8",
		"Content-Security-Policy: default-src 'none'", "X-Content-Type-Options: nosniff")

	w = f.do(http.MethodGet, "/nope", "", "Accept: application/json")
	wantProblem(t, w, http.StatusNotFound, "not-found", "")

	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Method, r.URL.Path = "<b>", "/<script>&'"
	w = httptest.NewRecorder()
	f.echo.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "<pre>Cannot &lt;b&gt; /%3Cscript%3E&amp;%27</pre>") {
		t.Errorf("page = %s", w.Body)
	}
	w = httptest.NewRecorder()
	f.echo.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusNotFound {
		t.Errorf("/metrics without a Gatherer = %d", w.Code)
	}
}

func TestWrongMethods(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	for _, row := range []struct {
		method, path string
		allow        string
	}{
		{http.MethodPut, "/channel/app1/public/a", "GET, HEAD, OPTIONS, POST"},
		{http.MethodDelete, "/channel/app1/public/a", "GET, HEAD, OPTIONS, POST"},
		{http.MethodGet, "/batch/app1", "OPTIONS, POST"},
		{http.MethodPost, "/health_check.json", "GET, HEAD, OPTIONS"},
		{http.MethodPost, "/readyz", "GET, HEAD, OPTIONS"},
	} {
		w := f.do(row.method, row.path, "")
		wantAnswer(t, w, http.StatusMethodNotAllowed, "<!DOCTYPE html>\n<title>Method Not Allowed</title>\n<pre>Method Not Allowed</pre>\n")
		allow := strings.Split(w.Header().Get("Allow"), ", ")
		slices.Sort(allow)
		if got := strings.Join(allow, ", "); got != row.allow {
			t.Errorf("%s %s: Allow = %s, want %s", row.method, row.path, got, row.allow)
		}
	}
}

func TestHead(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newFixture(t, Config{Gatherer: prometheus.NewRegistry()}).echo)
	defer server.Close()
	for _, path := range []string{"/health_check.json", "/livez", "/readyz", "/metrics"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusOK || len(body) != 0 || err != nil || response.Body.Close() != nil {
			t.Errorf("HEAD %s = %s %q %v", path, response.Status, body, err)
		}
	}
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	seen := make(map[string]bool)
	for _, path := range []string{"/livez", "/livez", "/nope"} {
		id := f.do(http.MethodGet, path, "", "X-Request-Id: mine").Header().Get("X-Request-Id")
		if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" || seen[id] {
			t.Errorf("request id %q", id)
		}
		seen[id] = true
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	f.echo.GET("/early", f.api.route("/early", func(http.ResponseWriter, *http.Request) { panic("secret internals") }))
	f.echo.GET("/late", f.api.route("/late", func(w http.ResponseWriter, _ *http.Request) {
		send(w, http.StatusOK, typeHTML, []byte("half"))
		panic("too late")
	}))
	wantAnswer(t, f.do(http.MethodGet, "/early", ""), http.StatusInternalServerError, "Internal Server Error")

	var cut any
	func() {
		defer func() { cut = recover() }()
		f.do(http.MethodGet, "/late", "")
	}()
	if err, _ := cut.(error); !errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("a response that had begun ended with %v, want a cut connection", cut)
	}
	for _, want := range []string{"secret internals", "too late", "routes_test.go"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, f.log)
		}
	}
}

// TestErrorsOfOthers checks what handlers get that other packages register with the same echo.
func TestErrorsOfOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	for path, err := range map[string]error{
		"/teapot":  echo.NewHTTPError(http.StatusTeapot, "short & stout"),
		"/object":  echo.NewHTTPError(http.StatusConflict, struct{}{}),
		"/broken":  errors.New("internals"),
		"/gateway": echo.NewHTTPError(http.StatusBadGateway, "internals too"),
	} {
		f.echo.GET(path, func(echo.Context) error { return err })
	}
	f.echo.GET("/begun", func(c echo.Context) error {
		return errors.Join(c.String(http.StatusOK, "begun"), errors.New("afterwards"))
	})
	wantAnswer(t, f.do(http.MethodGet, "/teapot", ""), http.StatusTeapot, "short &amp; stout")
	wantAnswer(t, f.do(http.MethodGet, "/object", ""), http.StatusConflict, "Conflict")
	wantAnswer(t, f.do(http.MethodGet, "/broken", ""), http.StatusInternalServerError, "Internal Server Error")
	wantAnswer(t, f.do(http.MethodGet, "/gateway", ""), http.StatusInternalServerError, "Internal Server Error")
	wantAnswer(t, f.do(http.MethodGet, "/begun", ""), http.StatusOK, "begun")
	for _, want := range []string{"internals", "internals too", "afterwards"} {
		if !strings.Contains(f.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, f.log)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	f := newFixture(t, Config{Metrics: registry, Gatherer: registry})
	f.publish("application/json", "{}")
	f.publish("application/json", "[]")
	f.do(http.MethodGet, "/nope/1", "")
	f.do("BREW", "/nope/2", "")
	f.do(http.MethodPut, "/livez", "")

	w := f.do(http.MethodGet, "/metrics", "")
	for _, want := range []string{
		`pandapush_http_requests_total{method="POST",route="/channel",status="200"} 1`,
		`pandapush_http_requests_total{method="POST",route="/channel",status="400"} 1`,
		`pandapush_http_requests_total{method="GET",route="other",status="404"} 1`,
		`pandapush_http_requests_total{method="other",route="other",status="404"} 1`,
		`pandapush_http_requests_total{method="PUT",route="other",status="405"} 1`,
		`pandapush_http_request_duration_seconds_count{route="/channel"} 2`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("/metrics lacks %s:\n%s", want, w.Body)
		}
	}
}

// connection is a ResponseWriter that knows deadlines.
type connection struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

// SetReadDeadline is found by http.ResponseController.
func (c *connection) SetReadDeadline(deadline time.Time) error {
	c.deadline = deadline
	return nil
}

func TestReadDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, path := range []string{"/channel/app1/public/a", "/nope"} {
			w := &connection{ResponseRecorder: httptest.NewRecorder()}
			newFixture(t, Config{}).echo.ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, http.NoBody))
			if got := time.Until(w.deadline); got != readTimeout {
				t.Errorf("POST %s has %v to arrive", path, got)
			}
		}
	})
}

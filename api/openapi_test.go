package api

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// TestRoutesAreDescribed: every route is an operation of openapi.json, and every operation a route.
func TestRoutesAreDescribed(t *testing.T) {
	t.Parallel()
	d, err := description()
	if err != nil {
		t.Fatal(err)
	}
	router := echo.New()
	newFixture(t, Config{Gatherer: prometheus.NewRegistry()}).api.Routes(router)
	var routes []string
	for _, r := range router.Routes() {
		routes = append(routes, r.Method+" "+r.Path)
	}
	var operations []string
	for _, operation := range d.Operations() {
		// Routes say what comes after the first segment with an asterisk.
		path, _, parameters := strings.Cut(operation, "{")
		if parameters {
			path += "*"
		}
		operations = append(operations, path)
	}
	slices.Sort(routes)
	slices.Sort(operations)
	if !slices.Equal(routes, operations) {
		t.Errorf("routes     %q\noperations %q", routes, operations)
	}
}

// TestParametersAreAsDescribed: what the description of a parameter lets through is taken, and what it does not is refused.
func TestParametersAreAsDescribed(t *testing.T) {
	t.Parallel()
	d, err := description()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		parameter, method, before, after string
		values                           []string
	}{
		{"limit", "GET", "/channel/app1/public/a?limit=", "", []string{"0", "1", "1000", "1001", "-1"}},
		{"order", "GET", "/channel/app1/public/a?order=", "", []string{"newest", "oldest", "Newest", ""}},
		{"exclude", "POST", "/channel/app1/public/a?exclude=", "", []string{"0a", "A", "", strings.Repeat("a", 64), strings.Repeat("a", 65)}},
		{"kind", "GET", "/channel/app1/", "/a", []string{"public", "private", "presence", "meta", "other"}},
		{"path", "GET", "/channel/app1/public/", "", []string{
			"a", "a/b", "-_~/Z9", "*", "**", "a/*", "a/**", "a*", "***", "*/a", "**/a", "", "a/", "/a", "a//b", "a.b", "a@b", "a:b", "a%20b", strings.Repeat("a", 600),
		}},
		{"roomPath", "GET", "/presence/app1/", "", []string{"a", "a/b", "*", "a/**", "", "a/", "a.b", "a@b"}},
	} {
		for _, value := range row.values {
			f := newFixture(t, Config{})
			w := f.do(row.method, row.before+value+row.after, "", "Authorization: "+basic(key))
			refused := w.Code == http.StatusNotFound || w.Code == http.StatusBadRequest
			if accepts := d.Accepts(t, row.parameter, value); accepts == refused {
				t.Errorf("%s %q: %d %s; the description says %t", row.parameter, value, w.Code, w.Body, accepts)
			}
		}
	}
}

func TestOpenAPI(t *testing.T) {
	t.Parallel()
	w := newFixture(t, Config{}).do(http.MethodGet, "/openapi.json", "")
	wantAnswer(t, w, http.StatusOK, string(OpenAPI))
	wantHeaders(t, w.Header(), "Content-Type: application/json; charset=utf-8", "Access-Control-Allow-Origin: *")
}

// TestProblemsAreExplained: the type of every problem is a heading of the page that it points to.
func TestProblemsAreExplained(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`&kind\{"([a-z-]+)"`).FindAllSubmatch(source, -1)
	if len(kinds) < 10 {
		t.Errorf("found only %d kinds", len(kinds))
	}
	for _, kind := range kinds {
		if !strings.Contains(string(page), "\n### "+string(kind[1])+"\n") {
			t.Errorf("docs/http-api.md does not explain %s", kind[1])
		}
	}
}

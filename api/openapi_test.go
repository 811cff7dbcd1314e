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

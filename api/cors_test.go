package api

import (
	"net/http"
	"testing"

	"github.com/pandapush/pandapush"
)

func TestOrigins(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	f.keys.set(pandapush.Settings{Origins: []string{"https://good.example"}})
	for _, row := range []struct {
		origin string
		let    bool
		cors   string
	}{
		{"", true, ""}, // no page
		{"https://good.example", true, "https://good.example"},
		{"http://example.com", true, ""}, // httptest's host: a page of this server
		{"https://bad.example", false, ""},
		{"http://good.example", false, ""},
		{"null", false, ""},
		{"garbage", false, ""},
	} {
		for _, request := range []struct{ method, target, body string }{
			{http.MethodPost, "/channel/app1/private/a", `{}`},
			{http.MethodPost, "/batch/app1", `[{"channel":"/app1/public/a","data":{}}]`},
			{http.MethodGet, "/channel/app1/public/a", ""},
		} {
			headers := []string{"Accept: application/json", "Authorization: " + basic(key)}
			if row.origin != "" {
				headers = append(headers, "Origin: "+row.origin)
			}
			w := f.do(request.method, request.target, request.body, headers...)
			if row.let && w.Code != http.StatusOK {
				t.Errorf("%s for a page of %q: %d %s", request.target, row.origin, w.Code, w.Body)
			}
			if !row.let {
				wantProblem(t, w, http.StatusForbidden, "origin-not-allowed", "Origin")
			}
			wantHeaders(t, w.Header(), "Access-Control-Allow-Origin: "+row.cors)
			if vary := w.Header().Values("Vary"); len(vary) == 0 || vary[0] != "Origin" {
				t.Errorf("Vary %q", vary)
			}
		}
		w := f.do(http.MethodOptions, "/channel/app1/public/a", "", "Origin: "+row.origin)
		wantHeaders(t, w.Header(), "Access-Control-Allow-Origin: "+row.cors, "Allow: GET, HEAD, OPTIONS, POST")
	}
	w := f.do(http.MethodOptions, "/batch/app1", "", "Origin: https://good.example")
	wantAnswer(t, w, http.StatusNoContent, "")
	wantHeaders(t, w.Header(), "Allow: OPTIONS, POST", "Access-Control-Allow-Methods: OPTIONS, POST", "Access-Control-Allow-Headers: "+allowedHeaders)
}

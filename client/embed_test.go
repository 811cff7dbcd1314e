package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestScriptOfABuild(t *testing.T) {
	js, sourceMap, built := script(fstest.MapFS{
		"dist/placeholder.js": {Data: []byte("throw")},
		"dist/client.js":      {Data: []byte("code")},
		"dist/client.js.map":  {Data: []byte("{}")},
	})
	if string(js) != "code" || string(sourceMap) != "{}" || !built {
		t.Errorf("script() = %q, %q, %v", js, sourceMap, built)
	}
}

func TestScriptThatWasNotBuilt(t *testing.T) {
	js, sourceMap, built := script(fstest.MapFS{"dist/placeholder.js": {Data: []byte("throw")}})
	if string(js) != "throw" || sourceMap != nil || built {
		t.Errorf("script() = %q, %q, %v", js, sourceMap, built)
	}
}

// The file that is committed has to be there and say what to do, whether or not this tree is built.
func TestPlaceholder(t *testing.T) {
	placeholder, err := dist.ReadFile("dist/placeholder.js")
	if err != nil || !strings.Contains(string(placeholder), "client.js was not built; run scripts/build") {
		t.Errorf("placeholder = %q, %v", placeholder, err)
	}
	if js, _, _ := Script(); len(js) == 0 {
		t.Error("Script() is empty")
	}
}

func get(t *testing.T, h http.Handler, method, target, ifNoneMatch string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	if ifNoneMatch != "" {
		r.Header.Set("If-None-Match", ifNoneMatch)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandler(t *testing.T) {
	h := handler([]byte("code"), []byte("{}"), true)
	etag := get(t, h, http.MethodGet, "/client.js", "").Header().Get("Etag")
	tests := []struct {
		name, method, target, ifNoneMatch string
		status                            int
		body, contentType                 string
	}{
		{"script", "GET", "/client.js", "", 200, "code", "application/javascript; charset=utf-8"},
		{"below another path", "GET", "/x/client.js?v=1", "", 200, "code", "application/javascript; charset=utf-8"},
		{"source map", "GET", "/client.js.map", "", 200, "{}", "application/json; charset=utf-8"},
		{"head", "HEAD", "/client.js", "", 200, "", "application/javascript; charset=utf-8"},
		{"unchanged", "GET", "/client.js", etag, 304, "", ""},
		{"unchanged, weak and in a list", "GET", "/client.js", `"x", W/` + etag, 304, "", ""},
		{"changed", "GET", "/client.js", `"x"`, 200, "code", "application/javascript; charset=utf-8"},
		{"another file", "GET", "/placeholder.js", "", 404, "404 page not found\n", "text/plain; charset=utf-8"},
		{"another method", "POST", "/client.js", "", 405, "Method Not Allowed\n", "text/plain; charset=utf-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := get(t, h, tt.method, tt.target, tt.ifNoneMatch)
			if w.Code != tt.status || w.Body.String() != tt.body {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, tt.status, tt.body)
			}
			if got := w.Header().Get("Content-Type"); got != tt.contentType {
				t.Errorf("Content-Type = %q, want %q", got, tt.contentType)
			}
		})
	}
}

func TestHandlerHeaders(t *testing.T) {
	w := get(t, handler([]byte("code"), nil, true), http.MethodGet, "/client.js", "")
	for name, want := range map[string]string{
		"Cache-Control":               "public, max-age=0, must-revalidate",
		"Access-Control-Allow-Origin": "*",
		"X-Content-Type-Options":      "nosniff",
		"Content-Length":              "4",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if etag := w.Header().Get("Etag"); !strings.HasPrefix(etag, `"`) {
		t.Errorf("Etag %s is not strong", etag)
	}
	other := get(t, handler([]byte("other"), nil, true), http.MethodGet, "/client.js", "")
	if w.Header().Get("Etag") == other.Header().Get("Etag") {
		t.Error("different scripts share an ETag")
	}
}

func TestHandlerWithoutABuild(t *testing.T) {
	h := handler([]byte("throw"), nil, false)
	if w := get(t, h, http.MethodGet, "/client.js", ""); w.Code != 200 || w.Body.String() != "throw" {
		t.Errorf("client.js: %d %q", w.Code, w.Body)
	}
	if w := get(t, h, http.MethodGet, "/client.js.map", ""); w.Code != 404 {
		t.Errorf("client.js.map: %d", w.Code)
	}
}

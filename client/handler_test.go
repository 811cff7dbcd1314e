package client

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

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
		"Cache-Control":                "public, max-age=0, must-revalidate",
		"Access-Control-Allow-Origin":  "*",
		"Cross-Origin-Resource-Policy": "cross-origin",
		"X-Content-Type-Options":       "nosniff",
		"Content-Length":               "4",
		"Vary":                         "Accept-Encoding",
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

func TestVersionedName(t *testing.T) {
	h := handler([]byte("code"), []byte("{}"), true)
	name := get(t, h, http.MethodGet, "/client.js", "").Header().Get("Content-Location")
	w := get(t, h, http.MethodGet, "/"+name, "")
	if w.Body.String() != "code" || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("%s: %q, %v", name, w.Body, w.Header())
	}
	w = get(t, h, http.MethodGet, "/client.0123456789ab.js", "")
	if w.Body.String() != "code" || w.Header().Get("Cache-Control") != "public, max-age=0, must-revalidate" {
		t.Errorf("another version: %q, %v", w.Body, w.Header())
	}
	for _, name := range []string{"/client.0123456789.js", "/client.0123456789AB.js", "/client.0123456789ab.js.map"} {
		if w := get(t, h, http.MethodGet, name, ""); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

func TestCompressed(t *testing.T) {
	code := strings.Repeat("code;", 1000)
	h := handler([]byte(code), nil, true)
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "br, GZIP;q=0.5, *": "gzip", "gzip;q=1": "gzip", "gzip; q=0": "", "gzip;q=0.000": "", "br": "", "xgzip": "",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/client.js", nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); got != want {
			t.Errorf("Accept-Encoding %q: got %q, want %q", accept, got, want)
		}
		var body io.Reader = w.Body
		if want == "gzip" {
			if w.Body.Len() > len(code)/10 {
				t.Errorf("%d bytes", w.Body.Len())
			}
			z, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		if got, err := io.ReadAll(body); err != nil || string(got) != code {
			t.Errorf("Accept-Encoding %q: %d bytes, %v", accept, len(got), err)
		}
	}
}

func TestCompressedHasAnETagOfItsOwn(t *testing.T) {
	h := handler([]byte("code"), nil, true)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/client.js", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	etag := w.Header().Get("Etag")
	if etag == get(t, h, http.MethodGet, "/client.js", "").Header().Get("Etag") {
		t.Error("the compressed script has the ETag of the plain one")
	}
	r.Header.Set("If-None-Match", etag)
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusNotModified {
		t.Errorf("unchanged: %d", w.Code)
	}
}

package adminui

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

var built = fstest.MapFS{
	"index.html":          {Data: []byte(`<!doctype html><html><head><script type="module" src="assets/app-1.js"></script></head></html>`)},
	"assets/app-1.js":     {Data: []byte("export {}")},
	"assets/deep/x-2.css": {Data: []byte("a{}")},
	"favicon.svg":         {Data: []byte("<svg/>")},
}

func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

var (
	baseTag  = regexp.MustCompile(`<head><base href="([^"]*)">`)
	nonceTag = regexp.MustCompile(`<meta name="csp-nonce" content="([^"]+)">`)
)

func TestEveryPathBelowIsThePage(t *testing.T) {
	t.Parallel()
	h := handler(built)
	for _, path := range []string{
		"/admin", "/admin/", "/admin/application/x", "/admin/application/x/keys", "/admin/index.html", "/admin/a%2Fb/c?tab=1", "/admin/application/x/",
	} {
		w := get(h, path)
		base := baseTag.FindStringSubmatch(w.Body.String())
		if w.Code != http.StatusOK || base == nil {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		// As a browser resolves it, with and without a path that a proxy takes off.
		for _, mounted := range []string{"https://host", "https://host/sub/path"} {
			at, err := url.Parse(mounted + path)
			if err != nil {
				t.Fatal(err)
			}
			to, err := at.Parse(base[1])
			if err != nil || to.String() != mounted+"/admin/" {
				t.Errorf("the base of %s%s is %v, %v", mounted, path, to, err)
			}
		}
	}
}

func TestFilesAreCachedByWhatTheyAre(t *testing.T) {
	t.Parallel()
	h := handler(built)
	for path, want := range map[string]struct {
		status       int
		kind, stored string
	}{
		"/admin/assets/app-1.js":     {http.StatusOK, "text/javascript", "immutable"},
		"/admin/assets/deep/x-2.css": {http.StatusOK, "text/css", "immutable"},
		"/admin/assets/app-0.js":     {http.StatusNotFound, "text/plain", "no-store"}, // of a version before
		"/admin/assets/":             {http.StatusNotFound, "text/plain", "no-store"},
		"/admin/favicon.svg":         {http.StatusOK, "image/svg+xml", "must-revalidate"},
		"/admin/../go.mod":           {http.StatusOK, "text/html", "no-store"},
		"/admin/keys":                {http.StatusOK, "text/html", "no-store"},
	} {
		w := get(h, path)
		if w.Code != want.status || !strings.HasPrefix(w.Header().Get("Content-Type"), want.kind) || !strings.Contains(w.Header().Get("Cache-Control"), want.stored) {
			t.Errorf("%s: %d %v", path, w.Code, w.Header())
		}
	}
}

func TestThePageTrustsItselfAlone(t *testing.T) {
	t.Parallel()
	h := handler(built)
	first, second := get(h, "/admin"), get(h, "/admin")
	nonces := map[string]bool{}
	for _, w := range []*httptest.ResponseRecorder{first, second} {
		nonce := nonceTag.FindStringSubmatch(w.Body.String())
		policy := w.Header().Get("Content-Security-Policy")
		if nonce == nil || !strings.Contains(policy, "'nonce-"+nonce[1]+"'") || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("policy %q for the nonce %q", policy, nonce)
			continue
		}
		nonces[nonce[1]] = true
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Referrer-Policy") != "same-origin" {
			t.Errorf("headers %v", w.Header())
		}
	}
	if len(nonces) != 2 {
		t.Error("a nonce was used twice")
	}
}

func TestWithoutABuildThereIsAPlaceholder(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"placeholder.html": {Data: []byte("<html><head></head>built without")}}
	if w := get(handler(files), "/admin/keys"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "built without") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(Handler(), "/admin"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Pandapush") {
		t.Errorf("as it is embedded: %d %s", w.Code, w.Body)
	}
}

package client

import (
	"net/http"
	"testing"
)

func TestFayeHandler(t *testing.T) {
	h := fayeHandler([]byte("code;"), []byte("{}"), true)
	for _, path := range []string{"/push.js", "/push/client.js", "/push/push.js", "/push/faye-browser.js", "/push/faye-browser-min.js"} {
		if w := get(t, h, http.MethodGet, path, ""); w.Code != http.StatusOK || w.Body.String() != "code;\nglobalThis.Faye=Pandapush;\n" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := get(t, h, http.MethodGet, path+".map", ""); w.Code != http.StatusOK || w.Body.String() != "{}" {
			t.Errorf("%s.map: %d %s", path, w.Code, w.Body)
		}
	}
	if w := get(t, h, http.MethodGet, "/push/other.js", ""); w.Code != http.StatusNotFound {
		t.Errorf("unknown name: %d", w.Code)
	}
	etag := get(t, h, http.MethodHead, "/push.js", "").Header().Get("Etag")
	if w := get(t, h, http.MethodGet, "/push/client.js", etag); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("unchanged: %d %s", w.Code, w.Body)
	}
}

func TestFayeHandlerWithoutABuild(t *testing.T) {
	if w := get(t, fayeHandler([]byte("throw"), nil, false), http.MethodGet, "/push.js", ""); w.Body.String() != "throw" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

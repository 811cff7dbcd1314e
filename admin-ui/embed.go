package adminui

import (
	"bytes"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html"
	"io/fs"
	"net/http"
	"strings"
	"time"
)

//go:embed all:dist
var dist embed.FS

// Handler serves the UI below "/admin". It is safe for concurrent use.
func Handler() http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("adminui: " + err.Error()) // embedded: it can't be missing
	}
	return handler(files)
}

// mount is where the UI is.
const mount = "/admin"

func handler(files fs.FS) http.Handler {
	index, err := fs.ReadFile(files, "index.html")
	if errors.Is(err, fs.ErrNotExist) {
		index, err = fs.ReadFile(files, "placeholder.html")
	}
	if err != nil {
		panic("adminui: " + err.Error()) // the build makes the one, the source has the other
	}
	before, after, ok := bytes.Cut(index, []byte("<head>"))
	if !ok {
		panic("adminui: the page has no <head>")
	}
	assets := http.StripPrefix(mount, http.FileServerFS(files))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, mount+"/")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch info, err := fs.Stat(files, name); {
		case strings.HasPrefix(name, "assets/"):
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
			if err != nil || info.IsDir() {
				w.Header().Set("Cache-Control", "no-store")
				http.NotFound(w, r)
				return
			}
			assets.ServeHTTP(w, r)
		case err == nil && !info.IsDir() && !strings.HasSuffix(name, ".html"):
			w.Header().Set("Cache-Control", "private, max-age=0, must-revalidate")
			assets.ServeHTTP(w, r)
		default:
			servePage(w, r, before, after)
		}
	})
}

// servePage writes the page, with what it needs to know about this request after its <head>.
func servePage(w http.ResponseWriter, r *http.Request, before, after []byte) {
	nonce := rand.Text()
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy(nonce))
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	tags := fmt.Sprintf(`<head><base href="%s"><meta name="csp-nonce" content="%s">`, html.EscapeString(baseFor(r.URL.EscapedPath())), nonce)
	page := append(append(append(make([]byte, 0, len(before)+len(tags)+len(after)), before...), tags...), after...)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(page))
}

// policy lets the page load what is its own, and nothing else.
func policy(nonce string) string {
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self' 'nonce-" + nonce + "'",
		"img-src 'self' data:",
		"font-src 'self'",
		"connect-src 'self'",
		"base-uri 'self'",
		"form-action 'self'",
		"frame-ancestors 'none'",
	}, "; ")
}

// baseFor returns the relative address of mount + "/" from a path below it. It knows nothing of what a proxy has taken off
// before.
func baseFor(path string) string {
	rest, below := strings.CutPrefix(path, mount+"/")
	if !below {
		return strings.TrimPrefix(mount, "/") + "/"
	}
	if up := strings.Repeat("../", strings.Count(rest, "/")); up != "" {
		return up
	}
	return "./"
}

package client

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"time"
)

// The pattern leaves out the npm package, which is built into the same folder, and always matches the placeholder.
//
//go:embed dist/*.js*
var dist embed.FS

// Script returns client.js and its source map. Where the client was not built, js is a script that throws an error that
// says so, sourceMap is nil, and built is false. The slices are the caller's.
func Script() (js, sourceMap []byte, built bool) { return script(dist) }

func script(files fs.FS) (js, sourceMap []byte, built bool) {
	js, err := fs.ReadFile(files, "dist/client.js")
	if errors.Is(err, fs.ErrNotExist) {
		js, err = fs.ReadFile(files, "dist/placeholder.js")
		if err != nil {
			panic("client: " + err.Error()) // embedded: it can't be missing
		}
		return js, nil, false
	}
	sourceMap, mapErr := fs.ReadFile(files, "dist/client.js.map")
	if err := errors.Join(err, mapErr); err != nil {
		panic("client: " + err.Error()) // the build makes both
	}
	return js, sourceMap, true
}

// Handler serves GET and HEAD of client.js and client.js.map, at whatever path they are mounted, to pages of any origin.
// Browsers ask every time and get 304 unless the file has changed. It is safe for concurrent use.
func Handler() http.Handler { return handler(Script()) }

func handler(js, sourceMap []byte, built bool) http.Handler {
	files := map[string]http.Handler{"client.js": file(js, "application/javascript; charset=utf-8")}
	if built {
		files["client.js.map"] = file(sourceMap, "application/json; charset=utf-8")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served, ok := files[path.Base(r.URL.Path)]
		switch {
		case !ok:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		default:
			served.ServeHTTP(w, r)
		}
	})
}

func file(content []byte, contentType string) http.Handler {
	sum := sha256.Sum256(content)
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Etag", etag)
		h.Set("Cache-Control", "public, max-age=0, must-revalidate")
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content)) // answers HEAD, ranges and If-None-Match
	})
}

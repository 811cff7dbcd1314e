package client

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"
)

const (
	typeScript    = "application/javascript; charset=utf-8"
	typeSourceMap = "application/json; charset=utf-8"

	// revalidate has a browser ask every time; it gets 304 unless the file has changed.
	revalidate = "public, max-age=0, must-revalidate"
	// immutable has it never ask again.
	immutable = "public, max-age=31536000, immutable"
)

// Handler serves GET and HEAD of client.js and client.js.map, at whatever path they are mounted, to pages of any origin.
// client.<version>.js is the same script under a name that is only good for this very build, so that it may be kept for
// ever; the answer to client.js names it in Content-Location. A page that asks for another version gets this one, not to be
// kept: while a deploy is under way it may come to a node that does not have its own. It is safe for concurrent use.
func Handler() http.Handler { return handler(Script()) }

// versioned is the name of a version.
var versioned = regexp.MustCompile(`^client\.([0-9a-f]{12})\.js$`)

func handler(js, sourceMap []byte, built bool) http.Handler {
	script := newFile(js, typeScript)
	version := script.sum[:12]
	files := map[string]http.Handler{"client.js": script.serve(revalidate, "client."+version+".js")}
	if built {
		files["client.js.map"] = newFile(sourceMap, typeSourceMap).serve(revalidate, "")
		files["client."+version+".js"] = script.serve(immutable, "")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Base(r.URL.Path)
		served, ok := files[name]
		if !ok && versioned.MatchString(name) {
			served, ok = files["client.js"], true
		}
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

// file is what is served under one or more names. It is compressed once, and for good.
type file struct {
	plain, zipped []byte
	contentType   string
	sum           string // hex
}

func newFile(content []byte, contentType string) *file {
	sum := sha256.Sum256(content)
	var zipped bytes.Buffer
	z, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err == nil {
		_, err = z.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic("client: " + err.Error()) // the level is one that there is, and a buffer takes everything
	}
	return &file{plain: content, zipped: zipped.Bytes(), contentType: contentType, sum: hex.EncodeToString(sum[:16])}
}

// serve serves the file, to be cached as it says; location is another name for it, or "".
func (f *file) serve(caching, location string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", f.contentType)
		h.Set("Cache-Control", caching)
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // for pages that are isolated from other origins
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Vary", "Accept-Encoding")
		if location != "" {
			h.Set("Content-Location", location)
		}
		content, etag := f.plain, f.sum
		if acceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
			content, etag = f.zipped, f.sum+"-gzip"
		}
		h.Set("Etag", `"`+etag+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content)) // answers HEAD, ranges and If-None-Match
	})
}

// acceptsGzip reports whether the client takes gzip, which every browser does.
func acceptsGzip(r *http.Request) bool {
	for coding := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, weight, _ := strings.Cut(strings.ReplaceAll(coding, " ", ""), ";")
		refused := weight != "" && strings.Trim(weight, "q=0.") == "" // "q=0.000" is "not at all"
		if strings.EqualFold(name, "gzip") && !refused {
			return true
		}
	}
	return false
}

package client

import (
	"bytes"
	"net/http"
	"path"
)

// fayeNames are the names under which Faye's server has its browser client.
var fayeNames = []string{"client.js", "push.js", "faye-browser.js", "faye-browser-min.js"}

// FayeHandler serves client.js, and its source map, under each of the names that Faye's server has for its own client, at
// whatever path it is mounted: pages that load Faye from the server go on. For them it is the global Faye as well. It is
// safe for concurrent use.
func FayeHandler() http.Handler { return fayeHandler(Script()) }

func fayeHandler(js, sourceMap []byte, built bool) http.Handler {
	if built {
		js = append(bytes.Clone(js), "\nglobalThis.Faye=Pandapush;\n"...) // a line of its own: a comment may stand before it
	}
	files := make(map[string]string, 2*len(fayeNames)) // to the name that handler knows
	for _, name := range fayeNames {
		files[name], files[name+".map"] = "/client.js", "/client.js.map"
	}
	served := handler(js, sourceMap, built)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := files[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		alias := r.Clone(r.Context())
		alias.URL.Path = name
		served.ServeHTTP(w, alias)
	})
}

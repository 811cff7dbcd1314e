package edge

import (
	"bytes"
	"net/http"
	"strings"
)

const (
	// defaultCallback is the function that is called when a request names none.
	defaultCallback = "jsonpcallback"
	// maxCallback bounds the name of a callback, in bytes. Faye's and CometD's are shorter than 30.
	maxCallback = 128
)

// serveCallback answers a GET of callback-polling, for which Faye and CometD insert a script element: the messages are in
// the query, and the replies are in a script.
func (e *Server) serveCallback(w http.ResponseWriter, r *http.Request) {
	allowOrigin(w, r)
	message, found, err := formField(r.URL.RawQuery, "message")
	callback, _, badCallback := formField(r.URL.RawQuery, "jsonp")
	if callback == "" {
		callback = defaultCallback
	}
	if err != nil || !found || badCallback != nil || !validCallback(callback) {
		badRequest(w)
		return
	}
	e.serveMessages(w, r, []byte(message), callback)
}

// validCallback reports whether name is one that a script may call: identifiers of ASCII letters, digits, "_" and "$", with
// dots between them.
func validCallback(name string) bool {
	if len(name) > maxCallback {
		return false
	}
	for part := range strings.SplitSeq(name, ".") {
		for i := range len(part) {
			c := part[i]
			letter := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '$'
			if !letter && (i == 0 || c < '0' || c > '9') {
				return false
			}
		}
		if part == "" {
			return false
		}
	}
	return true
}

// callbackScript returns a script that calls callback with a reply, and sets what goes with it. Whoever gets a browser to
// take the answer for something else than a script shall find nothing to use: it begins with a comment of ours and not with
// the name that the request chose, it may not be sniffed, it is to be saved and not shown, and it has no "<".
func callbackScript(h http.Header, callback string, reply []byte) []byte {
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Disposition", "attachment; filename=f.txt")
	script := make([]byte, 0, len(reply)+len(callback)+8)
	script = append(append(script, "/**/"+callback...), '(')
	return append(appendForScript(script, reply), ");"...)
}

// appendForScript appends JSON so that it is JavaScript of any version, and harmless inside HTML. What it escapes can only
// stand inside strings.
func appendForScript(dst, json []byte) []byte {
	for len(json) > 0 {
		i := bytes.IndexAny(json, "<>&\u2028\u2029")
		if i < 0 {
			break
		}
		dst = append(dst, json[:i]...)
		size := 1
		switch json[i] {
		case '<':
			dst = append(dst, `\u003c`...)
		case '>':
			dst = append(dst, `\u003e`...)
		case '&':
			dst = append(dst, `\u0026`...)
		default: // three bytes, of which the last tells them apart
			size = 3
			dst = append(dst, `\u202`...)
			dst = append(dst, '8'+json[i+2]-0xa8)
		}
		json = json[i+size:]
	}
	return append(dst, json...)
}

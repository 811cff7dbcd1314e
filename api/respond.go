package api

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"strconv"
	"strings"
)

const (
	typeHTML = "text/html; charset=utf-8"
	typeJSON = "application/json; charset=utf-8"

	typeEvents = "text/event-stream"
)

// send writes a whole response.
func send(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only when the client is gone, and then there is nobody to tell
}

// sendJSON writes v, one of this package's own types, which always encode.
func sendJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Errorf("encode %T: %w", v, err))
	}
	send(w, status, typeJSON, body)
}

// sendPage writes a page that shows message. It repeats what the client sent, hence the headers: nothing in it may ever
// be taken for more than text.
func sendPage(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	page := "<!DOCTYPE html>\n<title>" + http.StatusText(status) + "</title>\n<pre>" + html.EscapeString(message) + "</pre>\n"
	send(w, status, typeHTML, []byte(page))
}

// prefersJSON reports whether the client would rather have JSON than HTML. Taking both alike is no preference.
func prefersJSON(h http.Header) bool {
	accept := h.Values("Accept")
	if len(accept) == 0 || len(accept) == 1 && accept[0] == "*/*" {
		return false
	}
	all := strings.Join(accept, ",")
	return quality(all, "application/json") > quality(all, "text/html")
}

// quality returns the weight that an Accept header gives to a media type (RFC 9110 §12.5.1): that of the most specific
// range that covers it, and 0 if none does.
func quality(accept, mediaType string) float64 {
	major, _, _ := strings.Cut(mediaType, "/")
	best, weight := 0, 0.0
	for element := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(element, ";")
		specific := 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case mediaType:
			specific = 3
		case major + "/*":
			specific = 2
		case "*/*":
			specific = 1
		}
		if specific > best {
			best, weight = specific, weightOf(params)
		}
	}
	return weight
}

// weightOf returns the q among the parameters of a media range: 1 if there is none that can be read.
func weightOf(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		if q, err := strconv.ParseFloat(value, 64); err == nil {
			return q
		}
	}
	return 1
}

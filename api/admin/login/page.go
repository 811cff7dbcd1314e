package login

import (
	"html"
	"io"
	"net/http"
	"strings"
)

// link is one of a page.
type link struct{ href, label string }

// showPage answers with a page of a few words and maybe links.
func showPage(w http.ResponseWriter, status int, text string, links ...link) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	var page strings.Builder
	page.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<title>Pandapush</title>\n<p>" + html.EscapeString(text) + "</p>\n")
	for _, l := range links {
		page.WriteString(`<p><a href="` + html.EscapeString(l.href) + `">` + html.EscapeString(l.label) + "</a></p>\n")
	}
	_, _ = io.WriteString(w, page.String()) // fails only when the browser is gone
}

// showText answers as the Node version did.
func showText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // fails only when the browser is gone
}

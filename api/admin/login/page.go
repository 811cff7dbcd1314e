package login

import (
	"html"
	"net/http"
)

// showPage answers with a page of a few words and maybe a link.
func showPage(w http.ResponseWriter, status int, text, link, label string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	page := "<!DOCTYPE html>\n<html lang=\"en\">\n<title>Pandapush</title>\n<p>" + html.EscapeString(text) + "</p>\n"
	if link != "" {
		page += `<p><a href="` + html.EscapeString(link) + `">` + html.EscapeString(label) + "</a></p>\n"
	}
	_, _ = w.Write([]byte(page)) // fails only when the browser is gone
}

// showText answers as the Node version did.
func showText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // fails only when the browser is gone
}

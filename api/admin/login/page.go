package login

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"strings"
)

// link is one of a page.
type link struct{ href, label string }

// style is all that the pages have of a look: they stand before the login, where nothing else is served.
const style = `:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}` +
	`body{max-width:24rem;margin:20vh auto 0;padding:0 1.5rem}h1{margin:0;font-size:1.25rem}`

// policy lets in that style and nothing else.
var policy = func() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; frame-ancestors 'none'"
}()

// showPage answers with a page of a few words and maybe links.
func showPage(w http.ResponseWriter, status int, text string, links ...link) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	var page strings.Builder
	page.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<meta name=\"viewport\" content=\"width=device-width\">\n<title>Pandapush</title>\n" +
		"<style>" + style + "</style>\n<h1>Pandapush</h1>\n<p>" + html.EscapeString(text) + "</p>\n")
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

package edge

import (
	"net/http"
	"strings"
)

// allowOrigin lets a page of any origin read the answer. No cookie means anything here: what a client may do, it shows by
// the tokens in its messages.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
}

// preflight answers what a browser asks before it posts across origins. Headers besides those that Faye's
// client sends are allowed, too: its setHeader adds some. But not those that proxies speak for themselves by, as most proxies
// pass on what they don't set: a page that names another host would be taken for one of that host.
func preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") == "" {
		h.Set("Access-Control-Allow-Origin", "*")
	}
	h.Set("Access-Control-Allow-Credentials", "true")
	headers := []string{"Accept", "Authorization", "Content-Type", "Pragma", "X-Requested-With"}
	for name := range strings.SplitSeq(strings.Join(r.Header.Values("Access-Control-Request-Headers"), ","), ",") {
		name = strings.TrimSpace(name)
		if lower := strings.ToLower(name); name != "" && !strings.HasPrefix(lower, "x-forwarded-") && lower != "forwarded" {
			headers = append(headers, name)
		}
	}
	h.Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
	h.Set("Access-Control-Allow-Methods", "POST, GET")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusOK)
}

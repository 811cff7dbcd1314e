package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/pandapush/pandapush"
)

const (
	headerIfMatch   = "If-Match"
	headerOnceKey   = "Idempotency-Key"
	headerReplayed  = "Idempotency-Replayed"
	headerLastEvent = "Last-Event-ID"

	exposedHeaders = "X-Message-Id, X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, " + headerReplayed
	allowedHeaders = "Authorization, Content-Type, Content-Encoding, Accept, " + headerOnceKey + ", " + headerIfMatch + ", " + headerLastEvent
)

// Values that most answers have, made once; nobody changes them.
var anyOrigin, exposed = []string{"*"}, []string{exposedHeaders}

// admit lets pages of the origins that may use app read the response, and refuses those of others. Without a list that is
// any, which is safe since credentials are never ambient: there are no cookies, and a page can only send a token that it
// has. Pages of this server itself, and who is no page, are always let in.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, app pandapush.AppID) error {
	h := w.Header()
	allowed := s.config.Keys.Settings(app).Origins
	if len(allowed) == 0 {
		h["Access-Control-Allow-Origin"], h["Access-Control-Expose-Headers"] = anyOrigin, exposed
		return nil
	}
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return nil
	case slices.Contains(allowed, strings.ToLower(origin)):
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", exposedHeaders)
		return nil
	case sameHost(origin, r.Host):
		return nil
	}
	return &problem{kind: kindOrigin, param: "Origin", detail: "Pages of this origin may not use the application"}
}

// sameHost reports whether origin is a page of that host.
func sameHost(origin, host string) bool {
	_, rest, ok := strings.Cut(origin, "://")
	return ok && strings.EqualFold(rest, host)
}

// preflight answers a browser that asks whether a page of another origin may use a route, and others who ask for its
// methods. A page whose origin may not gets an answer that does not let it.
func (s *Server) preflight(methods string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Allow", methods)
		if s.admit(w, r, appOfPath(r)) == nil {
			h.Set("Access-Control-Allow-Methods", methods)
			h.Set("Access-Control-Allow-Headers", allowedHeaders+ownHeaders(r))
			h.Set("Access-Control-Max-Age", "7200") // seconds; browsers cap it there or lower
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// ownHeaders returns what else a page would send, each after a comma: client.js' setHeader adds headers to what it reads
// here, too. But not those that proxies speak for themselves by, as most pass on what they don't set.
func ownHeaders(r *http.Request) string {
	var own strings.Builder
	for name := range strings.SplitSeq(strings.Join(r.Header.Values("Access-Control-Request-Headers"), ","), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "" && !strings.HasPrefix(name, "x-forwarded-") && name != "forwarded" {
			own.WriteString(", " + name)
		}
	}
	return own.String()
}

// appOfPath returns the second segment of r's path, which names the application where there is one.
func appOfPath(r *http.Request) pandapush.AppID {
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	app, _, _ := strings.Cut(rest, "/")
	return pandapush.AppID(app)
}

package login

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// The cookies.
const (
	sessionCookie = "pandapush_session" // sealed session
	flowCookie    = "pandapush_login_"  // and the beginning of its state: sealed flow, on the way to the provider and back
	logoutCookie  = "pandapush_logout"  // the next page refuses the password that the browser has kept
)

// setCookie has the browser keep a value for a time, or drop it if that is not positive. Scripts cannot read it, pages of
// other origins cannot send it but by a link, and if it is secure nothing sends it without encryption.
func setCookie(w http.ResponseWriter, name, value string, life time.Duration, secure bool) {
	c := &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: secure,
	}
	if life <= 0 {
		c.Value, c.MaxAge = "", -1
	}
	http.SetCookie(w, c)
}

// behindTLS reports whether the browser's connection is encrypted, by what a proxy says if there is one. A client that lies
// about it harms its own cookies alone.
func behindTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// sealed returns a value as a cookie that only this service can read.
func sealed(s *Sealer, value any) (string, error) {
	text, err := json.Marshal(value)
	return s.Seal(text), err
}

// openSealed reads a cookie that sealed made, and reports whether there is one and it is ours.
func openSealed(r *http.Request, s *Sealer, name string, value any) bool {
	c, err := r.Cookie(name)
	if err != nil {
		return false
	}
	text, ok := s.Open(c.Value)
	return ok && json.Unmarshal(text, value) == nil
}

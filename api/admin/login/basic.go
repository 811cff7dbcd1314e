package login

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// Basic is a login by one user's name and password.
type Basic struct{ Username, Password string } // neither is empty

// challenge is the header by which browsers ask for a password.
const challenge = `Basic realm="Authorization Required"`

// basic logs in by HTTP Basic.
type basic struct {
	user, password [sha256.Size]byte
	attempts       *attempts
}

func newBasic(cfg Basic, a *attempts) *basic {
	return &basic{sha256.Sum256([]byte(cfg.Username)), sha256.Sum256([]byte(cfg.Password)), a}
}

func (b *basic) identify(w http.ResponseWriter, r *http.Request) (identity, error) {
	header := r.Header.Get("Authorization")
	if header == "" || loggedOut(r) {
		w.Header().Set("WWW-Authenticate", challenge)
		return identity{}, ErrNoLogin
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		if scheme, _, _ := strings.Cut(header, " "); !strings.EqualFold(scheme, "Basic") {
			return identity{}, ErrScheme
		}
		w.Header().Set("WWW-Authenticate", challenge)
		return identity{}, ErrNoLogin
	}
	if err := b.attempts.try(r, name); err != nil {
		return identity{}, err
	}
	if !b.fits(name, password) {
		b.attempts.failed(r, name)
		w.Header().Set("WWW-Authenticate", challenge)
		return identity{}, ErrNoLogin
	}
	b.attempts.passed(r, name)
	return identity{name: name}, nil
}

// fits compares in a time that does not depend on how much is right.
func (b *basic) fits(name, password string) bool {
	n, p := sha256.Sum256([]byte(name)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(n[:], b.user[:])&subtle.ConstantTimeCompare(p[:], b.password[:]) == 1
}

// invite has the browser ask for a password. If it was logged out, the one that it has kept is refused this once.
func (b *basic) invite(w http.ResponseWriter, r *http.Request) {
	if loggedOut(r) {
		setCookie(w, logoutCookie, "", 0, behindTLS(r))
	}
	showText(w, http.StatusUnauthorized, "Unauthorized")
}

func (b *basic) forget(w http.ResponseWriter, r *http.Request) []link {
	setCookie(w, logoutCookie, "1", 24*time.Hour, behindTLS(r))
	return nil
}

func (b *basic) routes(*echo.Echo) {}

// loggedOut reports whether the browser was logged out and has not been told to forget its password yet.
func loggedOut(r *http.Request) bool {
	_, err := r.Cookie(logoutCookie)
	return err == nil
}

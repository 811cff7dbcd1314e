package login

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// Why a request has no user. ThrottledError is another reason.
var (
	ErrClosed      = errors.New("logins are closed")             // 403: the server is set up without
	ErrNoLogin     = errors.New("no login")                      // 401
	ErrScheme      = errors.New("unknown authentication scheme") // 400
	ErrCrossOrigin = errors.New("request of another origin")     // 403: a page elsewhere wants to change something here
)

// ThrottledError says that too many logins failed, of that address or as that user.
type ThrottledError struct{ Wait time.Duration }

// Error implements error.
func (ThrottledError) Error() string { return "too many failed logins" }

// Seconds returns how long to wait, as Retry-After has it.
func (e ThrottledError) Seconds() string {
	return strconv.Itoa(int(math.Ceil(e.Wait.Seconds())))
}

// Config says how to log in: by Basic, by OIDC, or not at all if both are nil.
type Config struct {
	Basic *Basic
	OIDC  *OIDC

	Roots    []string // users that may do everything
	ReadOnly []string // users that see everything and change nothing, unless they are among Roots

	Secret     []byte        // what cookies are sealed with, the same on all nodes; at least MinSecret bytes
	SessionTTL time.Duration // of a login by OpenID; 12 hours if 0
	// Address returns whom failed logins are counted for. Where it says "", or is nil, that is the host of the connection,
	// of IPv6 the first 64 bits.
	Address func(*http.Request) string

	Log     *slog.Logger          // nil for none
	Metrics prometheus.Registerer // nil for none
	Now     func() time.Time      // nil: time.Now
}

// Logins finds out who asks. It starts no goroutine, and is safe for concurrent use.
type Logins struct {
	cfg     Config
	method  method
	origins *http.CrossOriginProtection
}

// method is one way to log in.
type method interface {
	// identify returns who makes a request. It may set headers for the answer to one that it refuses.
	identify(w http.ResponseWriter, r *http.Request) (identity, error)
	// invite answers a browser that wants a page and has no login.
	invite(w http.ResponseWriter, r *http.Request)
	// forget has the browser forget its login. It returns where else there may be one to end.
	forget(w http.ResponseWriter, r *http.Request) []link
	routes(e *echo.Echo)
}

// New returns Logins. It does not speak with a provider before it has to.
func New(cfg Config) (*Logins, error) {
	if cfg.SessionTTL <= 0 {
		cfg.SessionTTL = 12 * time.Hour
	}
	if cfg.Address == nil {
		cfg.Address = func(*http.Request) string { return "" }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	l := &Logins{cfg: cfg, method: closed{}, origins: http.NewCrossOriginProtection()}
	attempts := newAttempts(&cfg)
	switch {
	case cfg.Basic != nil && cfg.OIDC != nil:
		return nil, errors.New("logins: both by password and by OpenID")
	case cfg.Basic != nil:
		l.method = newBasic(*cfg.Basic, attempts)
	case cfg.OIDC != nil:
		m, err := newOIDC(*cfg.OIDC, &cfg, attempts)
		if err != nil {
			return nil, fmt.Errorf("logins: %w", err)
		}
		l.method = m
	}
	return l, nil
}

// Routes registers /logout, and what the way of logging in needs.
func (l *Logins) Routes(e *echo.Echo) {
	if _, ok := l.method.(closed); ok {
		return
	}
	e.Match([]string{http.MethodGet, http.MethodPost}, "/logout", func(c echo.Context) error {
		l.logout(c.Response(), c.Request())
		return nil
	})
	l.method.routes(e)
}

// User returns who makes a request. If there is an error the headers of w may say how to log in; the answer is the caller's.
func (l *Logins) User(w http.ResponseWriter, r *http.Request) (User, error) {
	if l.origins.Check(r) != nil {
		return User{}, ErrCrossOrigin
	}
	who, err := l.method.identify(w, r)
	if err != nil {
		return User{}, err
	}
	return User{who.name, l.role(who)}, nil
}

// Page returns a handler that lets only those through to next who are logged in, and tells the others how to.
func (l *Logins) Page(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := l.User(w, r)
		var throttled ThrottledError
		switch {
		case err == nil:
			next.ServeHTTP(w, r)
		case errors.Is(err, ErrNoLogin):
			l.method.invite(w, r)
		case errors.Is(err, ErrScheme):
			showText(w, http.StatusBadRequest, http.StatusText(http.StatusBadRequest))
		case errors.As(err, &throttled):
			w.Header().Set("Retry-After", throttled.Seconds())
			showText(w, http.StatusTooManyRequests, http.StatusText(http.StatusTooManyRequests))
		default:
			showText(w, http.StatusForbidden, "Unauthorized")
		}
	})
}

// logout has the browser forget its login. A GET does so too, as it did in the Node version, unless it comes from a page
// elsewhere: that would be a nuisance.
func (l *Logins) logout(w http.ResponseWriter, r *http.Request) {
	if l.origins.Check(r) != nil || r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		showText(w, http.StatusForbidden, "Unauthorized")
		return
	}
	elsewhere := l.method.forget(w, r)
	showPage(w, http.StatusOK, "You are logged out.", append([]link{{"admin", "Log in again"}}, elsewhere...)...)
}

// closed is the method of a server without logins.
type closed struct{}

func (closed) identify(http.ResponseWriter, *http.Request) (identity, error) {
	return identity{}, ErrClosed
}
func (closed) invite(http.ResponseWriter, *http.Request)        {}
func (closed) forget(http.ResponseWriter, *http.Request) []link { return nil }
func (closed) routes(*echo.Echo)                                {}

// hostOf returns the address of a request's connection. Of IPv6 it is the network: one client has as many addresses as it
// likes.
func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return host
}

package login

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/oauth2"
)

// OIDC is a login by an OpenID provider: the authorization code flow with PKCE.
type OIDC struct {
	Issuer, ClientID, ClientSecret string
	// RedirectURL is where the provider sends browsers back to: this service's address, ending in CallbackPath. Another
	// path is passed over, as in the Node version.
	RedirectURL   string
	Scopes        []string // besides "openid"; "profile" if nil
	UsernameClaim string   // "preferred_username" if ""
	StripDomain   string   // taken off the end of the user's name; "" for nothing
	RoleClaim     string   // a claim with a text or a list of texts; "" for none
	RootRole      string   // which of them makes a root admin; "" for none
	ReadOnlyRole  string   // which makes a read-only user; "" for none

	Client *http.Client // for the provider; nil: one that waits ten seconds
}

// CallbackPath is where the provider sends browsers back to.
const CallbackPath = "/authorization-code/callback"

const (
	flowLife       = 10 * time.Minute // how long one may be with the provider
	providerWaits  = 10 * time.Second
	maxReturnTo    = 1024 // bytes
	maxFlows       = 8    // that a browser may be in, of as many tabs; with another one all before it are given up
	maxRefusal     = 100  // bytes of what a provider says that are logged
	pageAfterLogin = "/admin"
)

// session is what a browser has that is logged in.
type session struct {
	User    string    `json:"u"`
	Role    Role      `json:"r,omitempty"` // what a claim says
	Expires time.Time `json:"x"`
}

// flow is what a browser has that is with the provider.
type flow struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	ReturnTo string    `json:"t"`
	Expires  time.Time `json:"x"`
}

// openID logs in by an OpenID provider.
type openID struct {
	base     string // this service's address, without a slash at its end
	secure   bool   // that is https: cookies are never sent without
	provider *provider
	sessions *Sealer
	flows    *Sealer
	ttl      time.Duration
	now      func() time.Time
	log      *slog.Logger
	attempts *attempts
}

func newOIDC(cfg OIDC, all *Config, a *attempts) (*openID, error) {
	u, err := url.Parse(cfg.RedirectURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the redirect address is not a URL")
	}
	base := u.Scheme + "://" + u.Host
	if path, ok := strings.CutSuffix(u.Path, CallbackPath); ok {
		base += path // the service is mounted below another path
	}
	o := &openID{
		base: base, secure: u.Scheme == "https", provider: newProvider(cfg, base+CallbackPath),
		ttl: all.SessionTTL, now: all.Now, log: all.Log, attempts: a,
	}
	if o.sessions, err = NewSealer(all.Secret, "session"); err != nil {
		return nil, err
	}
	o.flows, err = NewSealer(all.Secret, "login")
	return o, err
}

func (o *openID) identify(_ http.ResponseWriter, r *http.Request) (identity, error) {
	var s session
	if !openSealed(r, o.sessions, sessionCookie, &s) || !o.now().Before(s.Expires) || s.User == "" {
		return identity{}, ErrNoLogin
	}
	return identity{s.User, s.Role}, nil
}

// invite sends a browser that wants a page to the login, and from there back; others are refused.
func (o *openID) invite(w http.ResponseWriter, r *http.Request) {
	if !strings.Contains(r.Header.Get("Accept"), "text/html") || !safe(r) {
		showText(w, http.StatusUnauthorized, "Unauthorized")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, o.base+"/login?"+url.Values{"return_to": {r.URL.RequestURI()}}.Encode(), http.StatusFound)
}

// forget ends the login here. The one at the provider goes on, and would let the browser in again without a password, so
// the page that says goodbye leads there.
func (o *openID) forget(w http.ResponseWriter, r *http.Request) []link {
	setCookie(w, sessionCookie, "", 0, o.secure)
	found, err := o.provider.discovered(r.Context())
	if err != nil || found.logout == "" {
		return nil
	}
	return []link{{found.logout, "Log out of the login service, too"}}
}

func (o *openID) routes(e *echo.Echo) {
	e.GET("/login", func(c echo.Context) error {
		o.begin(c.Response(), c.Request())
		return nil
	})
	e.GET(CallbackPath, func(c echo.Context) error {
		o.finish(c.Response(), c.Request())
		return nil
	})
}

// begin sends a browser to the provider. Tabs that begin at the same time do not disturb each other.
func (o *openID) begin(w http.ResponseWriter, r *http.Request) {
	found, err := o.provider.discovered(r.Context())
	if err != nil {
		o.away(w, r, err)
		return
	}
	f := flow{
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
		ReturnTo: returnTo(r.URL.Query().Get("return_to")), Expires: o.now().Add(flowLife),
	}
	value, err := sealed(o.flows, f)
	if err != nil {
		o.away(w, r, err)
		return
	}
	o.boundFlows(w, r)
	setCookie(w, flowName(f.State), value, flowLife, o.secure)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, found.authURL(f), http.StatusFound)
}

// flowName returns the name of a flow's cookie.
func flowName(state string) string { return flowCookie + state[:min(len(state), 8)] }

// boundFlows has a browser that began many flows drop them all: its requests must not grow beyond what servers take.
func (o *openID) boundFlows(w http.ResponseWriter, r *http.Request) {
	var names []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, flowCookie) {
			names = append(names, c.Name)
		}
	}
	if len(names) < maxFlows {
		return
	}
	for _, name := range names {
		setCookie(w, name, "", 0, o.secure)
	}
}

// finish takes a browser that comes back from the provider. Only one with a flow of its own counts as an attempt: a page
// elsewhere can send anybody here.
func (o *openID) finish(w http.ResponseWriter, r *http.Request) {
	var f flow
	query := r.URL.Query()
	state, code, refusal := query.Get("state"), query.Get("code"), query.Get("error")
	ours := openSealed(r, o.flows, flowName(state), &f) && o.now().Before(f.Expires) &&
		subtle.ConstantTimeCompare([]byte(f.State), []byte(state)) == 1
	if !ours {
		showPage(w, http.StatusForbidden, "The login was not completed, or took too long.", link{o.base + "/login", "Try again"})
		return
	}
	setCookie(w, flowName(state), "", 0, o.secure)
	if err := o.attempts.try(r, ""); err != nil {
		showPage(w, http.StatusTooManyRequests, "Too many logins have failed. Try again in a minute.")
		return
	}
	if code == "" {
		o.refuse(w, r, errors.New("provider says "+strconv.Quote(refusal[:min(len(refusal), maxRefusal)])))
		return
	}
	who, err := o.provider.identify(r.Context(), code, f)
	switch {
	case errors.Is(err, errAway):
		o.away(w, r, err)
	case err != nil:
		o.refuse(w, r, err)
	case who.name == "":
		o.log.WarnContext(r.Context(), "login by OpenID without a user: the claim is missing or cannot be taken", "claim", o.provider.cfg.UsernameClaim)
		showText(w, http.StatusForbidden, "No user.")
	default:
		o.admit(w, r, who, f.ReturnTo)
	}
}

// refuse answers a login that failed. What the provider says of it is for the operator.
func (o *openID) refuse(w http.ResponseWriter, r *http.Request, err error) {
	o.attempts.failed(r, "")
	o.log.WarnContext(r.Context(), "login by OpenID refused", "error", err)
	showPage(w, http.StatusForbidden, "The login was refused.", link{o.base + "/login", "Try again"})
}

// admit gives a browser its session and sends it to the page that it wanted.
func (o *openID) admit(w http.ResponseWriter, r *http.Request, who identity, to string) {
	o.attempts.passed(r, "")
	value, err := sealed(o.sessions, session{User: who.name, Role: who.role, Expires: o.now().Add(o.ttl)})
	if err != nil {
		o.away(w, r, err)
		return
	}
	setCookie(w, sessionCookie, value, o.ttl, o.secure)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, o.base+to, http.StatusFound)
}

// away answers while the provider can't be spoken with.
func (o *openID) away(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		o.log.ErrorContext(r.Context(), "login by OpenID fails", "error", err)
	}
	w.Header().Set("Retry-After", "5")
	showPage(w, http.StatusServiceUnavailable, "The login service does not answer.", link{o.base + "/login", "Try again"})
}

// returnTo makes sure that a login leads to a page of this service: to no other site, and to nothing but the admin UI.
func returnTo(path string) string {
	u, err := url.Parse(path)
	if err != nil || len(path) > maxReturnTo || u.IsAbs() || u.Host != "" || u.Path != pageAfterLogin && !strings.HasPrefix(u.Path, pageAfterLogin+"/") {
		return pageAfterLogin
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// errAway is wrapped by what the provider is to blame for, not the browser.
var errAway = errors.New("provider does not answer")

func away(operation string, err error) error {
	return fmt.Errorf("%w: %s: %w", errAway, operation, err)
}

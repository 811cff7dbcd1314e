package login_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush/api/admin/login"
)

// providerVersion is that of the OpenID provider which these tests log in with: the example server of a certified library.
const providerVersion = "v3.51.17"

// patience bounds what tests wait for.
const patience = 2 * time.Minute

// provider is a running OpenID provider.
type provider struct{ issuer string }

// buildProvider returns the path of the provider's program. It is built once, and kept where other tools are.
var buildProvider = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "pandapush", "openid-provider-"+providerVersion)
	program := filepath.Join(dir, "server")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	cmd := exec.CommandContext(context.Background(), "go", "install", "github.com/zitadel/oidc/v3/example/server@"+providerVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return program, nil
})

// startProvider runs a provider with two users, whose password is "verysecure", and the client "web".
func startProvider(t *testing.T, redirect string) provider {
	t.Helper()
	program, err := buildProvider()
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(t.TempDir(), "users.json")
	text := `{
		"1": {"ID": "1", "Username": "alice@example.com", "Password": "verysecure", "Email": "alice@example.com"},
		"2": {"ID": "2", "Username": "bob@example.com", "Password": "verysecure", "Email": "bob@example.com"}
	}`
	if err := os.WriteFile(users, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program)
	cmd.Env = []string{"PORT=" + port, "USERS_FILE=" + users, "REDIRECT_URI=" + redirect}
	log := new(bytes.Buffer)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails only if it has ended
		_ = cmd.Wait()         // "signal: killed"
		if t.Failed() {
			t.Logf("the provider says:\n%s", log)
		}
	})
	p := provider{"http://localhost:" + port + "/"}
	p.await(t)
	return p
}

// await waits until the provider answers.
func (p provider) await(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.issuer+".well-known/openid-configuration", nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r); err == nil {
			_ = answer.Body.Close()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the provider does not answer")
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// site is the service behind a real server, below a path that a proxy takes off, and a browser.
type site struct {
	*service
	url      string // of the mount
	provider provider
	browser  *http.Client
	steps    []string // where the browser was sent
}

func newSite(t *testing.T, change func(*login.OIDC, *login.Config)) *site {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	s := &site{url: "http://" + strings.Replace(server.Listener.Addr().String(), "127.0.0.1", "localhost", 1) + "/push"}
	s.provider = startProvider(t, s.url+login.CallbackPath)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	oidc := login.OIDC{
		Issuer: s.provider.issuer, ClientID: "web", ClientSecret: "secret", RedirectURL: s.url + login.CallbackPath,
		StripDomain: "@example.com", Client: client,
	}
	cfg := login.Config{OIDC: &oidc, Roots: []string{"alice"}, Now: time.Now}
	if change != nil {
		change(&oidc, &cfg)
	}
	s.service = newService(t, cfg)
	server.Config.Handler = http.StripPrefix("/push", s.service)
	server.Start()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.browser = &http.Client{Jar: jar, Transport: client.Transport, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		s.steps = append(s.steps, r.URL.String())
		return nil
	}}
	return s
}

// open has the browser open an address, or send a form to it, and returns the status, the last address and the page.
func (s *site) open(t *testing.T, address string, form url.Values) (status int, at *url.URL, page string) {
	t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := s.browser.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Request.URL, string(text)
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// logIn opens a page, logs in where the provider asks, and returns what comes of it.
func (s *site) logIn(t *testing.T, path, user string) (status int, at *url.URL, page string) {
	t.Helper()
	status, at, page = s.open(t, s.url+path, nil)
	id := hiddenID.FindStringSubmatch(page)
	if status != http.StatusOK || id == nil || !strings.HasPrefix(at.String(), s.provider.issuer) {
		t.Fatalf("%s leads to %v: %d %s", path, at, status, page)
	}
	return s.open(t, at.String(), url.Values{"username": {user}, "password": {"verysecure"}, "id": {id[1]}})
}

func TestOpenID(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	status, at, page := s.logIn(t, "/admin/application/x?tab=keys", "alice@example.com")
	if status != http.StatusOK || at.String() != s.url+"/admin/application/x?tab=keys" || page != "root alice" {
		t.Fatalf("the login ends at %v: %d %s", at, status, page)
	}
	all := strings.Join(s.steps, "\n")
	for _, part := range []string{"code_challenge_method=S256", "code_challenge=", "state=", "nonce=", "scope=openid+profile"} {
		if !strings.Contains(all, part) {
			t.Errorf("no %s on the way:\n%s", part, all)
		}
	}
	jar, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range s.browser.Jar.Cookies(jar) {
		if raw, err := json.Marshal(c); err != nil || strings.Contains(string(raw), "alice") || strings.HasPrefix(c.Name, "pandapush_login") {
			t.Errorf("cookie %s, %v", raw, err)
		}
	}
	status, _, page = s.open(t, s.url+"/logout", nil)
	if status != http.StatusOK || !strings.Contains(page, "logged out") {
		t.Errorf("logout: %d %s", status, page)
	}
	elsewhere := regexp.MustCompile(`href="(` + regexp.QuoteMeta(s.provider.issuer) + `[^"]+)"`).FindStringSubmatch(page)
	if elsewhere == nil || !strings.HasSuffix(elsewhere[1], "?client_id=web") {
		t.Errorf("the logout leads to %q at the provider", elsewhere)
	} else if status, at, _ := s.open(t, elsewhere[1], nil); status >= http.StatusBadRequest {
		t.Errorf("logout at the provider, %v: %d", at, status)
	}
	if _, at, _ := s.open(t, s.url+"/admin/", nil); !strings.HasPrefix(at.String(), s.provider.issuer) {
		t.Errorf("after the logout a page is at %v", at)
	}
	if status, _, page := s.logIn(t, "/admin/", "bob@example.com"); status != http.StatusOK || page != "admin bob" {
		t.Errorf("another user: %d %s", status, page)
	}
}

func TestOpenIDSessionEnds(t *testing.T) {
	t.Parallel()
	offset := time.Duration(0)
	s := newSite(t, func(_ *login.OIDC, cfg *login.Config) {
		cfg.SessionTTL = time.Hour
		cfg.Now = func() time.Time { return time.Now().Add(offset) }
	})
	if _, _, page := s.logIn(t, "/admin/", "alice@example.com"); page != "root alice" {
		t.Fatal(page)
	}
	// A request that wants no page is told so.
	r := httptest.NewRequest(http.MethodGet, "/admin/", nil)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	want(t, "a request for no page", w, http.StatusUnauthorized, "Unauthorized")
	offset = time.Hour
	if _, at, _ := s.open(t, s.url+"/admin/", nil); !strings.HasPrefix(at.String(), s.provider.issuer) {
		t.Errorf("after the session's time a page is at %v", at)
	}
}

func TestOpenIDRefusesWhatItDidNotBegin(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	// A code that somebody else's browser got: a login begun there ends in a browser that did not begin it.
	var stolen string
	s.browser.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), s.url+login.CallbackPath) {
			stolen = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	s.logIn(t, "/admin/", "alice@example.com")
	s.browser.CheckRedirect = nil
	victim := *s
	var err error
	if victim.browser.Jar, err = cookiejar.New(nil); err != nil {
		t.Fatal(err)
	}
	if status, _, page := victim.open(t, stolen, nil); status != http.StatusForbidden || !strings.Contains(page, "not completed") {
		t.Errorf("a login of another browser: %d %s", status, page)
	}
	// The victim has begun a login of its own: the state is another.
	victim.open(t, s.url+"/admin/", nil)
	if status, _, page := victim.open(t, stolen, nil); status != http.StatusForbidden || !strings.Contains(page, "not completed") {
		t.Errorf("a login of another browser, with one begun: %d %s", status, page)
	}
	// A page elsewhere that sends somebody here again and again does not lock them out.
	for range 20 {
		victim.open(t, s.url+login.CallbackPath+"?state=x&code=y", nil)
	}
	if _, _, page := victim.logIn(t, "/admin/", "bob@example.com"); page != "admin bob" {
		t.Errorf("after many visits: %s", page)
	}
}

// TestOpenIDRefusals holds what comes of a browser's own login with a code that the provider does not know, or without one.
func TestOpenIDRefusals(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for i, query := range []string{"code=guess", "error=access_denied", "error=" + strings.Repeat("x", 1000), ""} {
		begun := s.begin(t, "/admin/")
		status, _, page := s.open(t, s.url+login.CallbackPath+"?state="+begun+"&"+query, nil)
		if status != http.StatusForbidden || !strings.Contains(page, "refused") {
			t.Errorf("refusal %d: %d %s", i+1, status, page)
		}
	}
	text := s.log.String()
	if strings.Contains(text, "guess") || !strings.Contains(text, "access_denied") || strings.Contains(text, strings.Repeat("x", 101)) {
		t.Errorf("the log says %s", text)
	}
	for range 6 {
		s.open(t, s.url+login.CallbackPath+"?code=guess&state="+s.begin(t, "/admin/"), nil)
	}
	if status, _, _ := s.open(t, s.url+login.CallbackPath+"?code=guess&state="+s.begin(t, "/admin/"), nil); status != http.StatusTooManyRequests {
		t.Errorf("after ten refusals: %d", status)
	}
}

// begin opens a page without a login, and returns the state with which the browser is at the provider.
func (s *site) begin(t *testing.T, path string) (state string) {
	t.Helper()
	before := len(s.steps)
	s.open(t, s.url+path, nil)
	for _, step := range s.steps[before:] {
		if u, err := url.Parse(step); err == nil && u.Query().Get("code_challenge") != "" {
			return u.Query().Get("state")
		}
	}
	t.Fatalf("%s leads to no login: %v", path, s.steps[before:])
	return ""
}

func TestOpenIDInManyTabs(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	flows := func() (n int) {
		site, err := url.Parse(s.url)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range s.browser.Jar.Cookies(site) {
			if strings.HasPrefix(c.Name, "pandapush_login_") {
				n++
			}
		}
		return n
	}
	// Three tabs are restored at once; the logins end in the order in which they began.
	var forms []string
	for range 3 {
		_, _, page := s.open(t, s.url+"/admin/", nil)
		forms = append(forms, hiddenID.FindStringSubmatch(page)[1])
	}
	for i, id := range forms {
		form := url.Values{"username": {"alice@example.com"}, "password": {"verysecure"}, "id": {id}}
		if status, _, page := s.open(t, s.provider.issuer+"login/username", form); page != "root alice" {
			t.Errorf("tab %d: %d %s", i+1, status, page)
		}
	}
	if n := flows(); n != 0 {
		t.Errorf("%d cookies of logins are left", n)
	}
	s.open(t, s.url+"/logout", nil)
	for range 100 {
		s.begin(t, "/admin/")
		if n := flows(); n > 8 {
			t.Fatalf("a browser has cookies of %d logins", n)
		}
	}
}

// TestOpenIDCookiesAreSecure holds that cookies of an encrypted site are sent with encryption alone, whatever a proxy says.
func TestOpenIDCookiesAreSecure(t *testing.T) {
	t.Parallel()
	for scheme, want := range map[string]bool{"http": false, "https": true} {
		p := startProvider(t, "http://localhost"+login.CallbackPath)
		s := newService(t, login.Config{OIDC: &login.OIDC{
			Issuer: p.issuer, ClientID: "web", ClientSecret: "secret", RedirectURL: scheme + "://push.example" + login.CallbackPath,
			Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		}})
		for _, path := range []string{"/login", "/logout"} {
			cookies := s.do(http.MethodGet, path).Result().Cookies()
			if len(cookies) != 1 {
				t.Fatalf("%s sets %v", path, cookies)
			}
			if c := cookies[0]; c.Secure != want || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" {
				t.Errorf("%s of %s sets %v", path, scheme, c)
			}
		}
	}
}

func TestOpenIDWithoutAnswers(t *testing.T) {
	t.Parallel()
	s := newService(t, login.Config{OIDC: &login.OIDC{
		Issuer: "http://127.0.0.1:1/", ClientID: "web", ClientSecret: "hidden", RedirectURL: "https://push.example/elsewhere",
	}})
	w := s.do(http.MethodGet, "/admin/x", "Accept: text/html")
	if to := w.Header().Get("Location"); w.Code != http.StatusFound || to != "https://push.example/login?return_to=%2Fadmin%2Fx" {
		t.Errorf("a page leads to %q with %d", to, w.Code)
	}
	want(t, "login", s.do(http.MethodGet, "/login"), http.StatusServiceUnavailable, "does not answer")
	if strings.Contains(s.log.String(), "hidden") || !strings.Contains(s.log.String(), "discovery") {
		t.Errorf("the log says %s", &s.log)
	}
	for _, forged := range []string{"x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		w := s.do(http.MethodGet, "/admin/", "Cookie: pandapush_session="+forged, "Accept: application/json")
		want(t, "a forged session", w, http.StatusUnauthorized, "Unauthorized")
	}
	for _, bad := range []string{"", "push.example", "ftp://a/b"} {
		if _, err := login.New(login.Config{Secret: secret, OIDC: &login.OIDC{RedirectURL: bad}}); err == nil {
			t.Errorf("redirect address %q is taken", bad)
		}
	}
}

package login_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush/api/admin/login"
)

func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

var alice = login.Config{Basic: &login.Basic{Username: "alice", Password: "pass:word"}, Roots: []string{"alice"}}

func TestBasic(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, header string
		status       int
		body         string
	}{
		{"right", basic("alice", "pass:word"), http.StatusOK, "root alice"},
		{"nothing", "", http.StatusUnauthorized, "Unauthorized"},
		{"another password", basic("alice", "pass"), http.StatusUnauthorized, "Unauthorized"},
		{"another user", basic("bob", "pass:word"), http.StatusUnauthorized, "Unauthorized"},
		{"no password", basic("alice", ""), http.StatusUnauthorized, "Unauthorized"},
		{"not base64", "Authorization: Basic ???", http.StatusUnauthorized, "Unauthorized"},
		{"another scheme", "Authorization: Bearer x", http.StatusBadRequest, "Bad Request"},
	} {
		s := newService(t, alice)
		w := s.do(http.MethodGet, "/admin/", row.header)
		want(t, row.name, w, row.status, row.body)
		challenge := w.Header().Get("WWW-Authenticate")
		if asked := challenge == `Basic realm="Authorization Required"`; asked != (row.status == http.StatusUnauthorized) {
			t.Errorf("%s: WWW-Authenticate is %q", row.name, challenge)
		}
		if strings.Contains(s.log.String(), "alice") || strings.Contains(s.log.String(), "pass") {
			t.Errorf("%s: the log has the user or the password: %s", row.name, &s.log)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		roots, readOnly []string
		want            string
	}{
		"nothing":           {nil, nil, "admin alice"},
		"another":           {[]string{"bob"}, []string{"bob"}, "admin alice"},
		"read-only":         {nil, []string{"bob", "alice"}, "read-only alice"},
		"root":              {[]string{"bob", "alice"}, nil, "root alice"},
		"root wins":         {[]string{"alice"}, []string{"alice"}, "root alice"},
		"the name as it is": {[]string{"Alice", " alice"}, []string{"al"}, "admin alice"},
	} {
		cfg := alice
		cfg.Roots, cfg.ReadOnly = row.roots, row.readOnly
		want(t, name, newService(t, cfg).do(http.MethodGet, "/admin/", basic("alice", "pass:word")), http.StatusOK, row.want)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := newService(t, login.Config{})
	want(t, "page", s.do(http.MethodGet, "/admin/", basic("", "")), http.StatusForbidden, "Unauthorized")
	want(t, "logout", s.do(http.MethodGet, "/logout"), http.StatusNotFound, "")
	want(t, "login", s.do(http.MethodGet, "/login"), http.StatusNotFound, "")
}

func TestPagesElsewhereChangeNothing(t *testing.T) {
	t.Parallel()
	s := newService(t, alice)
	right := basic("alice", "pass:word")
	for _, row := range []struct {
		method string
		header string
		status int
	}{
		{http.MethodPost, "X: none", http.StatusOK}, // curl
		{http.MethodPost, "Sec-Fetch-Site: same-origin", http.StatusOK},
		{http.MethodPost, "Sec-Fetch-Site: none", http.StatusOK},
		{http.MethodPost, "Sec-Fetch-Site: cross-site", http.StatusForbidden},
		{http.MethodPost, "Sec-Fetch-Site: same-site", http.StatusForbidden},
		{http.MethodDelete, "Sec-Fetch-Site: cross-site", http.StatusForbidden},
		{http.MethodPost, "Origin: https://example.com", http.StatusOK}, // the Host of httptest
		{http.MethodPost, "Origin: https://evil.example", http.StatusForbidden},
		{http.MethodPost, "Origin: null", http.StatusForbidden},
		{http.MethodGet, "Sec-Fetch-Site: cross-site", http.StatusOK}, // a link
	} {
		want(t, row.method+" "+row.header, s.do(row.method, "/admin/", right, row.header), row.status, "")
	}
	want(t, "logout by an image elsewhere", s.do(http.MethodGet, "/logout", "Sec-Fetch-Site: cross-site"), http.StatusForbidden, "")
	want(t, "logout by a form elsewhere", s.do(http.MethodPost, "/logout", "Sec-Fetch-Site: cross-site"), http.StatusForbidden, "")
}

func TestLogoutMakesTheBrowserForget(t *testing.T) {
	t.Parallel()
	s := newService(t, alice)
	right := basic("alice", "pass:word")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		out := s.do(method, "/logout", right, "X-Forwarded-Proto: https")
		want(t, "logout", out, http.StatusOK, "logged out")
		mark := cookieOf(t, out, "pandapush_logout")
		if !mark.HttpOnly || !mark.Secure || mark.SameSite != http.SameSiteLaxMode {
			t.Errorf("cookie %v", mark)
		}
		cookie := "Cookie: " + mark.Name + "=" + mark.Value
		refused := s.do(http.MethodGet, "/admin/", right, cookie)
		want(t, "the next page", refused, http.StatusUnauthorized, "Unauthorized")
		if refused.Header().Get("WWW-Authenticate") == "" || cookieOf(t, refused, mark.Name).MaxAge >= 0 {
			t.Errorf("the browser is not told to ask again, once: %v", refused.Header())
		}
		want(t, "without the cookie", s.do(http.MethodGet, "/admin/", right), http.StatusOK, "alice")
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	s := newService(t, alice)
	from := func(address, password string) int {
		return s.do(http.MethodGet, "/admin/", basic("alice", password), "RemoteAddr: "+address).Code
	}
	const mine, theirs = "192.0.2.1:1000", "192.0.2.2:1000"
	for i := range 10 {
		if code := from(theirs, "guess"); code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i+1, code)
		}
	}
	w := s.do(http.MethodGet, "/admin/", basic("alice", "pass:word"), "RemoteAddr: "+theirs)
	want(t, "the right password after ten guesses", w, http.StatusTooManyRequests, "")
	if w.Header().Get("Retry-After") != "30" {
		t.Errorf("Retry-After is %q", w.Header().Get("Retry-After"))
	}
	if code := from(mine, "pass:word"); code != http.StatusOK {
		t.Errorf("from another address: %d", code)
	}
	s.now = s.now.Add(30 * time.Second)
	if first, second := from(theirs, "guess"), from(theirs, "guess"); first != http.StatusUnauthorized || second != http.StatusTooManyRequests {
		t.Errorf("after half a minute: %d, then %d", first, second)
	}

	// Many addresses have a bound in common, which does not hold up who has been in before.
	last := 0
	for i := range 100 {
		last = from("198.51.100."+strconv.Itoa(i)+":1", "guess")
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the hundredth guess of a hundred addresses: %d", last)
	}
	if known, fresh := from(mine, "pass:word"), from("203.0.113.1:1", "pass:word"); known != http.StatusOK || fresh != http.StatusTooManyRequests {
		t.Errorf("who was in before: %d, who was not: %d", known, fresh)
	}
	s.now = s.now.Add(time.Hour)
	if code := from("203.0.113.1:1", "pass:word"); code != http.StatusOK {
		t.Errorf("an hour later: %d", code)
	}
}

func TestSubnetsCountAsOne(t *testing.T) {
	t.Parallel()
	s := newService(t, alice)
	for i := range 10 {
		s.do(http.MethodGet, "/admin/", basic("alice", "x"), "RemoteAddr: [2001:db8::"+strconv.Itoa(i)+"]:1")
	}
	w := s.do(http.MethodGet, "/admin/", basic("alice", "x"), "RemoteAddr: [2001:db8::ffff]:1")
	want(t, "the same network", w, http.StatusTooManyRequests, "")
	w = s.do(http.MethodGet, "/admin/", basic("alice", "x"), "RemoteAddr: [2001:db9::1]:1")
	want(t, "another network", w, http.StatusUnauthorized, "")
}

package examples

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// keyRing has one key, and so one application.
type keyRing struct{ key pandapush.Key }

func (r keyRing) HasApp(app pandapush.AppID) bool             { return app == r.key.App }
func (r keyRing) Settings(pandapush.AppID) pandapush.Settings { return pandapush.Settings{} }
func (r keyRing) Key(app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, bool) {
	return r.key, app == r.key.App && id == r.key.ID
}

var ring = keyRing{pandapush.Key{ID: "key", App: "app1", Secret: "secret"}}

func ask(t *testing.T, keys pandapush.Keys, method, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	Handler(Config{App: "app1", Key: "key", Keys: keys}).ServeHTTP(w, r)
	return w
}

func askToken(t *testing.T, keys pandapush.Keys, channel, name string) *httptest.ResponseRecorder {
	t.Helper()
	return ask(t, keys, http.MethodGet, "/examples/token?"+url.Values{"channel": {channel}, "name": {name}}.Encode())
}

func TestPages(t *testing.T) {
	for _, tt := range []struct {
		method, target string
		status         int
		contentType    string
	}{
		{"GET", "/examples/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/examples/", 200, "text/html; charset=utf-8"},
		{"GET", "/examples/chat.html", 200, "text/html; charset=utf-8"},
		{"GET", "/examples/counter.html", 200, "text/html; charset=utf-8"},
		{"GET", "/examples/dashboard.html", 200, "text/html; charset=utf-8"},
		{"GET", "/examples/style.css", 200, "text/css; charset=utf-8"},
		{"GET", "/examples/examples.go", 404, "text/plain; charset=utf-8"},
		{"POST", "/examples/chat.html", 405, "text/plain; charset=utf-8"},
	} {
		w := ask(t, ring, tt.method, tt.target)
		if got := w.Header().Get("Content-Type"); w.Code != tt.status || got != tt.contentType {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.target, w.Code, got, tt.status, tt.contentType)
		}
		if strings.Contains(w.Body.String(), "/devapp/") {
			t.Errorf("%s names devapp, not the application that there is", tt.target)
		}
	}
}

func TestTokensAllowWhatThePagesDo(t *testing.T) {
	for channel, want := range map[string]struct{ pub, sub bool }{
		"/app1/presence/chat":   {pub: true, sub: true},
		"/app1/public/counter":  {pub: true},
		"/app1/meta/statistics": {sub: true},
	} {
		w := askToken(t, ring, channel, " Ann Lee ")
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", channel, w.Code, w.Body)
		}
		now := time.Now()
		grant, err := pandapush.NewAuthority(ring).Verify(pandapush.Credential{Token: w.Body.String(), Given: true}, "app1", now)
		if err != nil {
			t.Fatalf("%s: %v", channel, err)
		}
		if grant.Scope != channel || grant.Pub != want.pub || grant.Sub != want.sub {
			t.Errorf("%s: granted %s, pub %t, sub %t", channel, grant.Scope, grant.Pub, grant.Sub)
		}
		if left := grant.Expires.Sub(now); left <= 0 || left > tokenLifetime {
			t.Errorf("%s: expires in %v", channel, left)
		}
		if room := strings.Contains(channel, "/presence/"); room != (grant.User == "Ann Lee") {
			t.Errorf("%s: for user %q", channel, grant.User)
		}
	}
}

func TestTokensAreRefused(t *testing.T) {
	revoked := ring
	revoked.key.RevokedAt = time.Unix(1, 0)
	other := ring
	other.key.App = "app2"
	const chat = "/app1/presence/chat"
	for _, tt := range []struct {
		what          string
		keys          pandapush.Keys
		channel, name string
		status        int
		text          string
	}{
		{"another channel", ring, "/app1/private/orders", "", 400, "There is no token for this channel\n"},
		{"a pattern", ring, "/app1/presence/**", "Ann", 400, "There is no token for this channel\n"},
		{"another application", ring, "/app2/presence/chat", "Ann", 400, "There is no token for this channel\n"},
		{"no application", ring, "/presence/chat", "Ann", 400, "There is no token for this channel\n"},
		{"no name", ring, chat, "  ", 400, "A name has 1 to 40 characters\n"},
		{"a long name", ring, chat, strings.Repeat("ä", 41), 400, "A name has 1 to 40 characters\n"},
		{"a name that does not print", ring, chat, "a\u202eb", 400, "A name has 1 to 40 characters\n"},
		{"a name that is no text", ring, chat, "\xff", 400, "A name has 1 to 40 characters\n"},
		{"a revoked key", revoked, chat, "Ann", 503, "The development application's key is no longer good\n"},
		{"no key", other, chat, "Ann", 503, "The development application's key is no longer good\n"},
	} {
		if w := askToken(t, tt.keys, tt.channel, tt.name); w.Code != tt.status || w.Body.String() != tt.text {
			t.Errorf("%s: %d %q, want %d %q", tt.what, w.Code, w.Body, tt.status, tt.text)
		}
	}
}

package api

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandapush/pandapush"
)

func TestPublish(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	const body = ` {"text" : "hällo", "n": 1e400, "text": 2} `

	w := f.publish("application/json", body)

	wantAnswer(t, w, http.StatusOK, "OK")
	wantHeaders(t, w.Header(), "Content-Type: text/html; charset=utf-8", "X-Message-Id: "+string(epoch)+"-1-0",
		"Access-Control-Allow-Origin: *", "Access-Control-Expose-Headers: "+exposedHeaders)
	if got := f.payloads(); !slices.Equal(got, []string{body}) {
		t.Errorf("appended %q, want the bytes that were sent", got)
	}
	if got := f.stream.messages[0].Channel.String(); got != "/app1/private/a" {
		t.Errorf("channel = %s", got)
	}
	if !slices.Equal(f.keys.used, []pandapush.KeyID{"PSID1"}) {
		t.Errorf("used keys = %v", f.keys.used)
	}

	w = f.publish("application/json", `{}`, "Accept: application/json")
	wantAnswer(t, w, http.StatusOK, `{"id":"`+string(epoch)+`-2-0"}`)
	wantHeaders(t, w.Header(), "Content-Type: application/json; charset=utf-8", "X-Message-Id: "+string(epoch)+"-2-0")
}

func TestPublishCredentials(t *testing.T) {
	t.Parallel()
	token := func(channel string) string { return mint(t, key, pandapush.TokenClaims{Channel: channel, Pub: true}) }
	good := token("/app1/private/a")
	wrong := key
	wrong.Secret = "wrong"
	unknown := key
	unknown.ID = "PSID9"
	const unauthorized = "Unauthorized"
	for _, row := range []struct {
		name, query, header string
		want                string // "" for 200, Unauthorized for 403, else the text of a 400
	}{
		{"key", "", basic(key), ""},
		{"token in the header", "", "Token " + good, ""},
		{"bearer", "", "Bearer " + good, ""},
		{"token in the query", "?token=" + good, "", ""},
		{"token of a pattern", "", "Token " + token("/app1/private/*"), ""},
		{"the query wins", "?token=" + good, basic(wrong), ""},
		{"the query wins, also to its harm", "?token=nonsense", basic(key), "Invalid token"},
		{"an empty query token is none", "?token=", basic(key), ""},

		{"nothing", "", "", unauthorized},
		{"unknown scheme", "", "Digest x", unauthorized},
		{"scheme alone", "", "Token", unauthorized},
		{"scheme and space", "", "Token  ", unauthorized},
		{"basic that is not base64", "", "Basic ???", unauthorized},
		{"basic without a colon", "", "Basic YWJj", unauthorized},

		{"basic without an id", "", "Basic OnNlY3JldA==", "Auth information does not include token or key"},
		{"wrong secret", "", basic(wrong), "Invalid secret"},
		{"unknown key", "", basic(unknown), "Could not find key"},
		{"expired key", "", basic(expired), "Expired key"},
		{"revoked key", "", basic(revoked), "Revoked key"},
		{"malformed token", "", "Token a.b.c", "Invalid token"},
		{"token with a wrong signature", "", "Token " + mint(t, wrong, pandapush.TokenClaims{Channel: "/app1/private/a", Pub: true}), "Invalid token provided"},
		{"expired token", "", "Token " + mint(t, key, pandapush.TokenClaims{Channel: "/app1/private/a", Pub: true, Expires: now.Add(-time.Second)}), "Invalid token provided"},
		{"token of an expired key", "", "Token " + mint(t, expired, pandapush.TokenClaims{Channel: "/app1/private/a", Pub: true}), "Expired key"},
		{"token of another channel", "", "Token " + token("/app1/private/b"), "Token does not match channel"},
		{"token for subscribing", "", "Token " + mint(t, key, pandapush.TokenClaims{Channel: "/app1/private/a", Sub: true}), "Token does not allow publishing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, Config{})
			w := f.do(http.MethodPost, "/channel/app1/private/a"+row.query, "{}", "Authorization: "+row.header)
			switch row.want {
			case "":
				wantAnswer(t, w, http.StatusOK, "OK")
			case unauthorized:
				wantAnswer(t, w, http.StatusForbidden, unauthorized)
				wantHeaders(t, w.Header(), "Content-Type: text/html; charset=utf-8", "Access-Control-Allow-Origin: *")
			default:
				wantAnswer(t, w, http.StatusBadRequest, refusal(row.want))
				wantHeaders(t, w.Header(), "Content-Type: application/json; charset=utf-8", "Access-Control-Allow-Origin: *")
			}
			if stored := len(f.stream.messages) == 1; stored != (row.want == "") || len(f.keys.used) != len(f.stream.messages) {
				t.Errorf("stored %d messages, counted %d uses", len(f.stream.messages), len(f.keys.used))
			}
		})
	}
}

func TestPublishPaths(t *testing.T) {
	t.Parallel()
	for path, status := range map[string]int{
		"/channel/app1/public/a":          http.StatusOK,
		"/channel/app1/private/a/b-_~9/c": http.StatusOK,
		"/channel/app1/presence/room":     http.StatusOK,
		"/channel/app2/public/a":          http.StatusBadRequest, // its key is unknown
		"/channel/app1/meta/a":            http.StatusNotFound,
		"/channel/app1/other/a":           http.StatusNotFound,
		"/channel/app1/public":            http.StatusNotFound,
		"/channel/app1/public/":           http.StatusNotFound,
		"/channel/app1/public/a/":         http.StatusNotFound,
		"/channel/app1/public//a":         http.StatusNotFound,
		"/channel/app1/public/*":          http.StatusNotFound,
		"/channel/app1/public/**":         http.StatusNotFound,
		"/channel/app1/public/a.b":        http.StatusNotFound,
		"/channel/app1/public/a!b":        http.StatusNotFound,
		"/channel/app1/public/%61":        http.StatusNotFound,
		"/channel/app1/public/a%2Fb":      http.StatusNotFound,
		"/channel/app-1/public/a":         http.StatusNotFound,
		"/channel/invalidchannel":         http.StatusNotFound,
		"/channel/":                       http.StatusNotFound,
		"/channel":                        http.StatusNotFound,
		"/Channel/app1/public/a":          http.StatusNotFound,
	} {
		w := newFixture(t, Config{}).do(http.MethodPost, path, "{}", "Authorization: "+basic(key))
		if w.Code != status {
			t.Errorf("POST %s = %d, want %d", path, w.Code, status)
		}
		if page := "<pre>Cannot POST " + path + "</pre>"; status == http.StatusNotFound && !strings.Contains(w.Body.String(), page) {
			t.Errorf("POST %s answers %s", path, w.Body)
		}
	}
	w := newFixture(t, Config{}).do(http.MethodPost, "/channel/app1/public/a.b", "{}", "Accept: application/json")
	if d := wantProblem(t, w, http.StatusNotFound, "not-found", ""); !strings.Contains(d.Detail, "names no channel") {
		t.Errorf("who asks for JSON is told %q", d.Detail)
	}
}

func TestPublishFailures(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err    error
		accept string
		status int
		body   string
	}{
		{fmt.Errorf("dial: %w", pandapush.ErrUnavailable), "", http.StatusServiceUnavailable, "Service Unavailable"},
		{fmt.Errorf("dial: %w", pandapush.ErrUnavailable), "application/json", http.StatusServiceUnavailable, ""},
		{errors.New("internals"), "", http.StatusInternalServerError, "Internal Server Error"},
		{errors.New("internals"), "application/json", http.StatusInternalServerError, ""},
		{pandapush.ErrMessageTooLarge, "", http.StatusRequestEntityTooLarge, refusal("Message too large")},
		{pandapush.ErrUnknownApp, "", http.StatusBadRequest, refusal("Could not find application")},
	} {
		f := newFixture(t, Config{})
		f.stream.err = row.err
		w := f.publish("application/json", "{}", "Accept: "+row.accept)
		switch {
		case row.body != "":
			wantAnswer(t, w, row.status, row.body)
		case row.status == http.StatusInternalServerError:
			wantProblem(t, w, row.status, "internal", "")
		default:
			wantProblem(t, w, row.status, "unavailable", "")
		}
		retry := ""
		if row.status == http.StatusServiceUnavailable {
			retry = "1"
		}
		wantHeaders(t, w.Header(), "Retry-After: "+retry, "X-Message-Id: ")
		if logged := strings.Contains(f.log.String(), "level=ERROR"); logged != (row.status == http.StatusInternalServerError) {
			t.Errorf("%v: log = %s", row.err, f.log)
		}
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	w := newFixture(t, Config{}).do(http.MethodOptions, "/channel/app1/public/a", "", "Origin: https://example.com")
	wantAnswer(t, w, http.StatusNoContent, "")
	wantHeaders(t, w.Header(), "Access-Control-Allow-Origin: *", "Access-Control-Allow-Methods: GET, HEAD, OPTIONS, POST",
		"Access-Control-Allow-Headers: "+allowedHeaders, "Access-Control-Max-Age: 7200", "Allow: GET, HEAD, OPTIONS, POST")
	w = newFixture(t, Config{}).do(http.MethodOptions, "/channel/app1/public/a", "", "Origin: https://example.com",
		"Access-Control-Request-Headers: authorization,X-Tenant, ,x-forwarded-host,forwarded")
	wantHeaders(t, w.Header(), "Access-Control-Allow-Headers: "+allowedHeaders+", authorization, x-tenant")
}

func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, Config{})
	token := mint(t, key, pandapush.TokenClaims{Channel: "/app1/private/a", Pub: true})
	f.do(http.MethodPost, "/channel/app1/private/a?token="+token, `{"text":"payload"}`)
	f.publish("application/json", `{"text":"payload"}`)
	f.stream.err = errors.New("broken")
	w := f.publish("application/json", `{"text":"payload"}`)

	log := f.log.String()
	for _, secret := range []string{token, "token=", "payload", "cret", basic(key)} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	if id := w.Header().Get("X-Request-Id"); len(id) != 32 || strings.Count(log, "request_id="+id) != 2 {
		t.Errorf("request %s: want an error and an access line of it in\n%s", id, log)
	}
}

// FuzzCredential checks that whatever a stranger sends is either no credential at all or one that says so.
func FuzzCredential(f *testing.F) {
	f.Add("token=abc", "")
	f.Add("", basic(key))
	f.Add("", "Token abc")
	f.Add("token=%zz;&", "Bearer  x y")
	f.Fuzz(func(t *testing.T, query, header string) {
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", header)
		c, err := credentialOf(r)
		switch {
		case err != nil:
			if !errors.Is(err, errUnauthorized) || c != (pandapush.Credential{}) {
				t.Errorf("credential %v with error %v", c, err)
			}
		case !c.Given, c.Token != "" && (c.Key != "" || c.Secret != ""):
			t.Errorf("credential of %q, %q", query, header)
		}
	})
}

// discard is a ResponseWriter that keeps nothing, so that a benchmark counts only what the server allocates.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkPublish(b *testing.B) {
	for _, contentType := range []string{"application/json", "application/json; charset=utf-8", typeForm} {
		b.Run(contentType, func(b *testing.B) {
			f := newFixture(b, Config{Metrics: prometheus.NewRegistry()})
			f.api.log = slog.New(slog.DiscardHandler)
			body := strings.NewReader(`{"text":"` + strings.Repeat("x", 100) + `"}`)
			r := httptest.NewRequest(http.MethodPost, "/channel/app1/private/a", body)
			r.Header.Set("Authorization", basic(key))
			r.Header.Set("Content-Type", contentType)
			w := discard{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				_, err := body.Seek(0, io.SeekStart)
				if err != nil {
					b.Fatal(err)
				}
				clear(w.header)
				f.echo.ServeHTTP(w, r)
				if len(f.stream.messages) != 1 {
					b.Fatal("not published")
				}
				f.keys.used, f.stream.messages = f.keys.used[:0], f.stream.messages[:0]
			}
		})
	}
}

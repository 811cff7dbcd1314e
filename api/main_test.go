package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/pandapush/pandapush"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	now     = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	key     = pandapush.Key{ID: "PSID1", App: "app1", Secret: "se:cret"}
	expired = pandapush.Key{ID: "PSID2", App: "app1", Secret: "secret", ExpiresAt: now}
	revoked = pandapush.Key{ID: "PSID3", App: "app1", Secret: "secret", RevokedAt: now}
	epoch   = pandapush.NewEpoch("app1")
)

// keyRing is a KeyRing of the keys above.
type keyRing struct {
	settings pandapush.Settings // of every application; set before the first request

	mu   sync.Mutex
	used []pandapush.KeyID
}

func (*keyRing) HasApp(app pandapush.AppID) bool { return app == "app1" }

func (*keyRing) Key(app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, bool) {
	for _, k := range []pandapush.Key{key, expired, revoked} {
		if k.App == app && k.ID == id {
			return k, true
		}
	}
	return pandapush.Key{}, false
}

func (k *keyRing) Settings(pandapush.AppID) pandapush.Settings { return k.settings }

func (k *keyRing) Used(_ pandapush.AppID, id pandapush.KeyID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used = append(k.used, id)
}

// memory is an Appender that keeps what it gets, or fails with err.
type memory struct {
	mu       sync.Mutex
	messages []pandapush.Message
	err      error
}

func (s *memory) Append(_ context.Context, m pandapush.Message) (pandapush.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return pandapush.Cursor{}, s.err
	}
	s.messages = append(s.messages, m)
	return pandapush.Cursor{Epoch: epoch, Position: pandapush.Position{Millis: 1, Seq: uint64(len(s.messages))}}, nil
}

// fixture is a server with its fakes and its log.
type fixture struct {
	keys   *keyRing
	stream *memory
	log    *strings.Builder
	api    *Server
	echo   *echo.Echo
}

// newFixture makes a server of the fakes and of what config sets besides.
func newFixture(config Config) *fixture {
	f := &fixture{keys: new(keyRing), stream: new(memory), log: new(strings.Builder), echo: echo.New()}
	config.Keys, config.Stream = f.keys, f.stream
	config.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config.Now = func() time.Time { return now }
	f.api = New(config)
	f.api.Routes(f.echo)
	return f
}

// do sends a request with that body and those headers ("Name: value").
func (f *fixture) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	f.echo.ServeHTTP(w, r)
	return w
}

// publish sends a publish to a private channel that the key authorises.
func (f *fixture) publish(contentType, body string, headers ...string) *httptest.ResponseRecorder {
	headers = append(slices.Clone(headers), "Authorization: "+basic(key))
	if contentType != "" {
		headers = append(headers, "Content-Type: "+contentType)
	}
	return f.do(http.MethodPost, "/channel/app1/private/a", body, headers...)
}

// payloads returns what has been appended.
func (f *fixture) payloads() []string {
	var all []string
	for _, m := range f.stream.messages {
		all = append(all, string(m.Data))
	}
	return all
}

// basic returns the Basic credential of a key.
func basic(k pandapush.Key) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(string(k.ID), k.Secret.Reveal())
	return r.Header.Get("Authorization")
}

// mint returns a token of k.
func mint(t *testing.T, k pandapush.Key, claims pandapush.TokenClaims) string {
	t.Helper()
	token, err := pandapush.MintToken(k, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// wantAnswer checks the status and the body of a response.
func wantAnswer(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || w.Body.String() != body {
		t.Errorf("answer = %d %s\nwant     %d %s", w.Code, w.Body, status, body)
	}
}

// refusal returns the JSON of an error.
func refusal(message string) string { return `{"code":null,"params":[],"message":"` + message + `"}` }

// wantHeaders checks headers of a response ("Name: value").
func wantHeaders(t *testing.T, h http.Header, want ...string) {
	t.Helper()
	for _, line := range want {
		name, value, _ := strings.Cut(line, ": ")
		if got := h.Get(name); got != value {
			t.Errorf("%s = %q, want %q", name, got, value)
		}
	}
}

// unsized hides the size of a body, so that it is sent in chunks.
type unsized struct{ io.Reader }

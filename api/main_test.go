package api

import (
	"context"
	"encoding/json"
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
	"github.com/pandapush/pandapush/api/openapitest"
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
	mu       sync.Mutex
	used     []pandapush.KeyID
	settings pandapush.Settings // of every application
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

func (k *keyRing) Settings(pandapush.AppID) pandapush.Settings {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.settings
}

func (k *keyRing) set(s pandapush.Settings) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.settings = s
}

func (k *keyRing) Used(_ pandapush.AppID, id pandapush.KeyID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used = append(k.used, id)
}

// memory is a Stream that keeps what it gets, or fails with err. Its messages are a millisecond apart.
type memory struct {
	mu       sync.Mutex
	messages []pandapush.Message
	once     map[string]appended
	trimmed  int // messages that are no longer kept

	trimLater int // becomes trimmed once something has been read, if it is not zero
	err       error
}

// appended is what is remembered under a key.
type appended struct {
	print   string
	cursors []pandapush.Cursor
}

// at returns the cursor of the nth message, counting from 1.
func at(n int) pandapush.Cursor {
	return pandapush.Cursor{Epoch: epoch, Position: pandapush.Position{Millis: uint64(n)}}
}

func (s *memory) appendLocked(m pandapush.Message) pandapush.Cursor {
	m.Cursor = at(len(s.messages) + 1)
	s.messages = append(s.messages, m)
	return m.Cursor
}

func (s *memory) Append(_ context.Context, m pandapush.Message) (pandapush.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return pandapush.Cursor{}, s.err
	}
	return s.appendLocked(m), nil
}

// AppendAll stores all, or with err the first half.
func (s *memory) AppendAll(_ context.Context, messages []pandapush.Message) ([]pandapush.Cursor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cursors := make([]pandapush.Cursor, len(messages))
	for i, m := range messages {
		if s.err == nil || i < len(messages)/2 {
			cursors[i] = s.appendLocked(m)
		}
	}
	return cursors, s.err
}

func (s *memory) AppendIf(_ context.Context, messages []pandapush.Message, c pandapush.Condition) ([]pandapush.Cursor, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.once[c.Key]; ok && c.Key != "" {
		if before.print != c.Print {
			return nil, false, pandapush.ErrKeyReused
		}
		return before.cursors, true, nil
	}
	if s.err != nil {
		return nil, false, s.err
	}
	if c.After.Epoch != "" {
		tail := at(len(s.messages))
		if c.After.Epoch != epoch {
			return nil, false, &pandapush.ChangedError{Tail: tail}
		}
		for _, m := range slices.Backward(s.messages) {
			if m.Channel == messages[0].Channel && m.Cursor.Position.Compare(c.After.Position) > 0 {
				return nil, false, &pandapush.ChangedError{Newest: m.Cursor, Tail: tail}
			}
		}
	}
	cursors := make([]pandapush.Cursor, len(messages))
	for i, m := range messages {
		cursors[i] = s.appendLocked(m)
	}
	if c.Key != "" {
		if s.once == nil {
			s.once = make(map[string]appended)
		}
		s.once[c.Key] = appended{c.Print, cursors}
	}
	return cursors, false, nil
}

func (s *memory) Range(_ context.Context, _ pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.betweenLocked(after, upTo)
	return slices.Clone(found[:min(count, len(found))]), s.err
}

// betweenLocked returns the kept messages after a position and up to another; that of the nth is n milliseconds.
func (s *memory) betweenLocked(after, upTo pandapush.Position) []pandapush.Message {
	defer func() { s.trimmed = max(s.trimmed, s.trimLater) }()
	last := uint64(len(s.messages))
	if upTo != (pandapush.Position{}) {
		last = min(last, upTo.Millis)
	}
	first := max(uint64(s.trimmed), after.Millis)
	if first >= last {
		return nil
	}
	return s.messages[first:last]
}

func (s *memory) RangeBack(_ context.Context, _ pandapush.AppID, after, upTo pandapush.Position, count int) ([]pandapush.Message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.betweenLocked(after, upTo)
	found = slices.Clone(found[max(0, len(found)-count):])
	slices.Reverse(found)
	return found, s.err
}

// Rewind takes a minute for a message.
func (s *memory) Rewind(_ context.Context, _ pandapush.AppID, _ int64, age time.Duration) (pandapush.Cursor, error) {
	return at(max(0, len(s.messages)-int(age.Minutes()))), s.err
}

func (s *memory) Span(context.Context, pandapush.AppID) (pandapush.Span, error) {
	return pandapush.Span{
		Epoch: epoch, First: at(s.trimmed).Position, Last: at(len(s.messages)).Position, Length: int64(len(s.messages) - s.trimmed), Trimmed: s.trimmed > 0,
	}, s.err
}

// document is the API's own description: every response to a fixture is held against it.
var description = sync.OnceValues(func() (*openapitest.Document, error) { return openapitest.Load(OpenAPI) })

// fixture is a server with its fakes and its log.
type fixture struct {
	t      testing.TB
	keys   *keyRing
	stream *memory
	log    *strings.Builder
	api    *Server
	echo   *echo.Echo
}

// newFixture makes a server of the fakes and of what config sets besides.
func newFixture(tb testing.TB, config Config) *fixture {
	tb.Helper()
	f := &fixture{t: tb, keys: new(keyRing), stream: new(memory), log: new(strings.Builder), echo: echo.New()}
	config.Keys, config.Stream, config.Rooms = f.keys, f.stream, f.stream
	config.Log = slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config.Now = func() time.Time { return now }
	f.api = New(config)
	f.api.Routes(f.echo)
	return f
}

// do sends a request with that body and those headers ("Name: value").
func (f *fixture) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return f.serve(r)
}

// serve answers a request, and checks that the answer is one that the API's description has.
func (f *fixture) serve(r *http.Request) *httptest.ResponseRecorder {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.echo.ServeHTTP(w, r)
	described, err := description()
	if err != nil {
		f.t.Fatal(err)
	}
	described.Check(f.t, r.Method, r.URL.Path, w.Code, w.Header(), w.Body.Bytes())
	return w
}

// publish sends a publish to a private channel that the key authorises.
func (f *fixture) publish(contentType, body string, headers ...string) *httptest.ResponseRecorder {
	f.t.Helper()
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

// refusal returns the JSON of an error as the Node version had it.
func refusal(message string) string { return `{"code":null,"params":[],"message":"` + message + `"}` }

// wantProblem checks that a response is a problem of that kind about that parameter or part of the body.
func wantProblem(t *testing.T, w *httptest.ResponseRecorder, status int, name, about string) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil {
		t.Errorf("%d %s: %v", w.Code, w.Body, err)
	}
	if w.Code != status || d.Status != status || d.Type != docs+name || d.Param+d.Field != about || d.Title == "" || d.Detail == "" {
		t.Errorf("answer = %d %s\nwant     %d %s about %q", w.Code, w.Body, status, name, about)
	}
	return d
}

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

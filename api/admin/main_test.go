package admin_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/api/admin"
	"github.com/pandapush/pandapush/api/admin/live"
	"github.com/pandapush/pandapush/api/admin/login"
	"github.com/pandapush/pandapush/api/openapitest"
	"github.com/pandapush/pandapush/db"
	"github.com/pandapush/pandapush/db/dbtest"
	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/streamstest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var document = sync.OnceValues(func() (*openapitest.Document, error) { return openapitest.Load(admin.OpenAPI) })

// databases open an empty database of each kind.
var databases = map[string]func(testing.TB) *db.DB{"sqlite": dbtest.NewSQLite, "postgres": dbtest.NewPostgres}

// onBoth runs a test on a fixture with each database.
func onBoth(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	for name, open := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newFixture(t, open(t)))
		})
	}
}

// The users of these tests.
const (
	root     = "root"
	auditor  = "auditor"  // read-only
	alice    = "alice"    // administers the application "app"
	stranger = "stranger" // administers none of alice's
	nobody   = ""
)

// fixture is the admin API on a real database and a real Redis.
type fixture struct {
	*echo.Echo
	t        testing.TB
	document *openapitest.Document
	admin    *admin.Server
	store    *db.DB
	keys     *db.KeyRing
	streams  *streamstest.Node
	live     *live.Sampler
	cookies  *login.Sealer
	changes  int // calls of Config.Changed
	// follow are the followers of the node, from the next sample on.
	follow map[pandapush.Follower]pandapush.FollowerCount
	log    bytes.Buffer
}

var secret = []byte("0123456789abcdef0123456789abcdef")

func newFixture(tb testing.TB, store *db.DB) *fixture {
	tb.Helper()
	f := &fixture{Echo: echo.New(), t: tb, store: store}
	var err1, err2, err3, err4 error
	f.document, err1 = document()
	f.cookies, err2 = login.NewSealer(secret, "session")
	handles, err3 := login.NewSealer(secret, "connection")
	logins, err4 := login.New(login.Config{
		OIDC:   &login.OIDC{Issuer: "http://provider.invalid", RedirectURL: "http://example.com" + login.CallbackPath},
		Secret: secret, Roots: []string{root}, ReadOnly: []string{auditor},
	})
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	f.streams = streamstest.Open(tb, streams.Config{Redis: streams.Topology{URLs: []string{streamstest.Redis(tb)}}, Node: "one", MaxLen: 2_000_000})
	f.keys = db.NewKeyRing(store, db.KeyRingConfig{})
	registry := prometheus.NewRegistry()
	f.live = live.NewSampler(live.Config{
		Node: "one", Board: f.streams, Gatherer: registry, About: live.About{Version: "test", Go: "go", Host: "host", Started: time.Now()},
		Sources:   []func() map[pandapush.AppID]pandapush.Usage{f.streams.Usage},
		Followers: func() map[pandapush.Follower]pandapush.FollowerCount { return f.follow },
	})
	value := "x"
	f.admin = admin.New(admin.Config{
		Logins: logins, Handles: handles, Store: store, Keys: f.keys, Sessions: f.streams.Streams, Stream: f.streams, Live: f.live,
		Changed: func(ctx context.Context) {
			f.changes++
			if err := f.keys.Load(ctx); err != nil {
				tb.Error(err)
			}
		},
		UI:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("the UI")) }),
		Settings:     []admin.Setting{{Name: "PORT", Value: &value, Default: "3000", Set: true, Help: "Port."}, {Name: "KEY", Secret: true, Set: true}},
		Retention:    func(pandapush.AppID) (int64, time.Duration) { return 1000, time.Hour },
		Defaults:     pandapush.Settings{HistoryLength: 1000, HistoryAge: time.Hour},
		Environments: []admin.Environment{{Name: "staging", URL: "https://staging.example"}}, Environment: "local", Commit: "abc", Version: "3",
		Log: slog.New(slog.NewTextHandler(&f.log, nil)), Metrics: registry,
	})
	f.admin.Routes(f.Echo)
	return f
}

// app makes an application that alice administers.
func (f *fixture) app(name string) pandapush.App {
	f.t.Helper()
	app, err := f.store.CreateApp(f.t.Context(), alice, name)
	if err != nil {
		f.t.Fatal(err)
	}
	f.load()
	return app
}

func (f *fixture) load() {
	f.t.Helper()
	if err := f.keys.Load(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

// response is an answer of the API.
type response struct {
	status int
	header http.Header
	body   []byte
}

// request makes a request, signed by a user unless that is nobody.
func (f *fixture) request(user, method, path, body string, headers ...string) *http.Request {
	f.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body)).WithContext(f.t.Context())
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json")
	if user != nobody {
		text, err := json.Marshal(map[string]any{"u": user, "x": time.Now().Add(time.Hour)})
		if err != nil {
			f.t.Fatal(err)
		}
		r.AddCookie(&http.Cookie{Name: "pandapush_session", Value: f.cookies.Seal(text)})
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	return r
}

// do sends a request to a path below /admin/api, and holds the answer to the document.
func (f *fixture) do(user, method, path, body string, headers ...string) response {
	f.t.Helper()
	w := httptest.NewRecorder()
	f.ServeHTTP(w, f.request(user, method, "/admin/api"+path, body, headers...))
	bare, _, _ := strings.Cut(path, "?")
	f.document.Check(f.t, method, bare, w.Code, w.Header(), w.Body.Bytes())
	if w.Code >= http.StatusInternalServerError {
		f.t.Errorf("%s %s: %d %s\n%s", method, path, w.Code, w.Body, &f.log)
	}
	return response{w.Code, w.Header(), w.Body.Bytes()}
}

// ask is do for what has to work, and decodes the answer.
func ask[T any](f *fixture, user, method, path, body string) (v T) {
	f.t.Helper()
	r := f.do(user, method, path, body)
	if r.status != http.StatusOK && r.status != http.StatusCreated {
		f.t.Fatalf("%s %s by %s: %d %s", method, path, user, r.status, r.body)
	}
	if err := json.Unmarshal(r.body, &v); err != nil {
		f.t.Fatalf("%s %s: %v in %s", method, path, err, r.body)
	}
	return v
}

// refused expects a problem, with a field for each of fields.
func (f *fixture) refused(r response, status int, fields ...string) {
	f.t.Helper()
	var p struct {
		Status int
		Title  string
		Errors []struct{ Field, Detail string }
	}
	if err := json.Unmarshal(r.body, &p); err != nil || r.status != status || p.Status != status || p.Title != http.StatusText(status) {
		f.t.Errorf("got %d %s, %v; want %d", r.status, r.body, err, status)
	}
	var got []string
	for _, e := range p.Errors {
		got = append(got, e.Field)
		if e.Detail == "" {
			f.t.Errorf("nothing is said of %s", e.Field)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(fields) {
		f.t.Errorf("problems with %q, want %q: %s", got, fields, r.body)
	}
}

func newRecorder(f *fixture, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// runLive runs the sampler until the test ends, and waits for the first sample.
func (f *fixture) runLive() {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	first := f.live.Next()
	running.Go(func() { f.live.Run(ctx) })
	f.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	<-first
}

// fill publishes so many messages, and returns the id of the first.
func (f *fixture) fill(app pandapush.App, entries int) string {
	f.t.Helper()
	batch := make([]pandapush.Message, 1000)
	for i := range batch {
		batch[i] = streamstest.Message(f.t, fmt.Sprintf("/%s/public/channel-%d", app.ID, i%10), `{"text":"a message of a usual size, more or less"}`)
	}
	first := ""
	for range entries / len(batch) {
		cursors, err := f.streams.AppendAll(f.t.Context(), batch)
		if err != nil {
			f.t.Fatal(err)
		}
		if first == "" {
			first = cursors[0].String()
		}
	}
	return first
}

package login_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/pandapush/pandapush/api/admin/login"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte("0123456789abcdef0123456789abcdef")

// service is a server with logins and one page, which says who asked.
type service struct {
	*echo.Echo
	now time.Time
	log bytes.Buffer
}

func newService(t *testing.T, cfg login.Config) *service {
	t.Helper()
	s := &service{Echo: echo.New(), now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	if cfg.Secret == nil {
		cfg.Secret = secret
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return s.now }
	}
	cfg.Log = slog.New(slog.NewTextHandler(&s.log, nil))
	logins, err := login.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	logins.Routes(s.Echo)
	s.Any("/admin/*", echo.WrapHandler(logins.Page(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := logins.User(w, r)
		if err != nil {
			t.Errorf("a page without a user: %v", err)
		}
		_, _ = w.Write([]byte(string(user.Role) + " " + user.Name))
	}))))
	return s
}

// do sends a request with headers like "Accept: text/html".
func (s *service) do(method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		if name == "Host" {
			r.Host = value
		}
		if name == "RemoteAddr" {
			r.RemoteAddr = value
		}
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func want(t *testing.T, what string, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	if w.Code != status || body != "" && !strings.Contains(w.Body.String(), body) {
		t.Errorf("%s: %d %q, want %d %q", what, w.Code, w.Body, status, body)
	}
}

// cookieOf returns the Cookie header that a browser would send after an answer.
func cookieOf(t *testing.T, w *httptest.ResponseRecorder, name string) *http.Cookie {
	t.Helper()
	for _, c := range w.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no cookie %s in %v", name, w.Header())
	return nil
}

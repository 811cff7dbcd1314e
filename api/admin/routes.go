package admin

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/api/admin/login"
)

// mount is where the API is; its document has the paths below.
const mount = "/admin/api"

// need is who may use a route. That one must see the application in the path is checked besides.
type need int

const (
	look    need = iota // anyone who is logged in
	change              // not those who may only look
	service             // those who see all applications
	operate             // root admins
)

// route is one operation of the API.
type route struct {
	method, path string // the path with echo's ":name" for parameters
	need         need
	handle       func(*Server, *call) error
	endless      bool // an event stream
}

// routes is the whole API. The OpenAPI document has the same ones: a test compares them.
func routes() []route {
	const app, key = "/application/:applicationId", "/application/:applicationId/keys/:keyId"
	return []route{
		{http.MethodGet, "/openapi.json", look, (*Server).openAPI, false},
		{http.MethodGet, "/info", look, (*Server).info, false},
		{http.MethodGet, "/applications", look, (*Server).listApps, false},
		{http.MethodPost, "/applications", change, (*Server).createApp, false},
		{http.MethodGet, app, look, (*Server).getApp, false},
		{http.MethodPost, app, change, (*Server).updateApp, false},
		{http.MethodDelete, app, change, (*Server).deleteApp, false},
		{http.MethodGet, app + "/settings", look, (*Server).getSettings, false},
		{http.MethodPut, app + "/settings", change, (*Server).putSettings, false},
		{http.MethodGet, app + "/keys", look, (*Server).listKeys, false},
		{http.MethodPost, app + "/keys", change, (*Server).createKey, false},
		{http.MethodGet, key, look, (*Server).getKey, false},
		{http.MethodDelete, key, change, (*Server).deleteKey, false},
		{http.MethodPost, key + "/revoke", change, (*Server).revokeKey, false},
		{http.MethodPost, key + "/rotate", change, (*Server).rotateKey, false},
		{http.MethodPost, key + "/token", change, (*Server).mintToken, false},
		{http.MethodPost, app + "/token", change, (*Server).mintConsoleToken, false},
		{http.MethodGet, app + "/stats", look, (*Server).appStats, false},
		{http.MethodGet, app + "/stats/events", look, (*Server).followAppStats, true},
		{http.MethodGet, app + "/connections", look, (*Server).listConnections, false},
		{http.MethodDelete, app + "/connections/:connectionId", change, (*Server).endConnection, false},
		{http.MethodGet, app + "/stream", look, (*Server).listEntries, false},
		{http.MethodGet, app + "/stream/:entryId", look, (*Server).getEntry, false},
		{http.MethodPost, app + "/explain/access", look, (*Server).explainAccess, false},
		{http.MethodPost, app + "/explain/delivery", look, (*Server).explainDelivery, false},
		{http.MethodGet, app + "/audit", look, (*Server).listChanges, false},
		{http.MethodGet, "/audit", look, (*Server).listChanges, false},
		{http.MethodGet, "/stats", service, (*Server).stats, false},
		{http.MethodGet, "/stats/events", service, (*Server).followStats, true},
		{http.MethodGet, "/nodes", service, (*Server).listNodes, false},
		{http.MethodGet, "/config", operate, (*Server).config, false},
	}
}

// Routes registers the logins, the API and the web UI with e.
func (s *Server) Routes(e *echo.Echo) {
	s.cfg.Logins.Routes(e)
	for _, rt := range routes() {
		e.Add(rt.method, mount+rt.path, func(c echo.Context) error {
			s.serve(rt, &call{w: c.Response(), r: c.Request(), param: c.Param})
			return nil
		})
	}
	unknown := route{path: "unknown", need: look, handle: (*Server).unknown}
	e.Any(mount+"/*", func(c echo.Context) error {
		s.serve(unknown, &call{w: c.Response(), r: c.Request(), param: c.Param})
		return nil
	})
	page := echo.WrapHandler(s.cfg.Logins.Page(s.cfg.UI))
	e.GET("/admin", page)
	e.GET("/admin/*", page)
}

// unknown answers what is no operation of the API: by another method there may be one.
func (s *Server) unknown(c *call) error {
	var methods []string
	for _, rt := range routes() {
		if rt.matches(strings.TrimPrefix(c.r.URL.Path, mount)) {
			methods = append(methods, rt.method)
		}
	}
	if len(methods) == 0 {
		return pandapush.ErrNotFound
	}
	c.w.Header().Set("Allow", strings.Join(methods, ", "))
	return errMethod
}

// matches reports whether a path is one of the route's.
func (rt route) matches(path string) bool {
	want, got := strings.Split(rt.path, "/"), strings.Split(path, "/")
	return len(want) == len(got) && !slices.ContainsFunc(want, func(part string) bool {
		name := got[0]
		got = got[1:]
		return part != name && (name == "" || !strings.HasPrefix(part, ":"))
	})
}

// call is one request of somebody who is logged in.
type call struct {
	w     http.ResponseWriter
	r     *http.Request
	param func(name string) string // of the path; "" if it has none of that name

	user login.User
	body []byte        // of a POST or PUT
	app  pandapush.App // that the path names; zero if it names none
}

// readTimeout bounds how long a request's body may take.
const readTimeout = 30 * time.Second

// serve answers one request: who asks, what they may, and then the handler. Whatever ends in an error is answered here.
func (s *Server) serve(rt route, c *call) {
	start := time.Now()
	rec := &recorder{ResponseWriter: c.w}
	c.w = rec
	rec.Header().Set("Cache-Control", "no-store")
	rec.Header().Set("X-Content-Type-Options", "nosniff")
	// Fails only where there is no connection to set it on; net/http takes it back before the next request.
	_ = http.NewResponseController(rec).SetReadDeadline(start.Add(readTimeout))
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(c.r.Context(), "admin handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if rec.status != 0 {
				panic(http.ErrAbortHandler) // a response that merely stopped would look whole
			}
			s.fail(c, errPanic)
		}
		s.metrics.observe(rt, rec.status, time.Since(start))
	}()
	if err := s.admit(rt, c); err != nil {
		s.fail(c, err)
		return
	}
	if err := rt.handle(s, c); err != nil {
		s.fail(c, err)
	}
}

// admit finds out who asks and whether they may. The body is read before the application is looked at: it may take as long as
// readTimeout, and who is taken off the list of administrators meanwhile changes nothing any more.
func (s *Server) admit(rt route, c *call) (err error) {
	if c.user, err = s.cfg.Logins.User(c.w, c.r); err != nil {
		return err
	}
	switch {
	case rt.need == change && c.user.Role == login.ReadOnly, rt.need == service && !c.user.SeesAll(),
		rt.need == operate && c.user.Role != login.Root:
		return errForbidden
	}
	if rt.method == http.MethodPost || rt.method == http.MethodPut {
		if err := c.readBody(); err != nil {
			return err
		}
	}
	if !strings.Contains(rt.path, ":applicationId") {
		return nil
	}
	// The id may be empty, in /application//keys: no application has that.
	if c.app, err = s.cfg.Store.App(c.r.Context(), pandapush.AppID(c.param("applicationId"))); err != nil {
		return err
	}
	if !sees(c.user, c.app) {
		return pandapush.ErrNotFound
	}
	return nil
}

// recorder remembers the status of a response.
type recorder struct {
	http.ResponseWriter
	status int // zero until the response begins
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach what is beneath.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

package api

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Routes registers the API with e. It also makes the server e's error handler, which answers for routes that do not
// exist, for methods that a route does not have, and for handlers of others that return an error.
func (s *Server) Routes(e *echo.Echo) {
	e.HTTPErrorHandler = s.handleEchoError

	get := func(path, template string, h http.HandlerFunc) {
		e.Match([]string{http.MethodGet, http.MethodHead}, path, s.route(template, h))
	}
	e.POST("/channel/*", s.route("/channel", s.answering(s.publish, s.fail)))
	get("/channel/*", "/channel", s.answering(s.read, s.failProblem))
	e.OPTIONS("/channel/*", s.route("/channel", s.preflight("GET, HEAD, OPTIONS, POST")))
	e.POST("/batch/*", s.route("/batch", s.answering(s.batch, s.failProblem)))
	e.OPTIONS("/batch/*", s.route("/batch", s.preflight("OPTIONS, POST")))
	get("/presence/*", "/presence", s.answering(s.presence, s.failProblem))
	e.OPTIONS("/presence/*", s.route("/presence", s.preflight("GET, HEAD, OPTIONS")))

	get("/openapi.json", "/openapi.json", openAPI)
	get("/health_check.json", "/health_check.json", s.healthCheck)
	get("/livez", "/livez", livez)
	get("/readyz", "/readyz", s.readyz)
	if s.config.Gatherer != nil {
		get("/metrics", "/metrics", promhttp.HandlerFor(s.config.Gatherer, promhttp.HandlerOpts{
			ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelError),
		}).ServeHTTP)
	}
}

func (s *Server) route(template string, h http.HandlerFunc) echo.HandlerFunc {
	return echo.WrapHandler(s.observe(template, h))
}

// answering makes a handler of h and of what answers when it returns an error. Then h has written nothing.
func (s *Server) answering(
	h func(w http.ResponseWriter, r *http.Request) error, fail func(w http.ResponseWriter, r *http.Request, err error),
) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			fail(w, r, err)
		}
	}
}

func (s *Server) handleEchoError(err error, c echo.Context) {
	if c.Response().Committed {
		s.log.Error("handler failed after its response had begun", "route", c.Path(), "error", err)
		return
	}
	s.observe("other", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, fromEcho(r, err))
	}).ServeHTTP(c.Response(), c.Request())
}

// fromEcho turns echo's own error into ours.
func fromEcho(r *http.Request, err error) error {
	var he *echo.HTTPError
	switch {
	case !errors.As(err, &he):
		return fmt.Errorf("serve: %w", err)
	case he.Code == http.StatusNotFound:
		return notFound(r)
	case he.Code >= http.StatusInternalServerError:
		return fmt.Errorf("serve: %w", err)
	}
	status := http.StatusText(he.Code)
	text, _ := he.Message.(string)
	return &problem{kind: &kind{title: status, status: he.Code}, detail: cmp.Or(text, status)}
}

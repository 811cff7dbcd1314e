package api

import (
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

	e.POST("/channel/*", s.route("/channel", s.publish))
	e.GET("/channel/*", s.route("/channel", s.read))
	e.OPTIONS("/channel/*", s.route("/channel", preflight))

	get := func(path string, h http.HandlerFunc) {
		e.Match([]string{http.MethodGet, http.MethodHead}, path, s.route(path, h))
	}
	get("/health_check.json", s.healthCheck)
	get("/livez", livez)
	get("/readyz", s.readyz)
	if s.config.Gatherer != nil {
		get("/metrics", promhttp.HandlerFor(s.config.Gatherer, promhttp.HandlerOpts{
			ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelError),
		}).ServeHTTP)
	}
}

func (s *Server) route(template string, h http.HandlerFunc) echo.HandlerFunc {
	return echo.WrapHandler(s.observe(template, h))
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
	if text, ok := he.Message.(string); ok {
		return &problem{he.Code, text}
	}
	return &problem{he.Code, http.StatusText(he.Code)}
}

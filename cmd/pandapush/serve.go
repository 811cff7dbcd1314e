package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/api"
	"github.com/pandapush/pandapush/api/admin"
	"github.com/pandapush/pandapush/api/admin/live"
	"github.com/pandapush/pandapush/client"
	"github.com/pandapush/pandapush/client/examples"
	"github.com/pandapush/pandapush/db"
	"github.com/pandapush/pandapush/edge"
	"github.com/pandapush/pandapush/streams"
)

// What the packages need of each other is declared where it is needed; here it is seen to fit.
var (
	_ edge.Stream    = (*streams.Streams)(nil)
	_ edge.Records   = (*streams.Streams)(nil)
	_ edge.Presence  = (*streams.Streams)(nil)
	_ edge.Occupancy = (*streams.Streams)(nil)
	_ edge.Keys      = (*db.KeyRing)(nil)
	_ api.Stream     = (*streams.Streams)(nil)
	_ api.Limiter    = (*streams.Streams)(nil)
	_ edge.Limiter   = (*streams.Streams)(nil)
	_ api.Rooms      = (*streams.Streams)(nil)
	_ api.KeyRing    = (*db.KeyRing)(nil)
	_ api.Follower   = (*edge.Server)(nil)
)

type serveCmd struct {
	dataFlags `group:"Server"`
	serveFlags
	adminFlags    `group:"Administration"`
	databaseFlags `group:"Database"`
	redisFlags    `group:"Redis"`
	logFlags      `group:"Log"`
}

// check returns what is wrong with the settings where each by itself is right. It opens nothing.
func (c *serveCmd) check(getenv func(string) string) error {
	_, _, err := c.topology(getenv)
	if err == nil {
		_, err = c.databaseFlags.config(c.dataFlags, nil)
	}
	if err == nil {
		_, err = c.hasDev()
	}
	if err == nil {
		err = c.checkAdmin()
	}
	return err
}

// Run serves until the command's context ends, then drains.
func (c *serveCmd) Run(env *environment) error {
	s, err := build(env, c)
	if err != nil {
		return err
	}
	return errors.Join(s.run(env.ctx), s.close())
}

// server is the service: everything that build opened, in the order of the data flow.
type server struct {
	log      *slog.Logger
	node     string // this process among all
	stdout   io.Writer
	cfg      *serveCmd
	redis    *streams.Embedded // nil with a Redis of the operator's
	streams  *streams.Streams
	db       *db.DB
	keys     *db.KeyRing
	edge     *edge.Server
	api      *api.Server
	live     *live.Sampler
	admin    *admin.Server
	http     *http.Server
	listener net.Listener
	statsd   *statsdSender // nil without a statsd server
	draining atomic.Bool
}

// build opens and connects everything, and starts nothing but the embedded Redis.
func build(env *environment, cfg *serveCmd) (_ *server, err error) {
	s := &server{log: cfg.logger(env.stderr), node: strings.ToLower(rand.Text())[:12], stdout: env.stdout, cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := cfg.check(env.getenv); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, &settingError{"DATA_DIR", cfg.DataDir, "a folder that can be made and written to"}
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := s.buildStores(env, metrics); err != nil {
		return nil, err
	}
	if err := s.buildFront(metrics); err != nil {
		return nil, err
	}
	if s.listener, err = new(net.ListenConfig).Listen(env.ctx, "tcp", cfg.address()); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return s, nil
}

// buildStores opens what outlives a request: Redis, the database, and the key ring over it.
func (s *server) buildStores(env *environment, metrics prometheus.Registerer) error {
	topology, external, err := s.cfg.topology(env.getenv)
	if err != nil {
		return err
	}
	if !external {
		if s.redis, err = streams.StartEmbedded(env.ctx, s.cfg.DataDir, s.log); err != nil {
			return err
		}
		topology = streams.Topology{URLs: []string{s.redis.URL()}}
	}
	s.streams, err = streams.Open(env.ctx, streams.Config{
		Redis: topology, Prefix: string(s.cfg.RedisPrefix), Node: s.node,
		MaxLen: int64(s.cfg.HistoryLength), MaxAge: time.Duration(s.cfg.HistoryAge), Retention: s.retention, RoomPage: int64(s.cfg.RoomPage),
		Log: s.log, Metrics: metrics,
	})
	if err != nil {
		return err
	}
	if s.db, err = s.cfg.open(env.ctx, s.cfg.dataFlags, s.log); err != nil {
		return err
	}
	if err := s.prepareSchema(env.ctx); err != nil {
		return err
	}
	dev, err := s.cfg.hasDev()
	if err != nil {
		return err
	}
	if dev {
		err := s.db.EnsureDev(env.ctx, pandapush.AppID(s.cfg.DevApplicationID), pandapush.KeyID(s.cfg.DevKeyID), pandapush.Secret(s.cfg.DevKeySecret))
		if err != nil {
			return fmt.Errorf("development application: %w", err)
		}
	}
	s.keys = db.NewKeyRing(s.db, db.KeyRingConfig{
		TTL: time.Duration(s.cfg.CacheTTLMS), StatsInterval: time.Duration(s.cfg.KeyStatsIntervalMS),
		Log: s.log, Metrics: metrics, Changed: s.keysChanged,
	})
	return s.keys.Load(env.ctx)
}

// retention returns how much of an application's stream is kept, if that is set for it. The streams ask only once they
// run, and then there is a key ring.
func (s *server) retention(app pandapush.AppID) (length int64, age time.Duration) {
	settings := s.keys.Settings(app)
	return settings.HistoryLength, settings.HistoryAge
}

// prepareSchema brings SQLite's schema up to date, and Postgres' if that is asked for. Otherwise Postgres must be so.
func (s *server) prepareSchema(ctx context.Context) error {
	if s.cfg.Database == "sqlite" || s.cfg.Migrate {
		return s.db.Migrate(ctx)
	}
	return s.db.Pending(ctx)
}

// buildFront makes what clients talk to.
func (s *server) buildFront(metrics *prometheus.Registry) error {
	s.edge = edge.New(edge.Config{
		Node: s.node, Stream: s.streams, Records: s.streams, Presence: s.streams, Occupancy: s.streams, Keys: s.keys, Limiter: s.streams, Log: s.log, Metrics: metrics,
		Timeout: time.Duration(s.cfg.ConnectTimeout), PingInterval: time.Duration(s.cfg.PingInterval), BatchWindow: time.Duration(s.cfg.BatchWindow), WriteTimeout: time.Duration(s.cfg.WriteTimeout),
		PresenceTTL: time.Duration(s.cfg.PresenceTTL),
		Limits: edge.Limits{
			FrameBytes: int(s.cfg.MaxFrameBytes), InputBytes: int(s.cfg.MaxInputBytes), Messages: int(s.cfg.MaxBatchMessages), DataBytes: int(s.cfg.MaxMessageBytes),
			Subscriptions: int(s.cfg.MaxSubscriptions), Sessions: int(s.cfg.MaxSessionsPerAddress), PublishRate: int(s.cfg.MaxPublishesPerSecond),
			PresenceBytes: int(s.cfg.MaxPresenceBytes),
		},
		HandshakeTimeout: time.Duration(s.cfg.HandshakeTimeout), TrustedProxies: s.cfg.TrustedProxies,
		Compression: s.cfg.WebsocketCompression, EnforceExpiry: s.cfg.TokenExpiry == "enforce", Script: client.FayeHandler(),
	})
	s.api = api.New(api.Config{
		Keys: s.keys, Stream: s.streams, Rooms: s.streams, Follower: s.edge, Limiter: s.streams, Log: s.log, Metrics: metrics, Gatherer: metrics,
		Ready: []api.Check{
			{Name: "redis", Func: s.streams.Ping},
			{Name: "database", Func: s.db.Ping},
			{Name: "schema", Func: s.db.Pending},
		},
		MaxBody: int64(s.cfg.MaxMessageBytes), MaxBatchBody: int64(s.cfg.MaxBatchBytes),
		OnceWindow: time.Duration(s.cfg.IdempotencyWindow), HistoryAge: time.Duration(s.cfg.HistoryAge),
		Rate:    api.Rate{PerSecond: float64(s.cfg.PublishRate), Burst: int(s.cfg.PublishBurst)},
		KeyRate: api.Rate{PerSecond: float64(s.cfg.KeyPublishRate), Burst: int(s.cfg.KeyPublishBurst)},
		Version: version, Revision: revision, Built: built,
	})
	router := echo.New()
	if err := s.buildStatsd(router, metrics); err != nil {
		return err
	}
	s.api.Routes(router)
	s.edge.Routes(router)
	router.Any("/client.*", echo.WrapHandler(client.Handler())) // client.js, its source map, client.<version>.js
	s.buildExamples(router)
	if err := s.buildAdmin(router, metrics); err != nil {
		return err
	}
	s.http = &http.Server{
		Handler:           s.lastAnswers(router),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		WriteTimeout:      s.cfg.answerTimeout(),
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what strangers do wrong with TCP and HTTP
	}
	return nil
}

// buildStatsd makes what sends numbers to a statsd server, if there is one.
func (s *server) buildStatsd(router *echo.Echo, metrics prometheus.Gatherer) (err error) {
	s.statsd, err = newStatsd(s.cfg.statsdFlags, s.log)
	if s.statsd == nil || err != nil {
		return err
	}
	s.statsd.metrics, s.statsd.published, s.statsd.turnover = metrics, s.streams.Usage, s.edge.Turnover
	router.Use(s.statsd.observe)
	return nil
}

// buildExamples registers the example pages with router, if they are asked for. There is a development application then.
func (s *server) buildExamples(router *echo.Echo) {
	if !s.cfg.Examples {
		return
	}
	handler := examples.Handler(examples.Config{App: pandapush.AppID(s.cfg.DevApplicationID), Key: pandapush.KeyID(s.cfg.DevKeyID), Keys: s.keys})
	router.Any("/examples/*", echo.WrapHandler(handler))
	router.GET("/examples", echo.WrapHandler(http.RedirectHandler("examples/", http.StatusMovedPermanently)))
}

// run serves until ctx ends; then readiness turns false, clients are sent away, requests under way are finished, and only
// then do the streams stop.
func (s *server) run(ctx context.Context) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	g, background := errgroup.WithContext(background)
	g.Go(func() error {
		return s.streams.Run(background, streams.Handlers{Deliver: s.edge.Deliver, Gap: s.edge.Gap, Notice: s.notice, Mail: s.edge.Mail})
	})
	g.Go(func() error {
		s.keys.Run(background)
		return nil
	})
	g.Go(func() error { return s.edge.Run(background) })
	g.Go(func() error {
		s.live.Run(background)
		return nil
	})
	g.Go(func() error {
		s.tellStatistics(background)
		return nil
	})
	if s.statsd != nil {
		g.Go(func() error {
			s.statsd.run(background)
			return nil
		})
	}
	g.Go(func() error {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		select {
		case <-ctx.Done():
		case <-background.Done(): // something failed: there is nobody to drain for
		}
		defer stop()
		s.turnUnready(background)
		return s.drain()
	})
	s.log.Info("listening", "addr", s.listener.Addr().String(), "version", version, "go", runtime.Version())
	s.hint()
	return g.Wait()
}

// lastAnswers has connections end with the answer that is on its way while this node is going down, so that none is waiting for
// its client's next request when it is closed: that request would be lost.
func (s *server) lastAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// turnUnready says that this node is not ready, and waits until balancers have seen it, or ctx ends. Without that, who is sent
// away may be brought back here; and a node without clients would be gone before any balancer has asked.
func (s *server) turnUnready(ctx context.Context) {
	delay := time.Duration(s.cfg.DrainDelay)
	s.log.Info("draining", "delay", delay, "window", time.Duration(s.cfg.DrainSeconds)*time.Second)
	s.draining.Store(true)
	s.api.SetDraining()
	s.live.Refresh() // else the node might be gone before the others have heard
	if delay == 0 {
		return
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// drain sends the clients away, and waits until their last requests are answered.
func (s *server) drain() error {
	window := time.Duration(s.cfg.DrainSeconds) * time.Second
	s.admin.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), window+5*time.Second)
	defer cancel()
	s.edge.Drain(ctx, window)
	if err := s.http.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("shut down: %w", err), s.http.Close())
	}
	return nil
}

// notice takes what other nodes tell.
func (s *server) notice(n streams.Notice) {
	if n.Kind == streams.NoticeKeys {
		s.keys.Reload()
	}
}

// keysChanged ends what is no longer allowed. At the first load nobody is connected yet.
func (s *server) keysChanged() {
	if s.edge != nil {
		s.edge.Revalidate()
	}
}

// tellStatistics tells those who listen on a meta channel what each sample of the live numbers says, until ctx ends.
func (s *server) tellStatistics(ctx context.Context) {
	for {
		select {
		case <-s.live.Next():
		case <-ctx.Done():
			return
		}
		s.edge.TellStatistics(ctx, func(app pandapush.AppID) pandapush.Statistics {
			n := s.live.App(app)
			if n == nil {
				return pandapush.Statistics{}
			}
			return pandapush.Statistics{Sessions: n.Connections, Subscriptions: n.Subscriptions, Published: n.Published, Delivered: n.Delivered}
		})
	}
}

// hint prints a command that publishes to the development application.
func (s *server) hint() {
	if dev, err := s.cfg.hasDev(); err != nil || !dev {
		return
	}
	_, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return
	}
	// The usual development secret is none; any other is not printed.
	secret := "$DEV_KEY_SECRET"
	if s.cfg.DevKeySecret == "devsecret" {
		secret = "devsecret"
	}
	_, err = fmt.Fprintf(s.stdout, "Publish to the development application:\n\n  curl -u %s:%s -d '{\"text\":\"hello\"}' http://localhost:%s/channel/%s/public/greetings\n\n",
		s.cfg.DevKeyID, secret, port, s.cfg.DevApplicationID)
	if err != nil {
		s.log.Warn("hint not printed", "error", err)
	}
}

// close undoes build, last first.
func (s *server) close() error {
	var errs []error
	if s.listener != nil {
		if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if s.statsd != nil {
		errs = append(errs, s.statsd.client.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.streams != nil {
		errs = append(errs, s.streams.Close())
	}
	if s.redis != nil {
		errs = append(errs, s.redis.Close())
	}
	return errors.Join(errs...)
}

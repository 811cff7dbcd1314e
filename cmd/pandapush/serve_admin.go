package main

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/pandapush/pandapush"
	adminui "github.com/pandapush/pandapush/admin-ui"
	"github.com/pandapush/pandapush/api/admin"
	"github.com/pandapush/pandapush/api/admin/live"
	"github.com/pandapush/pandapush/api/admin/login"
	"github.com/pandapush/pandapush/db"
	"github.com/pandapush/pandapush/streams"
)

// What the admin API needs is declared there; here it is seen to fit.
var (
	_ admin.Store    = (*db.DB)(nil)
	_ admin.Sessions = (*streams.Streams)(nil)
	_ admin.Stream   = (*streams.Streams)(nil)
	_ live.Board     = (*streams.Streams)(nil)
)

// buildAdmin makes what administrators use, and registers it with router.
func (s *server) buildAdmin(router *echo.Echo, metrics *prometheus.Registry) error {
	cfg, err := s.cfg.logins(s.cfg.dataFlags)
	if err != nil {
		return err
	}
	cfg.Address, cfg.Log, cfg.Metrics = s.edge.ClientAddress, s.log, metrics
	logins, err := login.New(cfg)
	if err != nil {
		return err
	}
	handles, err := login.NewSealer(cfg.Secret, "connection")
	if err != nil {
		return err
	}
	settings, err := s.cfg.effective()
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	s.live = live.NewSampler(live.Config{
		Node: s.node, About: live.About{Version: version, Go: runtime.Version(), Host: host, Started: time.Now()},
		Sources:   []func() map[pandapush.AppID]pandapush.Usage{s.edge.Usage, s.streams.Usage},
		Followers: s.edge.Followers, Board: s.streams, Gatherer: metrics, Draining: s.draining.Load, Log: s.log,
	})
	s.admin = admin.New(admin.Config{
		Logins: logins, Handles: handles, Store: s.db, Keys: s.keys, Sessions: s.streams, Stream: s.streams, Live: s.live,
		Changed: s.changed, UI: adminui.Handler(), Settings: settings, Retention: s.kept, Defaults: s.defaults(),
		Environments: s.cfg.Environments, Environment: s.cfg.CGEnvironment, Commit: s.cfg.CGGitCommitID, Version: version,
		Log: s.log, Metrics: metrics,
	})
	s.admin.Routes(router)
	return nil
}

// defaults returns what holds for an application whose settings say nothing.
func (s *server) defaults() pandapush.Settings {
	return pandapush.Settings{
		HistoryLength: int64(s.cfg.HistoryLength), HistoryAge: time.Duration(s.cfg.HistoryAge), MaxMessageBytes: int(s.cfg.MaxMessageBytes),
		PublishRate: float64(s.cfg.PublishRate), PublishBurst: int(s.cfg.PublishBurst),
	}
}

// kept returns how much of an application's stream is kept.
func (s *server) kept(app pandapush.AppID) (length int64, age time.Duration) {
	if length, age = s.retention(app); length == 0 {
		length = int64(s.cfg.HistoryLength)
	}
	if age == 0 {
		age = time.Duration(s.cfg.HistoryAge)
	}
	return length, age
}

// changed has all nodes learn of a change of applications or keys: this one before it returns. If Redis or the database is
// away they find out by themselves, later.
func (s *server) changed(ctx context.Context) {
	ctx = context.WithoutCancel(ctx) // the change is made, whether or not its maker waits
	if err := s.streams.Notify(ctx, streams.Notice{Kind: streams.NoticeKeys}); err != nil {
		s.log.WarnContext(ctx, "other nodes not told of a change; they notice within CACHE_TTL_MS", "error", err)
	}
	if err := s.keys.Load(ctx); err != nil {
		s.log.WarnContext(ctx, "keys not loaded after a change", "error", err)
	}
}

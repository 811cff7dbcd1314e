package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
	"github.com/pandapush/pandapush/streams"
)

// dataFlags say where the process keeps what it keeps by itself.
type dataFlags struct {
	DataDir string `default:"localdata" placeholder:"DIR" help:"Folder of the SQLite file and the embedded Redis."`
}

// databaseFlags say where applications and keys are.
type databaseFlags struct {
	Database         database `default:"sqlite" placeholder:"KIND" help:"sqlite or postgres."`
	DatabasePath     string   `placeholder:"FILE" help:"SQLite: the file. Default: db.sqlite in the data folder."`
	DatabaseAddress  string   `default:"localhost" placeholder:"HOST" help:"Postgres: host name or address."`
	DatabasePort     port     `default:"5432" help:"Postgres: port."`
	DatabaseUsername string   `placeholder:"NAME" help:"Postgres: user."`
	DatabasePassword secret   `placeholder:"TEXT" help:"Postgres: password."`
	DatabaseName     string   `default:"pandapush" placeholder:"NAME" help:"Postgres: database."`
	DatabaseURL      secret   `name:"database-url" placeholder:"URL" help:"Postgres: all of it in one; wins over the others."`
}

// open opens the database.
func (f databaseFlags) open(ctx context.Context, data dataFlags, log *slog.Logger) (*db.DB, error) {
	cfg, err := f.config(data, log)
	if err != nil {
		return nil, err
	}
	return db.Open(ctx, cfg)
}

// config returns what db.Open takes.
func (f databaseFlags) config(data dataFlags, log *slog.Logger) (db.Config, error) {
	if f.Database == "sqlite" {
		path := f.DatabasePath
		if path == "" {
			path = filepath.Join(data.DataDir, "db.sqlite")
		}
		return db.Config{Driver: db.SQLite, Path: path, Log: log}, nil
	}
	if f.DatabaseURL != "" {
		if _, err := pgx.ParseConfig(string(f.DatabaseURL)); err != nil {
			return db.Config{}, &settingError{name: "DATABASE_URL", takes: "a URL like postgres://user:password@host:5432/name"}
		}
		return db.Config{Driver: db.Postgres, URL: string(f.DatabaseURL), Log: log}, nil
	}
	u := url.URL{Scheme: "postgres", Path: "/" + f.DatabaseName}
	if filepath.IsAbs(f.DatabaseAddress) { // the folder of a Unix socket
		u.RawQuery = url.Values{"host": {f.DatabaseAddress}, "port": {fmt.Sprint(f.DatabasePort)}}.Encode()
	} else {
		u.Host = net.JoinHostPort(f.DatabaseAddress, fmt.Sprint(f.DatabasePort))
	}
	if f.DatabaseUsername != "" {
		u.User = url.UserPassword(f.DatabaseUsername, string(f.DatabasePassword))
	}
	return db.Config{Driver: db.Postgres, URL: u.String(), Log: log}, nil
}

// redisFlags say which Redis holds the streams. With none of them the process brings its own.
type redisFlags struct {
	RedisHosts          hosts  `placeholder:"HOSTS" help:"Servers as host:port, separated by commas; applications are spread over them."`
	RedisURLEnvVars     names  `name:"redis-url-env-vars" placeholder:"NAMES" help:"Names of environment variables that hold a URL each, in place of REDIS_HOSTS."`
	RedisSentinels      hosts  `placeholder:"HOSTS" help:"Sentinels as host:port, with REDIS_SENTINEL_MASTER, in place of REDIS_HOSTS."`
	RedisSentinelMaster string `placeholder:"NAME" help:"The name by which the sentinels know the primary."`
	RedisCluster        hosts  `placeholder:"HOSTS" help:"Some servers of a Redis Cluster, in place of REDIS_HOSTS."`
	RedisUsername       string `placeholder:"NAME" help:"User, if the servers want one."`
	RedisPassword       secret `placeholder:"TEXT" help:"Password, if the servers want one."`
	RedisTLS            bool   `name:"redis-tls" help:"Connect by TLS."`
	RedisPrefix         prefix `default:"pp" placeholder:"TEXT" help:"First part of every key's name."`
}

// topology returns where Redis is. ok is false if no setting says so.
func (f redisFlags) topology(getenv func(string) string) (t streams.Topology, ok bool, err error) {
	if (len(f.RedisSentinels) > 0) != (f.RedisSentinelMaster != "") {
		return t, false, errors.New("REDIS_SENTINELS and REDIS_SENTINEL_MASTER can only be set together")
	}
	t = streams.Topology{
		Hosts: f.RedisHosts, Cluster: f.RedisCluster, Sentinel: streams.Sentinel{Master: f.RedisSentinelMaster, Addrs: f.RedisSentinels},
		Username: f.RedisUsername, Password: string(f.RedisPassword),
	}
	if len(f.RedisHosts) == 0 { // as in the Node version
		if t.URLs, err = redisURLs(f.RedisURLEnvVars, getenv); err != nil {
			return t, false, err
		}
	}
	if f.RedisTLS {
		t.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	forms := 0
	for _, given := range [][]string{slices.Concat(t.Hosts, t.URLs), t.Sentinel.Addrs, t.Cluster} {
		if len(given) > 0 {
			forms++
		}
	}
	if forms > 1 {
		return t, false, errors.New("only one of REDIS_HOSTS, REDIS_URL_ENV_VARS, REDIS_SENTINELS and REDIS_CLUSTER can be set")
	}
	return t, forms == 1, nil
}

// redisURLs returns the URLs that the named variables hold. An error does not show them: they may have a password.
func redisURLs(names []string, getenv func(string) string) ([]string, error) {
	var urls []string
	for _, name := range names {
		value := getenv(name)
		if value == "" {
			return nil, &settingError{"REDIS_URL_ENV_VARS", name, "names of environment variables that are set"}
		}
		if rest, ok := strings.CutPrefix(value, "tcp://"); ok { // what the Node version and Docker's links have there
			value = "redis://" + rest
		}
		if _, err := redis.ParseURL(value); err != nil {
			return nil, &settingError{name: name, takes: "a URL like redis://host:6379; rediss, unix and tcp are fine too"}
		}
		urls = append(urls, value)
	}
	return urls, nil
}

// logFlags say what is logged.
type logFlags struct {
	LogLevel  logLevel  `default:"info" placeholder:"LEVEL" help:"debug, info, warn or error."`
	LogFormat logFormat `default:"text" placeholder:"FORMAT" help:"text or json."`
}

// logger returns a logger that writes to w.
func (f logFlags) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(f.LogLevel)}
	if f.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// serveFlags are the settings of serve itself.
type serveFlags struct {
	Port             port    `default:"3000" help:"Port to listen on, on all interfaces."`
	Listen           address `placeholder:"ADDRESS" help:"Address to listen on, like 127.0.0.1:3000; wins over the port."`
	Migrate          bool    `help:"Bring a Postgres schema up to date before serving. SQLite always is."`
	DrainSeconds     count   `default:"10" help:"After SIGTERM, time over which clients are sent away."`
	ConnectTimeout   span    `default:"30s" help:"How long a Bayeux connect is held; a session ends after twice as long without one."`
	PingInterval     span    `default:"25s" help:"How long a WebSocket may be silent before it is pinged; it is closed after twice as long."`
	BatchWindow      wait    `default:"5ms" help:"Longest that a message waits to leave together with those after it, in the answer to a poll and on a busy node; 0 for no wait."`
	WriteTimeout     span    `default:"10s" help:"How long a connection whose client does not read may stay."`
	MaxMessageBytes  count   `default:"131072" help:"Largest published message."`
	MaxBatchBytes    count   `default:"8388608" help:"Largest body of a batch."`
	MaxFrameBytes    count   `default:"1048576" help:"Largest WebSocket frame or body of Bayeux messages."`
	MaxInputBytes    count   `default:"268435456" help:"Frames and bodies of Bayeux messages that all clients may be sending at a time, those of up to 16 KiB aside."`
	MaxBatchMessages count   `default:"1000" help:"Messages in one WebSocket frame or body of Bayeux messages."`
	MaxSubscriptions count   `default:"1000" help:"Subscriptions of one session."`

	MaxSessionsPerAddress count       `default:"10000" help:"Sessions of one client address on a node; twice as many connections."`
	MaxPublishesPerSecond count       `default:"1000" help:"Bayeux messages that one session may publish in a second; twice as many at once."`
	HandshakeTimeout      span        `default:"30s" help:"How long a body may take to arrive, and how long a WebSocket may stay that has been granted nothing."`
	WebsocketCompression  bool        `help:"Compress messages to WebSockets whose clients offer permessage-deflate."`
	TrustedProxies        networks    `placeholder:"NETWORKS" help:"Proxies whose X-Forwarded-For is believed, like 10.0.0.0/8,192.0.2.1. Without them nothing is limited by address behind a proxy."`
	TokenExpiry           tokenExpiry `default:"subscribe" placeholder:"WHEN" help:"When a token's expiry counts: subscribe (a subscription goes on) or enforce (it ends)."`
	PresenceTTL           span        `name:"presence-ttl" default:"30s" help:"How long a user stays in a room when its connection is lost without a word; at most twice CONNECT_TIMEOUT."`
	MaxPresenceBytes      count       `default:"4096" help:"Largest presence object of a token."`
	RoomPage              count       `default:"1000" help:"Members of a room that are listed at a time, about."`

	HistoryLength count `default:"10000" help:"Messages kept for each application, about."`
	HistoryAge    span  `default:"24h" help:"How long messages are kept."`

	IdempotencyWindow span  `default:"10m" help:"How long the Idempotency-Key of a publish is remembered."`
	PublishRate       limit `default:"0" placeholder:"N" help:"Messages per second that may be published by HTTP for an application which has no limit of its own; 0 is no limit."`
	PublishBurst      limit `default:"0" placeholder:"N" help:"And at once; 0 is as many as in a second."`
	KeyPublishRate    limit `default:"0" placeholder:"N" help:"Messages per second that may be published by HTTP with one key; 0 is no limit."`
	KeyPublishBurst   limit `default:"0" placeholder:"N" help:"And at once; 0 is as many as in a second."`

	CacheTTLMS         millis `name:"cache-ttl-ms" default:"300000" help:"How often all keys are read anew, besides at once when one changes."`
	KeyStatsIntervalMS millis `name:"key-stats-interval-ms" default:"60000" help:"How often the use of keys is written down."`

	DevApplicationID string `name:"dev-application-id" placeholder:"ID" help:"With the two below: an application for development that is made at start."`
	DevKeyID         string `name:"dev-key-id" placeholder:"ID" help:"Its key."`
	DevKeySecret     secret `placeholder:"TEXT" help:"Its key's secret."`
	Examples         bool   `help:"Serve example pages at /examples/, which give anyone a token for what they do. Not for servers that strangers reach; wants the application for development."`
}

// address returns where to listen.
func (f serveFlags) address() string {
	if f.Listen != "" {
		return string(f.Listen)
	}
	return fmt.Sprintf(":%d", f.Port)
}

// answerTimeout returns what bounds the time from a request to the end of its answer, for answers that have no bounds of
// their own: a connect may be held, and a slow client may take long to read.
func (f serveFlags) answerTimeout() time.Duration {
	return time.Duration(f.ConnectTimeout) + 12*time.Duration(f.WriteTimeout)
}

// hasDev reports whether a development application is asked for; the three settings go together.
func (f serveFlags) hasDev() (bool, error) {
	set := 0
	for _, value := range []string{f.DevApplicationID, f.DevKeyID, string(f.DevKeySecret)} {
		if value != "" {
			set++
		}
	}
	if set == 1 || set == 2 {
		return false, errors.New("DEV_APPLICATION_ID, DEV_KEY_ID and DEV_KEY_SECRET can only be set together")
	}
	if set == 3 && !pandapush.AppID(f.DevApplicationID).Valid() {
		return false, &settingError{"DEV_APPLICATION_ID", f.DevApplicationID, "letters and digits"}
	}
	if set == 0 && f.Examples {
		return false, errors.New("EXAMPLES can only be set together with DEV_APPLICATION_ID, DEV_KEY_ID and DEV_KEY_SECRET")
	}
	return set == 3, nil
}

// openStreams connects a short command to the Redis of the running servers: the one that is configured, or the embedded one
// of a server that runs on the same data folder. ok is false if there is neither.
func (f redisFlags) openStreams(ctx context.Context, env *environment, data dataFlags) (s *streams.Streams, ok bool, err error) {
	topology, ok, err := f.topology(env.getenv)
	if err == nil && !ok {
		topology, ok, err = embeddedTopology(data)
	}
	if err != nil || !ok {
		return nil, false, err
	}
	s, err = streams.Open(ctx, streams.Config{Redis: topology, Prefix: string(f.RedisPrefix), Node: "command", Log: slog.New(slog.DiscardHandler)})
	return s, err == nil, err
}

// embeddedTopology returns where the embedded Redis of a running server on the same data folder is, if there is one.
func embeddedTopology(data dataFlags) (t streams.Topology, ok bool, err error) {
	url, err := os.ReadFile(filepath.Join(data.DataDir, streams.EmbeddedURLFile))
	if errors.Is(err, fs.ErrNotExist) {
		return t, false, nil
	}
	return streams.Topology{URLs: []string{strings.TrimSpace(string(url))}}, err == nil, err
}

// dialTimeout bounds how long a short command waits for Redis or for a server.
const dialTimeout = 5 * time.Second

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
	DataDir string `default:"localdata" placeholder:"DIR" help:"Folder for the SQLite file and the embedded Redis."`
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
	DatabaseURL      secret   `name:"database-url" placeholder:"URL" help:"Postgres: everything in one URL; takes precedence over the others."`
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
	RedisHosts          hosts  `placeholder:"HOSTS" help:"Servers as host:port, separated by commas. Applications are spread over them. Without any, an embedded Redis is used."`
	RedisURLEnvVars     names  `name:"redis-url-env-vars" placeholder:"NAMES" help:"Instead of REDIS_HOSTS: names of environment variables, each with the URL of a server."`
	RedisSentinels      hosts  `placeholder:"HOSTS" help:"Instead of REDIS_HOSTS: Sentinels as host:port; needs REDIS_SENTINEL_MASTER."`
	RedisSentinelMaster string `placeholder:"NAME" help:"The Sentinels' name for the primary."`
	RedisCluster        hosts  `placeholder:"HOSTS" help:"Instead of REDIS_HOSTS: some servers of a Redis Cluster, as host:port."`
	RedisUsername       string `placeholder:"NAME" help:"User, if the servers require one."`
	RedisPassword       secret `placeholder:"TEXT" help:"Password, if the servers require one."`
	RedisTLS            bool   `name:"redis-tls" help:"Connect with TLS."`
	RedisPrefix         prefix `default:"pp" placeholder:"TEXT" help:"Prefix of the names of all keys."`
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
	listenFlags    `group:"Server"`
	connectFlags   `group:"Connections"`
	limitFlags     `group:"Limits"`
	presenceFlags  `group:"Presence"`
	historyFlags   `group:"Messages"`
	rateFlags      `group:"Rate limits"`
	keyFlags       `group:"Keys and tokens"`
	developerFlags `group:"Development"`
	statsdFlags    `group:"statsd"`
}

type listenFlags struct {
	Port         port    `default:"3000" help:"Port to listen on, on all interfaces."`
	Listen       address `placeholder:"ADDRESS" help:"Address to listen on, like 127.0.0.1:3000; takes precedence over PORT."`
	Migrate      bool    `help:"Migrate a Postgres schema before serving. SQLite is always migrated."`
	DrainDelay   wait    `default:"0s" help:"Time, after SIGTERM, for which /readyz says 503 and all else goes on, so that balancers stop sending clients here before any is sent away."`
	DrainSeconds count   `default:"10" help:"Time, after SIGTERM and DRAIN_DELAY, over which clients are sent away."`
}

type connectFlags struct {
	ConnectTimeout       span     `default:"30s" help:"How long a Bayeux connect is held. A session ends after twice this time without one."`
	PingInterval         span     `default:"25s" help:"How long a WebSocket may be silent before it is pinged. It is closed after twice this time."`
	BatchWindow          wait     `default:"5ms" help:"Longest time for which a busy node, or the answer to a poll, holds a message back to send it together with the next ones; 0 to never wait."`
	WriteTimeout         span     `default:"10s" help:"How long a connection may stay open whose client does not read."`
	HandshakeTimeout     span     `default:"30s" help:"How long a request body may take to arrive, and how long a WebSocket may stay open that has not been granted anything."`
	WebsocketCompression bool     `help:"Compress messages to WebSockets whose clients offer permessage-deflate."`
	TrustedProxies       networks `placeholder:"NETWORKS" help:"Proxies whose X-Forwarded-For is trusted, like 10.0.0.0/8,192.0.2.1. Without them, clients behind a proxy are not limited by address."`
}

type limitFlags struct {
	MaxMessageBytes       count `default:"131072" help:"Largest published message."`
	MaxBatchBytes         count `default:"8388608" help:"Largest body of a batch published by HTTP."`
	MaxFrameBytes         count `default:"1048576" help:"Largest WebSocket frame or body of Bayeux messages."`
	MaxInputBytes         count `default:"268435456" help:"Total size of the frames and bodies of Bayeux messages that are being received at a time, not counting 16 KiB for each client."`
	MaxBatchMessages      count `default:"1000" help:"Messages in one WebSocket frame or body of Bayeux messages."`
	MaxSubscriptions      count `default:"1000" help:"Subscriptions of one session."`
	MaxSessionsPerAddress count `default:"10000" help:"Sessions of one client address on a node; twice as many connections."`
	MaxPublishesPerSecond count `default:"1000" help:"Bayeux messages that one session may publish in a second; twice as many at once."`
}

type presenceFlags struct {
	PresenceTTL      span  `name:"presence-ttl" default:"30s" help:"How long a user stays in a room after its connection broke; at most twice CONNECT_TIMEOUT."`
	MaxPresenceBytes count `default:"4096" help:"Largest presence object of a token."`
	RoomPage         count `default:"1000" help:"About how many members of a room are listed at a time."`
}

type historyFlags struct {
	HistoryLength     count `default:"10000" help:"About how many messages are kept for each application. If more are published at once, some may be removed before subscribers get them; these are told of a gap."`
	HistoryAge        span  `default:"24h" help:"How long messages are kept."`
	IdempotencyWindow span  `default:"10m" help:"How long the Idempotency-Key of a publish is remembered."`
}

type rateFlags struct {
	PublishRate     limit `default:"0" placeholder:"N" help:"Messages per second that may be published by HTTP for an application which has no limit of its own; 0 for no limit."`
	PublishBurst    limit `default:"0" placeholder:"N" help:"Messages that it may publish at once; 0 for as many as in a second."`
	KeyPublishRate  limit `default:"0" placeholder:"N" help:"Messages per second that may be published by HTTP with one key; 0 for no limit."`
	KeyPublishBurst limit `default:"0" placeholder:"N" help:"Messages that may be published with it at once; 0 for as many as in a second."`
}

type keyFlags struct {
	TokenExpiry        tokenExpiry `default:"subscribe" placeholder:"WHEN" help:"When a token's expiry counts: only when subscribing (subscribe), or also afterwards, so that its subscriptions end (enforce)."`
	CacheTTLMS         millis      `name:"cache-ttl-ms" default:"300000" help:"How often all keys are reloaded, besides immediately after a change; in milliseconds."`
	KeyStatsIntervalMS millis      `name:"key-stats-interval-ms" default:"60000" help:"How often the use counts of keys are stored; in milliseconds."`
}

type developerFlags struct {
	DevApplicationID string `name:"dev-application-id" placeholder:"ID" help:"Application for development, created at start; needs DEV_KEY_ID and DEV_KEY_SECRET."`
	DevKeyID         string `name:"dev-key-id" placeholder:"ID" help:"Its key."`
	DevKeySecret     secret `placeholder:"TEXT" help:"Its key's secret."`
	Examples         bool   `help:"Serve the example pages at /examples/. They give anyone a token for what they do, so don't use this on a public server; needs DEV_APPLICATION_ID."`
}

type statsdFlags struct {
	StatsdHost   string `placeholder:"HOST" help:"Server that is sent counters by UDP, under the names that the Node version gave them. Without it none are sent; /metrics has more."`
	StatsdPort   port   `default:"8125" help:"Its port."`
	StatsdPrefix string `default:"pandapush" placeholder:"TEXT" help:"What the names begin with."`
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

package streams

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// timeout bounds each of dialling, writing and reading, and the wait of an append in its queue.
const timeout = 2 * time.Second

// Topology says which Redis holds the streams: one or more independent servers (Hosts and URLs together), a server that
// Sentinel watches, or a Cluster. Exactly one of the three is given.
type Topology struct {
	Hosts    []string // "host:port"; the order does not matter
	URLs     []string // redis:// (or tcp://), rediss:// or unix://, with user, password and database of their own
	Sentinel Sentinel
	Cluster  []string // "host:port" of some nodes of a Cluster

	// For Hosts, Sentinel's server and Cluster, and for URLs that don't say.
	Username, Password string
	TLS                *tls.Config // nil = plain, but for rediss:// URLs
}

// Sentinel names a server by the Sentinels that watch it.
type Sentinel struct {
	Master string
	Addrs  []string // "host:port" of the Sentinels
}

// LogValue shows the shape and hides the secrets.
func (t Topology) LogValue() slog.Value {
	return slog.GroupValue(slog.Int("servers", len(t.Hosts)+len(t.URLs)),
		slog.String("sentinel_master", t.Sentinel.Master), slog.Int("cluster_addrs", len(t.Cluster)))
}

// String shows the shape and hides the secrets.
func (t Topology) String() string { return t.LogValue().String() }

// check returns what is wrong with the topology as a whole.
func (t Topology) check() error {
	forms := 0
	for _, given := range []bool{len(t.Hosts)+len(t.URLs) > 0, len(t.Sentinel.Addrs) > 0, len(t.Cluster) > 0} {
		if given {
			forms++
		}
	}
	switch {
	case forms == 0:
		return errors.New("no Redis given")
	case forms > 1:
		return errors.New("servers, Sentinel and Cluster exclude each other")
	case (t.Sentinel.Master == "") != (len(t.Sentinel.Addrs) == 0):
		return errors.New("Sentinel takes both a master's name and addresses")
	}
	return nil
}

// backend is one Redis, or a Cluster as a whole: what a pipeline can go to.
type backend struct {
	name string                // for logs: no user, no password
	cmd  redis.UniversalClient // all but blocking reads; never tries twice
	read redis.UniversalClient // connections of the readers
	// first is the lowest bucket that lives here.
	first    int
	appender *appender
	calls    *calls
	ranges   chan struct{} // of capacity maxRanges: a place for each Range under way
	batches  chan struct{} // of capacity maxBatches: a place for each AppendAll under way
}

// open makes the clients of the topology, without connecting, and says which of them each bucket lives on.
func (t Topology) open(onConnect func(b *backend)) (all []*backend, of [buckets]*backend, err error) {
	if err = t.check(); err != nil {
		return nil, of, err
	}
	switch {
	case len(t.Cluster) > 0:
		all = []*backend{t.backend("cluster", func(o *redis.UniversalOptions) redis.UniversalClient {
			o.Addrs = t.Cluster
			return redis.NewClusterClient(o.Cluster())
		}, onConnect)}
	case len(t.Sentinel.Addrs) > 0:
		all = []*backend{t.backend("sentinel "+t.Sentinel.Master, func(o *redis.UniversalOptions) redis.UniversalClient {
			o.Addrs, o.MasterName = t.Sentinel.Addrs, t.Sentinel.Master
			return redis.NewFailoverClient(o.Failover())
		}, onConnect)}
	default:
		if all, err = t.servers(onConnect); err != nil {
			return nil, of, err
		}
	}
	names := make([]string, len(all))
	for i, b := range all {
		names[i], b.first = b.name, -1
	}
	for bucket := range of {
		b := all[rendezvous(names, bucket)]
		of[bucket] = b
		if b.first < 0 {
			b.first = bucket
		}
	}
	return all, of, nil
}

// servers makes a backend for each independent server. A server's name is its address alone, so that a new password
// does not move buckets.
func (t Topology) servers(onConnect func(b *backend)) ([]*backend, error) {
	all := make([]*backend, 0, len(t.Hosts)+len(t.URLs))
	add := func(parsed *redis.Options) error {
		name := parsed.Addr
		if parsed.DB != 0 {
			name += "/" + strconv.Itoa(parsed.DB)
		}
		if slices.ContainsFunc(all, func(b *backend) bool { return b.name == name }) {
			return fmt.Errorf("server %s is given twice", name)
		}
		all = append(all, t.backend(name, func(o *redis.UniversalOptions) redis.UniversalClient {
			options := o.Simple()
			options.Network, options.Addr, options.DB = parsed.Network, parsed.Addr, parsed.DB
			if parsed.Username != "" || parsed.Password != "" {
				options.Username, options.Password = parsed.Username, parsed.Password
			}
			if parsed.TLSConfig != nil {
				options.TLSConfig = parsed.TLSConfig
			}
			return redis.NewClient(options)
		}, onConnect))
		return nil
	}
	for _, host := range t.Hosts {
		if err := add(&redis.Options{Network: "tcp", Addr: host}); err != nil {
			return nil, err
		}
	}
	for i, url := range t.URLs {
		if rest, ok := strings.CutPrefix(url, "tcp://"); ok { // as container links give it
			url = "redis://" + rest
		}
		parsed, err := redis.ParseURL(url)
		if err != nil {
			// Not the parser's own text: it may hold the password.
			return nil, fmt.Errorf("redis URL %d of %d: not a redis://, rediss://, tcp:// or unix:// URL", i+1, len(t.URLs))
		}
		if err := add(parsed); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// backend makes the two clients of one backend.
func (t Topology) backend(name string, connect func(*redis.UniversalOptions) redis.UniversalClient, onConnect func(*backend)) *backend {
	b := &backend{name: name}
	options := redis.UniversalOptions{
		Username: t.Username, Password: t.Password, TLSConfig: t.TLS,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		MaxRetries: -1, DialerRetries: 1, // an append that is silently tried again may be made twice
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	read := options
	read.PoolSize = buckets // connections are made when needed: one for a server, one per busy bucket on a Cluster
	b.read = connect(&read)
	options.OnConnect = func(context.Context, *redis.Conn) error {
		onConnect(b)
		return nil
	}
	b.cmd = connect(&options)
	return b
}

// each calls f with a client for each server of the backend: for each master, on a Cluster.
func (b *backend) each(ctx context.Context, f func(context.Context, *redis.Client) error) error {
	switch c := b.cmd.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, f)
	case *redis.Client:
		return f(ctx, c)
	}
	return fmt.Errorf("client of type %T", b.cmd)
}

// conn returns a connection for blocking reads of keys in the slot of key. It is not connected before its first use, and
// does not connect again by itself: a reader has to know when it did.
func (b *backend) conn(ctx context.Context, key string) (*redis.Conn, error) {
	switch c := b.read.(type) {
	case *redis.ClusterClient:
		node, err := c.MasterForKey(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("find the master: %w", err)
		}
		return node.Conn(), nil
	case *redis.Client:
		return c.Conn(), nil
	}
	return nil, fmt.Errorf("client of type %T", b.read)
}

// forget drops what is known of where a Cluster's slots are, since a reader that broke may have been talking to a node
// that has lost its.
func (b *backend) forget(ctx context.Context) {
	if c, ok := b.read.(*redis.ClusterClient); ok {
		c.ReloadState(ctx)
	}
}

// spansSlots reports whether one read may cover several buckets.
func (b *backend) spansSlots() bool {
	_, cluster := b.cmd.(*redis.ClusterClient)
	return !cluster
}

// rendezvous returns the index of the name that bucket belongs to: the one with the highest score. When a name is added
// or removed only its own buckets move.
func rendezvous(names []string, bucket int) int {
	best, top := 0, uint64(0)
	for i, name := range names {
		sum := sha256.Sum256([]byte(name + "#" + strconv.Itoa(bucket)))
		if score := binary.BigEndian.Uint64(sum[:8]); score > top {
			best, top = i, score
		}
	}
	return best
}

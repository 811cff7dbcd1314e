package streamstest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush/streams/internal/redisserver"
)

// SentinelMaster is what the Sentinel calls the server that it watches.
const SentinelMaster = "main"

// Watched is a primary and its replica, and a Sentinel that makes the one of the other when the primary dies.
type Watched struct {
	Sentinel         string // "host:port"
	Primary, Replica *Server
}

// Sentinel starts one for this test, and returns when a failover is possible.
func Sentinel(tb testing.TB) Watched {
	tb.Helper()
	addr, primary, replica := freeAddr(tb), freeAddr(tb), freeAddr(tb)
	listen := func(addr string, more ...string) *Server {
		return Start(tb, Options{Args: append([]string{"--port", portOf(addr), "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0"}, more...)})
	}
	w := Watched{Sentinel: addr, Primary: listen(primary)}
	w.Replica = listen(replica, "--replicaof", "127.0.0.1 "+portOf(primary))
	startSentinel(tb, addr, primary)

	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	client := redis.NewSentinelClient(&redis.Options{Addr: addr})
	defer func() { _ = client.Close() }()
	for {
		replicas, err := client.Replicas(ctx, SentinelMaster).Result()
		if err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok" {
			return w
		}
		if ctx.Err() != nil {
			tb.Fatal("the Sentinel does not find the replica")
		}
	}
}

// startSentinel starts a Sentinel that listens on addr and watches the server on another.
func startSentinel(tb testing.TB, addr, watched string) {
	tb.Helper()
	path, ok := redisserver.Find()
	if !ok {
		tb.Fatal("no redis-server is installed: scripts/test installs it")
	}
	dir := tb.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile %s/log\nsentinel monitor %s 127.0.0.1 %s 1\n"+
		"sentinel down-after-milliseconds %[4]s 500\nsentinel failover-timeout %[4]s 3000\n", portOf(addr), dir, dir, SentinelMaster, portOf(watched))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), path, conf, "--sentinel")
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cmd.Wait() }) // the test's context has ended by then, and the process with it
}

// freeAddr returns an address that nobody listens on.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	var l net.ListenConfig
	listener, err := l.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }

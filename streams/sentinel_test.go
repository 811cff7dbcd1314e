package streams_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush/streams"
	"github.com/pandapush/pandapush/streams/internal/redisserver"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// TestSentinel kills the server that a Sentinel watches: appends and reads go on with its replica.
func TestSentinel(t *testing.T) {
	t.Parallel()
	primaryPort, replicaPort, sentinelPort := freePort(t), freePort(t), freePort(t)
	listen := func(port int, more ...string) *streamstest.Server {
		return streamstest.Start(t, streamstest.Options{Args: append([]string{
			"--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--repl-diskless-sync-delay", "0",
		}, more...)})
	}
	primary := listen(primaryPort)
	replica := listen(replicaPort, "--replicaof", fmt.Sprintf("127.0.0.1 %d", primaryPort))
	startSentinel(t, sentinelPort, primaryPort)
	sentinel := redis.NewSentinelClient(&redis.Options{Addr: fmt.Sprintf("127.0.0.1:%d", sentinelPort)})
	t.Cleanup(func() { _ = sentinel.Close() })
	until(t, func() bool {
		replicas, err := sentinel.Replicas(t.Context(), "main").Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})

	a := streamstest.Open(t, streams.Config{Node: "a", Redis: streams.Topology{
		Sentinel: streams.Sentinel{Master: "main", Addrs: []string{fmt.Sprintf("127.0.0.1:%d", sentinelPort)}},
	}})
	a.MustJoin("shop")
	before := a.Send("/shop/public/x", `1`)
	a.Await("shop", before)
	copied := replica.Client()
	until(t, func() bool { return copied.Exists(t.Context(), streams.LogKey("shop")).Val() == 1 })
	primary.Kill()
	after := sendWhenBack(t, a, "/shop/public/x")
	if after.Epoch != before.Epoch {
		t.Errorf("the epoch changed: %v, then %v", before, after)
	}
	a.Await("shop", after)
}

// startSentinel starts a Sentinel that watches the server on the given port under the name "main".
func startSentinel(t *testing.T, port, watched int) {
	t.Helper()
	path, ok := redisserver.Find()
	if !ok {
		t.Fatal("no redis-server is installed: scripts/test installs it")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nlogfile %s/log\nsentinel monitor main 127.0.0.1 %d 1\n"+
		"sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", port, dir, dir, watched)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, conf, "--sentinel")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // t.Context has ended by then, and the process with it
}

// until asks until the answer is yes.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	for !ok() {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	var l net.ListenConfig
	listener, err := l.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	addr, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("listens on %v", listener.Addr())
	}
	return addr.Port
}

package streamstest

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	masters = 3
	slots   = 16384
)

// Cluster starts a Redis Cluster of three masters for this test and returns their addresses.
func Cluster(t testing.TB) []string {
	t.Helper()
	addrs := make([]string, masters)
	nodes := make([]*redis.Client, masters)
	for i := range nodes {
		port := clusterPort(t)
		server := Start(t, Options{Args: []string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
		}})
		addrs[i] = "127.0.0.1:" + strconv.Itoa(port)
		nodes[i] = redis.NewClient(&redis.Options{Network: "unix", Addr: filepath.Join(server.options.Dir, "s")})
		t.Cleanup(func() { _ = nodes[i].Close() })
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i, node := range nodes {
		if err := node.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err(); err != nil {
			t.Fatal(err)
		}
		if err := node.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, addr := range addrs[1:] {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := nodes[0].ClusterMeet(ctx, host, port).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, node := range nodes {
		awaitCluster(ctx, t, node)
	}
	return addrs
}

// awaitCluster waits until a node knows the others and serves all slots. There is nothing to wait on but its answers.
func awaitCluster(ctx context.Context, t testing.TB, node *redis.Client) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		parts, err := node.ClusterSlots(ctx).Result()
		info, infoErr := node.ClusterInfo(ctx).Result()
		if err == nil && infoErr == nil && len(parts) == masters && len(info) > 16 && info[:16] == "cluster_state:ok" {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			t.Fatalf("the Cluster did not form: %v", err)
		}
	}
}

// clusterPort returns a free port whose cluster bus port, 10,000 above, is free too. They lie below the ports that the
// kernel gives to connections, or one of those might take it before the server does.
func clusterPort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10_000 + int(time.Now().UnixNano()/1000%12_000)
		if free(t, port) && free(t, port+10_000) {
			return port
		}
	}
	t.Fatal("no free port for a Cluster")
	return 0
}

func free(t testing.TB, port int) bool {
	t.Helper()
	var l net.ListenConfig
	listener, err := l.Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

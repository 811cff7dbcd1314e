package streamstest

import (
	"context"
	"fmt"
	"net"
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
func Cluster(tb testing.TB) []string {
	tb.Helper()
	addrs := make([]string, masters)
	nodes := make([]*redis.Client, masters)
	for i := range nodes {
		port := clusterPort(tb)
		server := Start(tb, Options{Args: []string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
		}})
		addrs[i] = "127.0.0.1:" + strconv.Itoa(port)
		nodes[i] = server.Client()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for i, node := range nodes {
		if err := node.ClusterAddSlotsRange(ctx, i*slots/masters, (i+1)*slots/masters-1).Err(); err != nil {
			tb.Fatal(err)
		}
		if err := node.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			tb.Fatal(err)
		}
	}
	for _, addr := range addrs[1:] {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			tb.Fatal(err)
		}
		if err := nodes[0].ClusterMeet(ctx, host, port).Err(); err != nil {
			tb.Fatal(err)
		}
	}
	for _, node := range nodes {
		awaitCluster(ctx, tb, node)
	}
	return addrs
}

// awaitCluster waits until a node knows the others and serves all slots. There is nothing to wait on but its answers.
func awaitCluster(ctx context.Context, tb testing.TB, node *redis.Client) {
	tb.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		shards, err := node.ClusterShards(ctx).Result()
		info, infoErr := node.ClusterInfo(ctx).Result()
		if err == nil && infoErr == nil && len(shards) == masters && len(info) > 16 && info[:16] == "cluster_state:ok" {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			tb.Fatalf("the Cluster did not form: %v", err)
		}
	}
}

// clusterPort returns a free port whose cluster bus port, 10,000 above, is free too. They lie below the ports that the
// kernel gives to connections, or one of those might take it before the server does.
func clusterPort(tb testing.TB) int {
	tb.Helper()
	for range 100 {
		port := 10_000 + int(time.Now().UnixNano()/1000%12_000)
		if free(tb, port) && free(tb, port+10_000) {
			return port
		}
	}
	tb.Fatal("no free port for a Cluster")
	return 0
}

func free(tb testing.TB, port int) bool {
	tb.Helper()
	var l net.ListenConfig
	listener, err := l.Listen(context.Background(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

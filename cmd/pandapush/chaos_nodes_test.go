//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/pandapush/pandapush/db/dbtest"
	"github.com/pandapush/pandapush/streams/streamstest"
)

// chaosCluster is the service as an operator runs it: nodes behind a balancer, with one Redis and one Postgres.
type chaosCluster struct {
	redis *streamstest.Server
	proxy *chaosProxy
	nodes []*chaosNode
}

// chaosNode is one `pandapush serve`. Only the test's goroutine uses it.
type chaosNode struct {
	t       testing.TB
	index   int
	program string
	env     []string
	proxy   *chaosProxy
	log     *os.File
	child   *child
	addr    string
	down    bool // killed or drained, and not started again
}

func startChaosCluster(ctx context.Context, tb testing.TB, nodes int) *chaosCluster {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	cluster := &chaosCluster{redis: streamstest.Start(tb, streamstest.Options{AOF: true}), proxy: newChaosProxy(tb, nodes)}
	env := []string{
		asProgram + "=1", "PATH=" + os.Getenv("PATH"), "LISTEN=127.0.0.1:0", "LOG_FORMAT=json", "DATA_DIR=" + tb.TempDir(),
		"REDIS_URL_ENV_VARS=CHAOS_REDIS", "CHAOS_REDIS=" + cluster.redis.URL(),
		"DATABASE=postgres", "DATABASE_URL=" + dbtest.PostgresURL(tb), "MIGRATE=true",
		"DEV_APPLICATION_ID=" + chaosApp, "DEV_KEY_ID=key", "DEV_KEY_SECRET=secret",
		"CONNECT_TIMEOUT=" + chaosTimeout.String(),
		// A connection may stall for less than the first's double, and crawl for more than the second.
		"PING_INTERVAL=3s", "WRITE_TIMEOUT=3s", "DRAIN_SECONDS=2",
		"GORACE=halt_on_error=1", // should the tests be built with the race detector
	}
	for i := range nodes {
		n := &chaosNode{
			t: tb, index: i, program: self, env: env, proxy: cluster.proxy, log: createLog(tb, fmt.Sprintf("node-%d.log", i)),
		}
		cluster.nodes = append(cluster.nodes, n)
		n.start(ctx)
		tb.Cleanup(func() {
			n.mustLive()
			n.kill()
		})
	}
	return cluster
}

// start runs the node and puts it into rotation when it listens.
func (n *chaosNode) start(ctx context.Context) {
	n.t.Helper()
	cmd := exec.Command(n.program, "serve") // not CommandContext: it ends by kill or drain
	cmd.Env = n.env
	listening := make(chan string, 1)
	var err error
	n.child, err = startChild(cmd, cmd.StderrPipe, func(line []byte) {
		_, _ = fmt.Fprintf(n.log, "%s\n", line) // a full disk is seen elsewhere
		var entry struct{ Msg, Addr string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "listening" {
			listening <- entry.Addr
		}
	})
	if err != nil {
		n.t.Fatal(err)
	}
	select {
	case n.addr = <-listening:
		n.down = false
		n.proxy.setNode(n.index, n.addr)
	case <-n.child.done:
		n.down = true
		n.t.Fatalf("node %d did not start: %v; its log is %s", n.index, n.child.err, n.log.Name())
	case <-ctx.Done():
		n.kill()
		n.t.Fatal("interrupted")
	}
}

// mustLive fails the test if the node has ended by itself.
func (n *chaosNode) mustLive() {
	n.t.Helper()
	if n.down {
		return
	}
	select {
	case <-n.child.done:
		n.t.Errorf("node %d ended by itself: %v; its log is %s", n.index, n.child.err, n.log.Name())
		n.kill()
	default:
	}
}

// kill ends the node as a power cut does.
func (n *chaosNode) kill() {
	n.down = true
	n.proxy.setNode(n.index, "")
	n.child.kill()
}

// drain asks the node to end. As with a real balancer, it goes out of rotation when it says that it is not ready.
func (n *chaosNode) drain() {
	n.t.Helper()
	n.down = true
	if err := n.child.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Errorf("node %d: %v", n.index, err)
	}
	for n.ready() && pause(n.t.Context(), 50*time.Millisecond) {
	}
	n.proxy.setNode(n.index, "")
	select {
	case <-n.child.done:
		if n.child.err != nil {
			n.t.Errorf("node %d was drained: %v", n.index, n.child.err)
		}
	case <-time.After(patience):
		n.t.Errorf("node %d did not end after SIGTERM", n.index)
		n.kill()
	}
}

func (n *chaosNode) ready() bool {
	request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, "http://"+n.addr+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := (&http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close() // only the status counts
	return response.StatusCode == http.StatusOK
}

// child is a process that ends with this one, whatever ends that.
type child struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; read after done
}

// startChild starts cmd, and calls line for every line that it writes into pipe. line must not keep what it is given.
func startChild(cmd *exec.Cmd, pipe func() (io.ReadCloser, error), line func([]byte)) (*child, error) {
	output, err := pipe()
	if err != nil {
		return nil, err
	}
	// A group of its own, so that Ctrl-C reaches the test alone, which ends it in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	c := &child{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// The kernel ends the child when the thread that started it ends: this one stays as long as the child.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(c.done)
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		lines := bufio.NewScanner(output)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			line(lines.Bytes())
		}
		c.err = cmd.Wait()
	}()
	return c, <-started
}

// kill ends the process at once and waits until it has.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // fails only if it has ended already
	<-c.done
}

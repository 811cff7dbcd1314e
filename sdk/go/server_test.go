package pandapush

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience bounds what tests wait for; nothing that works comes near it.
const patience = time.Minute

// server is the real program, with a data folder of its own.
type server struct {
	tb      testing.TB
	dataDir string
	addr    string // of the first start; later ones take the same
	cmd     *exec.Cmd
	log     strings.Builder // read when it has ended
}

// startServer starts bin/pandapush, or $PANDAPUSH_BIN, until the test ends.
func startServer(tb testing.TB) *server {
	tb.Helper()
	s := &server{tb: tb, dataDir: tb.TempDir(), addr: "127.0.0.1:0"}
	s.start()
	tb.Cleanup(func() { s.stop(syscall.SIGTERM) })
	return s
}

func (s *server) start() {
	s.tb.Helper()
	binary := os.Getenv("PANDAPUSH_BIN")
	if binary == "" {
		var err error
		if binary, err = filepath.Abs("../../bin/pandapush"); err != nil {
			s.tb.Fatal(err)
		}
	}
	s.cmd = exec.Command(binary, "serve")
	s.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "DATA_DIR=" + s.dataDir, "LISTEN=" + s.addr, "LOG_FORMAT=json",
		"DRAIN_SECONDS=1", "DEV_APPLICATION_ID=devapp", "DEV_KEY_ID=devkey", "DEV_KEY_SECRET=devsecret",
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatalf("%v; scripts/build makes it", err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		s.log.WriteString(lines.Text() + "\n")
		var line struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
			s.addr = line.Addr
			go func() { _, _ = io.Copy(io.Discard, stderr) }() // ends with the process
			return
		}
	}
	s.tb.Fatalf("the server ended:\n%s", s.log.String())
}

func (s *server) stop(signal syscall.Signal) {
	s.tb.Helper()
	_ = s.cmd.Process.Signal(signal) // fails only if it has ended
	var exit *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &exit) {
		s.tb.Error(err)
	}
}

// restart kills the server as a crash would, and starts it anew in the same place.
func (s *server) restart() {
	s.tb.Helper()
	s.stop(syscall.SIGKILL)
	s.start()
}

// client returns one with the development application's key.
func (s *server) client() *Client { return newClient(s.tb, "http://"+s.addr) }

func newClient(tb testing.TB, url string) *Client {
	tb.Helper()
	c, err := New(Config{URL: url, Key: "devkey", Secret: "devsecret", Attempts: 20})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// cutter is a TCP proxy that takes every other connection away from its client: when all of the request has been
// passed on and the answer begins, so that what was asked for is done and nobody is told.
type cutter struct {
	addr string
	cuts atomic.Int64
}

func startCutter(tb testing.TB, to string) *cutter {
	tb.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &cutter{addr: listener.Addr().String()}
	var links sync.WaitGroup
	tb.Cleanup(func() {
		_ = listener.Close() // ends accept below
		links.Wait()
	})
	links.Add(1)
	go func() {
		defer links.Done()
		for number := 0; ; number++ {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			links.Add(1)
			go func() {
				defer links.Done()
				p.carry(client, to, number%2 == 0)
			}()
		}
	}()
	return p
}

// carry carries bytes both ways until either side ends, or until the first of the answer if it is to cut.
func (p *cutter) carry(client net.Conn, to string, cut bool) {
	defer func() { _ = client.Close() }()
	var dialer net.Dialer
	server, err := dialer.DialContext(context.Background(), "tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	if cut {
		if n, _ := server.Read(make([]byte, 1)); n == 1 {
			p.cuts.Add(1)
		}
		return
	}
	_, _ = io.Copy(client, server)
}

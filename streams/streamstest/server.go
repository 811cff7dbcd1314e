package streamstest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/pandapush/pandapush/streams/internal/redisserver"
)

// patience bounds what tests wait for; nothing that works comes near it.
const patience = 2 * time.Minute

// Options say how to start a Server.
type Options struct {
	AOF  bool     // keep everything over Kill and Restart; without it, every start is an empty one
	Args []string // more arguments of redis-server
}

// Server is a redis-server of one test. Its methods may be called by any goroutine, but not at the same time.
type Server struct {
	t       testing.TB
	options redisserver.Options
	server  *redisserver.Server
}

// Redis starts a redis-server without persistence for this test and returns its URL.
func Redis(tb testing.TB) string {
	tb.Helper()
	return Start(tb, Options{}).URL()
}

// Start starts a redis-server for this test. It ends with the test.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	path, ok := redisserver.Find()
	if !ok {
		tb.Fatal("no redis-server is installed: scripts/test installs it")
	}
	dir := tempDir(tb)
	s := &Server{t: tb, options: redisserver.Options{
		Path: path, Dir: dir, Socket: filepath.Join(dir, "s"), AOF: o.AOF, Args: o.Args,
	}}
	s.Restart()
	tb.Cleanup(func() { s.server.Kill() })
	return s
}

// URL returns where the server is: the same after Restart.
func (s *Server) URL() string { return "unix://" + s.options.Socket }

// Kill ends the server as kill -9 does.
func (s *Server) Kill() { s.server.Kill() }

// Freeze stops the server from answering, as if its machine hung, until Thaw.
func (s *Server) Freeze() {
	s.t.Helper()
	if err := s.server.Freeze(); err != nil {
		s.t.Fatal(err)
	}
}

// Thaw undoes Freeze.
func (s *Server) Thaw() {
	s.t.Helper()
	if err := s.server.Thaw(); err != nil {
		s.t.Fatal(err)
	}
}

// Client returns a client of the server, for tests that look at keys or change them. It ends with the test.
func (s *Server) Client() *redis.Client {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: s.options.Socket})
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// Restart starts the server again after Kill, on the same socket and directory.
func (s *Server) Restart() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := redisserver.Start(ctx, s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = server
}

// tempDir is t.TempDir with a path short enough for a socket.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "pp") //nolint:usetesting // t.TempDir's paths are too long for sockets
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

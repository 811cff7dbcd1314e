package streamstest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pandapush/pandapush/streams/internal/redisserver"
)

// patience bounds what tests wait for; nothing that works comes near it.
const patience = 30 * time.Second

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
func Redis(t testing.TB) string {
	t.Helper()
	return Start(t, Options{}).URL()
}

// Start starts a redis-server for this test. It ends with the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	path, ok := redisserver.Find()
	if !ok {
		t.Fatal("no redis-server is installed: scripts/test installs it")
	}
	dir := tempDir(t)
	s := &Server{t: t, options: redisserver.Options{
		Path: path, Dir: dir, Socket: filepath.Join(dir, "s"), AOF: o.AOF, Args: o.Args,
	}}
	s.Restart()
	t.Cleanup(func() { s.server.Kill() })
	return s
}

// URL returns where the server is: the same after Restart.
func (s *Server) URL() string { return "unix://" + s.options.Socket }

// Kill ends the server as kill -9 does.
func (s *Server) Kill() { s.server.Kill() }

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
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pp") //nolint:usetesting // t.TempDir's paths are too long for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

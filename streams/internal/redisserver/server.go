package redisserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// stopPatience is how long a server may take to end after SIGTERM before it is killed.
const stopPatience = 10 * time.Second

// Find returns the path of a redis-server or valkey-server, and false if none is installed.
func Find() (path string, ok bool) {
	for _, name := range []string{"redis-server", "valkey-server"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, true
		}
		for _, dir := range []string{"/usr/bin", "/usr/sbin", "/usr/local/bin"} { // a service's PATH may be bare
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path, true
			}
		}
	}
	return "", false
}

// Options say how to run a server.
type Options struct {
	Path   string   // of the program
	Dir    string   // where it keeps its files and its log, redis.log
	Socket string   // at most 107 bytes long
	AOF    bool     // keep everything in an append-only file in Dir
	Args   []string // more arguments
	// Hold is a file that the server keeps open as long as it lives, so that a lock on it ends with the last of this
	// process and the server. nil = none.
	Hold *os.File
}

// Server is a running server.
type Server struct {
	socket string
	cmd    *exec.Cmd
	done   chan struct{}
	err    error // how it ended; read after done
}

// Start starts a server and waits until it answers, which includes the loading of its append-only file.
func Start(ctx context.Context, o Options) (*Server, error) {
	args := []string{
		"--port", "0", "--unixsocket", o.Socket, "--unixsocketperm", "700", "--dir", o.Dir, "--daemonize", "no",
		"--logfile", filepath.Join(o.Dir, "redis.log"), "--save", "", "--appendonly", "no",
	}
	if o.AOF {
		args[len(args)-1] = "yes"
		// Not everysec: while its fsync is on the way, Redis answers before it has written, and a kill -9 at that moment
		// loses what it has acknowledged.
		args = append(args, "--appendfsync", "always")
	}
	// Not CommandContext: the server outlives ctx, which is only about its start.
	cmd := exec.Command(o.Path, append(args, o.Args...)...) //nolint:noctx // see above
	cmd.SysProcAttr = childAttributes()
	if o.Hold != nil {
		cmd.ExtraFiles = []*os.File{o.Hold}
	}
	s := &Server{socket: o.Socket, cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go s.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Path, err)
	}
	if err := s.await(ctx); err != nil {
		s.Kill()
		return nil, fmt.Errorf("start %s: %w (its log is %s)", o.Path, err, filepath.Join(o.Dir, "redis.log"))
	}
	return s, nil
}

// run starts the process and waits for it. The kernel ends the child when the thread that started it ends, not the
// process: so this goroutine keeps its thread as long as the child lives.
func (s *Server) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	if err := s.cmd.Start(); err != nil {
		s.err = err
		started <- err
		return
	}
	started <- nil
	s.err = s.cmd.Wait()
}

// await asks the server until it answers.
func (s *Server) await(ctx context.Context) error {
	for {
		err := ping(ctx, s.socket)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-s.done:
			return fmt.Errorf("it ended: %w", errors.Join(s.err, err))
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
}

// ping asks once. While the server loads its file it answers with an error.
func ping(ctx context.Context, socket string) (err error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && line != "+PONG\r\n" {
		err = errors.New(strings.TrimSpace(line))
	}
	return err
}

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends the server so that it writes down what it has, and waits for that.
func (s *Server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop redis-server: %w", err)
	}
	select {
	case <-s.done:
		return nil
	case <-time.After(stopPatience):
		s.Kill()
		return fmt.Errorf("stop redis-server: killed, after it took more than %s", stopPatience)
	}
}

// Kill ends the server at once, as kill -9 does, and waits until it has.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // fails only if it has ended already
	<-s.done
}

// Freeze stops the server from running, as if its machine hung, until Thaw.
func (s *Server) Freeze() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

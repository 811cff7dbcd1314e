package streams

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/pandapush/pandapush/streams/internal/redisserver"
)

const (
	// EmbeddedURLFile is the file in the directory of an embedded Redis that holds its URL while it runs, for other
	// processes of the same user.
	EmbeddedURLFile = "redis.url"

	lockFile      = "redis.lock"
	lockPatience  = time.Second // a server whose parent was killed needs a moment to die
	maxSocketPath = 107
	maxRestart    = 2 * time.Second
)

// Embedded is a Redis of this process' own.
type Embedded struct {
	url     string
	cleanup []func() error // run in reverse by Close
}

// StartEmbedded starts a private redis-server, or valkey-server, that keeps its streams in dir, across restarts, and starts it
// again should it die. If none is installed it starts an in-process Redis that loses everything when it ends, and says so in
// the log. dir is created if necessary and closed to other users; only one process may use it at a time. ctx is for the start
// only; Close ends what was started.
func StartEmbedded(ctx context.Context, dir string, log *slog.Logger) (*Embedded, error) {
	path, _ := redisserver.Find()
	return startEmbedded(ctx, dir, path, log)
}

// startEmbedded is StartEmbedded with the program to run; none if path is empty.
func startEmbedded(ctx context.Context, dir, path string, log *slog.Logger) (_ *Embedded, err error) {
	e := &Embedded{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("embedded Redis: %w", err), e.Close())
		}
	}()
	if dir, err = filepath.Abs(dir); err != nil {
		return e, err
	}
	if err = os.MkdirAll(dir, 0o700); err != nil {
		return e, err
	}
	if err = os.Chmod(dir, 0o700); err != nil {
		return e, err
	}
	lock, err := e.lock(ctx, dir)
	if err != nil {
		return e, err
	}
	if path == "" {
		err = e.startMemory(log)
	} else {
		err = e.startServer(ctx, dir, path, lock, log)
	}
	if err != nil {
		return e, err
	}
	return e, e.publish(filepath.Join(dir, EmbeddedURLFile))
}

// URL returns where the Redis is, password included.
func (e *Embedded) URL() string { return e.url }

// Close ends the Redis; a persistent one writes down everything first.
func (e *Embedded) Close() error {
	var errs []error
	for _, undo := range slices.Backward(e.cleanup) {
		errs = append(errs, undo())
	}
	e.cleanup = nil
	return errors.Join(errs...)
}

// lock takes the directory for this process and its redis-server: the lock is gone when neither has the file open.
func (e *Embedded) lock(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	e.cleanup = append(e.cleanup, f.Close)
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("%s is in use by another process", dir)
		}
	}
}

// publish writes the URL where other processes find it.
func (e *Embedded) publish(path string) error {
	// Removed first: an old file may have other permissions.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.WriteFile(path, []byte(e.url+"\n"), 0o600); err != nil {
		return err
	}
	e.cleanup = append(e.cleanup, func() error { return os.Remove(path) })
	return nil
}

// startServer starts the child and the goroutine that keeps it alive.
func (e *Embedded) startServer(ctx context.Context, dir, path string, lock *os.File, log *slog.Logger) error {
	socket := filepath.Join(dir, "redis.sock")
	if len(socket) > maxSocketPath {
		short, err := os.MkdirTemp("", "pandapush-")
		if err != nil {
			return err
		}
		e.cleanup = append(e.cleanup, func() error { return os.RemoveAll(short) })
		socket = filepath.Join(short, "redis.sock")
	}
	options := redisserver.Options{Path: path, Dir: dir, Socket: socket, AOF: true, Hold: lock}
	server, err := redisserver.Start(ctx, options)
	if err != nil {
		return err
	}
	e.url = "unix://" + socket
	log.Info("streams: embedded Redis started", "program", path, "dir", dir)

	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var stopped error
	var supervisor sync.WaitGroup
	supervisor.Go(func() { stopped = supervise(ctx, server, options, log) })
	e.cleanup = append(e.cleanup, func() error {
		cancel()
		supervisor.Wait()
		return stopped
	})
	return nil
}

// supervise starts the server again whenever it has died, and stops it when ctx ends. It returns the error of that.
func supervise(ctx context.Context, server *redisserver.Server, o redisserver.Options, log *slog.Logger) error {
	for failures := 0; ; {
		began := time.Now()
		select {
		case <-ctx.Done():
			return server.Stop()
		case <-server.Done():
			log.Error("streams: embedded Redis died; starting it again")
		}
		if time.Since(began) > maxRestart {
			failures = 0
		}
		for server = nil; server == nil; failures++ {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(min(maxRestart, 10*time.Millisecond<<min(failures, 10))):
			}
			started, err := redisserver.Start(ctx, o)
			if err != nil {
				log.Error("streams: embedded Redis does not start", "error", err)
				continue
			}
			server = started
			log.Info("streams: embedded Redis is back")
		}
	}
}

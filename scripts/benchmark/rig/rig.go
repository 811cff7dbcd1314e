package rig

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
)

// Rig is a temporary folder and the servers that run in it.
type Rig struct {
	dir     string
	servers []*Process // in the order of their start
}

// New returns a rig without servers.
func New() (*Rig, error) {
	dir, err := os.MkdirTemp("", "pandapush-bench-")
	if err != nil {
		return nil, fmt.Errorf("make the benchmark's folder: %w", err)
	}
	return &Rig{dir: dir}, nil
}

// Path returns the path of a file in the rig's folder.
func (r *Rig) Path(name string) string { return filepath.Join(r.dir, name) }

// Close kills every server that still runs, the last one first, and removes the folder.
func (r *Rig) Close() error {
	for _, p := range slices.Backward(r.servers) {
		p.Kill()
	}
	return os.RemoveAll(r.dir)
}

// start runs a program whose output goes to a file of the rig's folder.
func (r *Rig) start(name string, env []string, program string, args ...string) (*Process, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	log, err := os.Create(r.Path(name + ".log"))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd := exec.Command(path, args...) //nolint:noctx // Close ends it, and the system if that can't
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.Dir = env, log, log, r.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	err = errors.Join(cmd.Start(), log.Close())
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{name: name, cmd: cmd, log: log.Name(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // that it was killed is no news
		close(p.ended)
	}()
	r.servers = append(r.servers, p)
	return p, nil
}

// freePort returns a port on loopback that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not block
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

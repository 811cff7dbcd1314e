//go:build unix

package loadtest

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// filesBesides is how many files a process has open besides its connections, generously.
const filesBesides = 50

// allowFiles returns an error if this process may not have that many connections open. The Go runtime has raised the limit
// as far as it may by itself.
func allowFiles(connections int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("ask how many files may be open: %w", err)
	}
	if need := uint64(connections + filesBesides); uint64(limit.Cur) < need { //nolint:unconvert // the type differs between systems
		return fmt.Errorf("%d connections need %d open files, and this process may have %d: allow more, as root with `ulimit -n %d`, or test from several machines",
			connections, need, limit.Cur, need)
	}
	return nil
}

// outOfFiles reports whether err is that this machine has no room for another connection.
func outOfFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// explained adds to an error of the system what can be done about it.
func explained(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine has no free port left towards the server (about 28,000 on Linux); test from several machines, or widen net.ipv4.ip_local_port_range", err)
	case errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w: the whole machine has as many files open as it may; raise fs.file-max", err)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%w: raise the limit with `ulimit -n`", err)
	}
	return err
}

// processorTime returns what this process has used.
func processorTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0 // cannot happen with these arguments; the figure is then left out
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

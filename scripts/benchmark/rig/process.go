package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Process is one server.
type Process struct {
	name  string
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

// Kill ends the server with SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // fails only if it has ended
	<-p.ended
}

// await asks ready every few milliseconds until it says yes. The error has the end of the server's log.
func (p *Process) await(ready func() bool) error {
	const patience = 20 * time.Second
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-p.ended:
			return p.explain("ended")
		case <-deadline:
			return p.explain("was not ready in " + patience.String())
		}
	}
	return nil
}

func (p *Process) explain(what string) error {
	const shown = 2000
	text, err := os.ReadFile(p.log)
	if err != nil {
		return fmt.Errorf("%s %s, and its log can't be read: %w", p.name, what, err)
	}
	return fmt.Errorf("%s %s:\n%s", p.name, what, text[max(0, len(text)-shown):])
}

// CPU is the time that a process has spent, in the kernel and outside of it. The system counts in hundredths of a second.
type CPU struct{ User, System time.Duration }

// Sub returns what was spent since before.
func (c CPU) Sub(before CPU) CPU { return CPU{c.User - before.User, c.System - before.System} }

// Total returns both.
func (c CPU) Total() time.Duration { return c.User + c.System }

// CPU returns the time that the server has spent, all its threads together.
func (p *Process) CPU() (CPU, error) { return readCPU(strconv.Itoa(p.cmd.Process.Pid)) }

// OwnCPU returns the time that this program has spent.
func OwnCPU() (CPU, error) { return readCPU("self") }

func readCPU(pid string) (CPU, error) {
	const tick = time.Second / 100 // USER_HZ
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return CPU{}, fmt.Errorf("read processor time: %w", err)
	}
	// The second field is the program's name in parentheses, and may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return CPU{}, fmt.Errorf("read processor time: %w", err)
	}
	return CPU{time.Duration(user) * tick, time.Duration(system) * tick}, nil
}

// RSS returns the server's resident memory in bytes: exact, where /proc/PID/status is off by some pages of each thread.
func (p *Process) RSS() (int64, error) { return p.memory("smaps_rollup", "Rss:") }

// PeakRSS returns the most that the server's resident memory has been, in bytes.
func (p *Process) PeakRSS() (int64, error) { return p.memory("status", "VmHWM:") }

func (p *Process) memory(file, field string) (int64, error) {
	path := fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, file)
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read memory: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("read memory: no %s in %s", field, path)
}

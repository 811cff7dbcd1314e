package main

import (
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// newReport returns a report that knows what it is about.
func newReport(o options) (*Report, error) {
	var system unix.Utsname
	var memory unix.Sysinfo_t
	redis, err1 := rig.RedisVersion()
	version, err2 := exec.Command(o.programs.Pandapush, "version").Output() //nolint:noctx // it prints a line
	if err2 != nil {
		err2 = fmt.Errorf("ask %s for its version: %w", o.programs.Pandapush, err2)
	}
	if err := errors.Join(err1, err2, unix.Uname(&system), unix.Sysinfo(&memory)); err != nil {
		return nil, err
	}
	return &Report{
		Time: time.Now(), Command: o.command(),
		Machine: map[string]string{
			"cores": strconv.Itoa(runtime.NumCPU()), "processor": processor(), "kernel": unix.ByteSliceToString(system.Release[:]),
			"load":   fmt.Sprintf("%.1f when it began", float64(memory.Loads[0])/(1<<16)), // what else the machine is doing
			"memory": fmt.Sprintf("%d GiB", (memory.Totalram*uint64(memory.Unit)+1<<29)>>30),
		},
		Versions: versions(o.programs, map[string]string{
			"Pandapush": strings.TrimPrefix(strings.TrimSpace(string(version)), "pandapush "), "Go": runtime.Version(), "Redis": redis,
		}),
	}, nil
}

// versions adds those of the peers to known.
func versions(programs rig.Programs, known map[string]string) map[string]string {
	if info, err := buildinfo.ReadFile(filepath.Join(programs.Peers, "centrifuge")); err == nil { // else it is not measured
		for _, module := range info.Deps {
			if path.Base(module.Path) == "centrifuge" {
				known["Centrifuge"] = strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	if programs.Node == "" {
		return known
	}
	for name, folder := range map[string]string{"Faye": "faye", "Socket.IO": "socket.io"} {
		var about struct{ Version string }
		text, err := os.ReadFile(filepath.Join(programs.Node, "node_modules", folder, "package.json"))
		if err == nil && json.Unmarshal(text, &about) == nil {
			known[name] = about.Version
		}
	}
	return known
}

// processor returns what the processor calls itself.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// list writes names and values in a line.
func list(m map[string]string) string {
	items := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		items = append(items, name+" "+m[name])
	}
	return strings.Join(items, ", ")
}

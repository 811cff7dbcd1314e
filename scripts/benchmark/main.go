package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// parts are what can be measured, in the order in which it is. A name also stands for all parts below it.
var parts = []struct {
	name    string
	measure func(*run) error
}{
	{"resume/kill", kills},
	{"resume/idle", idleMemory},
	{"resume/behind", behindMemory},
	{"follow/idle", idleReaders},
}

func main() {
	runtime.LockOSThread() // the servers die with the thread that started them
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := measure(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run is what a part works with. The servers and the clients are its own, and are gone when it returns.
type run struct {
	ctx    context.Context //nolint:containedctx // ends when the user gives up; looked at between measurements
	binary string
	quick  bool
	report *Report
	log    io.Writer

	rig  *rig.Rig
	loop *load.Loop
}

// pick returns how many of something are used: less if quick.
func (r *run) pick(full, quick int) int {
	if r.quick {
		return quick
	}
	return full
}

// say tells whoever waits what is going on.
func (r *run) say(format string, values ...any) {
	fmt.Fprintf(r.log, format+"\n", values...)
}

// measure runs the parts that args name, or all, and writes the reports.
func measure(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "Usage: scripts/bench [--quick] [--json FILE] [NAME...]\nParts: %s\n", strings.Join(names(), ", "))
		flags.PrintDefaults()
	}
	quick := flags.Bool("quick", false, "smaller numbers, to see that it works")
	file := flags.String("json", "", "write the report to this `file`, too")
	binary := flags.String("pandapush", "bin/pandapush", "the `program` to measure")
	if err := flags.Parse(args); err != nil {
		return ignoreHelp(err)
	}
	for _, name := range flags.Args() {
		if !slices.ContainsFunc(names(), func(part string) bool { return covers(name, part) }) {
			return fmt.Errorf("there is no part %q, only %s", name, strings.Join(names(), ", "))
		}
	}
	path, err := filepath.Abs(*binary)
	if err != nil {
		return err
	}
	report, err := newReport(path, *quick)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if flags.NArg() > 0 && !slices.ContainsFunc(flags.Args(), func(name string) bool { return covers(name, part.name) }) {
			continue
		}
		r := &run{ctx: ctx, binary: path, quick: *quick, report: report, log: stderr}
		if err := r.measure(part.measure); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if err := report.Markdown(stdout); err != nil || *file == "" {
		return err
	}
	return report.Save(*file)
}

// measure runs one part, with a rig and a loop of its own.
func (r *run) measure(part func(*run) error) (err error) {
	if r.rig, err = rig.New(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.rig.Close()) }()
	if r.loop, err = load.NewLoop(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.loop.Close()) }()
	stop := context.AfterFunc(r.ctx, r.loop.Stop)
	defer stop()
	return part(r)
}

func names() []string {
	list := make([]string, 0, len(parts))
	for _, part := range parts {
		list = append(list, part.name)
	}
	return list
}

// covers reports whether a name that the user gave means a part.
func covers(name, part string) bool { return name == part || strings.HasPrefix(part, name+"/") }

func ignoreHelp(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/pandapush/pandapush/scripts/benchmark/load"
	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// parts are what can be measured, in the order in which it is. A name also stands for all parts below it. A long part is
// not in a quick run, and one that stands apart in no run, unless it is named.
var parts = []struct {
	name    string
	measure func(*run) error
	when    when
}{
	{"fanout/rates", fanouts, always},
	{"fanout/limit", limits, long},
	{"channels", channels, always},
	{"nodes", twoNodes, always},
	{"connect", connects, always},
	{"kill", nodeKilled, always},
	{"idle/sockets", idles, always},
	{"idle/most", mostIdle, long},
	{"growth/applications", applications, long},
	{"growth/subscriptions", subscriptions, long},
	{"growth/nodes", edges, long},
	{"resume/kill", kills, apart},
	{"resume/idle", idleMemory, apart},
	{"resume/behind", behindMemory, apart},
	{"follow/idle", idleReaders, apart},
}

// when says in which runs a part is that nobody has named.
type when int

const (
	always when = iota
	long
	apart
)

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

	programs rig.Programs
	peers    []rig.Peer // to compare

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

// quickly is how long a quick run may have taken when it begins another part.
const quickly = 80 * time.Second

// measure runs the parts that args name, or all, and writes the reports. What was measured before an error is reported, too.
func measure(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return ignoreHelp(err)
	}
	peers, err := o.chosen()
	if err != nil {
		return err
	}
	report, err := newReport(o)
	if err != nil {
		return err
	}
	began := time.Now()
	for _, part := range parts {
		if !o.wants(part.name, part.when) {
			continue
		}
		if o.quick && len(o.names) == 0 && time.Since(began) > quickly {
			fmt.Fprintf(stderr, "no time for %s in a quick run\n", part.name)
			continue
		}
		r := &run{ctx: ctx, binary: o.programs.Pandapush, quick: o.quick, report: report, log: stderr, programs: o.programs, peers: peers}
		if err = r.measure(part.measure); err != nil {
			err = fmt.Errorf("%s: %w", part.name, err)
			break
		}
	}
	err = errors.Join(err, report.Markdown(stdout))
	if o.file != "" {
		err = errors.Join(err, report.Save(o.file))
	}
	return err
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

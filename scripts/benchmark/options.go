package main

import (
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pandapush/pandapush/scripts/benchmark/rig"
)

// options are what the command line says.
type options struct {
	quick    bool
	file     string
	peers    string
	names    []string
	programs rig.Programs
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, "Usage: scripts/bench [--quick] [--json FILE] [--peers NAME,...] [NAME...]\nParts: %s\nPeers: %s\n",
			strings.Join(names(), ", "), strings.Join(peerNames(rig.Peers()), ", "))
		flags.PrintDefaults()
	}
	flags.BoolVar(&o.quick, "quick", false, "small numbers, one round, fewer parts and peers: to see that it works, in two minutes")
	flags.StringVar(&o.file, "json", "", "write the report to this `file`, too")
	flags.StringVar(&o.peers, "peers", "", "compare only these `names`, and Pandapush; centrifuge stands for centrifuge (history), too")
	flags.StringVar(&o.programs.Pandapush, "pandapush", "bin/pandapush", "the `program` to measure")
	flags.StringVar(&o.programs.Peers, "programs", "bin", "the `folder` with the programs of peers/")
	flags.StringVar(&o.programs.Node, "node", "", "the `folder` with the servers on Node and their packages; none are measured without it")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.names = flags.Args()
	for _, name := range o.names {
		if !slices.ContainsFunc(names(), func(part string) bool { return covers(name, part) }) {
			return o, fmt.Errorf("there is no part %q, only %s", name, strings.Join(names(), ", "))
		}
	}
	for _, path := range []*string{&o.programs.Pandapush, &o.programs.Peers, &o.programs.Node} {
		if *path == "" {
			continue
		}
		if *path, err = filepath.Abs(*path); err != nil {
			return o, err
		}
	}
	return o, nil
}

// wants reports whether a part is to be measured.
func (o options) wants(name string, w when) bool {
	if len(o.names) == 0 {
		return w == always || w == long && !o.quick
	}
	return slices.ContainsFunc(o.names, func(given string) bool { return covers(given, name) })
}

// chosen returns the peers that are to be compared and can be started here.
func (o options) chosen() (chosen []rig.Peer, err error) {
	var want []string
	if o.peers != "" {
		want = strings.Split(strings.ToLower(o.peers), ",")
	}
	for _, name := range want {
		if !slices.ContainsFunc(rig.Peers(), func(p rig.Peer) bool { return named(p, name) }) {
			return nil, fmt.Errorf("there is no peer %q, only %s", name, strings.Join(peerNames(rig.Peers()), ", "))
		}
	}
	for _, p := range rig.Peers() {
		asked := p.Name == rig.Pandapush || slices.ContainsFunc(want, func(name string) bool { return named(p, name) })
		if o.peers == "" {
			asked = !o.quick || slices.Contains([]string{rig.Pandapush, rig.Centrifuge, rig.History, rig.Floor}, p.Name)
		}
		if asked && p.Has(o.programs) {
			chosen = append(chosen, p)
		}
	}
	return chosen, nil
}

// named reports whether a name in small letters means a peer: its name, or that without what is in parentheses.
func named(p rig.Peer, name string) bool {
	family, _, _ := strings.Cut(p.Name, " (")
	return name == strings.ToLower(p.Name) || name == strings.ToLower(family)
}

func peerNames(peers []rig.Peer) []string {
	list := make([]string, 0, len(peers))
	for _, p := range peers {
		list = append(list, p.Name)
	}
	return list
}

// command returns what the user typed, about.
func (o options) command() string {
	words := []string{"scripts/bench"}
	if o.quick {
		words = append(words, "--quick")
	}
	if o.peers != "" {
		words = append(words, "--peers", strconv.Quote(o.peers))
	}
	return strings.Join(append(words, o.names...), " ")
}

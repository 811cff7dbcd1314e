package edge

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pandapush/pandapush/streams/streamstest"
)

// A dialogue is a conformance case as a reader sees it: what a client sends, what it gets. testdata/bayeux/README.md
// describes the files. Each is told over HTTP and over WebSocket, to one node, and to two that get its requests by turns.
type dialogue struct {
	name    string
	cases   []int
	timeout time.Duration // Config.Timeout
	window  time.Duration // Config.BatchWindow
	alone   bool          // needs one node only
	steps   []step
}

// step is one line of a dialogue, or several that belong together.
type step struct {
	where string // file and line, for failures
	peer  string // who sends or gets; empty for a command
	sign  string // ">", "<", ">>", "<<"
	kind  string // the word behind the sign, if any
	text  string // what is sent or expected, or the command
}

// TestDialogues tells every dialogue.
func TestDialogues(t *testing.T) {
	redis := streamstest.Redis(t)
	for _, d := range readDialogues(t) {
		for _, transport := range d.transports() {
			tell := func(where string, nodes int, redis string) {
				t.Run(strings.Join([]string{d.name, transport, where}, "/"), func(t *testing.T) {
					t.Parallel() // they wait more than they work
					d.tell(t, newStage(t, d, transport, nodes, redis))
				})
			}
			tell("one node", 1, "")
			if !d.alone {
				tell("two nodes", 2, "")
			}
			if !d.alone && !d.uses("clock") { // Redis has its own
				tell("two nodes with Redis", 2, redis)
			}
		}
	}
}

// transports returns over what the dialogue is told: both, unless the names of its peers say which.
func (d *dialogue) transports() []string {
	for _, s := range d.steps {
		if s.peer != "" && s.sign != ">>" && s.sign != "<<" && transportOf(s.peer, "") == "" {
			return []string{"http", "websocket"}
		}
	}
	return []string{"as named"}
}

// transportOf returns how a peer talks: as its name says, or else as the dialogue is told.
func transportOf(peer, told string) string {
	switch {
	case strings.HasPrefix(peer, "http"), strings.HasPrefix(peer, "ws"), strings.HasPrefix(peer, "es"):
		return strings.TrimRight(peer, "0123456789")
	}
	return told
}

func (d *dialogue) uses(command string) bool {
	return slices.ContainsFunc(d.steps, func(s step) bool { return s.peer == "" && strings.HasPrefix(s.text, command+" ") })
}

// readDialogues reads all files.
func readDialogues(tb testing.TB) []*dialogue {
	tb.Helper()
	files, err := filepath.Glob("testdata/bayeux/*/*.txt")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no dialogues: %v", err)
	}
	var all []*dialogue
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		list, err := parseDialogues(filepath.Base(file), string(text))
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, list...)
	}
	return all
}

var (
	// titleLine begins a dialogue: the numbers of its cases, and what they are about.
	titleLine = regexp.MustCompile(`^== ([0-9, ]+): (.*)$`)
	// spokenLine is something that a peer sends or gets.
	spokenLine = regexp.MustCompile(`^([a-z]+[0-9]*)(>>|<<|>|<)([a-z]*)(?: (.*))?$`)
)

func parseDialogues(file, text string) (all []*dialogue, err error) {
	var d *dialogue
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		where := fmt.Sprintf("%s:%d", file, number)
		if title := titleLine.FindStringSubmatch(line); title != nil {
			d = &dialogue{name: strings.TrimSuffix(file, ".txt") + " " + title[1] + " " + title[2], timeout: time.Minute}
			for field := range strings.FieldsFuncSeq(title[1], func(r rune) bool { return r == ',' || r == ' ' }) {
				n, err := strconv.Atoi(field)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", where, err)
				}
				d.cases = append(d.cases, n)
			}
			all = append(all, d)
			continue
		}
		if strings.TrimSpace(line) == "" || line[0] == '#' {
			continue
		}
		if d == nil {
			return nil, fmt.Errorf("%s: no dialogue has begun", where)
		}
		if err := d.add(where, line); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// add adds a line: a setting, the continuation of the step before, or a step.
func (d *dialogue) add(where, line string) error {
	last := len(d.steps) - 1
	spoken := spokenLine.FindStringSubmatch(line)
	switch {
	case line == "one node":
		d.alone = true
	case strings.HasPrefix(line, "timeout "):
		return setDuration(&d.timeout, where, line)
	case strings.HasPrefix(line, "window "):
		return setDuration(&d.window, where, line)
	case line[0] == ' ' && last >= 0:
		d.steps[last].text += "\n" + strings.TrimSpace(line)
	case spoken == nil:
		d.steps = append(d.steps, step{where: where, text: line})
	default:
		s := step{where: where, peer: spoken[1], sign: spoken[2], kind: spoken[3], text: spoken[4]}
		// The lines of an HTTP request or response are one step.
		if len(s.sign) == 2 && last >= 0 && d.steps[last].peer == s.peer && d.steps[last].sign == s.sign {
			d.steps[last].text += "\n" + s.text
			return nil
		}
		d.steps = append(d.steps, s)
	}
	return nil
}

// setDuration reads a setting, as "name 1s".
func setDuration(setting *time.Duration, where, line string) (err error) {
	_, value, _ := strings.Cut(line, " ")
	if *setting, err = time.ParseDuration(value); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

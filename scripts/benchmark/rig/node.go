package rig

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// The application that every node serves, and its key.
const (
	App    = "benchapp"
	Key    = App + "key" // as load.KeyOf has it
	Secret = "benchsecret"
)

// Node is one process of `pandapush serve`.
type Node struct {
	*Process

	Addr string
}

// StartNode starts a node on a free port, with the settings given besides the necessary ones, as "NAME=value". Nodes of a
// rig share their database; those of one Redis serve the same sessions.
func (r *Rig) StartNode(name, binary string, redis *Redis, settings ...string) (*Node, error) {
	env := append([]string{
		"LISTEN=127.0.0.1:0", "LOG_FORMAT=json", "DATA_DIR=" + r.Path("data"), "REDIS_HOSTS=" + redis.Addr,
		"MAX_SESSIONS_PER_ADDRESS=1000000", "DEV_APPLICATION_ID=" + App, "DEV_KEY_ID=" + Key, "DEV_KEY_SECRET=" + Secret,
	}, settings...)
	p, err := r.start(name, env, binary, "serve")
	if err != nil {
		return nil, err
	}
	n := &Node{Process: p}
	err = p.await(func() bool {
		n.Addr = listening(p.log)
		return n.Addr != ""
	})
	return n, err
}

// listening finds the address in a node's log, or returns "".
func listening(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		var entry struct{ Msg, Addr string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "listening" {
			return entry.Addr
		}
	}
	return ""
}

// Metrics are a node's series. Those that differ in their labels alone are added up.
type Metrics map[string]float64

// Metrics asks the node for its series.
func (n *Node) Metrics() (_ Metrics, err error) {
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://" + n.Addr + "/metrics") //nolint:noctx // the client has a timeout
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	m := Metrics{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		series, number, ok := cutLast(lines.Text(), ' ')
		value, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || series[0] == '#' {
			continue
		}
		name, _, _ := strings.Cut(series, "{")
		m[name] += value
	}
	return m, lines.Err()
}

func cutLast(s string, sep byte) (before, after string, found bool) {
	i := strings.LastIndexByte(s, sep)
	if i < 1 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

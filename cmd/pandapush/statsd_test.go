package main

import (
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestStatsd holds what a statsd server is sent: the names of the Node version, with how much each counter has grown.
func TestStatsd(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	port := strconv.Itoa(server.LocalAddr().(*net.UDPAddr).Port)
	n := startNode(t, settings(t).with(vars{"STATSD_HOST": "127.0.0.1", "STATSD_PORT": port, "STATSD_PREFIX": "live.push"}))

	s := n.dial(t)
	s.subscribe(devKey, "/devapp/private/*")
	s.subscribe(devKey, "/devapp/private/x")
	for range 3 {
		n.mustPublish(t, devKey.sign, "/devapp/private/a", `{}`)
	}
	if r := n.get(t, "/nowhere"); r.status != 404 {
		t.Fatalf("%d", r.status)
	}
	n.stop()
	if err := n.wait(t); err != nil {
		t.Fatal(err)
	}

	counted, times := statsdLines(t, server)
	for name, want := range map[string]int{
		"handshake": 1, "subscribe": 2, "publish": 3, "close": 1,
		"apps.devapp.subscribe": 2, "apps.devapp.publish": 3, "responses.all.200": 3, "responses.all.404": 1,
	} {
		if got := counted["live.push."+name]; got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	if got, ok := counted["live.push.unsubscribe"]; ok {
		t.Errorf("unsubscribe is sent, as %d", got)
	}
	if !slices.Equal(times, slices.Repeat([]string{"live.push.duration.all"}, 4)) {
		t.Errorf("durations of %v", times)
	}
}

// statsdLines returns what has been sent to a server: the sums of counters, and the names of what was timed.
func statsdLines(t *testing.T, server *net.UDPConn) (counted map[string]int, times []string) {
	t.Helper()
	counted = map[string]int{}
	line := regexp.MustCompile(`^([^:]+):([0-9.e+-]+)\|(c|ms)$`)
	packet := make([]byte, 64<<10)
	const end = "end"
	client, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if _, err := client.Write([]byte(end)); err != nil {
		t.Fatal(err)
	}
	for {
		size, err := server.Read(packet)
		if err != nil {
			t.Fatal(err)
		}
		if string(packet[:size]) == end {
			return counted, times
		}
		for text := range strings.SplitSeq(strings.TrimSpace(string(packet[:size])), "\n") {
			found := line.FindStringSubmatch(text)
			if found == nil {
				t.Fatalf("sent %q", text)
			}
			if found[3] == "ms" {
				times = append(times, found[1])
				continue
			}
			grown, err := strconv.Atoi(found[2])
			if err != nil {
				t.Fatalf("sent %q", text)
			}
			counted[found[1]] += grown
		}
	}
}

// TestNoStatsd: a name that can't be looked up stops the start.
func TestNoStatsd(t *testing.T) {
	_, _, err := command(t, settings(t).with(vars{"STATSD_HOST": "nowhere.invalid"}), "serve")
	if err == nil || !strings.Contains(err.Error(), "STATSD_HOST") {
		t.Error(err)
	}
}

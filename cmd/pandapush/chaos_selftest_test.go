//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
)

// TestChaosProxy has the proxy of the chaos test do what the faults ask of it.
func TestChaosProxy(t *testing.T) {
	p := newChaosProxy(t, 3)
	p.setNode(0, startEcho(t, "0"))
	p.setNode(2, startEcho(t, "2"))
	one, other := p.open("one"), p.open("other")

	first, second := dialEcho(t, one), dialEcho(t, one)
	if a, b := first.say(t, "hello"), second.say(t, "hello"); a == b {
		t.Errorf("both connections went to node %s", a)
	}
	untouched := dialEcho(t, other)
	untouched.say(t, "hello")
	if got := p.on(1, time.Now()); len(got) > 0 {
		t.Errorf("on the node that is out of rotation: %v", got)
	}
	if got := p.on(0, time.Now()); !slices.Contains(got, "one") {
		t.Errorf("on node 0: %v, want one", got)
	}

	p.setFlow([]string{"one"}, stalled)
	if _, err := first.Write([]byte("stalled\n")); err != nil {
		t.Fatal(err)
	}
	if err := first.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if line, err := first.lines.ReadString('\n'); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a stalled connection gave %q, %v", line, err)
	}
	untouched.say(t, "still there")
	p.setFlow([]string{"one"}, crawling)
	if err := first.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := first.lines.ReadString('\n'); err != nil {
		t.Errorf("what was said while it was stalled: %v", err)
	}

	p.cut([]string{"one"})
	if _, err := first.lines.ReadString('\n'); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a cut connection gave %v", err)
	}
	untouched.say(t, "still there")
}

// startEcho runs a node that answers each line by its name.
func startEcho(t *testing.T, name string) (addr string) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					if _, err := conn.Write([]byte(name + "\n")); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

// echoConn is a connection to such a node.
type echoConn struct {
	net.Conn

	lines *bufio.Reader
}

func dialEcho(t *testing.T, addr string) echoConn {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return echoConn{conn, bufio.NewReader(conn)}
}

// say returns the name of the node that answers.
func (c echoConn) say(t *testing.T, text string) string {
	t.Helper()
	if _, err := c.Write([]byte(text + "\n")); err != nil {
		t.Fatal(err)
	}
	line, err := c.lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// TestChaosVerdict has the verdict judge runs of which it is known what is wrong with them.
func TestChaosVerdict(t *testing.T) {
	begin := time.Now()
	at := func(seconds float64) time.Time { return begin.Add(time.Duration(seconds * float64(time.Second))) }
	x := func(n int) message { return message{"/chaos/public/x", n, 1} }
	got := func(n int, seconds float64) receipt {
		return receipt{x(n), at(seconds), pandapush.Cursor{Position: pandapush.Position{Millis: uint64(n)}}}
	}
	published := map[message]publication{x(1): {at(1), true}, x(2): {at(2), true}, x(3): {at(3), true}, x(4): {at(4), false}}
	faults := []fault{
		{what: "cut", from: at(5), to: at(6), hit: []string{"hit"}},
		{what: "frozen", from: at(8), to: at(9), hit: []string{"hit"}, redis: true},
	}
	all := []receipt{got(1, 1), got(2, 2), got(3, 3.5)}

	for _, tc := range []struct {
		name        string
		exactlyOnce bool
		client      string
		receipts    []receipt
		want        []string
	}{
		{name: "everything", exactlyOnce: true, receipts: all},
		{name: "one is lost", receipts: all[:2], want: []string{"lost 3"}},
		{name: "one that was not acknowledged came", receipts: append(slices.Clone(all), got(4, 4))},
		{name: "order", receipts: []receipt{got(1, 1), got(3, 3), got(2, 4)}, want: []string{"out of order 2"}},
		{name: "repeated once", exactlyOnce: true, client: "hit", receipts: append(slices.Clone(all), got(3, 7)), want: []string{"repeated 3"}},
		{name: "repeated after a fault", client: "hit", receipts: append(slices.Clone(all), got(3, 7))},
		{name: "repeated after another's fault", client: "spared", receipts: append(slices.Clone(all), got(3, 7)), want: []string{"repeated 3"}},
		{name: "repeated long after it came", client: "hit", receipts: append(slices.Clone(all), got(2, 7)), want: []string{"repeated 2"}},
		{name: "repeated after Redis was away", client: "hit", receipts: append(slices.Clone(all), got(2, 9))},
		{name: "repeated before the fault", client: "hit", receipts: append(slices.Clone(all), got(3, 4)), want: []string{"repeated 3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &chaosClient{name: tc.client, kind: chaosKind{exactlyOnce: tc.exactlyOnce}, receipts: tc.receipts, has: make(map[message]bool)}
			for _, r := range tc.receipts {
				c.has[r.message] = true
			}
			var broken []string
			for _, b := range judge([]*chaosClient{c}, published, faults).broken {
				broken = append(broken, fmt.Sprintf("%s %d", b.what, b.m.n))
			}
			if !slices.Equal(broken, tc.want) {
				t.Errorf("judged %q, want %q", broken, tc.want)
			}
		})
	}

	late := &chaosClient{has: map[message]bool{x(1): true, x(2): true, x(3): true, x(4): true}}
	if v := judge([]*chaosClient{{name: "without"}, late}, published, nil); v.kinds[0].lost != 4 {
		t.Errorf("lost %d, want 4: what one got, all should have", v.kinds[0].lost)
	}
}

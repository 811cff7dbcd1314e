package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

// TestDrain sends SIGTERM to a server with two sockets, a long poll and a publish under way.
func TestDrain(t *testing.T) {
	env := settings(t).with(vars{"DRAIN_SECONDS": "4"})
	n := forkNode(t, env)
	sockets := []*bayeuxSocket{n.dial(t), n.dial(t)}
	for _, s := range sockets {
		s.subscribe(devKey, "/devapp/private/a")
	}
	poll := n.beginPoll(t)
	body, published := n.beginPublish(t, "/devapp/private/a")
	if r := n.get(t, "/readyz"); r.status != http.StatusOK {
		t.Fatalf("not ready before: %d %s", r.status, r.body)
	}

	n.stop()
	first, second := sockets[0], sockets[1]
	select {
	case err := <-first.closed:
		first.closed <- err
	case err := <-second.closed:
		second.closed <- err
		first, second = second, first
	case <-time.After(patience):
		t.Fatal("no socket was closed")
	}
	first.wantSentAway(t)
	// The second socket's moment has not come: the server is still there for it.
	if r := n.get(t, "/readyz"); r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "draining") {
		t.Errorf("while it drains, /readyz is %d %s", r.status, r.body)
	}
	n.mustPublish(t, devKey.sign, "/devapp/private/a", `{"n":1}`)
	if m := second.delivery(); string(m.Data) != `{"n":1}` {
		t.Errorf("a socket that still waits was delivered %s", m.Data)
	}
	second.wantSentAway(t)
	if interval := <-poll; interval < 250 {
		t.Errorf("the long poll was answered with the interval %d", interval)
	}

	// All clients are gone. What remains is the publish.
	if _, err := io.WriteString(body, `{"n":2}`); err != nil {
		t.Error(err)
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if r := <-published; r.status != http.StatusOK {
		t.Errorf("the publish under way was answered with %d %s", r.status, r.body)
	}
	if err := n.wait(t); err != nil {
		t.Errorf("serve ended with %v", err)
	}
}

// wantSentAway checks that the connect was answered with a moment to come back and the socket then closed.
func (s *bayeuxSocket) wantSentAway(t *testing.T) {
	t.Helper()
	select {
	case err := <-s.closed:
		var closed *gws.CloseError
		if !errors.As(err, &closed) || closed.Code != 1001 {
			t.Errorf("socket closed with %v, want 1001", err)
		}
	case <-time.After(patience):
		t.Fatal("socket not closed")
	}
	select {
	case interval := <-s.sentAway:
		if interval < 250 {
			t.Errorf("the connect was answered with the interval %d", interval)
		}
	default:
		t.Error("socket closed before its connect was answered")
	}
}

// beginPoll begins a session by HTTP and leaves its connect held. The interval of the connect's reply comes in ms, -1 if
// there is none.
func (n *node) beginPoll(t *testing.T) <-chan int {
	t.Helper()
	c := &subscribeCmd{remoteFlags: remoteFlags{URL: n.url}}
	replies, err := c.bayeux(t.Context(), map[string]any{
		"channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": []string{"long-polling"},
	})
	if err != nil {
		t.Fatal(err)
	}
	interval := make(chan int, 1)
	go func() {
		replies, err := c.bayeux(t.Context(), map[string]any{
			"channel": "/meta/connect", "clientId": replies[0].ClientID, "connectionType": "long-polling",
		})
		if err != nil {
			t.Error(err)
			interval <- -1
			return
		}
		interval <- replies[0].Advice.Interval
	}()
	eventually(t, "the poll is held", func() bool { return strings.Contains(n.get(t, "/metrics").body, "\npandapush_edge_polls 1\n") })
	return interval
}

// beginPublish sends a publish but for its body, and returns when the server waits for that.
func (n *node) beginPublish(t *testing.T, channel string) (body *io.PipeWriter, published <-chan response) {
	t.Helper()
	reader, body := io.Pipe()
	waiting, done := make(chan struct{}), make(chan response, 1)
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(waiting) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+"/channel"+channel, reader)
	if err != nil {
		t.Fatal(err)
	}
	devKey.sign(request)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience}}
	t.Cleanup(client.CloseIdleConnections)
	go func() {
		answer, err := client.Do(request)
		if err != nil {
			t.Error(err)
			done <- response{}
			return
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Error(err)
		}
		done <- response{answer.StatusCode, answer.Header, string(text)}
	}()
	select {
	case <-waiting:
	case <-time.After(patience):
		t.Fatal("the server does not ask for the body")
	}
	return body, done
}

// TestUnreadyBeforeTheDrain: until balancers have had time to see that a node is not ready, it serves whom they still bring, and
// sends nobody away.
func TestUnreadyBeforeTheDrain(t *testing.T) {
	n := forkNode(t, settings(t).with(vars{"DRAIN_DELAY": "1h"}))
	if n.closesAfterAnswer(t) {
		t.Error("a connection is closed after one request")
	}
	n.stop()
	n.stderr.await(t, `"msg":"draining"`)
	eventually(t, "the server is not ready", func() bool { return n.get(t, "/readyz").status == http.StatusServiceUnavailable })
	s := n.dial(t)
	s.subscribe(devKey, "/devapp/private/a")
	n.mustPublish(t, devKey.sign, "/devapp/private/a", `{"n":1}`)
	if m := s.delivery(); string(m.Data) != `{"n":1}` {
		t.Errorf("was delivered %s", m.Data)
	}
	if !n.closesAfterAnswer(t) {
		t.Error("a connection is kept for a request that may come too late")
	}
	select {
	case interval := <-s.sentAway:
		t.Errorf("sent away, with the interval %d", interval)
	default:
	}
	n.endBySignals(t)
}

// closesAfterAnswer reports whether the node closes a connection when it has answered a request.
func (n *node) closesAfterAnswer(t *testing.T) bool {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+"/livez", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := new(http.Transport).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close() // only the headers count
	return answer.Close
}

// TestSecondSignal ends a drain at once.
func TestSecondSignal(t *testing.T) {
	n := forkNode(t, settings(t).with(vars{"DRAIN_SECONDS": "600"}))
	for range 2 { // so that the second one's moment is far away
		n.dial(t)
	}
	n.stop()
	n.stderr.await(t, `"msg":"draining"`)
	n.endBySignals(t)
}

// endBySignals ends a node that drains, and checks that it does not take that for a success.
func (n *node) endBySignals(t *testing.T) {
	t.Helper()
	eventually(t, "the server has ended", func() bool {
		n.stop() // not just once: the handler of the first signal may still be there for a moment
		select {
		case <-n.done:
			return true
		default:
			return false
		}
	})
	if err := n.wait(t); err == nil {
		t.Error("serve ended as if it had drained")
	}
}

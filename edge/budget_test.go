package edge

import (
	"net/http"
	"strings"
	"testing"

	"github.com/pandapush/pandapush/edge/frame"
)

func TestBudget(t *testing.T) {
	b := budget{limit: 100}
	var one, two charge
	for _, step := range []struct {
		of   *charge
		held int
		ok   bool
		used int64
	}{
		{&one, uncharged, true, 0},
		{&one, uncharged + 60, true, 60},
		{&two, uncharged + 41, false, 60},
		{&two, uncharged, true, 60},
		{&two, uncharged + 40, true, 100},
		{&one, uncharged + 61, false, 100},
		{&one, uncharged + 1, true, 41},
		{&one, 0, true, 40},
		{&two, 0, true, 0},
		{&two, 0, true, 0},
	} {
		if ok := b.charge(step.of, step.held); ok != step.ok || b.used.Load() != step.used {
			t.Fatalf("%+v: %v, used %d", step, ok, b.used.Load())
		}
	}
}

// What has come of messages that have not ended is bounded for all clients together. Short messages are served meanwhile.
func TestMessagesThatDoNotEndAreBoundedTogether(t *testing.T) {
	n := startNode(t, func(c *Config) { c.Limits.InputBytes = 100_000 })
	begin := func() byteSocket { // a message that goes on
		s := n.openRaw(t)
		s.write(append(masked(0x01, "["+strings.Repeat(" ", 60_000)), masked(0x89, "have you got that?")...))
		return s
	}
	first, second := begin(), begin()
	for _, s := range []byteSocket{first, second} {
		if opcode, payload := s.frame(); opcode != frame.Pong {
			t.Fatalf("%d %q", opcode, payload)
		}
	}
	third := begin()
	opcode, payload := third.frame()
	if opcode == frame.Pong {
		opcode, payload = third.frame()
	}
	if opcode != frame.Close || frame.CloseCode([]byte(payload)) != frame.CodeTryLater {
		t.Errorf("%d %q, want a close frame", opcode, payload)
	}
	long := `[` + strings.Repeat(" ", 60_000) + `]`
	if status, header, _ := n.exchangeHTTP(t, http.MethodPost, "/push", "application/json", long); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("status %d", status)
	}
	if status, _ := n.post(t, handshakeBody); status != http.StatusOK {
		t.Errorf("a short message: status %d", status)
	}
	if met := n.limited("input_bytes"); met < 2 { // what a client sends while it is refused may count again
		t.Errorf("the limit was met %v times", met)
	}

	first.write(masked(0x80, "]")) // a message that ends makes room
	if opcode, payload := first.frame(); opcode != frame.Text || payload != "[]" {
		t.Errorf("%d %q", opcode, payload)
	}
	first.write(masked(0x89, "is it counted?")) // its room is given back after its answer, and before this one
	if opcode, payload := first.frame(); opcode != frame.Pong {
		t.Errorf("%d %q", opcode, payload)
	}
	if status, _ := n.post(t, long); status != http.StatusOK {
		t.Errorf("with room: status %d", status)
	}
	for _, s := range []byteSocket{first, second, third} {
		_ = s.Close()
	}
	n.awaitNoSockets()
	n.web.Close() // waits for the handlers, which give back what their bodies took when they have answered
	if left := n.input.used.Load(); left != 0 {
		t.Errorf("%d bytes are counted and gone", left)
	}
}

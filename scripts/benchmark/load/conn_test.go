package load

import (
	"bytes"
	"slices"
	"testing"
)

// collector is a handler that keeps what it gets.
type collector struct{ frames []string }

func (c *collector) opened()                 {}
func (c *collector) received(payload []byte) { c.frames = append(c.frames, string(payload)) }
func (c *collector) closed()                 {}

// TestFramesMayComeInAnyParts cuts a stream of frames of all sizes in two, wherever that is possible.
func TestFramesMayComeInAnyParts(t *testing.T) {
	want := []string{"", "a", string(bytes.Repeat([]byte("b"), 125)), string(bytes.Repeat([]byte("c"), 126)), string(bytes.Repeat([]byte("d"), 70_000))}
	var stream []byte
	for _, payload := range want {
		stream = append(stream, 0x80|opText)
		switch n := len(payload); {
		case n < 126:
			stream = append(stream, byte(n))
		case n < 1<<16:
			stream = append(stream, 126, byte(n>>8), byte(n))
		default:
			stream = append(stream, 127, 0, 0, 0, 0, 0, byte(n>>16), byte(n>>8), byte(n))
		}
		stream = append(stream, payload...)
	}
	for cut := range min(len(stream), 600) {
		got := &collector{}
		c := &conn{handler: got, path: "/", state: open}
		left := c.consume(stream[:cut])
		if left = c.consume(append(slices.Clone(left), stream[cut:]...)); len(left) > 0 || !slices.Equal(got.frames, want) {
			t.Fatalf("cut at %d: %d frames, %d bytes left", cut, len(got.frames), len(left))
		}
	}
}

func TestSessionCountsWhatIsLostAndRepeated(t *testing.T) {
	s := &Session{}
	for _, frame := range []string{
		`[{"channel":"/a/public/bench/0","data":{"n":1,"pad":"x"},"id":"e-1-0"}]`,
		`[{"channel":"/a/public/bench/0","data":{"n":2,"pad":""},"id":"e-2-0"},{"channel":"/a/public/bench/0","data":{"n":5,"pad":""},"id":"e-5-0"}]`,
		`[{"channel":"/a/public/bench/0","data":{"n":5,"pad":""},"id":"e-5-0"}]`,
	} {
		s.received([]byte(frame))
	}
	if s.Received != 4 || s.Lost != 2 || s.Repeated != 1 || s.Failed != 0 || s.Last() != 5 || string(s.cursor[:s.length]) != "e-5-0" {
		t.Errorf("%+v", s)
	}
}

package frame_test

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush/edge/frame"
)

func TestAcceptsDeflate(t *testing.T) {
	for offer, want := range map[string]bool{
		"":                   false,
		"permessage-deflate": true,
		"permessage-deflate; client_max_window_bits":                                true, // Chromium's
		"permessage-deflate; client_max_window_bits=15; client_no_context_takeover": true,
		"x-webkit-deflate-frame, permessage-deflate":                                true,
		"permessage-deflate; server_max_window_bits=10":                             false,
		"permessage-deflate; server_max_window_bits=10, permessage-deflate":         true, // a second choice
		"permessage-deflate; nonsense":                                              false,
		"permessage-deflated":                                                       false,
	} {
		if got := frame.AcceptsDeflate([]string{offer}); got != want {
			t.Errorf("%q: %t", offer, got)
		}
	}
	if !frame.AcceptsDeflate([]string{"foo", "permessage-deflate"}) || frame.AcceptsDeflate(nil) {
		t.Error("several headers, or none")
	}
}

// payloadOf returns the payload of a frame of a server's.
func payloadOf(f []byte) []byte {
	switch f[1] {
	case 126:
		return f[4:]
	case 127:
		return f[10:]
	}
	return f[2:]
}

func TestDeflateAndInflate(t *testing.T) {
	var d frame.Deflater
	var i frame.Inflater
	rapid.Check(t, func(t *rapid.T) {
		text := bytes.Repeat(rapid.SliceOf(rapid.Byte()).Draw(t, "part"), rapid.IntRange(0, 100).Draw(t, "times"))
		f := d.Append([]byte("before"), frame.Text, text)[len("before"):]
		if f[0] != 0xc1 {
			t.Fatalf("begins with %x", f[0])
		}
		got, err := i.Inflate(payloadOf(f), len(text))
		if err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes became %d, %v", len(text), len(got), err)
		}
		if len(text) > 0 {
			if _, err := i.Inflate(payloadOf(f), len(text)-1); !errors.Is(err, frame.ErrTooLarge) {
				t.Fatalf("beyond the limit: %v", err)
			}
		}
	})
}

func TestInflateOfABomb(t *testing.T) {
	var d frame.Deflater
	var i frame.Inflater
	bomb := payloadOf(d.Append(nil, frame.Text, bytes.Repeat([]byte(" "), 100<<20)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := i.Inflate(bomb, 1<<20); !errors.Is(err, frame.ErrTooLarge) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 16<<20 {
		t.Errorf("%d bytes of a bomb of %d took %d", 100<<20, len(bomb), allocated)
	}
}

// FuzzInflate holds that nothing of what a stranger sends is taken for more than the limit, and that an Inflater is as good
// as new after it.
func FuzzInflate(f *testing.F) {
	var d frame.Deflater
	f.Add(bytes.Clone(payloadOf(d.Append(nil, frame.Text, []byte(strings.Repeat("hello ", 10))))))
	f.Add([]byte{})
	f.Add([]byte{0xff})
	f.Add([]byte("\x01\x00\x00\xff\xff")) // a last block of its own
	var i frame.Inflater
	good := bytes.Clone(payloadOf(d.Append(nil, frame.Text, []byte("good"))))
	f.Fuzz(func(t *testing.T, payload []byte) {
		text, err := i.Inflate(payload, 100)
		if err == nil && len(text) > 100 || err != nil && !errors.Is(err, frame.ErrTooLarge) && !errors.Is(err, frame.ErrDeflate) {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
		if text, err := i.Inflate(good, 4); string(text) != "good" || err != nil {
			t.Fatalf("afterwards: %q, %v", text, err)
		}
	})
}

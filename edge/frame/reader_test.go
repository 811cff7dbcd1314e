package frame

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
)

const limit = 1 << 16

// client makes a frame as a client does.
func client(first byte, payload string) []byte {
	mask := [4]byte{0x12, 0x34, 0x56, 0x78}
	out := AppendHeader(nil, 0, false, len(payload))
	out[0] = first
	out[1] |= maskBit
	out = append(out, mask[:]...)
	body := []byte(payload)
	unmask(body, mask)
	return append(out, body...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// read gives a stream to a Reader in pieces of size bytes, and returns what it makes of it.
func read(r *Reader, stream []byte, size int, limits Limits) (messages []string, err error) {
	stream = bytes.Clone(stream) // payloads are unmasked in place
	for len(stream) > 0 {
		p := stream[:min(size, len(stream))]
		stream = stream[len(p):]
		for {
			var m Message
			if m, p, err = r.Next(p, limits); err != nil {
				return messages, err
			}
			if m.Opcode == 0 {
				break
			}
			messages = append(messages, fmt.Sprintf("%d %t %q", m.Opcode, m.Deflated, m.Payload))
		}
	}
	return messages, nil
}

func TestReader(t *testing.T) {
	long := strings.Repeat("x", 300)
	longest := strings.Repeat("y", limit)
	for name, c := range map[string]struct {
		stream []byte
		want   []string
		err    error
	}{
		"text":                              {client(0x81, "hello"), []string{`1 false "hello"`}, nil},
		"empty text":                        {client(0x81, ""), []string{`1 false ""`}, nil},
		"binary":                            {client(0x82, "\x00\xff"), []string{`2 false "\x00\xff"`}, nil},
		"two bytes of length":               {client(0x81, long), []string{fmt.Sprintf("1 false %q", long)}, nil},
		"as long as allowed":                {client(0x81, longest), []string{fmt.Sprintf("1 false %q", longest)}, nil},
		"one byte longer":                   {client(0x81, longest+"y"), nil, ErrTooLarge},
		"two":                               {join(client(0x81, "a"), client(0x81, "b")), []string{`1 false "a"`, `1 false "b"`}, nil},
		"fragments":                         {join(client(0x01, "a"), client(0x00, ""), client(0x80, "b")), []string{`1 false "ab"`}, nil},
		"fragments, a ping between":         {join(client(0x01, "a"), client(0x89, "p"), client(0x80, "b")), []string{`9 false "p"`, `1 false "ab"`}, nil},
		"fragments, together too long":      {join(client(0x01, longest), client(0x80, "b")), nil, ErrTooLarge},
		"pong":                              {client(0x8a, ""), []string{`10 false ""`}, nil},
		"close without a code":              {client(0x88, ""), []string{`8 false ""`}, nil},
		"close":                             {client(0x88, "\x03\xe8bye"), []string{`8 false "\x03\xe8bye"`}, nil},
		"close, code of an application":     {client(0x88, "\x0f\xa0"), []string{`8 false "\x0f\xa0"`}, nil},
		"close, half a code":                {client(0x88, "\x03"), nil, ErrCloseCode},
		"close, a code that is never sent":  {client(0x88, "\x03\xed"), nil, ErrCloseCode},
		"close, a code that there is not":   {client(0x88, "\x00\x07"), nil, ErrCloseCode},
		"close, reason not UTF-8":           {client(0x88, "\x03\xe8\xff"), nil, ErrNotUTF8},
		"not masked":                        {Append(nil, Text, []byte("a")), nil, ErrNotMasked},
		"reserved bit 1":                    {client(0xc1, "a"), nil, ErrReserved},
		"reserved bit 2":                    {client(0xa1, "a"), nil, ErrReserved},
		"reserved bit 3":                    {client(0x91, "a"), nil, ErrReserved},
		"data opcode that there is not":     {client(0x83, "a"), nil, ErrOpcode},
		"control opcode that there is not":  {client(0x8b, "a"), nil, ErrOpcode},
		"control frame in fragments":        {client(0x09, "a"), nil, ErrControl},
		"control frame that is long":        {client(0x89, long), nil, ErrControl},
		"continuation of nothing":           {client(0x80, "a"), nil, ErrContinuation},
		"another message between fragments": {join(client(0x01, "a"), client(0x81, "b")), nil, ErrInterrupted},
		"length with its first bit set":     {[]byte("\x81\xff\x80\x00\x00\x00\x00\x00\x00\x01mask"), nil, ErrLength},
		"what is right before what is not":  {join(client(0x81, "a"), client(0x80, "b")), []string{`1 false "a"`}, ErrContinuation},
	} {
		t.Run(name, func(t *testing.T) {
			for _, size := range []int{1, 2, 7, 1000, len(c.stream)} {
				var r Reader
				got, err := read(&r, c.stream, size, Limits{Bytes: limit})
				if fmt.Sprint(got) != fmt.Sprint(c.want) || !errors.Is(err, c.err) {
					t.Errorf("in pieces of %d: %.200q, %v, want %.200q, %v", size, got, err, c.want, c.err)
				}
				if err == nil && r.Partial() {
					t.Errorf("in pieces of %d: something is kept", size)
				}
			}
		})
	}
}

func TestReaderKeepsWhatIsNotComplete(t *testing.T) {
	for _, stream := range [][]byte{client(0x81, "hello"), join(client(0x01, "a"), client(0x80, "b"))} {
		for end := 1; end < len(stream); end++ {
			var r Reader
			if got, err := read(&r, stream[:end], end, Limits{Bytes: limit}); got != nil || err != nil || !r.Partial() {
				t.Errorf("after %d bytes of %x: %q, %v, partial %t", end, stream, got, err, r.Partial())
			}
		}
	}
}

func TestReaderLeavesCompressionToItsCaller(t *testing.T) {
	limits := Limits{Bytes: limit, Deflate: true}
	var r Reader
	got, err := read(&r, join(client(0xc1, "a"), client(0x41, "b"), client(0x80, "c"), client(0x81, "d")), 3, limits)
	if want := `[1 true "a" 1 true "bc" 1 false "d"]`; fmt.Sprint(got) != want || err != nil {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	for name, stream := range map[string][]byte{"control frame": client(0xc9, ""), "continuation": join(client(0x41, "a"), client(0xc0, "b"))} {
		if _, err := read(new(Reader), stream, 3, limits); !errors.Is(err, ErrReserved) {
			t.Errorf("compressed %s: %v", name, err)
		}
	}
}

// A client that says a lot will come must not make the server hold room for it.
func TestReaderHoldsWhatHasCome(t *testing.T) {
	begin := client(0x82, strings.Repeat("x", limit))[:100]
	if allocated := testing.AllocsPerRun(100, func() {
		var r Reader
		if _, _, err := r.Next(begin, Limits{Bytes: limit}); err != nil || cap(r.part.frame) > 2*len(begin) {
			t.Fatalf("%d bytes for %d, %v", cap(r.part.frame), len(begin), err)
		}
	}); allocated > 2 {
		t.Errorf("%f allocations", allocated)
	}
}

// peer collects what gws makes of a stream.
type peer struct {
	gws.BuiltinEventHandler
	messages []string
	err      error
}

func (p *peer) note(opcode gws.Opcode, payload []byte) {
	p.messages = append(p.messages, fmt.Sprintf("%d false %q", opcode, payload))
}

func (p *peer) OnMessage(_ *gws.Conn, m *gws.Message) { p.note(m.Opcode, m.Bytes()) }
func (p *peer) OnPing(_ *gws.Conn, payload []byte)    { p.note(gws.OpcodePing, payload) }
func (p *peer) OnPong(_ *gws.Conn, payload []byte)    { p.note(gws.OpcodePong, payload) }
func (p *peer) OnClose(_ *gws.Conn, err error)        { p.err = err }
func (p *peer) Error(...any)                          {}
func (nowhere) SetDeadline(time.Time) error           { return nil }
func (nowhere) Write(p []byte) (int, error)           { return len(p), nil }
func (nowhere) Close() error                          { return nil }

// nowhere is a connection that takes everything.
type nowhere struct{ net.Conn }

// gwsReads returns what gws makes of a stream.
func gwsReads(t *testing.T, stream []byte) *peer {
	t.Helper()
	p := &peer{}
	header := http.Header{}
	for k, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "key"} {
		header.Set(k, v)
	}
	upgrader := gws.NewUpgrader(p, &gws.ServerOption{ReadMaxPayloadSize: limit, Logger: p, Recovery: func(gws.Logger) {}})
	conn, err := upgrader.UpgradeFromConn(nowhere{}, bufio.NewReader(bytes.NewReader(stream)), &http.Request{Method: http.MethodGet, Header: header})
	if err != nil {
		t.Fatal(err)
	}
	conn.ReadLoop()
	return p
}

// FuzzReader compares a Reader with gws, and with itself when the stream comes in other pieces.
func FuzzReader(f *testing.F) {
	f.Add(join(client(0x81, "hello"), client(0x01, "a"), client(0x89, "p"), client(0x80, "b"), client(0x88, "\x03\xe8")), uint8(3))
	f.Add(client(0x82, strings.Repeat("x", 70_000)), uint8(200))
	f.Add(Append(nil, Text, []byte("a")), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, size uint8) {
		var whole, pieces Reader
		got, err := read(&whole, stream, max(1, len(stream)), Limits{Bytes: limit})
		again, errAgain := read(&pieces, stream, int(size)+1, Limits{Bytes: limit})
		if fmt.Sprint(got) != fmt.Sprint(again) || !errors.Is(errAgain, err) || err == nil && whole.Partial() != pieces.Partial() {
			t.Errorf("%q, %v, in pieces %q, %v", got, err, again, errAgain)
		}
		if errors.Is(err, ErrLength) { // gws takes it for a negative one
			return
		}
		p := gwsReads(t, stream)
		for i, m := range got { // gws ends with a close frame, and keeps that to itself
			if strings.HasPrefix(m, "8 ") {
				got = got[:i]
				break
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(p.messages) {
			t.Errorf("%q, gws has %q", got, p.messages)
		}
		var closed *gws.CloseError
		if complained := !errors.Is(p.err, io.EOF) && !errors.Is(p.err, io.ErrUnexpectedEOF) && !errors.As(p.err, &closed); complained && err == nil {
			t.Errorf("nothing is wrong, but gws says %v", p.err)
		}
	})
}

// FuzzAppend reads the headers that a server writes.
func FuzzAppend(f *testing.F) {
	f.Add(byte(Text), []byte("hello"))
	f.Add(byte(Binary), make([]byte, 126))
	f.Add(byte(Binary), make([]byte, 1<<16))
	f.Fuzz(func(t *testing.T, opcode byte, payload []byte) {
		h := AppendHeader(nil, Opcode(opcode)&opcodeBits, false, len(payload))
		got, ok := parseHeader(h)
		if !ok || got.length != uint64(len(payload)) || got.size != len(h) || len(h) > MaxHeader || !got.fin || got.masked || got.opcode != Opcode(opcode)&opcodeBits {
			t.Errorf("%x of %d bytes is read as %+v", h, len(payload), got)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	stream := client(0x81, strings.Repeat("x", 154))
	buf := make([]byte, len(stream))
	var r Reader
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, stream)
		if _, _, err := r.Next(buf, Limits{Bytes: limit}); err != nil {
			b.Fatal(err)
		}
	}
}

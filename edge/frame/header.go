package frame

import "encoding/binary"

// Opcode says what a frame is.
type Opcode byte

// The opcodes of RFC 6455 §5.2.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

func (o Opcode) control() bool { return o >= Close }

// The first two bytes of a frame.
const (
	finBit      = 0x80
	deflatedBit = 0x40 // RSV1, with permessage-deflate
	otherBits   = 0x30
	opcodeBits  = 0x0f
	maskBit     = 0x80
	lengthBits  = 0x7f
)

// maxControl is the longest payload of a control frame.
const maxControl = 125

// header is what a frame begins with.
type header struct {
	opcode   Opcode
	fin      bool
	deflated bool
	reserved bool
	masked   bool
	mask     [4]byte
	size     int    // of the header itself
	length   uint64 // of the payload
}

// parseHeader reads the header that p begins with. ok is false if there is more of it to come.
func parseHeader(p []byte) (h header, ok bool) {
	if len(p) < 2 {
		return h, false
	}
	h = header{
		opcode: Opcode(p[0] & opcodeBits), fin: p[0]&finBit != 0, deflated: p[0]&deflatedBit != 0,
		reserved: p[0]&otherBits != 0, masked: p[1]&maskBit != 0, size: 2, length: uint64(p[1] & lengthBits),
	}
	switch h.length {
	case 126:
		h.size = 4
	case 127:
		h.size = 10
	}
	lengthEnd := h.size
	if h.masked {
		h.size += 4
	}
	if len(p) < h.size {
		return h, false
	}
	switch lengthEnd {
	case 4:
		h.length = uint64(binary.BigEndian.Uint16(p[2:]))
	case 10:
		h.length = binary.BigEndian.Uint64(p[2:])
	}
	copy(h.mask[:], p[lengthEnd:h.size])
	return h, true
}

// end is where a frame ends that has been checked, counted from its first byte.
func (h header) end() int { return h.size + int(h.length) } //nolint:gosec // not longer than Limits.Bytes

// payload unmasks and returns the payload of a whole frame.
func (h header) payload(raw []byte) []byte {
	p := raw[h.size:]
	unmask(p, h.mask)
	return p
}

// unmask turns a payload into what its sender meant, in place.
func unmask(p []byte, mask [4]byte) {
	word := uint64(binary.LittleEndian.Uint32(mask[:]))
	word |= word << 32
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^word)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= mask[i&3]
	}
}

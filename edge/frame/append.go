package frame

import "encoding/binary"

// MaxHeader is the longest header that AppendHeader makes, in bytes.
const MaxHeader = 10

// AppendHeader appends the header of a whole message of length bytes, as a server sends it: not masked. deflated says that
// its payload is compressed.
func AppendHeader(dst []byte, opcode Opcode, deflated bool, length int) []byte {
	first := finBit | byte(opcode)
	if deflated {
		first |= deflatedBit
	}
	switch {
	case length <= 125:
		return append(dst, first, byte(length))
	case length <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(length))
	}
	return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(length))
}

// Append appends a frame with a whole message. The payload of a control frame must not be longer than 125 bytes.
func Append(dst []byte, opcode Opcode, payload []byte) []byte {
	return append(AppendHeader(dst, opcode, false, len(payload)), payload...)
}

// AppendClose appends a close frame. The reason, which may be empty, must not be longer than 123 bytes.
func AppendClose(dst []byte, code uint16, reason string) []byte {
	dst = AppendHeader(dst, Close, false, 2+len(reason))
	return append(binary.BigEndian.AppendUint16(dst, code), reason...)
}

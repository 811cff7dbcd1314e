package frame

import "unicode/utf8"

// Message is a whole message of a client, or a control frame.
type Message struct {
	Opcode   Opcode // Text, Binary, Close, Ping or Pong; zero if there is no message
	Deflated bool   // the payload is compressed
	Payload  []byte // the caller's until it calls Next again
}

// Limits are what a Reader takes.
type Limits struct {
	Bytes   int  // of one message, as it comes over the wire
	Deflate bool // messages may be compressed
}

// Reader makes messages of what comes over one connection. The zero Reader is at the beginning, and as small as can be
// while it is between two messages. It is not safe for concurrent use.
type Reader struct {
	part *part // nil between two messages
}

// part is what has come of a message.
type part struct {
	frame    []byte // of a frame that is not complete
	message  []byte // of a message whose last frame has not come
	opcode   Opcode // of message; zero if there is none
	deflated bool
}

// Partial reports whether a message has begun and not ended.
func (r *Reader) Partial() bool { return r.part != nil }

// Held returns how many bytes are kept of a message that has begun and not ended.
func (r *Reader) Held() int {
	if r.part == nil {
		return 0
	}
	return len(r.part.frame) + len(r.part.message)
}

// Next takes what has come, and returns the first message that it completes and what is behind it. If it completes none
// the message has no opcode, and all of p has been taken. Next changes p: a payload is unmasked where it is, and the message
// may be a part of p.
//
// After an error, always an *Error, the Reader is of no more use.
func (r *Reader) Next(p []byte, limits Limits) (m Message, rest []byte, err error) {
	for {
		var h header
		var payload []byte
		var whole bool
		if h, payload, p, whole, err = r.frame(p, limits); err != nil || !whole {
			return Message{}, nil, err
		}
		if m, whole = r.join(h, payload); whole {
			return m, p, check(m)
		}
	}
}

// frame returns the first frame of p, with its payload unmasked, and what is behind it. If that is not all there it is
// kept, and whole is false.
func (r *Reader) frame(p []byte, limits Limits) (h header, payload, rest []byte, whole bool, err error) {
	if r.part != nil && len(r.part.frame) > 0 {
		return r.complete(p, limits)
	}
	h, ok := parseHeader(p)
	if ok {
		if err := r.check(h, limits); err != nil {
			return h, nil, nil, false, err
		}
		if end := h.end(); end <= len(p) {
			return h, h.payload(p[:end:end]), p[end:], true, nil
		}
	}
	r.keep(p, len(p))
	return h, nil, nil, false, nil
}

// complete is frame when the beginning of one has been kept. The header's last bytes are taken one by one, so that nothing
// behind the frame ever is.
func (r *Reader) complete(p []byte, limits Limits) (h header, payload, rest []byte, whole bool, err error) {
	h, ok := parseHeader(r.part.frame)
	for ; !ok; h, ok = parseHeader(r.part.frame) {
		if len(p) == 0 {
			return h, nil, nil, false, nil
		}
		p = r.keep(p, 1)
	}
	if err := r.check(h, limits); err != nil {
		return h, nil, nil, false, err
	}
	p = r.keep(p, h.end()-len(r.part.frame))
	raw := r.part.frame
	if len(raw) < h.end() {
		return h, nil, nil, false, nil
	}
	if r.part.frame = nil; r.part.opcode == 0 {
		r.part = nil
	}
	return h, h.payload(raw), p, true, nil
}

// keep adds up to n bytes of p to the frame that is not complete, and returns the others.
func (r *Reader) keep(p []byte, n int) (rest []byte) {
	n = min(n, len(p))
	if n == 0 {
		return p
	}
	if r.part == nil {
		r.part = new(part)
	}
	r.part.frame = append(r.part.frame, p[:n]...)
	return p[n:]
}

// check finds what is wrong with a header, before anything of the payload is kept.
func (r *Reader) check(h header, limits Limits) error {
	open, length := r.part != nil && r.part.opcode != 0, uint64(0)
	if open && !h.opcode.control() {
		length = uint64(len(r.part.message))
	}
	switch {
	case !h.masked:
		return ErrNotMasked
	case h.opcode > Binary && h.opcode < Close || h.opcode > Pong:
		return ErrOpcode
	case h.opcode.control() && (!h.fin || h.length > maxControl):
		return ErrControl
	case h.reserved || h.deflated && (!limits.Deflate || h.opcode.control() || h.opcode == Continuation):
		return ErrReserved
	case h.length>>63 != 0:
		return ErrLength
	case h.opcode == Continuation && !open:
		return ErrContinuation
	case open && (h.opcode == Text || h.opcode == Binary):
		return ErrInterrupted
	case !h.opcode.control() && (h.length > uint64(limits.Bytes) || length+h.length > uint64(limits.Bytes)):
		return ErrTooLarge
	}
	return nil
}

// join puts the frames of a message together. It returns false while there are more to come.
func (r *Reader) join(h header, payload []byte) (Message, bool) {
	if h.opcode.control() || h.fin && h.opcode != Continuation {
		return Message{h.opcode, h.deflated, payload}, true
	}
	if r.part == nil {
		r.part = new(part)
	}
	if h.opcode != Continuation {
		r.part.opcode, r.part.deflated = h.opcode, h.deflated
	}
	r.part.message = append(r.part.message, payload...)
	if !h.fin {
		return Message{}, false
	}
	m := Message{r.part.opcode, r.part.deflated, r.part.message}
	r.part = nil
	return m, true
}

// check looks at the payload of a close frame, which is never compressed.
func check(m Message) error {
	if m.Opcode != Close || len(m.Payload) == 0 {
		return nil
	}
	if len(m.Payload) == 1 || !validCloseCode(CloseCode(m.Payload)) {
		return ErrCloseCode
	}
	if !utf8.Valid(m.Payload[2:]) {
		return ErrNotUTF8
	}
	return nil
}

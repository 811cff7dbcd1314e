package bayeux

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// scanner reads JSON text (RFC 8259), strictly, and copies nothing.
//
// The first error stays in err and ends the text where it was found, so that everything that goes on reading sees the
// end and stops, too; only the outermost caller has to look at err.
type scanner struct {
	text []byte // valid UTF-8; shortened to what was read by the first error
	pos  int
	room int // how many more levels values may nest
	err  error
}

// scan returns a scanner for text that ends before the first byte that is not UTF-8. The scanner finds that end to be
// an error; or else, since the text up to there is complete, finish does.
func scan(text []byte, depth int) scanner {
	s := scanner{text: text, room: depth}
	if !utf8.Valid(text) {
		s.text = text[:invalidUTF8(text)]
	}
	return s
}

// invalidUTF8 returns the offset of the first byte of text that is not part of a valid character.
func invalidUTF8(text []byte) int {
	i := 0
	for i < len(text) {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return i
}

// finish checks that nothing but white space follows the value, up to end, the length of the whole text.
func (s *scanner) finish(end int) error {
	s.space()
	if s.pos < end {
		s.fail()
	}
	return s.err
}

// fail notes that the text is wrong at pos.
func (s *scanner) fail() {
	if s.err == nil {
		s.stop(&SyntaxError{Offset: s.pos})
	}
}

func (s *scanner) stop(err error) {
	s.err = err
	s.text = s.text[:s.pos]
}

// peek returns the next byte, or 0, which no JSON contains, at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// value reads any value. It leaves out the white space around it.
func (s *scanner) value() Value {
	s.space()
	start := s.pos
	switch s.peek() {
	case '"':
		s.str()
	case '{':
		s.object(nil)
	case '[':
		s.array()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.number()
	}
	return s.text[start:s.pos:s.pos]
}

// object reads an object, and puts its members into m unless that is nil.
func (s *scanner) object(m *Message) {
	for more := s.open('}'); more; more = s.more('}') {
		name, value := s.member()
		if m != nil {
			m.set(name, value)
		}
	}
}

func (s *scanner) array() {
	for more := s.open(']'); more; more = s.more(']') {
		s.value()
	}
}

// open reads the bracket that begins an object or an array, and reports whether there is an element. If there is none
// it has read the closing bracket as well.
func (s *scanner) open(closing byte) bool {
	if s.room == 0 {
		s.stop(ErrTooDeep)
		return false
	}
	s.room--
	s.pos++
	s.space()
	return s.err == nil && !s.closed(closing)
}

// more reads what stands behind an element, and reports whether it was a comma and not the closing bracket.
func (s *scanner) more(closing byte) bool {
	s.space()
	if s.err != nil || s.closed(closing) {
		return false
	}
	s.expect(',')
	return s.err == nil
}

func (s *scanner) closed(closing byte) bool {
	if s.peek() != closing {
		return false
	}
	s.pos++
	s.room++
	return true
}

func (s *scanner) expect(c byte) {
	if s.peek() != c {
		s.fail()
		return
	}
	s.pos++
}

// member reads a name, a colon and a value. The name has its quotes.
func (s *scanner) member() (name, value Value) {
	s.space()
	name = s.str()
	s.space()
	s.expect(':')
	return name, s.value()
}

// str reads a string and returns it with its quotes and escapes.
func (s *scanner) str() Value {
	start := s.pos
	s.expect('"')
	for {
		s.pos += plain(s.text[s.pos:])
		switch s.peek() {
		case '"':
			s.pos++
			return s.text[start:s.pos:s.pos]
		case '\\':
			n := escapeLength(s.text[s.pos:])
			if n == 0 {
				s.fail()
				return nil
			}
			s.pos += n
		default: // a control character or the end
			s.fail()
			return nil
		}
	}
}

// plain returns with how many bytes text begins that stand for themselves in a string: none of them a quote, a
// backslash or a control character. It looks at eight at a time, since strings are most of what there is to read.
func plain(text []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		word := binary.LittleEndian.Uint64(text[n:])
		quote, slash := word^ones*'"', word^ones*'\\'
		// Each term has the high bit of a byte set that is 0, or less than a space; maybe those of bytes after it, too.
		special := (quote-ones)&^quote | (slash-ones)&^slash | (word-ones*' ')&^word
		if special &= high; special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	for n < len(text) && text[n] != '"' && text[n] != '\\' && text[n] >= ' ' {
		n++
	}
	return n
}

// escapeLength returns the length of the escape sequence that text begins with, or 0 if it is none.
func escapeLength(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(text) < 6 {
			return 0
		}
		for _, c := range text[2:6] {
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 6
	}
	return 0
}

func (s *scanner) literal(word string) {
	for i := range len(word) {
		s.expect(word[i])
	}
}

func (s *scanner) number() {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else {
		s.digits()
	}
	if s.peek() == '.' {
		s.pos++
		s.digits()
	}
	if s.peek()|0x20 == 'e' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		s.digits()
	}
}

// digits reads one or more of them.
func (s *scanner) digits() {
	start := s.pos
	for isDigit(s.peek()) {
		s.pos++
	}
	if s.pos == start {
		s.fail()
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

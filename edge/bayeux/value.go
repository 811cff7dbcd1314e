package bayeux

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Value is the JSON text of one value, as it was sent and with no white space around it; nil if it was not sent at all.
// It aliases the frame. What it holds is looked at only when it is asked for, and sending it back is copying it.
type Value []byte

// Truthy reports whether JavaScript takes the value for true: Faye treats a field that is not as if it were absent.
// Absent, null, false, 0 and "" are not.
func (v Value) Truthy() bool {
	if len(v) == 0 {
		return false
	}
	switch c := v[0]; {
	case c == 'n' || c == 'f':
		return false
	case c == '"':
		return len(v) > len(`""`)
	case c == '-' || isDigit(c):
		mantissa, _, _ := bytes.Cut(bytes.ToLower(v), []byte("e"))
		return bytes.ContainsAny(mantissa, "123456789")
	}
	return true
}

// Text returns a string without its quotes and escapes, and any other value as its JSON text. It is a copy.
func (v Value) Text() string { return string(v.bytes()) }

// Texts returns the Text of each element of an array, and for any other value that is Truthy the list of its own.
func (v Value) Texts() []string {
	if len(v) == 0 || v[0] != '[' {
		if !v.Truthy() {
			return nil
		}
		return []string{v.Text()}
	}
	var texts []string
	s := v.scan()
	for more := s.open(']'); more; more = s.more(']') {
		texts = append(texts, s.value().Text())
	}
	return texts
}

// Member returns the value of a member of an object, the last one if there are several of that name, and nil if there
// is none or v is not an object.
func (v Value) Member(name string) Value {
	if len(v) == 0 || v[0] != '{' {
		return nil
	}
	var found Value
	s := v.scan()
	for more := s.open('}'); more; more = s.more('}') {
		n, value := s.member()
		if string(n.bytes()) == name {
			found = value
		}
	}
	return found
}

// scan returns a scanner for a value that a scanner has read before: it needs no second check.
func (v Value) scan() scanner { return scanner{text: v, room: len(v)} }

// isString reports whether v is a JSON string.
func (v Value) isString() bool { return len(v) > 0 && v[0] == '"' }

// bytes is Text without the copy, unless there are escapes.
func (v Value) bytes() []byte {
	if !v.isString() {
		return v
	}
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return unescape(inner)
}

// unescape returns a copy of the inside of a JSON string with its escapes resolved. A surrogate without its other half
// becomes U+FFFD.
func unescape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		if text[0] != '\\' {
			out = append(out, text[0])
			text = text[1:]
			continue
		}
		if c := text[1]; c != 'u' {
			out = append(out, unescaped(c))
			text = text[2:]
			continue
		}
		r := hex4(text[2:6])
		text = text[6:]
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if len(text) >= 6 && text[0] == '\\' && text[1] == 'u' {
				pair = utf16.DecodeRune(r, hex4(text[2:6]))
			}
			if pair != utf8.RuneError {
				text = text[6:]
			}
			r = pair
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// unescaped returns what the escape of one letter c stands for.
func unescaped(c byte) byte {
	if i := strings.IndexByte("bfnrt", c); i >= 0 {
		return "\b\f\n\r\t"[i]
	}
	return c
}

func hex4(digits []byte) (r rune) {
	for _, c := range digits {
		switch {
		case isDigit(c):
			r = r<<4 | rune(c-'0')
		default:
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}

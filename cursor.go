package pandapush

import (
	"crypto/rand"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
)

// Position is the place of an entry in its application's stream: a Redis stream id. The zero Position is before all
// entries.
type Position struct {
	Millis uint64 // Unix time of the append, in milliseconds, by Redis' clock
	Seq    uint64 // order within the millisecond
}

// Compare returns -1, 0 or 1 as p is before, at or after q.
func (p Position) Compare(q Position) int {
	switch {
	case p.Millis < q.Millis, p.Millis == q.Millis && p.Seq < q.Seq:
		return -1
	case p == q:
		return 0
	}
	return 1
}

// Prev returns the last position before p: where a reader stands that has everything before the entry at p.
func (p Position) Prev() Position {
	switch {
	case p.Seq > 0:
		p.Seq--
	case p.Millis > 0:
		p.Millis, p.Seq = p.Millis-1, math.MaxUint64
	}
	return p
}

// String returns the position as Redis writes it, "<milliseconds>-<sequence>".
func (p Position) String() string {
	return strconv.FormatUint(p.Millis, 10) + "-" + strconv.FormatUint(p.Seq, 10)
}

// ParsePosition reads what String writes. The error is ErrInvalidCursor.
func ParsePosition(s string) (Position, error) {
	millis, seq, ok := strings.Cut(s, "-")
	m, err1 := parseDigits(millis)
	n, err2 := parseDigits(seq)
	if !ok || err1 != nil || err2 != nil {
		return Position{}, ErrInvalidCursor
	}
	return Position{m, n}, nil
}

// Epoch names one incarnation of an application's stream: it changes when the stream is lost, so that a cursor into the lost
// one can be recognised. It has epochLength lower-case letters and digits, the first few of which are a hash of the
// application, so that another application's cursor is recognised without a look-up.
type Epoch string

const (
	epochHash   = 4
	epochLength = 12
	base32Lower = "abcdefghijklmnopqrstuvwxyz234567"
)

// NewEpoch returns a random epoch for a stream of app.
func NewEpoch(app AppID) Epoch {
	return Epoch(appHash(app) + strings.ToLower(rand.Text())[:epochLength-epochHash])
}

// Of reports whether e can be an epoch of app's stream.
func (e Epoch) Of(app AppID) bool {
	if len(e) != epochLength || string(e[:epochHash]) != appHash(app) {
		return false
	}
	return strings.Trim(string(e), base32Lower) == ""
}

func appHash(app AppID) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(app)) // a hash never fails
	sum := h.Sum32()
	var out [epochHash]byte
	for i := range out {
		out[i] = base32Lower[sum>>(27-5*i)&31]
	}
	return string(out[:])
}

// Cursor is where a message stands: the stream's epoch and the position in it. It is the id of every delivered message,
// and what a client gives back to resume after it. Clients must treat its text as opaque.
type Cursor struct {
	Epoch    Epoch
	Position Position
}

// MaxCursorLength bounds the text of a cursor, in bytes.
const MaxCursorLength = 64

// String returns the text "<epoch>-<position>". It always contains a "-", so that it can never equal one of the small
// base-36 ids that Faye and CometD clients give to their own messages.
func (c Cursor) String() string { return string(c.AppendText(nil)) }

// AppendText appends the text of c to dst.
func (c Cursor) AppendText(dst []byte) []byte {
	dst = append(dst, c.Epoch...)
	dst = append(dst, '-')
	dst = strconv.AppendUint(dst, c.Position.Millis, 10)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, c.Position.Seq, 10)
}

// ParseCursor reads what String writes, for a stream of app. The error is ErrInvalidCursor for anything that String never
// writes and for a cursor of another application.
func ParseCursor(app AppID, s string) (Cursor, error) {
	if len(s) > MaxCursorLength {
		return Cursor{}, ErrInvalidCursor
	}
	epoch, position, _ := strings.Cut(s, "-")
	p, err := ParsePosition(position)
	if err != nil || !Epoch(epoch).Of(app) {
		return Cursor{}, ErrInvalidCursor
	}
	return Cursor{Epoch(epoch), p}, nil
}

// parseDigits is strconv.ParseUint for the one text that FormatUint writes: no sign, no leading zero.
func parseDigits(s string) (uint64, error) {
	if s == "" || len(s) > 1 && s[0] == '0' {
		return 0, ErrInvalidCursor
	}
	return strconv.ParseUint(s, 10, 64)
}

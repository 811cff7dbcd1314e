package edge

import (
	"io"
	"sync/atomic"

	"github.com/pandapush/pandapush/edge/frame"
)

// uncharged is what each connection may have sent of a message before it counts, in bytes: short messages get through
// however much the others send.
const uncharged = 16 << 10

// budget bounds what all clients together have sent of messages that are not answered yet. Each of them is within its
// limits; but ten thousand that stop just before the end of a message of a megabyte would take ten gigabytes.
type budget struct {
	limit int64
	used  atomic.Int64
}

// charge is what one connection takes of a budget, in bytes. It is not safe for concurrent use.
type charge int64

// charge makes c what a connection takes that has sent so many bytes of a message. It reports false, and leaves c as it
// was, if that is more than there is.
func (b *budget) charge(c *charge, held int) bool {
	due := max(0, int64(held)-uncharged)
	more := due - int64(*c)
	if more > 0 && b.used.Add(more) > b.limit {
		b.used.Add(-more)
		return false
	}
	if more < 0 {
		b.used.Add(more)
	}
	*c = charge(due)
	return true
}

// errNoRoom refuses a message for which there is no room beside those of others. As a frame.Error it ends a socket.
var errNoRoom = &frame.Error{Code: frame.CodeTryLater, Text: "too much is being sent at the moment"}

// chargedReader charges a budget for what is read. It fails with errNoRoom.
type chargedReader struct {
	io.Reader
	budget *budget
	charge *charge
	held   int
}

// Read implements io.Reader.
func (r *chargedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.held += n
	if !r.budget.charge(r.charge, r.held) {
		return n, errNoRoom
	}
	return n, err
}

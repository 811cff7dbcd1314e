package edge

import (
	"slices"
	"sort"
	"time"

	"github.com/pandapush/pandapush"
)

// delivery is one message as every socket gets it: encoded once a node, shared by all sessions, never changed.
type delivery struct {
	app      pandapush.AppID
	channel  string
	position pandapush.Position
	wire     []byte // the Bayeux message, a JSON object on one line
	event    []byte // the same as a server-sent event, of which wire is a part
	notice   bool   // the server's own
	gap      *gap   // set if it says that messages were lost, which is for every session; it has no wire form, as each gets its own
	exclude  string // client id of a session that does not get it; empty: none
	expires  int64  // Unix time in milliseconds from which on nobody gets it any more; 0: never
}

// gap says that messages between two cursors may be missing, and why: one of the reasons of package pandapush.
type gap struct {
	from, to pandapush.Cursor
	reason   string
}

// keptFrom reports whether the session with that id is not to get d, although it subscribes to its channel.
func (d *delivery) keptFrom(id string, now func() time.Time) bool {
	return d.exclude != "" && d.exclude == id || d.expires != 0 && now().UnixMilli() >= d.expires
}

// perEntry is about what an entry of a window takes besides its wire form, in bytes.
const perEntry = 240

// window is the newest entries of an application's stream, encoded, so that who is a little behind is served from memory:
// a client that comes back, a socket that was slow, a subscription that begins in the past. It is bounded in entries, bytes
// and age, and not safe for concurrent use: the tenant's lock guards it.
type window struct {
	maxEntries, maxBytes int

	entries  []*delivery         // oldest first, from head on
	head     int                 // entries before it are spent
	first    uint64              // the number of entries[head]; entries are numbered as they come
	bytes    int                 // of all entries
	floor    pandapush.Position  // every entry after it is here
	full     bool                // entries have been dropped, so what is older would be too
	tooFar   pandapush.Position  // up to here it is known to be too far to go back
	channels map[string][]uint64 // the numbers of each channel's entries, oldest first
}

// reset empties the window. Every entry after floor is expected from here on.
func (w *window) reset(floor pandapush.Position) {
	*w = window{maxEntries: w.maxEntries, maxBytes: w.maxBytes, first: w.first, floor: floor, channels: map[string][]uint64{}}
}

// len returns how many entries there are.
func (w *window) len() int { return len(w.entries) - w.head }

// add appends the next entry of the stream and drops what no longer fits.
func (w *window) add(d *delivery) {
	w.channels[d.channel] = append(w.channels[d.channel], w.first+uint64(w.len()))
	w.entries = append(w.entries, d)
	w.bytes += len(d.wire) + perEntry
	for w.len() > w.maxEntries || w.bytes > w.maxBytes && w.len() > 1 {
		w.drop()
	}
}

// dropBefore drops the entries that were appended before a moment.
func (w *window) dropBefore(moment time.Time) {
	for w.len() > 0 && w.entries[w.head].position.Millis < uint64(moment.UnixMilli()) {
		w.drop()
	}
}

// prepend puts older entries before the others: all that the stream has between a position and the floor, which that
// position becomes. If they don't fit, the oldest are dropped as ever. It costs as much as adding every entry anew.
func (w *window) prepend(older []*delivery, floor pandapush.Position) {
	live, tooFar := w.entries[w.head:], w.tooFar
	w.reset(floor)
	w.tooFar = tooFar
	for _, d := range older {
		w.add(d)
	}
	for _, d := range live {
		w.add(d)
	}
}

// drop forgets the oldest entry.
func (w *window) drop() {
	d := w.entries[w.head]
	w.floor, w.full = d.position, true
	w.bytes -= len(d.wire) + perEntry
	if numbers := w.channels[d.channel]; len(numbers) > 1 {
		w.channels[d.channel] = numbers[1:]
	} else {
		delete(w.channels, d.channel)
	}
	w.entries[w.head] = nil
	w.head++
	w.first++
	if w.head > len(w.entries)/2 { // moving costs less than what was dropped since the last time
		n := copy(w.entries, w.entries[w.head:])
		clear(w.entries[n:])
		w.entries, w.head = w.entries[:n], 0
	}
}

// covers reports whether every entry after a position is here.
func (w *window) covers(after pandapush.Position) bool { return after.Compare(w.floor) >= 0 }

// after returns the number of the first entry after a position.
func (w *window) after(position pandapush.Position) uint64 {
	live := w.entries[w.head:]
	i := sort.Search(len(live), func(i int) bool { return live[i].position.Compare(position) > 0 })
	return w.first + uint64(i)
}

// at returns the entry of a number.
func (w *window) at(number uint64) *delivery { return w.entries[w.head+int(number-w.first)] }

// scanLimit bounds how many entries one read looks at, so that the tenant's lock is not held for long.
const scanLimit = 1024

// read appends to dst the entries after a position that want takes, in order, until it has limit of them or as many bytes
// as room says, has looked at scanLimit, or is at the end. It returns the position up to which it has looked. If channels is not nil, want takes no
// entry of any other channel.
func (w *window) read(after pandapush.Position, channels []string, want func(*delivery) bool, limit, room int, dst []*delivery) ([]*delivery, pandapush.Position) {
	end := w.first + uint64(w.len())
	next := w.after(after)
	reached := after
	for looked := 0; looked < scanLimit && limit > 0 && room > 0; looked++ {
		number := next
		if channels != nil {
			number = w.nextOf(channels, next, end)
		}
		if number >= end { // nothing more that is wanted: at the end
			if end > w.first {
				reached = later(reached, w.at(end-1).position)
			}
			return dst, reached
		}
		d := w.at(number)
		if want(d) {
			dst = append(dst, d)
			limit--
			room -= len(d.wire)
		}
		reached, next = d.position, number+1
	}
	return dst, reached
}

// nextOf returns the lowest number from next on of any of channels, or end.
func (w *window) nextOf(channels []string, next, end uint64) uint64 {
	lowest := end
	for _, channel := range channels {
		numbers := w.channels[channel]
		if i, _ := slices.BinarySearch(numbers, next); i < len(numbers) && numbers[i] < lowest {
			lowest = numbers[i]
		}
	}
	return lowest
}

// last returns the position before the n-th newest entry that want takes. whole is false if the window has fewer of them:
// the position is then its floor.
func (w *window) last(n int, want func(*delivery) bool) (position pandapush.Position, whole bool) {
	for i := len(w.entries) - 1; i >= w.head; i-- {
		if !want(w.entries[i]) {
			continue
		}
		if n--; n == 0 {
			if i == w.head {
				return w.floor, true
			}
			return w.entries[i-1].position, true
		}
	}
	return w.floor, false
}

func later(a, b pandapush.Position) pandapush.Position {
	if a.Compare(b) >= 0 {
		return a
	}
	return b
}

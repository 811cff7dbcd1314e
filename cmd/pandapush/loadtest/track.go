package loadtest

// track follows the numbers that one publisher gives its messages on one channel, 1, 2, 3 and so on, as they arrive.
type track struct {
	newest  int64              // the highest number that has come
	missing map[int64]struct{} // lower ones that have not; nil if there never were any
}

// arrival is what the arrival of a number means.
type arrival int

const (
	inOrder arrival = iota
	outOfOrder
	repeated
)

// take notes that n has come.
func (t *track) take(n int64) arrival {
	if n > t.newest {
		for skipped := t.newest + 1; skipped < n; skipped++ {
			if t.missing == nil {
				t.missing = make(map[int64]struct{})
			}
			t.missing[skipped] = struct{}{}
		}
		t.newest = n
		return inOrder
	}
	if _, ok := t.missing[n]; ok {
		delete(t.missing, n)
		return outOfOrder
	}
	return repeated
}

// lost returns how many of the numbers up to sent have not come, without those in doubtful.
func (t *track) lost(sent int64, doubtful []int64) int64 {
	n := int64(len(t.missing)) + max(0, sent-t.newest)
	for _, d := range doubtful {
		if _, ok := t.missing[d]; ok || d > t.newest {
			n--
		}
	}
	return n
}

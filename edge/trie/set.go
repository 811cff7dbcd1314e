package trie

import "slices"

// indexFrom is the size from which a set keeps an index. Most channels have few subscribers, and among few a scan is as
// fast as a map and takes a tenth of its memory.
const indexFrom = 16

// set is a set whose values stand in a slice, so that a visit is a plain loop. Adding and removing take constant time
// in large sets, too; removal changes the order.
type set[T comparable] struct {
	list  []T
	index map[T]int // where each value stands in list; nil while the set is small
}

func (s *set[T]) add(v T) bool {
	if s.find(v) >= 0 {
		return false
	}
	s.list = append(s.list, v)
	switch {
	case s.index != nil:
		s.index[v] = len(s.list) - 1
	case len(s.list) > indexFrom:
		s.reindex()
	}
	return true
}

func (s *set[T]) remove(v T) bool {
	i := s.find(v)
	if i < 0 {
		return false
	}
	last := len(s.list) - 1
	moved := s.list[last]
	s.list[i] = moved
	clear(s.list[last:]) // so that the value can be collected
	s.list = s.list[:last]
	if s.index != nil {
		s.index[moved] = i
		delete(s.index, v)
	}
	s.shrink()
	return true
}

// find returns where v stands, or -1.
func (s *set[T]) find(v T) int {
	if s.index == nil {
		return slices.Index(s.list, v)
	}
	if i, ok := s.index[v]; ok {
		return i
	}
	return -1
}

// shrink gives back the memory of a set that was once much larger. The distance between the thresholds keeps a set
// that hovers around one of them from paying for it again and again.
func (s *set[T]) shrink() {
	if len(s.list) < indexFrom/2 {
		s.index = nil
	}
	if cap(s.list) > 2*indexFrom && len(s.list) < cap(s.list)/4 {
		s.list = append(make([]T, 0, cap(s.list)/2), s.list...)
		if s.index != nil {
			s.reindex()
		}
	}
}

func (s *set[T]) reindex() {
	s.index = make(map[T]int, 2*len(s.list))
	for i, v := range s.list {
		s.index[v] = i
	}
}

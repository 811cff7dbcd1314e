package trie

import "strings"

// Trie is a set of (pattern, value) pairs, found by channel. The zero Trie is empty and ready for use.
//
// It is not safe for concurrent use: calls of Match may run at the same time, Add and Remove must be alone.
type Trie[T comparable] struct {
	exact map[string]*set[T] // by name
	one   map[string]*set[T] // "<path>/*" by path
	many  map[string]*set[T] // "<path>/**" by path; the root's path is ""
	size  int
}

// Add puts v under pattern. It reports false if it was there.
func (t *Trie[T]) Add(pattern string, v T) bool {
	nodes, path := t.locate(pattern)
	if *nodes == nil {
		*nodes = make(map[string]*set[T])
	}
	values := (*nodes)[path]
	if values == nil {
		values = new(set[T])
		(*nodes)[path] = values
	}
	if !values.add(v) {
		return false
	}
	t.size++
	return true
}

// Remove takes v away from under pattern. It reports false if it was not there.
func (t *Trie[T]) Remove(pattern string, v T) bool {
	nodes, path := t.locate(pattern)
	values := (*nodes)[path]
	if values == nil || !values.remove(v) {
		return false
	}
	if len(values.list) == 0 {
		delete(*nodes, path)
	}
	t.size--
	return true
}

// Match calls visit with the values of each pattern that matches channel, which is a name without wildcards. A value
// that stands under several of them is visited as often. visit must neither change nor keep the slice, and must not
// change the trie. Match allocates nothing.
func (t *Trie[T]) Match(channel string, visit func(values []T)) {
	if values := t.exact[channel]; values != nil {
		visit(values.list)
	}
	last := strings.LastIndexByte(channel, '/')
	if last < 0 {
		return
	}
	if values := t.one[channel[:last]]; values != nil {
		visit(values.list)
	}
	if len(t.many) == 0 {
		return
	}
	for i := 0; i <= last; i++ {
		if channel[i] != '/' {
			continue
		}
		if values := t.many[channel[:i]]; values != nil {
			visit(values.list)
		}
	}
}

// Each calls visit with every value, as often as it stands under different patterns, in no order. visit must not change
// the trie.
func (t *Trie[T]) Each(visit func(T)) {
	for _, nodes := range []map[string]*set[T]{t.exact, t.one, t.many} {
		for _, values := range nodes {
			for _, v := range values.list {
				visit(v)
			}
		}
	}
}

// Channels calls visit with every pattern that has values and no wildcard, in no order. visit must not change the trie.
func (t *Trie[T]) Channels(visit func(channel string)) {
	for channel := range t.exact {
		visit(channel)
	}
}

// Len returns the number of (pattern, value) pairs.
func (t *Trie[T]) Len() int { return t.size }

// Empty reports whether there are none.
func (t *Trie[T]) Empty() bool { return t.size == 0 }

// locate returns the map that pattern belongs to and its key there.
func (t *Trie[T]) locate(pattern string) (nodes *map[string]*set[T], path string) {
	if path, ok := strings.CutSuffix(pattern, "/**"); ok {
		return &t.many, path
	}
	if path, ok := strings.CutSuffix(pattern, "/*"); ok {
		return &t.one, path
	}
	return &t.exact, pattern
}

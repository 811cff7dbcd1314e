package trie_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush/edge/trie"
)

func match[T comparable](t *trie.Trie[T], channel string) []T {
	var got []T
	t.Match(channel, func(values []T) { got = append(got, values...) })
	return got
}

func TestMatch(t *testing.T) {
	patterns := []string{
		"/a/public/x", "/a/public/*", "/a/public/**", "/a/public/x/*", "/a/public/x/**", "/a/public/x/y",
		"/b/public/x", "/b/public/**", "/**", "/*",
	}
	var tr trie.Trie[string]
	for _, p := range patterns {
		tr.Add(p, p)
	}
	for _, tc := range []struct {
		channel string
		want    []string
	}{
		{"/a/public/x", []string{"/a/public/x", "/a/public/*", "/a/public/**", "/**"}},
		{"/a/public/x/y", []string{"/a/public/x/y", "/a/public/x/*", "/a/public/x/**", "/a/public/**", "/**"}},
		{"/a/public/x/y/z", []string{"/a/public/x/**", "/a/public/**", "/**"}},
		{"/a/public", []string{"/**"}},
		{"/a/publicx", []string{"/**"}},
		{"/b/public/x", []string{"/b/public/x", "/b/public/**", "/**"}},
		{"/c", []string{"/*", "/**"}},
		{"", nil},
	} {
		got := match(&tr, tc.channel)
		slices.Sort(got)
		slices.Sort(tc.want)
		if !slices.Equal(got, tc.want) {
			t.Errorf("Match(%q) = %q, want %q", tc.channel, got, tc.want)
		}
	}
}

func TestAddAndRemoveReportChange(t *testing.T) {
	var tr trie.Trie[int]
	if tr.Remove("/a", 1) {
		t.Error("removed from an empty trie")
	}
	if !tr.Add("/a", 1) || tr.Add("/a", 1) || tr.Len() != 1 {
		t.Error("the second Add of a pair must report false and change nothing")
	}
	if tr.Remove("/a", 2) || tr.Remove("/a/*", 1) {
		t.Error("removed a pair that was never added")
	}
	if !tr.Remove("/a", 1) || tr.Remove("/a", 1) || !tr.Empty() {
		t.Error("Remove must report true once and leave the trie empty")
	}
}

// matches is the rule as a reader of the specification would write it, segment by segment.
func matches(pattern, channel string) bool {
	p, c := strings.Split(pattern, "/")[1:], strings.Split(channel, "/")[1:]
	last := len(p) - 1
	switch p[last] {
	case "**":
		return len(c) > last && slices.Equal(p[:last], c[:last])
	case "*":
		return len(c) == len(p) && slices.Equal(p[:last], c[:last])
	}
	return slices.Equal(p, c)
}

// pair is one subscription of the model.
type pair struct {
	pattern string
	value   int
}

func drawChannel(t *rapid.T) string {
	segments := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "aa"}), 1, 4).Draw(t, "segments")
	return "/" + strings.Join(segments, "/")
}

func drawPair(t *rapid.T) pair {
	p := drawChannel(t)
	switch rapid.IntRange(0, 2).Draw(t, "wildcard") {
	case 1:
		p = p[:strings.LastIndexByte(p, '/')] + "/*"
	case 2:
		p = p[:strings.LastIndexByte(p, '/')] + "/**"
	}
	return pair{p, rapid.IntRange(0, 40).Draw(t, "value")}
}

// TestTrieEqualsScan runs random additions, removals and look-ups beside a list of pairs that is scanned. There are
// enough values for sets to pass the size at which they get an index, both ways.
func TestTrieEqualsScan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tr trie.Trie[int]
		model := map[pair]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				p := drawPair(t)
				if tr.Add(p.pattern, p.value) == model[p] {
					t.Fatalf("Add(%v) reports the wrong thing", p)
				}
				model[p] = true
			},
			"remove": func(t *rapid.T) {
				p := drawPair(t)
				if tr.Remove(p.pattern, p.value) != model[p] {
					t.Fatalf("Remove(%v) reports the wrong thing", p)
				}
				delete(model, p)
			},
			"many": func(t *rapid.T) {
				p := drawPair(t)
				for p.value = range 40 {
					tr.Add(p.pattern, p.value)
					model[p] = true
				}
			},
			"fewer": func(t *rapid.T) {
				p := drawPair(t)
				for p.value = range rapid.IntRange(20, 40).Draw(t, "upTo") {
					tr.Remove(p.pattern, p.value)
					delete(model, p)
				}
			},
			"": func(t *rapid.T) { compare(t, &tr, model) },
		})
		for p := range model {
			tr.Remove(p.pattern, p.value)
		}
		if !tr.Empty() || len(match(&tr, "/a/b/aa")) > 0 {
			t.Fatal("not empty after everything was removed")
		}
	})
}

func compare(t *rapid.T, tr *trie.Trie[int], model map[pair]bool) {
	channel := drawChannel(t)
	got := match(tr, channel)
	var want []int
	for p := range model {
		if matches(p.pattern, channel) {
			want = append(want, p.value)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || tr.Len() != len(model) {
		t.Fatalf("Match(%q) = %v of %d, want %v of %d", channel, got, tr.Len(), want, len(model))
	}
}

// FuzzTrie reads additions, removals and channels from the input, one a line, and compares with a scan.
func FuzzTrie(f *testing.F) {
	f.Add("+/a/b\n+/a/*\n+/**\n?/a/b\n-/a/*\n?/a/b")
	f.Add("+/\n?/\n+//**\n?//\n?\n+x\n?x\n+**\n?/**")
	f.Fuzz(func(t *testing.T, script string) {
		var tr trie.Trie[int]
		model := map[string]bool{}
		for line := range strings.Lines(script) {
			line = strings.TrimSuffix(line, "\n")
			if len(line) < 2 || line[1] != '/' {
				continue // every name begins with a slash
			}
			switch op, name := line[0], line[1:]; {
			case op == '+':
				tr.Add(name, 0)
				model[name] = true
			case op == '-':
				tr.Remove(name, 0)
				delete(model, name)
			case !strings.Contains(name, "*"):
				want := 0
				for p := range model {
					if matches(p, name) {
						want++
					}
				}
				if got := len(match(&tr, name)); got != want {
					t.Fatalf("%d matches for %q in %v, want %d", got, name, model, want)
				}
			}
		}
		if tr.Len() != len(model) {
			t.Fatalf("Len() = %d, want %d", tr.Len(), len(model))
		}
	})
}

func TestMatchDoesNotAllocate(t *testing.T) {
	tr := filled(1000)
	visited := 0
	allocs := testing.AllocsPerRun(100, func() {
		tr.Match("/app/public/room/7/messages", func(values []int) { visited += len(values) })
	})
	if allocs != 0 || visited == 0 {
		t.Errorf("%v allocations, %d visited; want none, and some", allocs, visited)
	}
}

// filled returns a trie of n subscriptions: eight of ten on a channel of their own, the others with a wildcard.
func filled(n int) *trie.Trie[int] {
	tr := new(trie.Trie[int])
	for i := range n {
		switch i % 10 {
		case 8:
			tr.Add(fmt.Sprintf("/app/public/room/%d/*", i-1), i)
		case 9:
			tr.Add(fmt.Sprintf("/app/public/room/%d/**", i-2), i)
		default:
			tr.Add(fmt.Sprintf("/app/public/room/%d/messages", i), i)
		}
	}
	return tr
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("subscriptions=%d", n), func(b *testing.B) {
			tr := filled(n)
			channels := make([]string, 1024)
			for i := range channels {
				channels[i] = fmt.Sprintf("/app/public/room/%d/messages", i*7919%n)
			}
			visited := 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tr.Match(channels[i%len(channels)], func(values []int) { visited += len(values) })
			}
		})
	}
}

// BenchmarkAddRemove adds and removes one value among 10,000 of the same pattern.
func BenchmarkAddRemove(b *testing.B) {
	var tr trie.Trie[int]
	for i := range 10_000 {
		tr.Add("/app/public/all", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		tr.Remove("/app/public/all", 5_000)
		tr.Add("/app/public/all", 5_000)
	}
}

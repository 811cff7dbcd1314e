package pandapush_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
)

// What each parser takes: c ParseChannel, p ParsePlainChannel, w ParsePattern, x ParsePlainPattern.
var names = []struct{ name, taken string }{
	{"/devapp/public/a", "cpwx"},
	{"/devapp/private/a/b/c", "cpwx"},
	{"/devapp/presence/room-1_~", "cpwx"},
	{"/devapp/meta/statistics", "cpwx"},
	{"/7/public/0", "cpwx"},
	{"/devapp/public/public", "cpwx"},
	{"/devapp/public/a!(b)$c@d", "cw"},
	{"/devapp/public/*", "wx"},
	{"/devapp/public/**", "wx"},
	{"/devapp/public/a/*", "wx"},
	{"/devapp/public/a/**", "wx"},
	{"/" + strings.Repeat("a", 255) + "/public/x", "cpwx"},
	{"/" + strings.Repeat("a", 256) + "/public/x", ""},
	{"/a/public/" + strings.Repeat("a", pandapush.MaxChannelLength-10), "cpwx"},
	{"/a/public/" + strings.Repeat("a", pandapush.MaxChannelLength-9), ""},
	{"", ""},
	{"/", ""},
	{"/devapp", ""},
	{"/devapp/public", ""},
	{"/devapp/public/", ""},
	{"/devapp/public/a/", ""},
	{"/devapp//a", ""},
	{"//public/a", ""},
	{"devapp/public/a", ""},
	{"/devapp/Public/a", ""},
	{"/devapp/secret/a", ""},
	{"/dev-app/public/a", ""},
	{"/dev@app/public/a", ""},
	{"/meta/subscribe", ""},
	{"/service/public/a", "cpwx"}, // an application may be called so; Bayeux refuses it before
	{"/devapp/public/a b", ""},
	{"/devapp/public/a.b", ""},
	{"/devapp/public/a%2fb", ""},
	{"/devapp/public/é", ""},
	{"/devapp/public/a\n", ""},
	{"/devapp/public/a\x00", ""},
	{"/devapp/public/\xff", ""},
	{"/**", ""},
	{"/*", ""},
	{"/devapp/**", ""},
	{"/devapp/*", ""},
	{"/devapp/*/a", ""},
	{"/*/public/a", ""},
	{"/devapp/public/*/a", ""},
	{"/devapp/public/**/*", ""},
	{"/devapp/public/a*", ""},
	{"/devapp/public/***", ""},
}

func TestParse(t *testing.T) {
	for _, tc := range names {
		_, channel := pandapush.ParseChannel(tc.name)
		_, plain := pandapush.ParsePlainChannel(tc.name)
		_, pattern := pandapush.ParsePattern(tc.name)
		_, plainPattern := pandapush.ParsePlainPattern(tc.name)
		for parser, err := range map[string]error{"c": channel, "p": plain, "w": pattern, "x": plainPattern} {
			if want := strings.Contains(tc.taken, parser); (err == nil) != want {
				t.Errorf("parser %s of %.40q: %v", parser, tc.name, err)
			}
			if err != nil && !errors.Is(err, pandapush.ErrInvalidChannel) {
				t.Errorf("parser %s of %.40q: %v, want %v", parser, tc.name, err, pandapush.ErrInvalidChannel)
			}
		}
	}
}

func TestParts(t *testing.T) {
	p := pattern(t, "/devapp/presence/room/**")
	if p.App() != "devapp" || p.Kind() != pandapush.Presence || !p.Wild() || p.String() != "/devapp/presence/room/**" {
		t.Errorf("%v: app %s, kind %s, wild %v", p, p.App(), p.Kind(), p.Wild())
	}
	c := channel(t, "/devapp/private/a/b")
	if c.App() != "devapp" || c.Kind() != pandapush.Private || c.Pattern().Wild() || c.Pattern().String() != c.String() {
		t.Errorf("%v: app %s, kind %s, pattern %v", c, c.App(), c.Kind(), c.Pattern())
	}
	var none pandapush.Channel
	if none.App() != "" || none.Kind() != "" || none.String() != "" {
		t.Error("the zero Channel must have no parts")
	}
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		pattern, channel string
		want             bool
	}{
		{"/a/public/w/*", "/a/public/w/a", true},
		{"/a/public/w/*", "/a/public/w", false},
		{"/a/public/w/*", "/a/public/w/a/b", false},
		{"/a/public/w/*", "/a/public/wx", false},
		{"/a/public/v/**", "/a/public/v/a", true},
		{"/a/public/v/**", "/a/public/v/a/b/c", true},
		{"/a/public/v/**", "/a/public/v", false},
		{"/a/public/1/**", "/a/public/12/x", false},
		{"/a/public/**", "/b/public/x", false},
		{"/a/public/**", "/a/private/x", false},
		{"/a/public/x", "/a/public/x", true},
		{"/a/public/x", "/a/public/X", false},
	} {
		if got := pattern(t, tc.pattern).Matches(channel(t, tc.channel)); got != tc.want {
			t.Errorf("%s matches %s: %v", tc.pattern, tc.channel, got)
		}
	}
}

func TestCovers(t *testing.T) {
	for _, tc := range []struct {
		scope, target string
		want          bool
	}{
		{"/**", "/a/public/**", true},
		{"/**", "/a/meta/x", true},
		{"/a/**", "/a/private/x/*", true},
		{"/a/private/**", "/a/private/**", true},
		{"/a/private/**", "/a/private/*", true},
		{"/a/private/*", "/a/private/**", false}, // the Node version allowed it
		{"/a/private/*", "/a/private/x/*", false},
		{"/a/private/*", "/a/private/x/**", false},
		{"/a/private/1/**", "/a/private/12/x", false}, // and this
		{"/a/private/1/**", "/a/private/1", false},    // and this
		{"/a/private/x", "/a/private/*", false},
		{"/a/*", "/a/private/x", false},
		{"/*", "/a/private/x", false},
		{"/b/**", "/a/private/x", false},
		{"", "/a/private/x", false},
		{"**", "/a/private/x", false},
		{"/a/private/", "/a/private/x", false},
		{"/a/*/x", "/a/private/x", false},
		{"/a/private//**", "/a/private/x", false},
	} {
		grant := pandapush.Grant{App: "a", Scope: tc.scope}
		if got := grant.Covers(pattern(t, tc.target)); got != tc.want {
			t.Errorf("%q covers %s: %v", tc.scope, tc.target, got)
		}
	}
	if (pandapush.Grant{App: "b", Scope: "/**"}).Covers(pattern(t, "/a/public/x")) {
		t.Error("a grant must not reach another application, whatever its scope says")
	}
}

// matches is the rule of wildcards as a reader of the specification would write it, segment by segment.
func matches(pattern, channel string) bool {
	p, c := strings.Split(pattern, "/"), strings.Split(channel, "/")
	last := len(p) - 1
	switch p[last] {
	case "**":
		return len(c) > last && slices.Equal(p[:last], c[:last])
	case "*":
		return len(c) == len(p) && slices.Equal(p[:last], c[:last])
	}
	return slices.Equal(p, c)
}

// universe returns all channels of application a down to four levels under two kinds, over three segments. One of them,
// "z", stands in no pattern: it is the witness that a wildcard is one.
func universe() []string {
	level := []string{"/a/public", "/a/private"}
	var all []string
	for range 4 {
		var next []string
		for _, path := range level {
			for _, segment := range []string{"x", "xx", "z"} {
				next = append(next, path+"/"+segment)
			}
		}
		all, level = append(all, next...), next
	}
	return all
}

func drawPattern(t *rapid.T, label string, depth int) string {
	name := rapid.SampledFrom([]string{"/a/public", "/a/private"}).Draw(t, label+"Kind")
	segments := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "xx"}), 0, depth).Draw(t, label+"Segments")
	ends := []string{"/*", "/**", "/x"}
	return strings.Join(append([]string{name}, segments...), "/") + rapid.SampledFrom(ends).Draw(t, label+"End")
}

// TestCoversMeansEveryChannel holds Covers against what it stands for: a scope covers a target if and only if there is
// no channel that the target matches and the scope does not.
func TestCoversMeansEveryChannel(t *testing.T) {
	channels := universe()
	rapid.Check(t, func(t *rapid.T) {
		scope := drawPattern(t, "scope", 2)
		if rapid.IntRange(0, 5).Draw(t, "wide") == 0 {
			scope = rapid.SampledFrom([]string{"/**", "/a/**", "/*", "/a/*", "/a/public"}).Draw(t, "wideScope")
		}
		target := pattern(t, drawPattern(t, "target", 2))
		got := pandapush.Grant{App: "a", Scope: scope}.Covers(target)
		witness := slices.IndexFunc(channels, func(c string) bool { return matches(target.String(), c) && !matches(scope, c) })
		switch {
		case got && witness >= 0:
			t.Fatalf("%s does not cover %s: see %s", scope, target, channels[witness])
		case !got && witness < 0:
			t.Fatalf("%s covers %s", scope, target)
		}
		for _, name := range channels {
			if target.Matches(channel(t, name)) != matches(target.String(), name) {
				t.Fatalf("%s matches %s: %v", target, name, !matches(target.String(), name))
			}
		}
	})
}

// FuzzParse checks the laws of the three parsers: what they take they give back unchanged, a plain channel is a channel
// and a channel is a pattern that matches itself, and what they take is built as the documentation says.
func FuzzParse(f *testing.F) {
	for _, tc := range names {
		f.Add(tc.name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		c, notChannel := pandapush.ParseChannel(name)
		plain, notPlain := pandapush.ParsePlainChannel(name)
		p, notPattern := pandapush.ParsePattern(name)
		if notPlain == nil && (notChannel != nil || plain != c) {
			t.Fatalf("%q is a plain channel, but %v", name, notChannel)
		}
		if notChannel == nil && (notPattern != nil || c.Pattern() != p || !p.Matches(c) || p.Wild()) {
			t.Fatalf("%q is a channel, but %v", name, notPattern)
		}
		if notPattern == nil && (p.Wild() != strings.Contains(name, "*") || p.Wild() != (notChannel != nil)) {
			t.Fatalf("%q is a pattern, wild %v; as a channel %v", name, p.Wild(), notChannel)
		}
		if notPattern != nil {
			return
		}
		parts := strings.SplitN(name, "/", 4)
		if len(parts) != 4 || p.String() != name || string(p.App()) != parts[1] || string(p.Kind()) != parts[2] || !p.App().Valid() {
			t.Fatalf("%q has the parts %s and %s", name, p.App(), p.Kind())
		}
	})
}

func BenchmarkCovers(b *testing.B) {
	grant := pandapush.Grant{App: "devapp", Scope: "/devapp/private/users/42/**"}
	target := pattern(b, "/devapp/private/users/42/notifications/*")
	b.ReportAllocs()
	for b.Loop() {
		if !grant.Covers(target) {
			b.Fatal("not covered")
		}
	}
}

func BenchmarkParseChannel(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pandapush.ParseChannel("/devapp/private/users/42/notifications"); err != nil {
			b.Fatal(err)
		}
	}
}

// fataler is what helpers need of a test, a benchmark or a rapid test.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func channel(t fataler, name string) pandapush.Channel {
	t.Helper()
	c, err := pandapush.ParseChannel(name)
	if err != nil {
		t.Fatalf("ParseChannel(%q): %v", name, err)
	}
	return c
}

func pattern(t fataler, name string) pandapush.Pattern {
	t.Helper()
	p, err := pandapush.ParsePattern(name)
	if err != nil {
		t.Fatalf("ParsePattern(%q): %v", name, err)
	}
	return p
}

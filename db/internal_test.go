package db

import (
	"strings"
	"testing"
	"time"
)

func TestBind(t *testing.T) {
	t.Parallel()
	const statement = "UPDATE t SET a = ?, b = ? WHERE c = ?"
	if got := SQLite.bind(statement); got != statement {
		t.Errorf("sqlite: %s", got)
	}
	if got, want := Postgres.bind(statement), "UPDATE t SET a = $1, b = $2 WHERE c = $3"; got != want {
		t.Errorf("postgres: %s, want %s", got, want)
	}
}

func TestRandomTextIsFair(t *testing.T) {
	t.Parallel()
	const each = 2000
	text := randomText(each * len(alphanumerics))
	if len(text) != each*len(alphanumerics) || strings.Trim(text, alphanumerics) != "" {
		t.Fatal("wrong length or alphabet")
	}
	// With a modulo over all 256 bytes the first eight letters would be a quarter likelier; chance does not reach a sixth
	// once in a billion runs (seven standard deviations).
	for _, letter := range alphanumerics {
		if n := strings.Count(text, string(letter)); n < each*5/6 || n > each*7/6 {
			t.Errorf("%c is there %d times, want about %d", letter, n, each)
		}
	}
	if one, other := randomText(20), randomText(20); one == other {
		t.Error("the same twice")
	}
}

func TestMomentReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 2, 3, 4, 5, 6, 789_000_000, time.UTC)
	for _, row := range []struct {
		src  any
		want time.Time
		bad  bool
	}{
		{nil, time.Time{}, false},
		{at.In(time.FixedZone("", 3600)), at, false},
		{at.UnixMilli(), at, false},
		{float64(at.UnixMilli()), at, false},
		{at.Format(isoMillis), at, false},
		{[]byte(at.Format(isoMillis)), at, false},
		{"2030-02-03T05:05:06.789+0100", at, false},
		{"2030-02-03T04:05Z", at.Truncate(time.Minute), false},
		{"infinity", time.Time{}, false},
		{"-infinity", time.Time{}, true},
		{"", time.Time{}, true},
		{"tomorrow", time.Time{}, true},
		{true, time.Time{}, true},
	} {
		var m moment
		if err := m.Scan(row.src); err != nil || !m.Equal(row.want) || m.bad != row.bad {
			t.Errorf("Scan(%v) = %v, bad %v, %v", row.src, m.Time, m.bad, err)
		}
		if row.bad && !m.orUnreadable().Before(time.Now()) {
			t.Errorf("Scan(%v) is not in the past", row.src)
		}
	}
}

// FuzzMoment checks that no text makes a key that never expires, but for the one that says so.
func FuzzMoment(f *testing.F) {
	for _, seed := range []string{"", "2030-01-01", "infinity", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var m moment
		if err := m.Scan(text); err != nil {
			t.Fatal(err)
		}
		if m.orUnreadable().IsZero() && text != "infinity" {
			t.Errorf("%q never expires", text)
		}
	})
}

func TestCheckText(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"": false, "a": true, " ": false, "\u2003": false, " a ": true, "ünï 🐼": true, strings.Repeat("🐼", 255): true,
		strings.Repeat("a", 256): false, "a\tb": false, "\u0085": false, "\xff": false,
	} {
		if wrong := checkText("name", text, 1); (wrong == nil) != ok || wrong != nil && wrong[0].Field != "name" {
			t.Errorf("checkText(%q) = %v", text, wrong)
		}
	}
	if err := checkText("name", "", 0); err != nil {
		t.Errorf("optional: %v", err)
	}
}

package pandapush_test

import (
	"cmp"
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/pandapush/pandapush"
)

func drawPosition(t *rapid.T, label string) pandapush.Position {
	return pandapush.Position{Millis: rapid.Uint64().Draw(t, label+"Millis"), Seq: rapid.Uint64().Draw(t, label+"Seq")}
}

func TestCursorRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		app := pandapush.AppID(rapid.StringMatching(`[A-Za-z0-9]{1,20}`).Draw(t, "app"))
		want := pandapush.Cursor{Epoch: pandapush.NewEpoch(app), Position: drawPosition(t, "p")}
		text := want.String()
		got, err := pandapush.ParseCursor(app, text)
		if err != nil || got != want {
			t.Fatalf("ParseCursor(%q) = %v, %v", text, got, err)
		}
		if len(text) > pandapush.MaxCursorLength || string(want.AppendText([]byte("x"))) != "x"+text {
			t.Fatalf("text %q", text)
		}
		if strings.Trim(text, "0123456789abcdefghijklmnopqrstuvwxyz") == "" {
			t.Fatalf("%q could be a client's own message id", text)
		}
	})
}

func TestParseCursorRefuses(t *testing.T) {
	epoch := string(pandapush.NewEpoch("devapp"))
	good := epoch + "-1795000000000-7"
	if _, err := pandapush.ParseCursor("devapp", good); err != nil {
		t.Fatal(err)
	}
	foreign := pandapush.Cursor{Epoch: pandapush.NewEpoch("otherapp")}
	for _, text := range []string{
		"", "-", "--", "0-0", "-1-2", "2x", "1795000000000-7",
		foreign.String(),
		pandapush.Cursor{}.String(),
		epoch, epoch + "-", epoch + "-1", epoch + "-1-", epoch + "--1", epoch + "-1-2-3",
		epoch + "-01-2", epoch + "-1-02", epoch + "-+1-2", epoch + "--1-2", epoch + "-1_0-2", epoch + "-0x1-2", epoch + "- 1-2", epoch + "-1.5-2",
		epoch + "-18446744073709551616-0",
		epoch[:11] + "-1-2", epoch + "a-1-2", strings.ToUpper(epoch) + "-1-2", epoch[:11] + "1-1-2", epoch[:11] + "é-1-2", epoch[:4] + "********-1-2",
		good + "\n", " " + good, good + strings.Repeat("0", 100),
	} {
		if c, err := pandapush.ParseCursor("devapp", text); !errors.Is(err, pandapush.ErrInvalidCursor) {
			t.Errorf("ParseCursor(%q) = %v, %v; want %v", text, c, err, pandapush.ErrInvalidCursor)
		}
	}
}

func TestEpochs(t *testing.T) {
	a, b := pandapush.NewEpoch("devapp"), pandapush.NewEpoch("devapp")
	if a == b || !a.Of("devapp") || !b.Of("devapp") {
		t.Errorf("epochs %s and %s must differ and be devapp's", a, b)
	}
	if a.Of("otherapp") || pandapush.Epoch("").Of("devapp") {
		t.Error("an epoch must be of one application only")
	}
}

func TestPositionOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawPosition(t, "p"), drawPosition(t, "q")
		if rapid.Bool().Draw(t, "sameMillis") {
			q.Millis = p.Millis
		}
		got, want := p.Compare(q), cmp.Or(cmp.Compare(p.Millis, q.Millis), cmp.Compare(p.Seq, q.Seq))
		if got != want || q.Compare(p) != -want {
			t.Fatalf("%v compared with %v is %d, want %d", p, q, got, want)
		}
		if back, err := pandapush.ParsePosition(p.String()); err != nil || back != p {
			t.Fatalf("ParsePosition(%q) = %v, %v", p, back, err)
		}
	})
	last := pandapush.Position{Millis: math.MaxUint64, Seq: math.MaxUint64}
	if last.Compare(pandapush.Position{}) != 1 || last.String() != "18446744073709551615-18446744073709551615" {
		t.Errorf("the last position is %v", last)
	}
}

// FuzzParseCursor: what is taken is exactly what String writes.
func FuzzParseCursor(f *testing.F) {
	f.Add(pandapush.Cursor{Epoch: pandapush.NewEpoch("devapp"), Position: pandapush.Position{Millis: 1, Seq: 2}}.String())
	f.Add("--")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := pandapush.ParseCursor("devapp", text)
		if err == nil && c.String() != text {
			t.Fatalf("ParseCursor(%q) = %v", text, c)
		}
		if p, err := pandapush.ParsePosition(text); err == nil && p.String() != text {
			t.Fatalf("ParsePosition(%q) = %v", text, p)
		}
	})
}

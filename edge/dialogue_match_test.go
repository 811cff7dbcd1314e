package edge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// names are what a dialogue has given names to: "<name>" stands for it wherever it is sent or expected.
type names map[string]string

var nameMark = regexp.MustCompile(`<[A-Za-z]+>`)

// manyMark is a character and how often it is to be there.
var manyMark = regexp.MustCompile(`<(.)\*([0-9]+)>`)

// fill puts in what is known. In JSON text a name for a string stands within its quotes.
func (n names) fill(text string) string {
	text = manyMark.ReplaceAllStringFunc(text, func(mark string) string {
		part := manyMark.FindStringSubmatch(mark)
		count, err := strconv.Atoi(part[2])
		if err != nil {
			return mark
		}
		return strings.Repeat(part[1], count)
	})
	return nameMark.ReplaceAllStringFunc(text, func(mark string) string {
		if value, ok := n[mark]; ok {
			return value
		}
		return mark
	})
}

// missing returns the first name in text that nothing is known of, or "".
func (n names) missing(text string) string {
	return nameMark.FindString(n.fill(text))
}

// match compares one message with what is expected of it, member for member. A string that is a name as yet unknown takes
// it for what is there; "<*>" stands for anything.
func (n names) match(want, got string) error {
	var w, g any
	if err := decodeExactly(n.fill(want), &w); err != nil {
		return fmt.Errorf("expected: %w in %s", err, want)
	}
	if err := decodeExactly(got, &g); err != nil {
		return fmt.Errorf("%w in %s", err, got)
	}
	learned := names{}
	if err := learned.compare("", w, g); err != nil {
		return err
	}
	maps.Copy(n, learned)
	return nil
}

// decodeExactly keeps numbers as they are written.
func decodeExactly(text string, into *any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

func (n names) compare(path string, want, got any) error {
	switch w := want.(type) {
	case map[string]any:
		return n.compareObjects(path, w, got)
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Errorf("%s: %v, want %v", path, got, want)
		}
		for i := range w {
			if err := n.compare(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		text, isText := got.(string)
		switch {
		case w == "<*>":
			return nil
		case isText && nameMark.FindString(w) == w && w != "":
			n[w] = text
			return nil
		}
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("%s: %v, want %v", path, got, want)
	}
	return nil
}

func (n names) compareObjects(path string, want map[string]any, got any) error {
	g, ok := got.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: %v, want %v", path, got, want)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		value, ok := g[name]
		if !ok {
			return fmt.Errorf("%s: no %q", path, name)
		}
		if err := n.compare(path+"."+name, want[name], value); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if _, ok := want[name]; !ok {
			return fmt.Errorf("%s: %q is there, %v", path, name, g[name])
		}
	}
	return nil
}

// matchBody compares the body of an HTTP response: an array of messages as such, and what is around it to the letter.
func (n names) matchBody(want, got string) error {
	wantBefore, wantArray, wantAfter := cutArray(n.fill(want))
	gotBefore, gotArray, gotAfter := cutArray(got)
	if wantBefore != gotBefore || wantAfter != gotAfter {
		return fmt.Errorf("body %q, want %q", got, want)
	}
	if wantArray == "" && gotArray == "" {
		return nil
	}
	return n.match(wantArray, gotArray)
}

func cutArray(text string) (before, array, after string) {
	first, last := strings.Index(text, "["), strings.LastIndex(text, "]")
	if first < 0 || last < first {
		return text, "", ""
	}
	return text[:first], text[first : last+1], text[last+1:]
}

// splitMessages returns the elements of an array of messages as JSON texts.
func splitMessages(array []byte) ([]string, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(array, &list); err != nil {
		return nil, fmt.Errorf("%w in %s", err, array)
	}
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = string(bytes.TrimSpace(m))
	}
	return texts, nil
}

// TestMismatchesAreSeen holds that a dialogue would fail.
func TestMismatchesAreSeen(t *testing.T) {
	known := names{"<A>": "abc", "<retry>": `{"interval":0}`}
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{`{"a":1}`, `{"a":1}`, true},
		{`{"a":1}`, `{"a":1.0}`, false},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":1}`, `{"a":1,"b":null}`, false},
		{`{"a":1,"b":null}`, `{"a":1}`, false},
		{`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{`{"a":[1,2]}`, `{"a":[1]}`, false},
		{`{"a":"<A>","b":<retry>}`, `{"a":"abc","b":{"interval":0}}`, true},
		{`{"a":"<A>"}`, `{"a":"abd"}`, false},
		{`{"a":<retry>}`, `{"a":{"interval":1}}`, false},
		{`{"a":"<New>"}`, `{"a":1}`, false},
		{`{"a":"<*>"}`, `{"a":1}`, true},
		{`{"a":"<*>"}`, `{}`, false},
		{`{"a":"<x*3>"}`, `{"a":"xxx"}`, true},
		{`{"a":1}`, `[]`, false},
	} {
		if err := known.match(c.want, c.got); (err == nil) != c.ok {
			t.Errorf("match(%s, %s) = %v", c.want, c.got, err)
		}
	}
	if err := known.matchBody(`/**/cb([{"a":"<New>"}]);`, `/**/cb([{"a":"x"}]);`); err != nil || known["<New>"] != "x" {
		t.Errorf("%v, %v", err, known)
	}
	for _, wrong := range []string{`/**/cd([{"a":"x"}]);`, `/**/cb([{"a":"x"}])`, `/**/cb([{"a":"y"}]);`, `Bad request`} {
		if known.matchBody(`/**/cb([{"a":"<New>"}]);`, wrong) == nil {
			t.Errorf("%s passes", wrong)
		}
	}
}

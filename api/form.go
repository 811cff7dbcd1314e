package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pandapush/pandapush"
)

// maxFormDepth bounds how deep the names of a form nest.
const maxFormDepth = 16

// formPayload returns the JSON object that a form stands for, at most limit bytes of it. All its values are strings, since a
// form has nothing else. The order of its fields is that of their names.
func formPayload(body []byte, limit int64) ([]byte, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badRequest("Invalid form")
	}
	object := make(map[string]any, len(form))
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if err := addField(object, name, form[name]); err != nil {
			return nil, err
		}
	}
	payload, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encode form: %w", err)
	}
	if int64(len(payload)) > limit {
		return nil, pandapush.ErrMessageTooLarge
	}
	return payload, nil
}

// addField puts a field into the object, or into the object within it that its name leads to.
func addField(object map[string]any, name string, values []string) error {
	if !utf8.ValidString(name) || slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) }) {
		return badRequest("Invalid form: not in UTF-8")
	}
	path, list := splitName(name)
	if len(path) > maxFormDepth {
		return badRequest("Invalid form: a name nests too deep")
	}
	last := len(path) - 1
	for _, segment := range path[:last] {
		inner, ok := object[segment].(map[string]any)
		if !ok {
			if _, taken := object[segment]; taken {
				return ambiguous(name)
			}
			inner = make(map[string]any)
			object[segment] = inner
		}
		object = inner
	}
	if _, taken := object[path[last]]; taken {
		return ambiguous(name)
	}
	if list || len(values) > 1 {
		object[path[last]] = values
	} else {
		object[path[last]] = values[0]
	}
	return nil
}

// ambiguous says that a form gives one name two meanings, such as a=1&a[b]=2.
func ambiguous(name string) error {
	return badRequest(fmt.Sprintf("Invalid form: %q is given in two ways", name))
}

// splitName splits "a[b][c]" into a, b and c, and tells from a "[]" at the end that the field is a list. A name of any other
// shape is one segment.
func splitName(name string) (path []string, list bool) {
	whole := []string{name}
	rest, list := strings.CutSuffix(name, "[]")
	head, rest, nested := strings.Cut(rest, "[")
	if head == "" || strings.Contains(head, "]") {
		return whole, false
	}
	path = []string{head}
	for nested {
		segment, after, closed := strings.Cut(rest, "]")
		if !closed || segment == "" || strings.Contains(segment, "[") {
			return whole, false
		}
		path = append(path, segment)
		if rest, nested = strings.CutPrefix(after, "["); !nested && after != "" {
			return whole, false
		}
	}
	return path, list
}

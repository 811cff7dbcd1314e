package api

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestForms(t *testing.T) {
	t.Parallel()
	for form, want := range map[string]string{
		"":                           `{}`,
		"a=1":                        `{"a":"1"}`,
		"a":                          `{"a":""}`,
		"=1":                         `{"":"1"}`,
		"b=1&a=2":                    `{"a":"2","b":"1"}`,
		"a=1&a=2":                    `{"a":["1","2"]}`,
		"a[]=1":                      `{"a":["1"]}`,
		"a[]=2&a[]=1":                `{"a":["2","1"]}`,
		"a[b]=1&a[c][d]=2":           `{"a":{"b":"1","c":{"d":"2"}}}`,
		"a%5Bb%5D%5B%5D=1&a%5Bc%5D=": `{"a":{"b":["1"],"c":""}}`,
		"[a]=1":                      `{"[a]":"1"}`,
		"a[b=1":                      `{"a[b":"1"}`,
		"a[b]c=1":                    `{"a[b]c":"1"}`,
		"a[b][=1":                    `{"a[b][":"1"}`,
		"a][b]=1":                    `{"a][b]":"1"}`,
		"a[][b]=1":                   `{"a[][b]":"1"}`,
		"a[[b]]=1":                   `{"a[[b]]":"1"}`,
		"[]=1":                       `{"[]":"1"}`,

		"a=1&a[b]=2":    `Invalid form: "a[b]" is given in two ways`,
		"a[b]=1&a=2":    `Invalid form: "a[b]" is given in two ways`,
		"a=1&a[]=2":     `Invalid form: "a[]" is given in two ways`,
		"a[b]=1&a[b][]": `Invalid form: "a[b][]" is given in two ways`,
		"a=%ff":         `Invalid form: not in UTF-8`,
		"%ff=a":         `Invalid form: not in UTF-8`,
		"a=%zz":         `Invalid form`,
		"a" + strings.Repeat("[b]", maxFormDepth) + "=1": `Invalid form: a name nests too deep`,
	} {
		payload, err := formPayload([]byte(form), DefaultMaxBody)
		got := string(payload)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("form %q\n got %s\nwant %s", form, got, want)
		}
	}
}

// TestFormsProperty checks that any object of strings, lists of strings and such objects survives being sent as a form.
func TestFormsProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		object := drawObject(t, 3)
		form := make(url.Values)
		encode(form, "", object)

		payload, err := formPayload([]byte(form.Encode()), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		got := make(map[string]any)
		if err := json.Unmarshal(payload, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, object) {
			t.Fatalf("form %s\n got %v\nwant %v", form.Encode(), got, object)
		}
	})
}

func drawObject(t *rapid.T, depth int) map[string]any {
	text := rapid.String()
	values := []*rapid.Generator[any]{
		text.AsAny(),
		rapid.Map(rapid.SliceOfN(text, 1, 3), func(texts []string) any {
			list := make([]any, len(texts))
			for i, s := range texts {
				list[i] = s
			}
			return list
		}),
	}
	if depth > 0 {
		values = append(values, rapid.Custom(func(t *rapid.T) any { return drawObject(t, depth-1) }))
	}
	return rapid.MapOfN(rapid.StringMatching(`[a-z_ é]{1,3}`), rapid.OneOf(values...), 1, 3).Draw(t, "object")
}

// encode writes an object's fields as Rails and HTTParty do.
func encode(form url.Values, prefix string, object map[string]any) {
	for name, value := range object {
		if prefix != "" {
			name = prefix + "[" + name + "]"
		}
		switch v := value.(type) {
		case string:
			form.Add(name, v)
		case []any:
			for _, element := range v {
				text, _ := element.(string)
				form.Add(name+"[]", text)
			}
		case map[string]any:
			encode(form, name, v)
		}
	}
}

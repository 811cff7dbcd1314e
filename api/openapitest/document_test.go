package openapitest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/pandapush/pandapush/api/openapitest"
)

const small = `{
  "openapi": "3.1.0", "info": {"title": "t", "version": "1"},
  "paths": {"/things/{id}": {
    "get": {
      "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}, "example": "a/b"},
        {"name": "n", "in": "query", "schema": {"type": "integer"}, "example": 3}],
      "responses": {
        "200": {"description": "", "headers": {"Retry-After": {"schema": {"type": "integer"}}},
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}, "application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
        "204": {"description": ""}}}}},
  "components": {"schemas": {"Thing": {"type": "object", "required": ["n"], "additionalProperties": false, "properties": {"n": {"type": ["integer", "null"]}}}}}}`

// spy is a testing.TB that only notes that it failed.
type spy struct {
	testing.TB
	failed bool
}

func (*spy) Helper()                 {}
func (s *spy) Errorf(string, ...any) { s.failed = true }

func TestCheck(t *testing.T) {
	d, err := openapitest.Load([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		method, path string
		status       int
		header       string // "Name: value" lines
		body         string
		ok           bool
	}{
		{"GET", "/things/a/b", 200, "Content-Type: application/json", `{"n":1}`, true},
		{"GET", "/things/a", 200, "Content-Type: application/json; charset=utf-8\nRetry-After: 3", `{"n":null}`, true},
		{"GET", "/things/a", 200, "Content-Type: application/x-ndjson", "{\"n\":1}\n{\"n\":2}\n", true},
		{"GET", "/things/a", 204, "", "", true},
		{"GET", "/others", 500, "", "", true}, // of somebody else
		{"POST", "/things/a", 405, "", "", true},

		{"GET", "/things/a", 200, "Content-Type: application/json", `{"n":"1"}`, false},
		{"GET", "/things/a", 200, "Content-Type: application/json", `{"n":1,"m":1}`, false},
		{"GET", "/things/a", 200, "Content-Type: application/json", `{}`, false},
		{"GET", "/things/a", 200, "Content-Type: application/json", `{`, false},
		{"GET", "/things/a", 200, "Content-Type: application/json\nRetry-After: soon", `{"n":1}`, false},
		{"GET", "/things/a", 200, "Content-Type: application/x-ndjson", "{\"n\":1}\n{}\n", false},
		{"GET", "/things/a", 200, "Content-Type: text/html", `{"n":1}`, false},
		{"GET", "/things/a", 200, "", `{"n":1}`, false},
		{"GET", "/things/a", 404, "Content-Type: application/json", `{"n":1}`, false},
		{"GET", "/things/a", 204, "", "text", false},
		{"POST", "/things/a", 200, "", "", false},
	} {
		header := http.Header{}
		for line := range strings.SplitSeq(row.header, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			header.Set(name, value)
		}
		s := &spy{TB: t}
		d.Check(s, row.method, row.path, row.status, header, []byte(row.body))
		if s.failed == row.ok {
			t.Errorf("%+v: failed is %t", row, s.failed)
		}
	}
	if got := d.Operations(); !slices.Equal(got, []string{"GET /things/{id}"}) {
		t.Errorf("operations %v", got)
	}
	examples, err := d.Examples()
	if err != nil || len(examples) != 1 || examples[0].Target != "/things/a/b?n=3" {
		t.Errorf("examples %+v, %v", examples, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, text := range []string{`{`, `{}`, strings.Replace(small, `"required": true, `, "", 1), strings.Replace(small, "schemas/Thing", "schemas/Nothing", 1)} {
		if _, err := openapitest.Load([]byte(text)); err == nil {
			t.Errorf("%.60s… is taken", text)
		}
	}
}

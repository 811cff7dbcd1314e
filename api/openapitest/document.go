package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document is an OpenAPI 3.1 document in JSON. It is safe for concurrent use.
type Document struct {
	doc   *openapi3.T
	paths []path
}

// path is a path of the document, with what it matches. A parameter at its end may have slashes in it, which OpenAPI can't
// say.
type path struct {
	template string
	match    *regexp.Regexp
	item     *openapi3.PathItem
}

// Load reads a document and checks that it is one.
func Load(text []byte) (*Document, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(text)
	if err != nil {
		return nil, fmt.Errorf("load document: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("validate document: %w", err)
	}
	d := &Document{doc: doc}
	inner := regexp.MustCompile(`\\\{\w+\\\}`)
	last := regexp.MustCompile(`\\\{\w+\\\}$`)
	for template, item := range doc.Paths.Map() {
		pattern := inner.ReplaceAllString(last.ReplaceAllString(regexp.QuoteMeta(template), `.+`), `[^/]+`)
		match, err := regexp.Compile("^" + pattern + "$")
		if err != nil {
			return nil, fmt.Errorf("path %s: %w", template, err)
		}
		d.paths = append(d.paths, path{template, match, item})
	}
	// The longest first: the end of a shorter one would match what is a longer one's.
	slices.SortFunc(d.paths, func(a, b path) int { return strings.Count(b.template, "/") - strings.Count(a.template, "/") })
	return d, nil
}

// Operations returns "METHOD /path" for each operation, sorted. Parameters in the path are in braces.
func (d *Document) Operations() []string {
	var all []string
	for template, item := range d.doc.Paths.Map() {
		for method := range item.Operations() {
			all = append(all, method+" "+template)
		}
	}
	slices.Sort(all)
	return all
}

// Check fails the test if the answer to a request is not one that the document has for it. Requests for paths that are not
// in the document are passed over.
func (d *Document) Check(tb testing.TB, method, requestPath string, status int, header http.Header, body []byte) {
	tb.Helper()
	for _, p := range d.paths {
		if !p.match.MatchString(requestPath) {
			continue
		}
		operation := p.item.GetOperation(method)
		if operation == nil {
			if status != http.StatusMethodNotAllowed {
				tb.Errorf("%s %s is not in the document, and is answered with %d", method, p.template, status)
			}
			return
		}
		if err := checkResponse(operation, method, status, header, body); err != nil {
			tb.Errorf("%s %s, %d: %v", method, p.template, status, err)
		}
		return
	}
}

func checkResponse(operation *openapi3.Operation, method string, status int, header http.Header, body []byte) error {
	response := operation.Responses.Status(status)
	if response == nil {
		return fmt.Errorf("the status is not in the document; the body is %s", body)
	}
	for name, h := range response.Value.Headers {
		if text := header.Get(name); text != "" {
			if err := visit(h.Value.Schema, typed(h.Value.Schema.Value, text)); err != nil {
				return fmt.Errorf("header %s: %w", name, err)
			}
		}
	}
	if method == http.MethodHead || len(response.Value.Content) == 0 && len(body) == 0 {
		return nil
	}
	mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	content := response.Value.Content[mediaType]
	if content == nil {
		return fmt.Errorf("%s is not in the document; the body is %s", mediaType, body)
	}
	return checkBody(content.Schema, mediaType, body)
}

// typed returns what the schema of a header or a parameter is for.
func typed(schema *openapi3.Schema, text string) any {
	if schema.Type.Is("integer") {
		return json.Number(text)
	}
	return text
}

// checkBody checks JSON, lines of JSON, and text.
func checkBody(schema *openapi3.SchemaRef, mediaType string, body []byte) error {
	switch {
	case mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"):
		return checkJSON(schema, body)
	case mediaType == "application/x-ndjson":
		for line := range bytes.Lines(body) {
			if err := checkJSON(schema, line); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(schema, string(body))
}

func checkJSON(schema *openapi3.SchemaRef, body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("%s is no JSON: %w", body, err)
	}
	return visit(schema, value)
}

func visit(schema *openapi3.SchemaRef, value any) error {
	return schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors())
}

// CheckSchema fails the test if body is not JSON of one of the document's schemas.
func (d *Document) CheckSchema(tb testing.TB, name string, body []byte) {
	tb.Helper()
	schema := d.doc.Components.Schemas[name]
	if schema == nil {
		tb.Fatalf("there is no schema %q", name)
	}
	if err := checkJSON(schema, body); err != nil {
		tb.Errorf("schema %s: %v", name, err)
	}
}

// Accepts reports whether a value is one that a parameter of the document's components may have, by its schema.
func (d *Document) Accepts(tb testing.TB, parameter, value string) bool {
	tb.Helper()
	p := d.doc.Components.Parameters[parameter]
	if p == nil {
		tb.Fatalf("there is no parameter %q", parameter)
	}
	return visit(p.Value.Schema, typed(p.Value.Schema.Value, value)) == nil
}

// Example is a request that the examples of an operation make up.
type Example struct {
	Operation      string // as in Operations
	Method, Target string // the target has path and query
	Header         http.Header
	Body           string
}

// Examples returns a request for each operation and each media type of its body that has an example: with every parameter
// that has one.
func (d *Document) Examples() ([]Example, error) {
	var all []Example
	for _, p := range d.paths {
		for method, operation := range p.item.Operations() {
			examples, err := examplesOf(p.template, method, operation)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, p.template, err)
			}
			all = append(all, examples...)
		}
	}
	return all, nil
}

func examplesOf(template, method string, operation *openapi3.Operation) ([]Example, error) {
	name, target, query, header := method+" "+template, template, "", http.Header{}
	for _, ref := range operation.Parameters {
		p := ref.Value
		switch {
		case p.Example == nil:
		case p.In == "path":
			target = strings.ReplaceAll(target, "{"+p.Name+"}", fmt.Sprint(p.Example))
		case p.In == "query":
			query += "&" + p.Name + "=" + fmt.Sprint(p.Example)
		default:
			header.Set(p.Name, fmt.Sprint(p.Example))
		}
	}
	if strings.Contains(target, "{") {
		return nil, fmt.Errorf("a parameter in %s has no example", target)
	}
	if query != "" {
		target += "?" + query[1:]
	}
	if operation.RequestBody == nil {
		return []Example{{name, method, target, header, ""}}, nil
	}
	var all []Example
	for _, mediaType := range slices.Sorted(maps.Keys(operation.RequestBody.Value.Content)) {
		content := operation.RequestBody.Value.Content[mediaType]
		if content.Example == nil {
			continue
		}
		body, isText := content.Example.(string)
		if !isText {
			text, err := json.Marshal(content.Example)
			if err != nil {
				return nil, err
			}
			body = string(text)
		}
		h := header.Clone()
		h.Set("Content-Type", mediaType)
		all = append(all, Example{name, method, target, h, body})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the body has no example")
	}
	return all, nil
}

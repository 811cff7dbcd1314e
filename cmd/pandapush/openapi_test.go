package main

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/pandapush/pandapush/api/openapitest"
)

// TestOpenAPIExamples asks a running server for what /openapi.json has as examples: every operation succeeds, and answers as
// it says.
func TestOpenAPIExamples(t *testing.T) {
	t.Parallel()
	n := startNode(t, settings(t))
	document, err := openapitest.Load([]byte(n.get(t, "/openapi.json").body))
	if err != nil {
		t.Fatal(err)
	}
	examples, err := document.Examples()
	if err != nil {
		t.Fatal(err)
	}
	asked := make(map[string]bool)
	for _, e := range examples {
		answer, err := n.send(t.Context(), e.Method, e.Target, e.Body, func(r *http.Request) {
			devKey.sign(r)
			maps.Copy(r.Header, e.Header)
		})
		if err != nil {
			t.Fatal(err)
		}
		path, _, _ := strings.Cut(e.Target, "?")
		document.Check(t, e.Method, path, answer.status, answer.header, []byte(answer.body))
		if answer.status >= http.StatusBadRequest {
			t.Errorf("%s %s: %d %s", e.Method, e.Target, answer.status, answer.body)
		}
		asked[e.Operation] = true
	}
	for _, operation := range document.Operations() {
		if !asked[operation] {
			t.Errorf("%s has no example", operation)
		}
	}
}

package api

import (
	"net/http"
	"testing"
)

func TestPrefersJSON(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]bool{
		"":                                      false,
		"*/*":                                   false,
		"text/html,application/xhtml+xml":       false,
		"application/json, text/plain, */*":     false, // axios' default
		"application/json, */*;q=1.0":           false,
		"application/json;q=0":                  false,
		"application/json;q=0.4, text/*;q=0.5":  false,
		"application/json":                      true,
		"Application/JSON; charset=utf-8":       true,
		"application/json, text/plain":          true,
		"application/json, */*;q=0.5":           true,
		"application/json; Q=1, text/html;q=.9": true,
		"application/*, text/html;q=0":          true,
		"application/json;q=nonsense":           true,
		",;=,application/json,,":                true,
	} {
		if got := prefersJSON(http.Header{"Accept": {accept}}); got != want {
			t.Errorf("Accept: %s = %v, want %v", accept, got, want)
		}
	}
	if prefersJSON(http.Header{"Accept": {"application/json", "*/*"}}) {
		t.Error("Accept in two lines is read as one list")
	}
}

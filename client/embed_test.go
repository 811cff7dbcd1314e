package client

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestScriptOfABuild(t *testing.T) {
	js, sourceMap, built := script(fstest.MapFS{
		"dist/placeholder.js": {Data: []byte("throw")},
		"dist/client.js":      {Data: []byte("code")},
		"dist/client.js.map":  {Data: []byte("{}")},
	})
	if string(js) != "code" || string(sourceMap) != "{}" || !built {
		t.Errorf("script() = %q, %q, %v", js, sourceMap, built)
	}
}

func TestScriptThatWasNotBuilt(t *testing.T) {
	js, sourceMap, built := script(fstest.MapFS{"dist/placeholder.js": {Data: []byte("throw")}})
	if string(js) != "throw" || sourceMap != nil || built {
		t.Errorf("script() = %q, %q, %v", js, sourceMap, built)
	}
}

// The file that is committed has to be there and say what to do, whether or not this tree is built.
func TestPlaceholder(t *testing.T) {
	placeholder, err := dist.ReadFile("dist/placeholder.js")
	if err != nil || !strings.Contains(string(placeholder), "client.js was not built; run scripts/build") {
		t.Errorf("placeholder = %q, %v", placeholder, err)
	}
	if js, _, _ := Script(); len(js) == 0 {
		t.Error("Script() is empty")
	}
}

package scripts_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestArchitectureNamesRealTests: every test that ARCHITECTURE.md says holds a promise exists, and so does every file that
// it points to.
func TestArchitectureNamesRealTests(t *testing.T) {
	text, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := exec.CommandContext(t.Context(), "grep", "-rhoE", "--include=*_test.go", `^func Test\w+`, "..").Output()
	if err != nil {
		t.Fatal(err)
	}
	exists := map[string]bool{}
	for line := range strings.Lines(string(code)) {
		exists[strings.TrimPrefix(strings.TrimSpace(line), "func ")] = true
	}
	names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 10 {
		t.Errorf("only %d tests are named", len(names))
	}
	for _, name := range names {
		if !exists[name[1]] {
			t.Errorf("there is no %s", name[1])
		}
	}
	for _, path := range regexp.MustCompile("`([a-z/_-]+\\.go|[a-z-]+/[a-z/-]*)`").FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat("../" + path[1]); err != nil {
			t.Errorf("%v", err)
		}
	}
}

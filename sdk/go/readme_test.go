package pandapush

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const program = `package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	pandapush "github.com/pandapush/pandapush/sdk/go"
)

func main() {
	ctx := context.Background()
`

// TestREADME runs the README's snippets as one program, which prints what the README says.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var code, want strings.Builder
	code.WriteString(program)
	for _, block := range regexp.MustCompile("(?ms)^```(go|text)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if block[1] == "go" {
			code.WriteString(block[2])
		} else {
			want.WriteString(block[2])
		}
	}
	code.WriteString("}\n")

	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, version, _ := strings.Cut(string(module), "\ngo ")
	const path = "github.com/pandapush/pandapush/sdk/go"
	dir := t.TempDir()
	write(t, dir, "go.mod", "module example\ngo "+version+"require "+path+" v0.0.0\nreplace "+path+" => "+here+"\n")
	write(t, dir, "main.go", strings.ReplaceAll(code.String(), "localhost:3000", startServer(t).addr))
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	got, err := cmd.Output()
	if err != nil || string(got) != want.String() {
		t.Errorf("%v; it printed\n%s%swant\n%s", err, got, &stderr, want.String())
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

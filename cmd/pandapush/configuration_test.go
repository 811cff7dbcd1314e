package main

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

var update = flag.Bool("update", false, "rewrite the table of settings in docs/configuration.md")

const configuration = "../../docs/configuration.md"

// TestSettingsAreDocumented holds the table of docs/configuration.md to the flags of serve.
func TestSettingsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(configuration)
	if err != nil {
		t.Fatal(err)
	}
	between := regexp.MustCompile(`(?s)(<!-- settings: .+? -->\n)(.*?)(<!-- end of settings -->)`)
	found := between.FindSubmatch(text)
	if found == nil {
		t.Fatal("docs/configuration.md has lost the markers around its table of settings")
	}
	want := settingsTable(t)
	switch {
	case string(found[2]) == want:
	case *update:
		next := slices.Concat(found[1], []byte(want), found[3])
		if err := os.WriteFile(configuration, between.ReplaceAllLiteral(text, next), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table of settings is not what serve takes; run: go test ./cmd/pandapush -run SettingsAreDocumented -update\nwant:\n%s", want)
	}
}

// settingsTable returns the settings of serve as a table in Markdown.
func settingsTable(t *testing.T) string {
	t.Helper()
	parser, err := kong.New(new(commands))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(parser.Model.Children, func(command *kong.Node) bool { return command.Name == "serve" })
	var table strings.Builder
	table.WriteString("\n| variable | default | meaning |\n|---|---|---|\n")
	for _, setting := range parser.Model.Children[i].Flags {
		name := "`" + strings.ToUpper(strings.ReplaceAll(setting.Name, "-", "_")) + "`"
		if setting.Target.Type() == reflect.TypeFor[secret]() {
			name += " *"
		}
		initial := setting.Default
		if setting.IsBool() {
			initial = "false"
		}
		if initial != "" {
			initial = "`" + initial + "`"
		}
		fmt.Fprintf(&table, "| %s | %s | %s |\n", name, initial, strings.ReplaceAll(setting.Help, "|", `\|`))
	}
	table.WriteString("\n")
	return table.String()
}

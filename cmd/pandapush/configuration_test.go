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

// TestSettingsAreDocumented holds the tables of docs/configuration.md to the flags of serve.
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

// settingsTable returns the settings of serve in Markdown, with a table for each group.
func settingsTable(t *testing.T) string {
	t.Helper()
	parser, err := kong.New(new(commands))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(parser.Model.Children, func(command *kong.Node) bool { return command.Name == "serve" })
	var groups []string
	rows := map[string]string{}
	for _, setting := range parser.Model.Children[i].Flags {
		if setting.Group == nil {
			t.Fatalf("%s is in no group", setting.Name)
		}
		if !slices.Contains(groups, setting.Group.Title) {
			groups = append(groups, setting.Group.Title)
		}
		rows[setting.Group.Title] += settingRow(setting)
	}
	var tables strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&tables, "\n## %s\n\n| variable | default | meaning |\n|---|---|---|\n%s", group, rows[group])
	}
	tables.WriteString("\n")
	return tables.String()
}

func settingRow(setting *kong.Flag) string {
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
	return fmt.Sprintf("| %s | %s | %s |\n", name, initial, strings.ReplaceAll(setting.Help, "|", `\|`))
}

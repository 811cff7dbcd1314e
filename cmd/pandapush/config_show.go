package main

import (
	"github.com/pandapush/pandapush/api/admin"
)

type configCmd struct {
	Show configShowCmd `cmd:"" help:"Print the settings that serve would run with, with secrets hidden; exit 1 if they contradict each other."`
}

type configShowCmd struct {
	serveCmd
	All  bool `variable:"-" help:"Include settings that have their default values."`
	JSON bool `name:"json" variable:"-" help:"Print a JSON array."`
}

// Run prints the settings.
func (c *configShowCmd) Run(env *environment) error {
	settings, err := c.effective()
	if err != nil {
		return err
	}
	shown := []admin.Setting{}
	for _, s := range settings {
		if s.Set || c.All {
			shown = append(shown, s)
		}
	}
	if c.JSON {
		err = printJSON(env.stdout, shown)
	} else {
		err = printTable(env.stdout, "SETTING\tVALUE\tDEFAULT", shown, func(s admin.Setting) []string {
			value := "[secret]"
			switch {
			case s.Value != nil:
				value = *s.Value
			case !s.Set:
				value = ""
			}
			return []string{s.Name, value, s.Default}
		})
	}
	if err != nil {
		return err
	}
	return c.check(env.getenv)
}

package main

import (
	"encoding/json"
	"fmt"
)

// Set by scripts/build through the linker.
var (
	version  = "3.0.0-dev"
	revision = "dev"
	built    = "dev"
)

type versionCmd struct {
	JSON bool `name:"json" variable:"-" help:"Print a JSON object."`
}

// Run prints the version.
func (c *versionCmd) Run(env *environment) error {
	if c.JSON {
		return json.NewEncoder(env.stdout).Encode(map[string]string{"version": version, "rev": revision, "built": built})
	}
	_, err := fmt.Fprintf(env.stdout, "pandapush %s (%s, built %s)\n", version, revision, built)
	return err
}

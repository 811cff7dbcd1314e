package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
)

type appRenameCmd struct {
	storeFlags
	App  pandapush.AppID `arg:"" help:"The application's id."`
	Name string          `arg:"" help:"Its new name."`
}

// Run renames an application.
func (c *appRenameCmd) Run(env *environment) error {
	return c.change(env, func(ctx context.Context, d *db.DB) error {
		_, err := d.UpdateApp(ctx, c.actor(), c.App, pandapush.AppChange{Name: &c.Name})
		return absent(err, "application", c.App)
	})
}

type appAdminsCmd struct {
	storeFlags
	App    pandapush.AppID `arg:"" help:"The application's id."`
	Add    []string        `variable:"-" placeholder:"USER" help:"User who may administer it from now on; can be repeated."`
	Remove []string        `variable:"-" placeholder:"USER" help:"User who may no longer administer it; can be repeated."`
	JSON   bool            `name:"json" variable:"-" help:"Print a JSON array."`
}

// Run changes who administers an application, and prints them.
func (c *appAdminsCmd) Run(env *environment) error {
	open := c.change
	if len(c.Add) == 0 && len(c.Remove) == 0 {
		open = c.withDB
	}
	return open(env, func(ctx context.Context, d *db.DB) error {
		app, err := d.EditApp(ctx, c.actor(), c.App, func(app pandapush.App) (change pandapush.AppChange, err error) {
			if len(c.Add) > 0 || len(c.Remove) > 0 {
				removed := func(user string) bool { return slices.Contains(c.Remove, user) }
				change.Admins = append([]string{}, slices.DeleteFunc(slices.Concat(app.Admins, c.Add), removed)...)
			}
			return change, nil
		})
		if err != nil {
			return absent(err, "application", c.App)
		}
		if c.JSON {
			return printJSON(env.stdout, append([]string{}, app.Admins...))
		}
		for _, user := range app.Admins {
			if _, err := fmt.Fprintln(env.stdout, user); err != nil {
				return err
			}
		}
		return nil
	})
}

type appSettingsCmd struct {
	storeFlags
	App     pandapush.AppID `arg:"" help:"The application's id."`
	Setting []string        `arg:"" optional:"" help:"NAME=VALUE, like publish_rate=50, suspended=true or origins=https://a.example,https://b.example; NAME= goes back to the server's default."`
}

// Run changes an application's settings, and prints them as JSON.
func (c *appSettingsCmd) Run(env *environment) error {
	open := c.change
	if len(c.Setting) == 0 {
		open = c.withDB
	}
	return open(env, func(ctx context.Context, d *db.DB) error {
		app, err := d.EditApp(ctx, c.actor(), c.App, func(app pandapush.App) (pandapush.AppChange, error) {
			if len(c.Setting) == 0 {
				return pandapush.AppChange{}, nil
			}
			settings, err := withSettings(app.Settings, c.Setting)
			return pandapush.AppChange{Settings: &settings}, err
		})
		if err != nil {
			return absent(err, "application", c.App)
		}
		return printJSON(env.stdout, app.Settings)
	})
}

// withSettings returns settings with some of them changed, by "NAME=VALUE".
func withSettings(s pandapush.Settings, changes []string) (pandapush.Settings, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return s, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return s, err
	}
	for _, change := range changes {
		name, value, ok := strings.Cut(change, "=")
		if _, known := fields[name]; !ok || !known {
			return s, fmt.Errorf("%q is not NAME=VALUE; names are %s", change, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if fields[name], err = settingJSON(name, value); err != nil {
			return s, err
		}
	}
	if text, err = json.Marshal(fields); err != nil {
		return s, err
	}
	var next pandapush.Settings
	if err := json.Unmarshal(text, &next); err != nil {
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return s, fmt.Errorf("%s cannot be %s: it takes %s", wrong.Field, fields[wrong.Field], takes(wrong.Field, wrong.Type.Kind()))
		}
		return s, err
	}
	return next, nil
}

// takes returns what a setting takes, by its type.
func takes(name string, kind reflect.Kind) string {
	switch {
	case name == "history_age":
		return "a number of seconds"
	case kind == reflect.Bool:
		return "true or false"
	case kind == reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// settingJSON returns what a person has typed as JSON.
func settingJSON(name, value string) (json.RawMessage, error) {
	switch {
	case value == "":
		return json.RawMessage("null"), nil
	case name == "origins":
		return json.Marshal(strings.Split(value, ","))
	case json.Valid([]byte(value)):
		return json.RawMessage(value), nil
	}
	return json.Marshal(value)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pandapush/pandapush/db"
)

type migrateCmd struct {
	Up      migrateUpCmd      `cmd:"" help:"Apply pending migrations. Safe to run on many machines at once."`
	Down    migrateDownCmd    `cmd:"" help:"Undo the newest migration."`
	Status  migrateStatusCmd  `cmd:"" help:"List the migrations and when each was applied; exit 1 if one is pending."`
	Version migrateVersionCmd `cmd:"" help:"Print the schema's version."`
}

// migrateFlags say which database.
type migrateFlags struct {
	dataFlags
	databaseFlags
}

func (f migrateFlags) withDB(env *environment, do func(ctx context.Context, d *db.DB) error) error {
	d, err := f.open(env.ctx, f.dataFlags, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return errors.Join(do(env.ctx, d), d.Close())
}

type migrateUpCmd struct{ migrateFlags }

// Run applies pending migrations.
func (c *migrateUpCmd) Run(env *environment) error {
	return c.withDB(env, func(ctx context.Context, d *db.DB) error {
		if err := d.Migrate(ctx); err != nil {
			return err
		}
		return printVersion(ctx, env, d)
	})
}

type migrateDownCmd struct{ migrateFlags }

// Run undoes the newest migration.
func (c *migrateDownCmd) Run(env *environment) error {
	return c.withDB(env, func(ctx context.Context, d *db.DB) error {
		if err := d.MigrateDown(ctx); err != nil {
			return err
		}
		return printVersion(ctx, env, d)
	})
}

type migrateStatusCmd struct {
	migrateFlags
	JSON bool `name:"json" variable:"-" help:"Print a JSON array."`
}

// Run lists the migrations.
func (c *migrateStatusCmd) Run(env *environment) error {
	return c.withDB(env, func(ctx context.Context, d *db.DB) error {
		states, err := d.MigrationStatus(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			type state struct {
				Name    string `json:"name"`
				Applied any    `json:"applied_at"`
			}
			list := []state{}
			for _, m := range states {
				list = append(list, state{m.Name, optional(m.AppliedAt)})
			}
			err = printJSON(env.stdout, list)
		} else {
			err = printTable(env.stdout, "MIGRATION\tAPPLIED", states, func(m db.MigrationState) []string { return []string{m.Name, date(m.AppliedAt, "pending")} })
		}
		return errors.Join(err, d.Pending(ctx))
	})
}

type migrateVersionCmd struct{ migrateFlags }

// Run prints the schema's version.
func (c *migrateVersionCmd) Run(env *environment) error {
	return c.withDB(env, func(ctx context.Context, d *db.DB) error { return printVersion(ctx, env, d) })
}

func printVersion(ctx context.Context, env *environment, d *db.DB) error {
	current, latest, err := d.Version(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "schema version %d of %d\n", current, latest)
	return err
}

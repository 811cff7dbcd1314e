package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// What can be wrong with the version of a schema.
var (
	ErrPending = errors.New("migrations are pending")
	ErrNewer   = errors.New("schema is newer than this program")
)

// MigrationState is one migration that this program knows.
type MigrationState struct {
	Version   int64
	Name      string    // the file's name
	AppliedAt time.Time // zero if it is pending
}

// lockTries, one each second, bound the wait for another node that migrates.
const lockTries = 300

// Migrate brings the schema to the latest version. Any number of processes may do so at once: on Postgres they take turns,
// waiting up to five minutes; on SQLite, for which goose has no lock, one that finds a migration done by another goes on
// with what is left.
func (d *DB) Migrate(ctx context.Context) error {
	for {
		before, latest, err := d.Version(ctx)
		if err != nil || before == latest {
			return err
		}
		if before > latest {
			return d.Pending(ctx) // nothing that could be done
		}
		err = d.migrate(ctx)
		if err == nil {
			return nil
		}
		// Each migration is a transaction that fails if its work has been done. Then there is a newer version.
		if after, _, versionErr := d.Version(ctx); versionErr != nil || after == before {
			return fmt.Errorf("migrate: %w", d.explain(err))
		}
	}
}

// migrate applies the migrations that are pending now.
func (d *DB) migrate(ctx context.Context) error {
	provider, err := d.provider()
	if err != nil {
		return err
	}
	results, err := provider.Up(ctx)
	for _, r := range results {
		d.log.InfoContext(ctx, "migrated", "version", r.Source.Version, "file", path.Base(r.Source.Path), "took", r.Duration)
	}
	return err
}

// MigrateDown undoes the last migration. The first one cannot be undone: it may have adopted tables that were there
// before, and undoing it would bring revoked keys back.
func (d *DB) MigrateDown(ctx context.Context) error {
	provider, err := d.provider()
	if err != nil {
		return fmt.Errorf("migrate down: %w", err)
	}
	result, err := provider.Down(ctx)
	if err != nil {
		return fmt.Errorf("migrate down: %w", d.explain(err))
	}
	d.log.InfoContext(ctx, "migrated down", "version", result.Source.Version, "file", path.Base(result.Source.Path))
	return nil
}

// MigrationStatus returns all migrations that this program knows, in their order. It changes nothing.
func (d *DB) MigrationStatus(ctx context.Context) ([]MigrationState, error) {
	states, err := d.migrationStatus(ctx)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", d.explain(err))
	}
	return states, nil
}

func (d *DB) migrationStatus(ctx context.Context) ([]MigrationState, error) {
	provider, err := d.provider()
	if err != nil {
		return nil, err
	}
	store, exists, err := d.versions(ctx)
	if err != nil {
		return nil, err
	}
	var states []MigrationState
	for _, source := range provider.ListSources() {
		state := MigrationState{Version: source.Version, Name: path.Base(source.Path)}
		if exists {
			applied, err := store.GetMigration(ctx, d.sql, source.Version)
			if err != nil && !errors.Is(err, database.ErrVersionNotFound) {
				return nil, err
			}
			if err == nil {
				state.AppliedAt = applied.Timestamp.UTC()
			}
		}
		states = append(states, state)
	}
	return states, nil
}

// Version returns the version of the schema, 0 before the first migration, and the latest that this program knows. It
// changes nothing.
func (d *DB) Version(ctx context.Context) (current, latest int64, err error) {
	provider, err := d.provider()
	if err != nil {
		return 0, 0, fmt.Errorf("schema version: %w", err)
	}
	for _, source := range provider.ListSources() {
		latest = source.Version
	}
	store, exists, err := d.versions(ctx)
	if err == nil && exists {
		current, err = store.GetLatestVersion(ctx, d.sql)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("schema version: %w", d.explain(err))
	}
	return current, latest, nil
}

// Pending returns nil if the schema has the version that this program needs; else an error that wraps ErrPending and names
// the command to run, or one that wraps ErrNewer.
func (d *DB) Pending(ctx context.Context) error {
	current, latest, err := d.Version(ctx)
	switch {
	case err != nil:
		return err
	case current < latest:
		return fmt.Errorf("schema version %d of %d: %w: run pandapush migrate up", current, latest, ErrPending)
	case current > latest:
		return fmt.Errorf("schema version %d of %d: %w", current, latest, ErrNewer)
	}
	return nil
}

// versions returns goose's table of applied versions and whether it exists already. Asking goose's provider instead would
// make it.
func (d *DB) versions(ctx context.Context) (store database.Store, exists bool, err error) {
	store, err = database.NewStore(d.driver.goose(), goose.DefaultTablename)
	if err != nil {
		return nil, false, err
	}
	err = d.query(ctx, d.sql, func(*sql.Rows) error { exists = true; return nil },
		d.driver.findTable(), goose.DefaultTablename)
	return store, exists, err
}

// provider returns a new goose provider: its lock counts tries over all of its life.
func (d *DB) provider() (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations/"+string(d.driver))
	if err != nil {
		return nil, err
	}
	// Go migrations registered by whoever else is linked in are not ours.
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if d.driver == Postgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockTries))
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(d.driver.goose(), d.sql, folder, options...)
}

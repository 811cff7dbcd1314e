package db_test

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/pandapush/pandapush/db"
	"github.com/pandapush/pandapush/db/dbtest"
)

// engine is one of the two databases, empty.
type engine struct {
	cfg db.Config
	raw *sql.DB // past the package, for what it would not do
}

// engines calls test for an empty database of each kind.
func engines(t *testing.T, test func(*testing.T, engine)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "db.sqlite")
		test(t, engine{db.Config{Driver: db.SQLite, Path: path}, rawDB(t, "sqlite", path)})
	})
	t.Run("postgres", func(t *testing.T) {
		url := dbtest.PostgresURL(t)
		test(t, engine{db.Config{Driver: db.Postgres, URL: url}, rawDB(t, "pgx", url)})
	})
}

func rawDB(t *testing.T, driver, dsn string) *sql.DB {
	t.Helper()
	raw, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := raw.Close(); err != nil {
			t.Error(err)
		}
	})
	return raw
}

func (e engine) open(t *testing.T) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), e.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (e engine) exec(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := e.raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// columns returns the sorted columns of each of our tables.
func (e engine) columns(t *testing.T) map[string][]string {
	t.Helper()
	columns := map[string][]string{}
	for _, table := range []string{"applications", "application_users", "keys"} {
		rows, err := e.raw.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		columns[table], err = rows.Columns()
		if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		slices.Sort(columns[table])
	}
	return columns
}

// indexes returns the sorted names of the indexes that we made.
func (e engine) indexes(t *testing.T) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL`
	if e.cfg.Driver == db.Postgres {
		query = `SELECT indexname FROM pg_indexes WHERE schemaname = 'public' AND indexname NOT LIKE '%pkey'`
	}
	rows, err := e.raw.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func TestBothDatabasesEndInTheSameColumns(t *testing.T) {
	t.Parallel()
	columns, indexes := map[string]map[string][]string{}, map[string][]string{}
	for name, prepare := range map[string]func(*testing.T, engine){
		"fresh":   func(*testing.T, engine) {},
		"adopted": buildKnex,
	} {
		engines(t, func(t *testing.T, e engine) {
			prepare(t, e)
			if err := e.open(t).Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			key := name + " " + string(e.cfg.Driver)
			columns[key], indexes[key] = e.columns(t), e.indexes(t)
		})
	}
	for _, key := range slices.Collect(maps.Keys(columns)) {
		if want := columns["fresh sqlite"]; !reflect.DeepEqual(columns[key], want) {
			t.Errorf("columns of %s: %v\nfresh sqlite: %v", key, columns[key], want)
		}
		if want := []string{"application_users_application_id", "keys_application_id"}; !slices.Equal(indexes[key], want) {
			t.Errorf("indexes of %s: %q, want %q", key, indexes[key], want)
		}
	}
}

func TestPendingMigrationsAreToldAndApplied(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, e engine) {
		d := e.open(t)
		err := d.Pending(t.Context())
		if !errors.Is(err, db.ErrPending) || !strings.Contains(err.Error(), "pandapush migrate up") {
			t.Errorf("Pending() before = %v", err)
		}
		states, err := d.MigrationStatus(t.Context())
		if err != nil || len(states) == 0 || !states[0].AppliedAt.IsZero() || states[0].Name != "00001_init.sql" {
			t.Errorf("MigrationStatus() before = %+v, %v", states, err)
		}
		for range 2 { // the second time there is nothing to do
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Pending(t.Context()); err != nil {
			t.Errorf("Pending() after = %v", err)
		}
		current, latest, err := d.Version(t.Context())
		if err != nil || current != latest || latest != int64(len(states)) {
			t.Errorf("Version() = %d, %d, %v", current, latest, err)
		}
		states, err = d.MigrationStatus(t.Context())
		if err != nil || states[0].AppliedAt.IsZero() {
			t.Errorf("MigrationStatus() after = %+v, %v", states, err)
		}
	})
}

func TestAskingForTheVersionChangesNothing(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, e engine) {
		d := e.open(t)
		if current, _, err := d.Version(t.Context()); err != nil || current != 0 {
			t.Errorf("Version() = %d, %v", current, err)
		}
		if _, err := d.MigrationStatus(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := e.raw.ExecContext(t.Context(), "CREATE TABLE goose_db_version (x integer)"); err != nil {
			t.Errorf("the table of versions exists: %v", err)
		}
	})
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, e engine) {
		d := e.open(t)
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		e.exec(t, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, true)")
		for i, err := range []error{d.Pending(t.Context()), d.Migrate(t.Context())} {
			if !errors.Is(err, db.ErrNewer) {
				t.Errorf("call %d: %v", i+1, err)
			}
		}
	})
}

func TestFirstMigrationHasNoWayDown(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, e engine) {
		buildKnex(t, e)
		d := e.open(t)
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		before, err := d.AllKeys(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := d.MigrateDown(t.Context()); err == nil || !strings.Contains(err.Error(), "no way down") {
			t.Errorf("MigrateDown() = %v", err)
		}
		if err := d.Pending(t.Context()); err != nil {
			t.Errorf("Pending() = %v", err)
		}
		after, err := d.AllKeys(t.Context())
		if err != nil || len(after) != len(before) {
			t.Errorf("AllKeys() = %d keys, %v; were %d", len(after), err, len(before))
		}
	})
}

func TestManyMigrateAtOnce(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, e engine) {
		buildKnex(t, e)
		var all sync.WaitGroup
		for range 10 {
			d := e.open(t)
			all.Go(func() {
				if err := d.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if err := e.open(t).Pending(t.Context()); err != nil {
			t.Error(err)
		}
		var applied int
		row := e.raw.QueryRowContext(t.Context(), "SELECT count(*) FROM goose_db_version WHERE version_id = 1")
		if err := row.Scan(&applied); err != nil || applied != 1 {
			t.Errorf("migration 1 was applied %d times, %v", applied, err)
		}
	})
}

func TestMigrateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	engines(t, func(t *testing.T, e engine) {
		d := e.open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := d.Migrate(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Migrate() = %v", err)
		}
	})
}

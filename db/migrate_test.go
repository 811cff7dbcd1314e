package db_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
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

// engines make an empty database of each kind.
var engines = map[string]func(*testing.T) engine{
	"sqlite": func(t *testing.T) engine {
		t.Helper()
		path := filepath.Join(t.TempDir(), "db.sqlite")
		return engine{db.Config{Driver: db.SQLite, Path: path}, rawDB(t, "sqlite", path)}
	},
	"postgres": func(t *testing.T) engine {
		t.Helper()
		url := dbtest.PostgresURL(t)
		return engine{db.Config{Driver: db.Postgres, URL: url}, rawDB(t, "pgx", url)}
	},
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

// strings runs a query for one column of text.
func (e engine) strings(t *testing.T, query string, args ...any) []string {
	t.Helper()
	rows, err := e.raw.QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		found = append(found, text)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// columns returns the sorted names of a table's columns.
func (e engine) columns(t *testing.T, table string) []string {
	t.Helper()
	if e.cfg.Driver == db.Postgres {
		return e.strings(t, `SELECT column_name FROM information_schema.columns
			WHERE table_schema = 'public' AND table_name = $1 ORDER BY column_name COLLATE "C"`, table)
	}
	return e.strings(t, `SELECT name FROM pragma_table_info(?) ORDER BY name`, table)
}

// indexes returns the sorted names of the indexes that we made.
func (e engine) indexes(t *testing.T) []string {
	t.Helper()
	if e.cfg.Driver == db.Postgres {
		return e.strings(t, `SELECT indexname FROM pg_indexes
			WHERE schemaname = 'public' AND indexname NOT LIKE '%pkey' ORDER BY indexname COLLATE "C"`)
	}
	return e.strings(t, `SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name`)
}

func TestAllDatabasesEndInTheSameColumns(t *testing.T) {
	t.Parallel()
	columns := map[string][]string{
		"application_users": {"application_id", "user_id"},
		"applications":      {"created_at", "created_by", "id", "name", "settings", "updated_at"},
		"audit":             {"action", "actor", "after", "application_id", "at", "before", "id", "target"},
		"keys": {
			"application_id", "created_at", "created_by", "expires", "id", "last_used", "previous_secret", "previous_until",
			"purpose", "revoked_at", "secret", "updated_at", "use_count",
		},
	}
	indexes := []string{
		"application_users_application_id", "application_users_user_id", "audit_application_id", "keys_application_id",
	}
	for origin, prepare := range map[string]func(*testing.T, engine){
		"fresh":   func(*testing.T, engine) {},
		"adopted": buildKnex,
	} {
		for name, empty := range engines {
			t.Run(origin+" "+name, func(t *testing.T) {
				t.Parallel()
				e := empty(t)
				prepare(t, e)
				if err := e.open(t).Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				for table, want := range columns {
					if got := e.columns(t, table); !slices.Equal(got, want) {
						t.Errorf("columns of %s: %q, want %q", table, got, want)
					}
				}
				if got := e.indexes(t); !slices.Equal(got, indexes) {
					t.Errorf("indexes %q, want %q", got, indexes)
				}
			})
		}
	}
}

func TestPendingMigrationsAreToldAndApplied(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
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
}

func TestAskingForTheVersionChangesNothing(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
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
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
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
}

func TestFirstMigrationHasNoWayDown(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
			buildKnex(t, e)
			d := e.open(t)
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			before, err := d.AllKeys(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, latest, err := d.Version(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for range latest - 1 {
				if err := d.MigrateDown(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if err := d.MigrateDown(t.Context()); err == nil || !strings.Contains(err.Error(), "no way down") {
				t.Errorf("MigrateDown() = %v", err)
			}
			if err := d.Migrate(t.Context()); err != nil {
				t.Error(err)
			}
			after, err := d.AllKeys(t.Context())
			if err != nil || len(after) != len(before) {
				t.Errorf("AllKeys() = %d keys, %v; were %d", len(after), err, len(before))
			}
		})
	}
}

func TestManyMigrateAtOnce(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
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
			var rows, versions int
			row := e.raw.QueryRowContext(t.Context(), "SELECT count(*), count(DISTINCT version_id) FROM goose_db_version")
			if err := row.Scan(&rows, &versions); err != nil || rows != versions || versions < 3 {
				t.Errorf("%d rows of %d versions, %v", rows, versions, err)
			}
		})
	}
}

func TestMigrateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
			d := e.open(t)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := d.Migrate(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Migrate() = %v", err)
			}
		})
	}
}

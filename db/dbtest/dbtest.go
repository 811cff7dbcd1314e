package dbtest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/pandapush/pandapush/db"
)

// shared is the one Postgres of this test process: starting one takes a second.
var shared struct {
	sync.Mutex
	server *server
	made   int // databases
}

// Main is the TestMain of a package that uses Postgres: it runs the tests, stops the server and exits. It fails if a
// goroutine is left.
func Main(m *testing.M, options ...goleak.Option) {
	goleak.VerifyTestMain(m, append(options, goleak.Cleanup(func(code int) {
		if err := stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop postgres:", err)
			code = max(code, 1)
		}
		os.Exit(code)
	}))...)
}

func stop() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return nil
	}
	err := shared.server.stop()
	shared.server = nil
	return err
}

// NewSQLite opens and migrates a fresh SQLite database.
func NewSQLite(tb testing.TB) *db.DB {
	tb.Helper()
	return open(tb, db.Config{Driver: db.SQLite, Path: filepath.Join(tb.TempDir(), "db.sqlite")})
}

// NewPostgres opens and migrates a fresh Postgres database.
func NewPostgres(tb testing.TB) *db.DB {
	tb.Helper()
	return open(tb, db.Config{Driver: db.Postgres, URL: PostgresURL(tb)})
}

func open(tb testing.TB, cfg db.Config) *db.DB {
	tb.Helper()
	d, err := db.Open(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := d.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	return d
}

// PostgresURL makes an empty Postgres database and returns its URL. The database is dropped when the test ends, whoever is
// still connected to it.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		s, err := startServer()
		if err != nil {
			tb.Fatal(err)
		}
		shared.server = s
	}
	shared.made++
	name, s := fmt.Sprintf("test%d", shared.made), shared.server
	if err := s.exec(tb.Context(), "CREATE DATABASE "+name); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.exec(context.WithoutCancel(tb.Context()), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			tb.Error(err)
		}
	})
	return s.url(name)
}

// exec runs a statement as the server's administrator.
func (s *server) exec(ctx context.Context, statement string) (err error) {
	admin, err := sql.Open("pgx", s.url("postgres")) // the driver comes with package db
	if err != nil {
		return err
	}
	defer func() {
		if closed := admin.Close(); err == nil {
			err = closed
		}
	}()
	_, err = admin.ExecContext(ctx, statement)
	return err
}

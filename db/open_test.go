package db_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
	"github.com/pandapush/pandapush/db/dbtest"
)

func TestOpenRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		cfg  db.Config
		want error // nil for any
	}{
		{"no driver", db.Config{Path: "x"}, pandapush.ErrInvalid},
		{"unknown driver", db.Config{Driver: "mysql", Path: "x"}, pandapush.ErrInvalid},
		{"no path", db.Config{Driver: db.SQLite}, pandapush.ErrInvalid},
		{"folder as file", db.Config{Driver: db.SQLite, Path: t.TempDir()}, pandapush.ErrUnavailable},
		{"malformed URL", db.Config{Driver: db.Postgres, URL: "postgres://u:hunter2@h:port/"}, nil},
		{"nobody there", db.Config{Driver: db.Postgres, URL: "postgres://u:hunter2@/x?host=" + t.TempDir()}, pandapush.ErrUnavailable},
	} {
		d, err := db.Open(t.Context(), row.cfg)
		if err == nil {
			t.Errorf("%s: opened", row.name)
			_ = d.Close()
			continue
		}
		if row.want != nil && !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error holds the password", row.name)
		}
	}
}

func TestSQLiteFileIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new folder?#%", "db.sqlite")
	d, err := db.Open(t.Context(), db.Config{Driver: db.SQLite, Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(file)
		if err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", file, info.Mode())
		}
	}
}

func TestSQLiteKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	cfg := db.Config{Driver: db.SQLite, Path: filepath.Join(t.TempDir(), "db.sqlite")}
	for range 2 {
		d, err := db.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Error(err)
		}
		if err := d.EnsureDev(t.Context(), "app", "key", "secret"); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestLostDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	address := dbtest.PostgresURL(t)
	d := engine{cfg: db.Config{Driver: db.Postgres, URL: address}}.open(t)
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	engine{raw: rawDB(t, "pgx", u.String())}.exec(t, "DROP DATABASE "+name+" WITH (FORCE)")

	_, err1 := d.Apps(t.Context())
	_, err2 := d.CreateApp(t.Context(), "alice", "app")
	for i, err := range []error{err1, err2, d.Ping(t.Context()), d.Pending(t.Context())} {
		if !errors.Is(err, pandapush.ErrUnavailable) {
			t.Errorf("call %d: %v", i+1, err)
		}
	}
}

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/pandapush/pandapush"
)

const (
	// maxConns is enough for administration and one reload; publishing and subscribing never wait for the database.
	maxConns = 10
	// idleConns are kept open between requests.
	idleConns = 2
	// connectTimeout bounds one attempt to connect to Postgres whose URL does not say connect_timeout itself.
	connectTimeout = 5 * time.Second
)

// Config says which database to open.
type Config struct {
	Driver Driver
	Path   string       // SQLite: the file, made with its folder if missing
	URL    string       // Postgres: a URL or a "key=value …" string
	Log    *slog.Logger // nil for none
}

// DB is an open database. Its methods may be called concurrently; each ends when its context does.
type DB struct {
	sql    *sql.DB
	driver Driver
	log    *slog.Logger
}

// Open opens the database and asks it for a sign of life. It leaves the schema alone: call Migrate, or Pending to find out
// whether that is needed.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	open := map[Driver]func(Config) (*sql.DB, error){SQLite: openSQLite, Postgres: openPostgres}[cfg.Driver]
	if open == nil {
		return nil, fmt.Errorf("open database: %w driver %q: not %s or %s", pandapush.ErrInvalid, cfg.Driver, SQLite, Postgres)
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	pool, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	d := &DB{sql: pool, driver: cfg.Driver, log: cfg.Log}
	if err := d.Ping(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database: %w", err), d.Close())
	}
	return d, nil
}

func openSQLite(cfg Config) (*sql.DB, error) {
	if cfg.Path == "" {
		return nil, fmt.Errorf("%w path: empty", pandapush.ErrInvalid)
	}
	path, err := filepath.Abs(cfg.Path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	if err := createPrivate(path); err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{
		"_busy_timeout": {"5000"},
		"_journal_mode": {"WAL"},
		"_foreign_keys": {"on"},
		"_txlock":       {"immediate"},
	}.Encode()}
	pool, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	return pool, nil
}

// createPrivate makes the file unless it exists: SQLite would make it readable for all, and it holds secrets. A file that
// exists is not opened, because closing it would take away the locks of this process's other connections to it.
func createPrivate(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

func openPostgres(cfg Config) (*sql.DB, error) {
	conn, err := pgx.ParseConfig(cfg.URL)
	if err != nil {
		return nil, err // pgx leaves the password out
	}
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = connectTimeout
	}
	pool := stdlib.OpenDB(*conn)
	pool.SetMaxOpenConns(maxConns)
	pool.SetMaxIdleConns(idleConns)
	return pool, nil
}

// Close waits for running statements and closes the database.
func (d *DB) Close() error { return d.sql.Close() }

// Ping asks the database for a sign of life.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.sql.PingContext(ctx); err != nil {
		return fmt.Errorf("ping: %w", d.explain(err))
	}
	return nil
}

// runner runs statements: the pool, or a transaction.
type runner interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// exec runs a statement.
func (d *DB) exec(ctx context.Context, r runner, statement string, args ...any) error {
	_, err := r.ExecContext(ctx, d.driver.bind(statement), d.driver.args(args)...)
	return d.explain(err)
}

// query runs a SELECT and calls scan for each row.
func (d *DB) query(ctx context.Context, r runner, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	rows, err := r.QueryContext(ctx, d.driver.bind(query), d.driver.args(args)...)
	if err != nil {
		return d.explain(err)
	}
	defer func() { err = d.explain(errors.Join(err, rows.Close())) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// inTx runs do in a transaction, which is rolled back if do returns an error. On SQLite do must use tx alone: the
// transaction has the only connection.
func (d *DB) inTx(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := d.sql.BeginTx(ctx, nil)
	if err != nil {
		return d.explain(err)
	}
	if err := do(tx); err != nil {
		// A context that ended has rolled back already.
		if rollback := tx.Rollback(); !errors.Is(rollback, sql.ErrTxDone) {
			err = errors.Join(err, rollback)
		}
		return err
	}
	return d.explain(tx.Commit())
}

// explain wraps what callers look for around an error of the database.
func (d *DB) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, pandapush.ErrUnavailable):
		return err
	case violatesForeignKey(err):
		return fmt.Errorf("%w: %w", pandapush.ErrNotFound, err)
	case unreachable(err):
		return fmt.Errorf("database %w: %w", pandapush.ErrUnavailable, err)
	}
	return err
}

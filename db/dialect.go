package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/database"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/pandapush/pandapush"
)

// Driver names one of the two databases.
type Driver string

// The two databases.
const (
	SQLite   Driver = "sqlite"
	Postgres Driver = "postgres"
)

// isoMillis is how the Node version wrote moments into SQLite, and how this one does.
const isoMillis = "2006-01-02T15:04:05.000Z"

// goose returns goose's name of the database.
func (d Driver) goose() database.Dialect {
	if d == Postgres {
		return database.DialectPostgres
	}
	return database.DialectSQLite3
}

// bind rewrites the placeholders of a statement, which holds no other question marks.
func (d Driver) bind(statement string) string {
	if d != Postgres {
		return statement
	}
	parts := strings.Split(statement, "?")
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		b.WriteString("$" + strconv.Itoa(i+1) + part)
	}
	return b.String()
}

// args puts moments into the form in which the database stores them, in place. A zero moment is stored as null.
func (d Driver) args(args []any) []any {
	for i, arg := range args {
		t, ok := arg.(time.Time)
		switch {
		case !ok:
		case t.IsZero():
			args[i] = nil
		case d == SQLite:
			args[i] = t.UTC().Format(isoMillis)
		default:
			args[i] = t.UTC().Truncate(time.Millisecond)
		}
	}
	return args
}

// locking turns a SELECT by primary key into one that keeps others from referring to the row until the transaction ends.
// In SQLite every transaction excludes all other writers anyway.
func (d Driver) locking(query string) string {
	if d == Postgres {
		return query + " FOR UPDATE"
	}
	return query
}

// order returns what a list of applications is sorted by, "" for what there is not. Names are compared byte by byte, or
// Postgres would do it by whatever rules its server was set up with.
func (d Driver) order(by pandapush.AppOrder) string {
	switch by {
	case "", pandapush.ByName:
		if d == Postgres {
			return `lower(coalesce(name, '')) COLLATE "C"`
		}
		return `lower(coalesce(name, ''))`
	case pandapush.ByCreated, pandapush.ByID:
		return string(by)
	}
	return ""
}

// findTable returns a query that has a row if the table whose name is its argument exists.
func (d Driver) findTable() string {
	if d == Postgres {
		return `SELECT 1 WHERE to_regclass(?) IS NOT NULL` // looks where an unqualified name would
	}
	return `SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`
}

// violatesForeignKey reports whether err is the refusal of a row whose application does not exist.
func violatesForeignKey(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23503"
	}
	lite, ok := errors.AsType[*sqlite.Error](err)
	return ok && lite.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// unreachable reports whether err says that the database could not be asked, rather than what it answered.
func unreachable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false // the caller has left
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true // whatever the server said, if there was one
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		// Classes 08 connection exception, 53 insufficient resources, 57P operator intervention.
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "53") || strings.HasPrefix(pg.Code, "57P")
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		switch lite.Code() & 0xff { // the primary code
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
			return true
		}
		return false
	}
	_, network := errors.AsType[net.Error](err)
	return network || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, context.DeadlineExceeded)
}

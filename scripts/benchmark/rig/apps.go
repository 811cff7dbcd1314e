package rig

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite" // the driver of the nodes' database

	"github.com/pandapush/pandapush/scripts/benchmark/load"
)

const (
	insertApp = `INSERT INTO applications (id, name, created_by, created_at, updated_at) VALUES (?, ?, 'bench', ?, ?)`
	insertKey = `INSERT INTO keys (id, application_id, secret, created_by, expires, purpose, created_at, updated_at, use_count)
		VALUES (?, ?, ?, 'bench', ?, 'bench', ?, ?, 0)`
)

// AddApps makes n applications, beside App, in the database that the rig's nodes share, each with a key. Nodes that start
// after it know them; one must have made the database before.
func (r *Rig) AddApps(n int) (err error) {
	pool, err := sql.Open("sqlite", filepath.Join(r.Path("data"), "db.sqlite"))
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	tx, err := pool.Begin() //nolint:noctx // a local file that nobody else uses now
	if err != nil {
		return fmt.Errorf("add applications: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	made := time.Now().UTC()
	text := func(t time.Time) string { return t.Format("2006-01-02 15:04:05+00:00") }
	for i := range n {
		app := AppName(i)
		_, err1 := tx.Exec(insertApp, app, app, text(made), text(made))                                                  //nolint:noctx // see above
		_, err2 := tx.Exec(insertKey, load.KeyOf(app), app, Secret, text(made.AddDate(1, 0, 0)), text(made), text(made)) //nolint:noctx // see above
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("add applications: %w", err)
		}
	}
	return tx.Commit()
}

// AppName returns the name of one of the applications that AddApps makes.
func AppName(number int) string { return fmt.Sprintf("%s%d", App, number) }

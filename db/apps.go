package db

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/pandapush/pandapush"
)

const (
	insertApp = `INSERT INTO applications (id, name, created_by, created_at) VALUES (?, ?, ?, ?)`
	selectApp = `SELECT id, name, created_by, created_at, updated_at FROM applications`
	lockApp   = `SELECT id FROM applications WHERE id = ?`
	deleteApp = `DELETE FROM applications WHERE id = ?`

	insertAdmin  = `INSERT INTO application_users (application_id, user_id) VALUES (?, ?)`
	selectAdmins = `SELECT DISTINCT application_id, user_id FROM application_users`
	deleteAdmins = `DELETE FROM application_users WHERE application_id = ?`
)

// CreateApp makes an application whose only administrator is by. The name has 1 to 255 characters, none of them a control
// character, and need not be unique; so has by.
func (d *DB) CreateApp(ctx context.Context, by, name string) (pandapush.App, error) {
	if err := cmp.Or(checkText("application name", name, 1), checkText("user name", by, 1)); err != nil {
		return pandapush.App{}, fmt.Errorf("create application: %w", err)
	}
	app := pandapush.App{ID: newAppID(), Name: name, CreatedBy: by, CreatedAt: now(), Admins: []string{by}}
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := d.exec(ctx, tx, insertApp, app.ID, app.Name, app.CreatedBy, app.CreatedAt); err != nil {
			return err
		}
		_, err := d.exec(ctx, tx, insertAdmin, app.ID, by)
		return err
	})
	if err != nil {
		return pandapush.App{}, fmt.Errorf("create application: %w", err)
	}
	return app, nil
}

// App returns an application, or pandapush.ErrNotFound.
func (d *DB) App(ctx context.Context, id pandapush.AppID) (pandapush.App, error) {
	if !storable(string(id)) {
		return pandapush.App{}, fmt.Errorf("application: %w", pandapush.ErrNotFound)
	}
	apps, err := d.apps(ctx, selectApp+` WHERE id = ?`, selectAdmins+` WHERE application_id = ?`, id)
	if err != nil {
		return pandapush.App{}, fmt.Errorf("application: %w", err)
	}
	if len(apps) == 0 {
		return pandapush.App{}, fmt.Errorf("application: %w", pandapush.ErrNotFound)
	}
	return apps[0], nil
}

// Apps returns all applications by name, upper and lower case alike, then by id.
func (d *DB) Apps(ctx context.Context) ([]pandapush.App, error) {
	apps, err := d.apps(ctx, selectApp, selectAdmins)
	if err != nil {
		return nil, fmt.Errorf("applications: %w", err)
	}
	// Sorted here because the databases' ideas of order differ.
	slices.SortFunc(apps, func(a, b pandapush.App) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return apps, nil
}

// AppIDs returns the ids of all applications, in no order.
func (d *DB) AppIDs(ctx context.Context) ([]pandapush.AppID, error) {
	var ids []pandapush.AppID
	err := d.query(ctx, d.sql, func(rows *sql.Rows) error {
		var id pandapush.AppID
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	}, `SELECT id FROM applications`)
	if err != nil {
		return nil, fmt.Errorf("application ids: %w", err)
	}
	return ids, nil
}

// apps runs the two queries, both with args, and joins what they find.
func (d *DB) apps(ctx context.Context, appQuery, adminQuery string, args ...any) ([]pandapush.App, error) {
	admins := map[pandapush.AppID][]string{}
	err := d.query(ctx, d.sql, func(rows *sql.Rows) error {
		var app, user sql.NullString
		err := rows.Scan(&app, &user)
		admins[pandapush.AppID(app.String)] = append(admins[pandapush.AppID(app.String)], user.String)
		return err
	}, adminQuery, slices.Clone(args)...)
	if err != nil {
		return nil, err
	}
	var apps []pandapush.App
	err = d.query(ctx, d.sql, func(rows *sql.Rows) error {
		app, err := scanApp(rows)
		app.Admins = admins[app.ID]
		slices.Sort(app.Admins)
		apps = append(apps, app)
		return err
	}, appQuery, args...)
	return apps, err
}

func scanApp(rows *sql.Rows) (pandapush.App, error) {
	var app pandapush.App
	var name, by sql.NullString // the Node version stored null when it was given nothing
	var created, updated moment
	err := rows.Scan(&app.ID, &name, &by, &created, &updated)
	app.Name, app.CreatedBy = name.String, by.String
	app.CreatedAt, app.UpdatedAt = created.Time, updated.Time
	return app, err
}

// DeleteApp deletes an application with its keys and administrators, or returns pandapush.ErrNotFound.
func (d *DB) DeleteApp(ctx context.Context, id pandapush.AppID) error {
	if !storable(string(id)) {
		return fmt.Errorf("delete application: %w", pandapush.ErrNotFound)
	}
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		// Locked first, or a key made meanwhile could keep the last statement from succeeding.
		found := false
		err := d.query(ctx, tx, func(*sql.Rows) error { found = true; return nil }, d.driver.locking(lockApp), id)
		if err != nil {
			return err
		}
		if !found {
			return pandapush.ErrNotFound
		}
		for _, statement := range []string{deleteKeys, deleteAdmins, deleteApp} {
			if _, err := d.exec(ctx, tx, statement, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete application: %w", err)
	}
	return nil
}

package db

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/pandapush/pandapush"
)

const (
	insertApp = `INSERT INTO applications (id, name, created_by, created_at) VALUES (?, ?, ?, ?)`
	lockApp   = selectApp + ` WHERE id = ?`
	updateApp = `UPDATE applications SET name = ?, settings = ?, updated_at = ? WHERE id = ?`
	deleteApp = `DELETE FROM applications WHERE id = ?`

	insertAdmin  = `INSERT INTO application_users (application_id, user_id) VALUES (?, ?)`
	deleteAdmins = `DELETE FROM application_users WHERE application_id = ?`
)

// maxAdmins bounds the administrators of one application.
const maxAdmins = 1000

// CreateApp makes an application whose only administrator is by. The name has 1 to 255 characters, none of them a control
// character, and need not be unique; so has by.
func (d *DB) CreateApp(ctx context.Context, by, name string) (pandapush.App, error) {
	wrong := slices.Concat(checkText("name", name, 1), checkText("user", by, 1))
	if err := wrong.OrNil(); err != nil {
		return pandapush.App{}, fmt.Errorf("create application: %w", err)
	}
	app := pandapush.App{ID: newAppID(), Name: name, CreatedBy: by, CreatedAt: now(), Admins: []string{by}}
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		if err := d.exec(ctx, tx, insertApp, app.ID, app.Name, app.CreatedBy, app.CreatedAt); err != nil {
			return err
		}
		if err := d.exec(ctx, tx, insertAdmin, app.ID, by); err != nil {
			return err
		}
		return d.audit(ctx, tx, pandapush.Change{By: by, Action: pandapush.AppCreated, App: app.ID, After: pandapush.Fields{"name": name, "admins": app.Admins}})
	})
	if err != nil {
		return pandapush.App{}, fmt.Errorf("create application: %w", err)
	}
	return app, nil
}

func checkAppChange(by string, c pandapush.AppChange) error {
	wrong := checkText("user", by, 1)
	if c.Name != nil {
		wrong = append(wrong, checkText("name", *c.Name, 1)...)
	}
	if len(c.Admins) > maxAdmins {
		wrong = append(wrong, pandapush.Problem{Field: "admins", Detail: fmt.Sprintf("more than %d", maxAdmins)})
	}
	for _, user := range c.Admins {
		wrong = append(wrong, checkText("admins", user, 1)...)
	}
	if c.Settings != nil {
		wrong = append(wrong, invalidIn(c.Settings.Validate())...)
	}
	return wrong.OrNil()
}

// UpdateApp changes an application on behalf of by, all or nothing, and returns it as it is then. What is so already is no
// change and leaves no trace. It returns pandapush.ErrNotFound if the application does not exist, and the error of change.Check.
func (d *DB) UpdateApp(ctx context.Context, by string, id pandapush.AppID, change pandapush.AppChange) (pandapush.App, error) {
	return d.EditApp(ctx, by, id, func(app pandapush.App) (pandapush.AppChange, error) {
		if change.Check != nil {
			return change, change.Check(app)
		}
		return change, nil
	})
}

// EditApp is UpdateApp for a change that depends on what there is. Nobody else changes the application meanwhile, so that what
// two add to it at once is there twice. edit must not use the database.
func (d *DB) EditApp(ctx context.Context, by string, id pandapush.AppID, edit func(pandapush.App) (pandapush.AppChange, error)) (pandapush.App, error) {
	var app pandapush.App
	err := d.inTx(ctx, func(tx *sql.Tx) (err error) {
		if app, err = d.lockApp(ctx, tx, id); err != nil {
			return err
		}
		change, err := edit(app)
		if err == nil {
			err = checkAppChange(by, change)
		}
		if err != nil {
			return err
		}
		before, after := apply(change, &app)
		if len(after) == 0 {
			return nil
		}
		app.UpdatedAt = now()
		if err := d.writeApp(ctx, tx, app); err != nil {
			return err
		}
		return d.audit(ctx, tx, pandapush.Change{By: by, Action: pandapush.AppUpdated, App: id, Before: before, After: after})
	})
	if err != nil {
		return pandapush.App{}, fmt.Errorf("update application: %w", err)
	}
	return app, nil
}

// apply changes app and returns the fields that differ.
func apply(c pandapush.AppChange, app *pandapush.App) (before, after pandapush.Fields) {
	before, after = pandapush.Fields{}, pandapush.Fields{}
	note := func(field string, old, new any) { before[field], after[field] = old, new }
	if c.Name != nil && *c.Name != app.Name {
		note("name", app.Name, *c.Name)
		app.Name = *c.Name
	}
	if c.Admins != nil {
		admins := slices.Compact(slices.Sorted(slices.Values(c.Admins)))
		if !slices.Equal(admins, app.Admins) {
			note("admins", app.Admins, admins)
			app.Admins = admins
		}
	}
	if c.Settings != nil && !c.Settings.Equal(app.Settings) {
		note("settings", app.Settings, *c.Settings)
		app.Settings = *c.Settings
	}
	return before, after
}

func (d *DB) writeApp(ctx context.Context, tx *sql.Tx, app pandapush.App) error {
	settings, err := encodeSettings(app.Settings)
	if err != nil {
		return err
	}
	if err := d.exec(ctx, tx, updateApp, app.Name, settings, app.UpdatedAt, app.ID); err != nil {
		return err
	}
	if err := d.exec(ctx, tx, deleteAdmins, app.ID); err != nil {
		return err
	}
	for _, user := range app.Admins {
		if err := d.exec(ctx, tx, insertAdmin, app.ID, user); err != nil {
			return err
		}
	}
	return nil
}

// lockApp returns an application that nobody else changes, or refers to, until the transaction ends.
func (d *DB) lockApp(ctx context.Context, tx *sql.Tx, id pandapush.AppID) (pandapush.App, error) {
	if !storable(string(id)) {
		return pandapush.App{}, pandapush.ErrNotFound
	}
	apps, err := d.scanApps(ctx, tx, d.driver.locking(lockApp), id)
	if err != nil {
		return pandapush.App{}, err
	}
	if len(apps) == 0 {
		return pandapush.App{}, pandapush.ErrNotFound
	}
	return apps[0], d.addAdmins(ctx, tx, apps, selectAdmins+` WHERE application_id = ?`, id)
}

// DeleteApp deletes an application with its keys and administrators on behalf of by, or returns pandapush.ErrNotFound.
func (d *DB) DeleteApp(ctx context.Context, by string, id pandapush.AppID) error {
	if err := checkText("user", by, 1).OrNil(); err != nil {
		return fmt.Errorf("delete application: %w", err)
	}
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		// Locked first, or a key made meanwhile could keep the last statement from succeeding.
		app, err := d.lockApp(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, statement := range []string{deleteKeys, deleteAdmins, deleteApp} {
			if err := d.exec(ctx, tx, statement, id); err != nil {
				return err
			}
		}
		before := pandapush.Fields{"name": app.Name, "admins": app.Admins, "settings": app.Settings}
		return d.audit(ctx, tx, pandapush.Change{By: by, Action: pandapush.AppDeleted, App: id, Before: before})
	})
	if err != nil {
		return fmt.Errorf("delete application: %w", err)
	}
	return nil
}

// App returns an application, or pandapush.ErrNotFound.
func (d *DB) App(ctx context.Context, id pandapush.AppID) (pandapush.App, error) {
	if !storable(string(id)) {
		return pandapush.App{}, fmt.Errorf("application: %w", pandapush.ErrNotFound)
	}
	apps, err := d.scanApps(ctx, d.sql, selectApp+` WHERE id = ?`, id)
	if err == nil && len(apps) == 0 {
		err = pandapush.ErrNotFound
	}
	if err == nil {
		err = d.addAdmins(ctx, d.sql, apps, selectAdmins+` WHERE application_id = ?`, id)
	}
	if err != nil {
		return pandapush.App{}, fmt.Errorf("application: %w", err)
	}
	return apps[0], nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/user"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
	"github.com/pandapush/pandapush/streams"
)

// storeFlags are the settings of the commands that change applications and keys.
type storeFlags struct {
	dataFlags
	databaseFlags
	redisFlags
	As string `variable:"-" placeholder:"NAME" help:"Who makes the change. Default: your user name."`
}

// withDB runs do on the database, which must have a schema that fits.
func (f storeFlags) withDB(env *environment, do func(ctx context.Context, d *db.DB) error) (err error) {
	d, err := f.open(env.ctx, f.dataFlags, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	prepare := d.Pending
	if f.Database == "sqlite" {
		prepare = d.Migrate
	}
	if err := prepare(env.ctx); err != nil {
		return err
	}
	return do(env.ctx, d)
}

// change is withDB for what the servers must be told of. That they can't be told is no error: they find out by themselves.
func (f storeFlags) change(env *environment, do func(ctx context.Context, d *db.DB) error) error {
	if err := f.withDB(env, do); err != nil {
		return err
	}
	told, err := f.notify(env)
	if err != nil {
		_, err = fmt.Fprintf(env.stderr, "pandapush: running servers could not be told (%v); they notice within CACHE_TTL_MS\n", err)
		return err
	}
	if !told && f.Database != "sqlite" {
		_, err = fmt.Fprintln(env.stderr, "pandapush: no Redis is configured here, so running servers notice within CACHE_TTL_MS")
	}
	return err
}

// notify tells every node that keys have changed. told is false if there is no Redis to do so by.
func (f storeFlags) notify(env *environment) (told bool, err error) {
	return f.inRedis(env, func(ctx context.Context, s *streams.Streams) error {
		return s.Notify(ctx, streams.Notice{Kind: streams.NoticeKeys})
	})
}

// inRedis does something with the streams. done is false if no Redis is configured and no embedded one runs.
func (f storeFlags) inRedis(env *environment, do func(ctx context.Context, s *streams.Streams) error) (done bool, err error) {
	ctx, cancel := context.WithTimeout(env.ctx, dialTimeout)
	defer cancel()
	s, ok, err := f.openStreams(ctx, env, f.dataFlags)
	if err != nil || !ok {
		return false, err
	}
	return true, errors.Join(do(ctx, s), s.Close())
}

// actor returns who makes the change.
func (f storeFlags) actor() string {
	if f.As != "" {
		return f.As
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "cli"
}

type appCmd struct {
	Add      appAddCmd      `cmd:"" help:"Add an application, and print its id."`
	List     appListCmd     `cmd:"" help:"List the applications."`
	Rename   appRenameCmd   `cmd:"" help:"Rename an application."`
	Admins   appAdminsCmd   `cmd:"" help:"Print who administers an application, or change that."`
	Settings appSettingsCmd `cmd:"" help:"Print what is set for an application, or change that."`
	Remove   appRemoveCmd   `cmd:"" help:"Remove an application, its keys, and every subscription made with them."`
}

type appAddCmd struct {
	storeFlags
	Name string `arg:"" help:"Its name, for people."`
	JSON bool   `name:"json" variable:"-" help:"Print a JSON object."`
}

// Run adds an application.
func (c *appAddCmd) Run(env *environment) error {
	return c.change(env, func(ctx context.Context, d *db.DB) error {
		app, err := d.CreateApp(ctx, c.actor(), c.Name)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(env.stdout, appView(app))
		}
		_, err = fmt.Fprintln(env.stdout, app.ID)
		return err
	})
}

type appListCmd struct {
	storeFlags
	JSON bool `name:"json" variable:"-" help:"Print a JSON array."`
}

// Run lists the applications.
func (c *appListCmd) Run(env *environment) error {
	return c.withDB(env, func(ctx context.Context, d *db.DB) error {
		apps, err := d.Apps(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			views := []appJSON{}
			for _, app := range apps {
				views = append(views, appView(app))
			}
			return printJSON(env.stdout, views)
		}
		return printTable(env.stdout, "ID\tNAME\tCREATED\tBY\tSTATUS", apps, func(app pandapush.App) []string {
			status := "active"
			if app.Settings.Suspended {
				status = "suspended"
			}
			return []string{string(app.ID), app.Name, date(app.CreatedAt, "-"), app.CreatedBy, status}
		})
	})
}

type appRemoveCmd struct {
	storeFlags
	App pandapush.AppID `arg:"" help:"The application's id."`
}

// Run removes an application.
func (c *appRemoveCmd) Run(env *environment) error {
	err := c.change(env, func(ctx context.Context, d *db.DB) error {
		return absent(d.DeleteApp(ctx, c.actor(), c.App), "application", c.App)
	})
	if err != nil {
		return err
	}
	if _, err := c.inRedis(env, func(ctx context.Context, s *streams.Streams) error { return s.Forget(ctx, c.App) }); err != nil {
		_, err = fmt.Fprintf(env.stderr, "pandapush: its messages stay until they are too old (%v)\n", err)
		return err
	}
	return nil
}

type keyCmd struct {
	Add    keyAddCmd    `cmd:"" help:"Add a key, and print KEY=… and SECRET=… for a shell to evaluate. The secret is not shown again."`
	List   keyListCmd   `cmd:"" help:"List an application's keys."`
	Rotate keyRotateCmd `cmd:"" help:"Give a key a new secret, and print it as add does. The old one stays valid for a while."`
	Revoke keyRevokeCmd `cmd:"" help:"Revoke a key, and end every subscription made with it."`
	Delete keyDeleteCmd `cmd:"" help:"Delete a key, and end every subscription made with it."`
}

type keyAddCmd struct {
	storeFlags
	App     pandapush.AppID `arg:"" help:"The application's id."`
	Purpose string          `variable:"-" default:"" help:"What the key is for."`
	Expires span            `variable:"-" placeholder:"TIME" help:"After how long it expires, like 8760h. Default: never."`
	JSON    bool            `name:"json" variable:"-" help:"Print a JSON object."`
}

// Run adds a key.
func (c *keyAddCmd) Run(env *environment) error {
	return c.change(env, func(ctx context.Context, d *db.DB) error {
		wanted := pandapush.NewKey{App: c.App, By: c.actor(), Purpose: c.Purpose}
		if c.Expires > 0 {
			wanted.Expires = time.Now().Add(time.Duration(c.Expires))
		}
		key, err := d.CreateKey(ctx, wanted)
		if err != nil {
			return absent(err, "application", c.App)
		}
		return printSecret(env.stdout, key, c.JSON)
	})
}

type keyListCmd struct {
	storeFlags
	App  pandapush.AppID `arg:"" help:"The application's id."`
	JSON bool            `name:"json" variable:"-" help:"Print a JSON array."`
}

// Run lists keys.
func (c *keyListCmd) Run(env *environment) error {
	return c.withDB(env, func(ctx context.Context, d *db.DB) error {
		keys, err := d.AppKeys(ctx, c.App)
		if err != nil {
			return absent(err, "application", c.App)
		}
		if c.JSON {
			views := []keyJSON{}
			for _, key := range keys {
				views = append(views, keyView(key))
			}
			return printJSON(env.stdout, views)
		}
		return printTable(env.stdout, "ID\tPURPOSE\tCREATED\tEXPIRES\tSTATUS\tLAST USED\tUSES", keys, func(key pandapush.Key) []string {
			return []string{
				string(key.ID), key.Purpose, date(key.CreatedAt, "-"), date(key.ExpiresAt, "never"), keyStatus(key), date(key.LastUsed, "never"), fmt.Sprint(key.UseCount),
			}
		})
	})
}

type keyRevokeCmd struct {
	storeFlags
	App pandapush.AppID `arg:"" help:"The application's id."`
	Key pandapush.KeyID `arg:"" help:"The key's id."`
}

// Run revokes a key.
func (c *keyRevokeCmd) Run(env *environment) error {
	return c.change(env, func(ctx context.Context, d *db.DB) error {
		return absent(d.RevokeKey(ctx, c.actor(), c.App, c.Key), "key of "+string(c.App), c.Key)
	})
}

// absent puts into words that something does not exist, and leaves other errors as they are.
func absent[ID ~string](err error, kind string, id ID) error {
	if errors.Is(err, pandapush.ErrNotFound) {
		return fmt.Errorf("no %s has the id %q", kind, id)
	}
	return err
}

// appJSON is an application as --json prints it.
type appJSON struct {
	ID        pandapush.AppID `json:"id"`
	Name      string          `json:"name"`
	CreatedBy string          `json:"created_by"`
	CreatedAt *time.Time      `json:"created_at"`
	UpdatedAt *time.Time      `json:"updated_at"`
	Admins    []string        `json:"admins"`

	Settings pandapush.Settings `json:"settings"`
}

func appView(app pandapush.App) appJSON {
	admins := append([]string{}, app.Admins...)
	return appJSON{app.ID, app.Name, app.CreatedBy, optional(app.CreatedAt), optional(app.UpdatedAt), admins, app.Settings}
}

// keyJSON is a key as --json prints it.
type keyJSON struct {
	ID        pandapush.KeyID `json:"id"`
	App       pandapush.AppID `json:"application_id"`
	Secret    string          `json:"secret,omitempty"` // only when the key has just been made
	Purpose   string          `json:"purpose"`
	Status    string          `json:"status"`
	CreatedBy string          `json:"created_by"`
	CreatedAt *time.Time      `json:"created_at"`
	Expires   *time.Time      `json:"expires"`
	UpdatedAt *time.Time      `json:"updated_at"`
	Revoked   *time.Time      `json:"revoked_at"`
	Previous  *time.Time      `json:"previous_until"` // how long the secret before the last rotation is good
	LastUsed  *time.Time      `json:"last_used"`
	UseCount  int64           `json:"use_count"`
}

func keyView(key pandapush.Key) keyJSON {
	previous, now := key.PreviousUntil, time.Now()
	if key.Usable(now) != nil || !now.Before(previous) { // no secret of a key that ended is good
		previous = time.Time{}
	}
	return keyJSON{
		ID: key.ID, App: key.App, Purpose: key.Purpose, Status: keyStatus(key), CreatedBy: key.CreatedBy, CreatedAt: optional(key.CreatedAt),
		Expires: optional(key.ExpiresAt), UpdatedAt: optional(key.UpdatedAt), Revoked: optional(key.RevokedAt), Previous: optional(previous),
		LastUsed: optional(key.LastUsed), UseCount: key.UseCount,
	}
}

func keyStatus(key pandapush.Key) string {
	switch err := key.Usable(time.Now()); {
	case errors.Is(err, pandapush.ErrRevokedKey):
		return "revoked"
	case err != nil:
		return "expired"
	}
	return "active"
}

// printSecret prints a key that has just got its secret, as JSON or for a shell to evaluate.
func printSecret(w io.Writer, key pandapush.Key, asJSON bool) error {
	view := keyView(key)
	view.Secret = key.Secret.Reveal()
	if asJSON {
		return printJSON(w, view)
	}
	_, err := fmt.Fprintf(w, "KEY=%s\nSECRET=%s\n", view.ID, view.Secret)
	return err
}

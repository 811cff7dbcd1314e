package db

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/pandapush/pandapush"
)

const (
	devYears = 100 // until a development key expires

	ensureApp = insertApp + ` ON CONFLICT (id) DO NOTHING`
	ensureKey = insertKey + ` ON CONFLICT (id) DO NOTHING`
)

// EnsureDev makes the development application and its key unless they exist; what exists is left as it is, a different
// secret included. The ids and the secret are the caller's. It returns pandapush.ErrExists if the key id belongs to another
// application.
func (d *DB) EnsureDev(ctx context.Context, app pandapush.AppID, key pandapush.KeyID, secret pandapush.Secret) error {
	if err := checkDev(app, key, secret); err != nil {
		return fmt.Errorf("development key: %w", err)
	}
	created := now()
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		if err := d.exec(ctx, tx, ensureApp, app, "dev", "admin", created); err != nil {
			return err
		}
		err := d.exec(ctx, tx, ensureKey,
			key, app, secret.Reveal(), "admin", created.AddDate(devYears, 0, 0), "dev", created)
		if err != nil {
			return err
		}
		owned := false
		err = d.query(ctx, tx, func(*sql.Rows) error { owned = true; return nil },
			`SELECT id FROM keys WHERE application_id = ? AND id = ?`, app, key)
		if err == nil && !owned {
			err = fmt.Errorf("key id of another application: %w", pandapush.ErrExists)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("development key: %w", err)
	}
	return nil
}

func checkDev(app pandapush.AppID, key pandapush.KeyID, secret pandapush.Secret) error {
	wrong := slices.Concat(checkText("key id", string(key), 1), checkText("secret", secret.Reveal(), 1))
	if !app.Valid() {
		wrong = append(wrong, pandapush.Problem{Field: "application id", Detail: "not letters and digits"})
	}
	return wrong.OrNil()
}

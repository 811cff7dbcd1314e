package db

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/pandapush/pandapush"
)

const selectKey = `SELECT id, application_id, secret, created_by, expires, purpose, created_at, updated_at, last_used, use_count,
	revoked_at, previous_secret, previous_until FROM keys`

// Key returns a key with its secret, or pandapush.ErrNotFound.
func (d *DB) Key(ctx context.Context, app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, error) {
	if !storable(string(app), string(id)) {
		return pandapush.Key{}, fmt.Errorf("key: %w", pandapush.ErrNotFound)
	}
	keys, err := d.keys(ctx, d.sql, selectKey+` WHERE application_id = ? AND id = ?`, app, id)
	if err != nil {
		return pandapush.Key{}, fmt.Errorf("key: %w", err)
	}
	if len(keys) == 0 {
		return pandapush.Key{}, fmt.Errorf("key: %w", pandapush.ErrNotFound)
	}
	return keys[0], nil
}

// AppKeys returns an application's keys, the oldest first, without their secrets. It returns pandapush.ErrNotFound if the
// application does not exist.
func (d *DB) AppKeys(ctx context.Context, app pandapush.AppID) ([]pandapush.Key, error) {
	if _, err := d.App(ctx, app); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	keys, err := d.keys(ctx, d.sql, selectKey+` WHERE application_id = ?`, app)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	for i := range keys {
		keys[i].Secret, keys[i].PreviousSecret = "", ""
	}
	slices.SortFunc(keys, func(a, b pandapush.Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return keys, nil
}

// AllKeys returns the keys of all applications with their secrets, in no order.
func (d *DB) AllKeys(ctx context.Context) ([]pandapush.Key, error) {
	keys, err := d.keys(ctx, d.sql, selectKey)
	if err != nil {
		return nil, fmt.Errorf("all keys: %w", err)
	}
	return keys, nil
}

func (d *DB) keys(ctx context.Context, r runner, query string, args ...any) ([]pandapush.Key, error) {
	var keys []pandapush.Key
	err := d.query(ctx, r, func(rows *sql.Rows) error {
		key, err := scanKey(rows)
		keys = append(keys, key)
		return err
	}, query, args...)
	return keys, err
}

// scanKey reads a row of selectKey. All columns but the id may be null in a row of the Node version.
func scanKey(rows *sql.Rows) (pandapush.Key, error) {
	var key pandapush.Key
	var app, secret, previous, by, purpose sql.NullString
	var expires, created, updated, used, revoked, until moment
	var uses sql.NullInt64
	err := rows.Scan(&key.ID, &app, &secret, &by, &expires, &purpose, &created, &updated, &used, &uses, &revoked, &previous, &until)
	key.App, key.Secret = pandapush.AppID(app.String), pandapush.Secret(secret.String)
	key.CreatedBy, key.Purpose, key.UseCount = by.String, purpose.String, uses.Int64
	key.ExpiresAt, key.RevokedAt = expires.orUnreadable(), revoked.orUnreadable()
	key.PreviousSecret, key.PreviousUntil = pandapush.Secret(previous.String), until.Time
	key.CreatedAt, key.UpdatedAt, key.LastUsed = created.Time, updated.Time, used.Time
	return key, err
}

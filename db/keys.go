package db

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	insertKey = `INSERT INTO keys (id, application_id, secret, created_by, expires, purpose, created_at, use_count)
		VALUES (?, ?, ?, ?, ?, ?, ?, 0)`
	selectKey = `SELECT id, application_id, secret, created_by, expires, purpose,
		created_at, updated_at, last_used, use_count, revoked_at FROM keys`
	revokeKey  = `UPDATE keys SET revoked_at = coalesce(revoked_at, ?), updated_at = ? WHERE application_id = ? AND id = ?`
	deleteKeys = `DELETE FROM keys WHERE application_id = ?`
)

// maxYear bounds expiries: ISO 8601 text has four digits for the year.
const maxYear = 9999

// NewKey is what a key is made from.
type NewKey struct {
	App     pandapush.AppID
	By      string    // who makes it; 1 to 255 characters
	Purpose string    // free text of at most 255 characters
	Expires time.Time // zero for never; kept to the millisecond
}

// CreateKey makes a key with a random id and secret and returns it with the secret. It returns pandapush.ErrNotFound if
// the application does not exist.
func (d *DB) CreateKey(ctx context.Context, k NewKey) (pandapush.Key, error) {
	if err := k.check(); err != nil {
		return pandapush.Key{}, fmt.Errorf("create key: %w", err)
	}
	key := pandapush.Key{
		ID: newKeyID(), App: k.App, Secret: newSecret(), CreatedBy: k.By, Purpose: k.Purpose,
		CreatedAt: now(), ExpiresAt: k.Expires.UTC().Truncate(time.Millisecond),
	}
	_, err := d.exec(ctx, d.sql, insertKey,
		key.ID, key.App, key.Secret.Reveal(), key.CreatedBy, key.ExpiresAt, key.Purpose, key.CreatedAt)
	if err != nil {
		return pandapush.Key{}, fmt.Errorf("create key: %w", err)
	}
	return key, nil
}

func (k NewKey) check() error {
	if !k.App.Valid() {
		return fmt.Errorf("application: %w", pandapush.ErrNotFound)
	}
	if k.Expires.UTC().Year() > maxYear {
		return fmt.Errorf("%w expiry: after the year %d", ErrInvalid, maxYear)
	}
	return cmp.Or(checkText("user name", k.By, 1), checkText("purpose", k.Purpose, 0))
}

// Key returns a key with its secret, or pandapush.ErrNotFound.
func (d *DB) Key(ctx context.Context, app pandapush.AppID, id pandapush.KeyID) (pandapush.Key, error) {
	if !storable(string(app), string(id)) {
		return pandapush.Key{}, fmt.Errorf("key: %w", pandapush.ErrNotFound)
	}
	keys, err := d.keys(ctx, selectKey+` WHERE application_id = ? AND id = ?`, app, id)
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
	keys, err := d.keys(ctx, selectKey+` WHERE application_id = ?`, app)
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	for i := range keys {
		keys[i].Secret = ""
	}
	slices.SortFunc(keys, func(a, b pandapush.Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return keys, nil
}

// AllKeys returns the keys of all applications with their secrets, in no order.
func (d *DB) AllKeys(ctx context.Context) ([]pandapush.Key, error) {
	keys, err := d.keys(ctx, selectKey)
	if err != nil {
		return nil, fmt.Errorf("all keys: %w", err)
	}
	return keys, nil
}

// RevokeKey makes a key unusable for good; the time of its first revocation is kept. It returns pandapush.ErrNotFound if
// the application has no such key.
func (d *DB) RevokeKey(ctx context.Context, app pandapush.AppID, id pandapush.KeyID) error {
	if !storable(string(app), string(id)) {
		return fmt.Errorf("revoke key: %w", pandapush.ErrNotFound)
	}
	moment := now()
	n, err := d.exec(ctx, d.sql, revokeKey, moment, moment, app, id)
	if err == nil && n == 0 {
		err = pandapush.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("revoke key: %w", err)
	}
	return nil
}

func (d *DB) keys(ctx context.Context, query string, args ...any) ([]pandapush.Key, error) {
	var keys []pandapush.Key
	err := d.query(ctx, d.sql, func(rows *sql.Rows) error {
		key, err := scanKey(rows)
		keys = append(keys, key)
		return err
	}, query, args...)
	return keys, err
}

// scanKey reads a row of selectKey. All columns but the id may be null in a row of the Node version.
func scanKey(rows *sql.Rows) (pandapush.Key, error) {
	var key pandapush.Key
	var app, secret, by, purpose sql.NullString
	var expires, created, updated, used, revoked moment
	var uses sql.NullInt64
	err := rows.Scan(&key.ID, &app, &secret, &by, &expires, &purpose, &created, &updated, &used, &uses, &revoked)
	key.App, key.Secret = pandapush.AppID(app.String), pandapush.Secret(secret.String)
	key.CreatedBy, key.Purpose, key.UseCount = by.String, purpose.String, uses.Int64
	key.ExpiresAt, key.RevokedAt = expires.orUnreadable(), revoked.orUnreadable()
	key.CreatedAt, key.UpdatedAt, key.LastUsed = created.Time, updated.Time, used.Time
	return key, err
}

package db

import (
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
	revokeKey  = `UPDATE keys SET revoked_at = ?, updated_at = ? WHERE application_id = ? AND id = ?`
	rotateKey  = `UPDATE keys SET secret = ?, previous_secret = ?, previous_until = ?, updated_at = ? WHERE application_id = ? AND id = ?`
	deleteKey  = `DELETE FROM keys WHERE application_id = ? AND id = ?`
	countKeys  = `SELECT count(*) FROM keys WHERE application_id = ?`
	deleteKeys = `DELETE FROM keys WHERE application_id = ?`
)

const (
	maxKeys    = 10_000               // of an application: every node has all in memory, and a list is one answer
	maxYear    = 9999                 // of expiries: ISO 8601 text has four digits for the year
	maxOverlap = 365 * 24 * time.Hour // of a rotation
)

// CreateKey makes a key with a random id and secret and returns it with the secret. It returns pandapush.ErrNotFound if
// the application does not exist, and a pandapush.Invalid if it has 10,000 keys already.
func (d *DB) CreateKey(ctx context.Context, k pandapush.NewKey) (pandapush.Key, error) {
	if err := checkNewKey(k); err != nil {
		return pandapush.Key{}, fmt.Errorf("create key: %w", err)
	}
	key := newKey(k)
	err := d.inTx(ctx, func(tx *sql.Tx) error { return d.addKey(ctx, tx, key) })
	if err != nil {
		return pandapush.Key{}, fmt.Errorf("create key: %w", err)
	}
	return key, nil
}

func newKey(k pandapush.NewKey) pandapush.Key {
	return pandapush.Key{
		ID: newKeyID(), App: k.App, Secret: newSecret(), CreatedBy: k.By, Purpose: k.Purpose,
		CreatedAt: now(), ExpiresAt: k.Expires.UTC().Truncate(time.Millisecond),
	}
}

func (d *DB) addKey(ctx context.Context, tx *sql.Tx, key pandapush.Key) error {
	// Two at once may both be the last: the bound need not be exact.
	there := 0
	err := d.query(ctx, tx, func(rows *sql.Rows) error { return rows.Scan(&there) }, countKeys, key.App)
	if err != nil {
		return err
	}
	if there >= maxKeys {
		return pandapush.Invalid{{Field: "keys", Detail: fmt.Sprintf("the application has %d; delete those that are revoked or expired", there)}}
	}
	err = d.exec(ctx, tx, insertKey,
		key.ID, key.App, key.Secret.Reveal(), key.CreatedBy, key.ExpiresAt, key.Purpose, key.CreatedAt)
	if err != nil {
		return err
	}
	after := pandapush.Fields{"purpose": key.Purpose, "expires": optional(key.ExpiresAt)}
	return d.audit(ctx, tx, pandapush.Change{By: key.CreatedBy, Action: pandapush.KeyCreated, App: key.App, Target: string(key.ID), After: after})
}

// ConsoleKey returns a key of that purpose that can be used, the oldest there is; or makes one on behalf of by, which
// expires in years. It returns pandapush.ErrNotFound if the application does not exist.
func (d *DB) ConsoleKey(ctx context.Context, by string, app pandapush.AppID, purpose string, years int) (key pandapush.Key, err error) {
	wanted := pandapush.NewKey{App: app, By: by, Purpose: purpose, Expires: now().AddDate(years, 0, 0)}
	if err := checkNewKey(wanted); err != nil {
		return pandapush.Key{}, fmt.Errorf("console key: %w", err)
	}
	err = d.inTx(ctx, func(tx *sql.Tx) error {
		// Locked, so that two who ask at once get the same key.
		if _, err := d.lockApp(ctx, tx, app); err != nil {
			return err
		}
		keys, err := d.keys(ctx, tx, selectKey+` WHERE application_id = ? AND purpose = ? ORDER BY created_at, id`, app, purpose)
		if err != nil {
			return err
		}
		for _, key = range keys {
			if key.Usable(now()) == nil {
				return nil
			}
		}
		key = newKey(wanted)
		return d.addKey(ctx, tx, key)
	})
	if err != nil {
		return pandapush.Key{}, fmt.Errorf("console key: %w", err)
	}
	return key, nil
}

func checkNewKey(k pandapush.NewKey) error {
	if !k.App.Valid() {
		return fmt.Errorf("application: %w", pandapush.ErrNotFound)
	}
	wrong := slices.Concat(checkText("user", k.By, 1), checkText("purpose", k.Purpose, 0))
	if k.Expires.UTC().Year() > maxYear {
		wrong = append(wrong, pandapush.Problem{Field: "expires", Detail: fmt.Sprintf("after the year %d", maxYear)})
	}
	return wrong.OrNil()
}

// RevokeKey makes a key unusable for good on behalf of by; the time of its first revocation is kept. It returns
// pandapush.ErrNotFound if the application has no such key.
func (d *DB) RevokeKey(ctx context.Context, by string, app pandapush.AppID, id pandapush.KeyID) error {
	err := d.changeKey(ctx, by, app, id, func(tx *sql.Tx, key pandapush.Key) (*pandapush.Change, error) {
		if !key.RevokedAt.IsZero() {
			return nil, nil
		}
		moment := now()
		err := d.exec(ctx, tx, revokeKey, moment, moment, app, id)
		return &pandapush.Change{Action: pandapush.KeyRevoked, Before: pandapush.Fields{"revoked_at": nil}, After: pandapush.Fields{"revoked_at": moment}}, err
	})
	if err != nil {
		return fmt.Errorf("revoke key: %w", err)
	}
	return nil
}

// RotateKey gives a key a new secret on behalf of by, and returns the key with it. The secret that it had stays valid for
// overlap, from zero to a year; one from an earlier rotation ends at once. It returns pandapush.ErrNotFound if the
// application has no such key; and pandapush.ErrExpiredKey or pandapush.ErrRevokedKey of one that no secret makes good again.
func (d *DB) RotateKey(ctx context.Context, by string, app pandapush.AppID, id pandapush.KeyID, overlap time.Duration) (pandapush.Key, error) {
	if overlap < 0 || overlap > maxOverlap {
		wrong := pandapush.Invalid{{Field: "overlap", Detail: fmt.Sprintf("must be between 0 and %.0f seconds", maxOverlap.Seconds())}}
		return pandapush.Key{}, fmt.Errorf("rotate key: %w", wrong)
	}
	var rotated pandapush.Key
	err := d.changeKey(ctx, by, app, id, func(tx *sql.Tx, key pandapush.Key) (*pandapush.Change, error) {
		moment := now()
		if err := key.Usable(moment); err != nil {
			return nil, err
		}
		before := pandapush.Fields{"previous_until": optional(key.PreviousUntil)}
		key.PreviousSecret, key.PreviousUntil = key.Secret, moment.Add(overlap).Truncate(time.Millisecond)
		if overlap == 0 {
			key.PreviousSecret, key.PreviousUntil = "", time.Time{}
		}
		key.Secret, key.UpdatedAt = newSecret(), moment
		err := d.exec(ctx, tx, rotateKey, key.Secret.Reveal(), nullable(key.PreviousSecret.Reveal()), key.PreviousUntil, moment, app, id)
		rotated = key
		return &pandapush.Change{Action: pandapush.KeyRotated, Before: before, After: pandapush.Fields{"previous_until": optional(key.PreviousUntil)}}, err
	})
	if err != nil {
		return pandapush.Key{}, fmt.Errorf("rotate key: %w", err)
	}
	return rotated, nil
}

// DeleteKey removes a key on behalf of by, as if it had never been. It returns pandapush.ErrNotFound if the application has
// no such key.
func (d *DB) DeleteKey(ctx context.Context, by string, app pandapush.AppID, id pandapush.KeyID) error {
	err := d.changeKey(ctx, by, app, id, func(tx *sql.Tx, key pandapush.Key) (*pandapush.Change, error) {
		err := d.exec(ctx, tx, deleteKey, app, id)
		before := pandapush.Fields{"purpose": key.Purpose, "created_by": key.CreatedBy, "expires": optional(key.ExpiresAt), "revoked_at": optional(key.RevokedAt)}
		return &pandapush.Change{Action: pandapush.KeyDeleted, Before: before}, err
	})
	if err != nil {
		return fmt.Errorf("delete key: %w", err)
	}
	return nil
}

// changeKey calls change with a key that nobody else changes meanwhile, and writes down what it returns: nil for nothing.
func (d *DB) changeKey(ctx context.Context, by string, app pandapush.AppID, id pandapush.KeyID, change func(*sql.Tx, pandapush.Key) (*pandapush.Change, error)) error {
	if err := checkText("user", by, 1).OrNil(); err != nil {
		return err
	}
	if !storable(string(app), string(id)) {
		return pandapush.ErrNotFound
	}
	return d.inTx(ctx, func(tx *sql.Tx) error {
		keys, err := d.keys(ctx, tx, d.driver.locking(selectKey+` WHERE application_id = ? AND id = ?`), app, id)
		if err != nil {
			return err
		}
		if len(keys) == 0 {
			return pandapush.ErrNotFound
		}
		done, err := change(tx, keys[0])
		if err != nil || done == nil {
			return err
		}
		done.By, done.App, done.Target = by, app, string(id)
		return d.audit(ctx, tx, *done)
	})
}

// optional returns nil for a zero moment.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

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

const addUses = `UPDATE keys SET use_count = coalesce(use_count, 0) + ?, last_used = ? WHERE application_id = ? AND id = ?`

// Use says how often a key was used since the last time, and when last.
type Use struct {
	App   pandapush.AppID
	Key   pandapush.KeyID
	Count int64
	Last  time.Time
}

// AddUses adds to the counts of keys: all or, with an error, none. Keys that no longer exist are passed over. It sorts
// uses.
func (d *DB) AddUses(ctx context.Context, uses []Use) error {
	// All nodes in the same order, or two that flush the same keys could wait for each other for ever.
	slices.SortFunc(uses, func(a, b Use) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.App, b.App))
	})
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		for _, use := range uses {
			if err := d.exec(ctx, tx, addUses, use.Count, use.Last, use.App, use.Key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("add uses: %w", err)
	}
	return nil
}

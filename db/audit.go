package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pandapush/pandapush"
)

const (
	insertAudit = `INSERT INTO audit (at, actor, action, application_id, target, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)`
	selectAudit = `SELECT id, at, actor, action, application_id, target, before, after FROM audit`
)

// Record writes a change that was made elsewhere than in this database. ID and At are not looked at.
func (d *DB) Record(ctx context.Context, c pandapush.Change) error {
	if err := d.audit(ctx, d.sql, c); err != nil {
		return fmt.Errorf("record change: %w", err)
	}
	return nil
}

// audit writes a row. Methods that change something call it in their transaction.
func (d *DB) audit(ctx context.Context, r runner, c pandapush.Change) error {
	before, err1 := encodeFields(c.Before)
	after, err2 := encodeFields(c.After)
	if err := cmp.Or(err1, err2); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	err := d.exec(ctx, r, insertAudit, now(), c.By, c.Action, nullable(string(c.App)), nullable(c.Target), before, after)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

func encodeFields(f pandapush.Fields) (sql.NullString, error) {
	if f == nil {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(f)
	return nullable(string(text)), err
}

func nullable(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// Audit returns changes, the newest first.
func (d *DB) Audit(ctx context.Context, q pandapush.AuditQuery) ([]pandapush.Change, error) {
	for _, text := range []string{string(q.App), q.User, q.By, q.Action} {
		if text != "" && !storable(text) {
			return nil, nil // no row has it
		}
	}
	where, args := auditWhere(q)
	var changes []pandapush.Change
	err := d.query(ctx, d.sql, func(rows *sql.Rows) error {
		c, err := scanChange(rows)
		changes = append(changes, c)
		return err
	}, selectAudit+where+` ORDER BY id DESC LIMIT ?`, append(args, max(0, q.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return changes, nil
}

// auditWhere returns the condition that q is.
func auditWhere(q pandapush.AuditQuery) (clause string, args []any) {
	var all []string
	add := func(condition string, values ...any) {
		all, args = append(all, condition), append(args, values...)
	}
	if q.App != "" {
		add(`application_id = ?`, string(q.App))
	}
	if q.User != "" {
		add(`application_id IN (SELECT application_id FROM application_users WHERE user_id = ?)`, q.User)
	}
	if q.By != "" {
		add(`actor = ?`, q.By)
	}
	if q.Action != "" {
		add(`(action = ? OR action LIKE ? ESCAPE '\')`, q.Action, likeText(q.Action)+".%")
	}
	if q.Before > 0 {
		add(`id < ?`, q.Before)
	}
	return whereAll(all), args
}

// whereAll joins conditions.
func whereAll(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return ` WHERE ` + strings.Join(conditions, ` AND `)
}

// likeText returns text for a LIKE pattern with ESCAPE '\' that matches it to the letter.
func likeText(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

func scanChange(rows *sql.Rows) (c pandapush.Change, err error) {
	var at moment
	var app, target, before, after sql.NullString
	err = rows.Scan(&c.ID, &at, &c.By, &c.Action, &app, &target, &before, &after)
	c.At, c.App, c.Target = at.Time, pandapush.AppID(app.String), target.String
	return c, cmp.Or(err, decodeFields(before, &c.Before), decodeFields(after, &c.After))
}

func decodeFields(text sql.NullString, f *pandapush.Fields) error {
	if !text.Valid {
		return nil
	}
	return json.Unmarshal([]byte(text.String), f)
}

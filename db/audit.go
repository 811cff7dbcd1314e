package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/pandapush/pandapush"
)

const (
	insertAudit = `INSERT INTO audit (at, actor, action, application_id, target, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)`
	selectAudit = `SELECT id, at, actor, action, application_id, target, before, after FROM audit`
)

// What the methods of this package do, as Change.Action says it.
const (
	AppCreated = "app.create"
	AppUpdated = "app.update"
	AppDeleted = "app.delete"
	KeyCreated = "key.create"
	KeyRotated = "key.rotate"
	KeyRevoked = "key.revoke"
	KeyDeleted = "key.delete"
)

// Fields are named values of what was changed; they can be written as JSON. No secret is ever among them.
type Fields map[string]any

// Change is a row of the audit log: who did what, when, and what became of what.
type Change struct {
	ID            int64 // grows with time; set by the database
	At            time.Time
	By            string
	Action        string
	App           pandapush.AppID // empty if it is not about one
	Target        string          // what of the application: a key's id, for example; may be empty
	Before, After Fields          // those that differ; nil if there was or is nothing
}

// Record writes a change that was made elsewhere than in this database. ID and At are not looked at.
func (d *DB) Record(ctx context.Context, c Change) error {
	if err := d.audit(ctx, d.sql, c); err != nil {
		return fmt.Errorf("record change: %w", err)
	}
	return nil
}

// audit writes a row. Methods that change something call it in their transaction.
func (d *DB) audit(ctx context.Context, r runner, c Change) error {
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

func encodeFields(f Fields) (sql.NullString, error) {
	if f == nil {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(f)
	return nullable(string(text)), err
}

func nullable(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// AuditQuery says which changes are wanted. Zero fields leave nothing out.
type AuditQuery struct {
	App    pandapush.AppID
	User   string // only of applications that this user administers; nothing of what is about none
	By     string
	Action string // an action, or the part before the dot: "key" is all that is done to keys
	Before int64  // only rows with a smaller ID: the rest of a list
	Limit  int    // at most so many; required
}

// Audit returns changes, the newest first.
func (d *DB) Audit(ctx context.Context, q AuditQuery) ([]Change, error) {
	where, args := q.where()
	var changes []Change
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

func (q AuditQuery) where() (clause string, args []any) {
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

func scanChange(rows *sql.Rows) (c Change, err error) {
	var at moment
	var app, target, before, after sql.NullString
	err = rows.Scan(&c.ID, &at, &c.By, &c.Action, &app, &target, &before, &after)
	c.At, c.App, c.Target = at.Time, pandapush.AppID(app.String), target.String
	return c, cmp.Or(err, decodeFields(before, &c.Before), decodeFields(after, &c.After))
}

func decodeFields(text sql.NullString, f *Fields) error {
	if !text.Valid {
		return nil
	}
	return json.Unmarshal([]byte(text.String), f)
}

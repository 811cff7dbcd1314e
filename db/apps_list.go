package db

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/pandapush/pandapush"
)

const (
	selectApp    = `SELECT id, name, created_by, created_at, updated_at, settings FROM applications`
	selectAdmins = `SELECT DISTINCT application_id, user_id FROM application_users`
	administered = `id IN (SELECT application_id FROM application_users WHERE user_id = ?)`
)

// FindApps returns a page of applications and how many there are on all pages.
func (d *DB) FindApps(ctx context.Context, q pandapush.AppQuery) (apps []pandapush.App, total int, err error) {
	order := d.driver.order(q.Sort)
	if order == "" {
		wrong := pandapush.Invalid{{Field: "sort", Detail: "not name, created_at or id"}}
		return nil, 0, fmt.Errorf("find applications: %w", wrong)
	}
	for _, text := range []string{q.Search, q.User} {
		if text != "" && !storable(text) {
			return nil, 0, nil // no row has it
		}
	}
	direction := ` ASC`
	if q.Descending {
		direction = ` DESC`
	}
	where, args := appWhere(q)
	err = d.query(ctx, d.sql, func(rows *sql.Rows) error { return rows.Scan(&total) },
		`SELECT count(*) FROM applications`+where, slices.Clone(args)...)
	if err != nil {
		return nil, 0, fmt.Errorf("find applications: %w", err)
	}
	limit := q.Limit
	if limit <= 0 {
		limit = total
	}
	apps, err = d.scanApps(ctx, d.sql, selectApp+where+` ORDER BY `+order+direction+`, id`+direction+` LIMIT ? OFFSET ?`,
		append(args, limit, max(0, q.Offset))...)
	if err == nil {
		err = d.addAdminsOf(ctx, apps)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("find applications: %w", err)
	}
	return apps, total, nil
}

// appWhere returns the condition that q is.
func appWhere(q pandapush.AppQuery) (clause string, args []any) {
	var all []string
	if q.User != "" {
		all, args = append(all, administered), append(args, q.User)
	}
	if q.Search != "" {
		all = append(all, `(lower(name) LIKE lower(?) ESCAPE '\' OR id LIKE ? ESCAPE '\')`)
		args = append(args, "%"+likeText(q.Search)+"%", likeText(q.Search)+"%")
	}
	return whereAll(all), args
}

// Apps returns all applications by name, upper and lower case alike, then by id.
func (d *DB) Apps(ctx context.Context) ([]pandapush.App, error) {
	apps, err := d.scanApps(ctx, d.sql, selectApp)
	if err == nil {
		err = d.addAdmins(ctx, d.sql, apps, selectAdmins)
	}
	if err != nil {
		return nil, fmt.Errorf("applications: %w", err)
	}
	// Sorted here because the databases' ideas of order differ.
	slices.SortFunc(apps, func(a, b pandapush.App) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return apps, nil
}

// AppSettings returns the settings of all applications. Those that cannot be read count as none, and are logged.
func (d *DB) AppSettings(ctx context.Context) (map[pandapush.AppID]pandapush.Settings, error) {
	all := map[pandapush.AppID]pandapush.Settings{}
	err := d.query(ctx, d.sql, func(rows *sql.Rows) error {
		var id pandapush.AppID
		var text sql.NullString
		err := rows.Scan(&id, &text)
		all[id] = d.decodeSettings(ctx, id, text)
		return err
	}, `SELECT id, settings FROM applications`)
	if err != nil {
		return nil, fmt.Errorf("application settings: %w", err)
	}
	return all, nil
}

// scanApps returns applications without their administrators.
func (d *DB) scanApps(ctx context.Context, r runner, query string, args ...any) ([]pandapush.App, error) {
	var apps []pandapush.App
	err := d.query(ctx, r, func(rows *sql.Rows) error {
		var app pandapush.App
		var name, by, settings sql.NullString // the Node version stored null when it was given nothing
		var created, updated moment
		err := rows.Scan(&app.ID, &name, &by, &created, &updated, &settings)
		app.Name, app.CreatedBy = name.String, by.String
		app.CreatedAt, app.UpdatedAt = created.Time, updated.Time
		app.Settings = d.decodeSettings(ctx, app.ID, settings)
		apps = append(apps, app)
		return err
	}, query, args...)
	return apps, err
}

// addAdmins fills in the administrators of apps from a query that finds those, and maybe others.
func (d *DB) addAdmins(ctx context.Context, r runner, apps []pandapush.App, query string, args ...any) error {
	admins := map[pandapush.AppID][]string{}
	err := d.query(ctx, r, func(rows *sql.Rows) error {
		var app, user sql.NullString
		err := rows.Scan(&app, &user)
		admins[pandapush.AppID(app.String)] = append(admins[pandapush.AppID(app.String)], user.String)
		return err
	}, query, args...)
	for i := range apps {
		apps[i].Admins = admins[apps[i].ID]
		slices.Sort(apps[i].Admins)
	}
	return err
}

// maxArgs bounds the arguments of a statement; beyond it all administrators are read.
const maxArgs = 1000

// addAdminsOf is addAdmins for a page of applications.
func (d *DB) addAdminsOf(ctx context.Context, apps []pandapush.App) error {
	if len(apps) == 0 || len(apps) > maxArgs {
		return d.addAdmins(ctx, d.sql, apps, selectAdmins)
	}
	args := make([]any, len(apps))
	for i := range apps {
		args[i] = apps[i].ID
	}
	return d.addAdmins(ctx, d.sql, apps, selectAdmins+` WHERE application_id IN (?`+strings.Repeat(`, ?`, len(apps)-1)+`)`, args...)
}

// encodeSettings returns the text of settings, null for none.
func encodeSettings(s pandapush.Settings) (sql.NullString, error) {
	if s.Equal(pandapush.Settings{}) {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(s)
	return nullable(string(text)), err
}

func (d *DB) decodeSettings(ctx context.Context, app pandapush.AppID, text sql.NullString) (s pandapush.Settings) {
	if text.String == "" {
		return s
	}
	if err := json.Unmarshal([]byte(text.String), &s); err != nil {
		d.log.WarnContext(ctx, "settings of application cannot be read: taken as none", "app", string(app), "error", err)
		return pandapush.Settings{}
	}
	return s
}

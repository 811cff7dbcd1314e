package dbtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
)

func appUpdated(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "before")
	settings := pandapush.Settings{HistoryLength: 5, HistoryAge: time.Hour, Origins: []string{"https://a.b"}, PublishRate: 0.5, Suspended: true}
	got, err := d.UpdateApp(t.Context(), "bob", app.ID, pandapush.AppChange{Name: new(odd), Admins: []string{"carol", "alice", "carol"}, Settings: &settings})
	if err != nil {
		t.Fatal(err)
	}
	read, err := d.App(t.Context(), app.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range []pandapush.App{got, read} {
		if a.Name != odd || !slices.Equal(a.Admins, []string{"alice", "carol"}) || !a.Settings.Equal(settings) || a.UpdatedAt.IsZero() || a.CreatedBy != "alice" {
			t.Errorf("application %d: %+v", i+1, a)
		}
	}
	all, err := d.AppSettings(t.Context())
	if err != nil || len(all) != 1 || !all[app.ID].Equal(settings) {
		t.Errorf("AppSettings() = %+v, %v", all, err)
	}
	if again, err := d.UpdateApp(t.Context(), "bob", app.ID, pandapush.AppChange{Admins: []string{}}); err != nil || again.Name != odd || len(again.Admins) != 0 {
		t.Errorf("without administrators: %+v, %v", again, err)
	}
	if _, err := d.UpdateApp(t.Context(), "bob", "nosuch", pandapush.AppChange{Name: new("x")}); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("of no application: %v", err)
	}
	bad := pandapush.AppChange{Name: new(""), Admins: []string{"a\x00"}, Settings: &pandapush.Settings{Connections: -1}}
	_, err = d.UpdateApp(t.Context(), "bob", app.ID, bad)
	wrong, _ := errors.AsType[pandapush.Invalid](err)
	if len(wrong) != 3 || wrong[0].Field != "name" || wrong[1].Field != "admins" || wrong[2].Field != "connections" {
		t.Errorf("bad values: %v", err)
	}
}

// changedAtOnce has many add an administrator each, rotate a key and revoke another: none undoes what another has done, and each
// has its row in the audit log.
func changedAtOnce(t *testing.T, d *db.DB) {
	t.Helper()
	const many = 8
	app := mustApp(t, d, "app")
	rotated, revoked := mustKey(t, d, app.ID), mustKey(t, d, app.ID)
	var all sync.WaitGroup
	secrets := make([]pandapush.Key, many)
	for i := range many {
		all.Go(func() {
			_, err1 := d.EditApp(t.Context(), "bob", app.ID, func(app pandapush.App) (pandapush.AppChange, error) {
				return pandapush.AppChange{Admins: append(slices.Clone(app.Admins), fmt.Sprint("user-", i))}, nil
			})
			var err2 error
			secrets[i], err2 = d.RotateKey(t.Context(), "bob", app.ID, rotated.ID, time.Hour)
			if err := errors.Join(err1, err2, d.RevokeKey(t.Context(), "bob", app.ID, revoked.ID)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got, err := d.App(t.Context(), app.ID); err != nil || len(got.Admins) != many+1 {
		t.Errorf("administrators %q, %v", got.Admins, err)
	}
	// Each rotation kept the secret of the one before it: the last is what is stored, and was given to somebody.
	key, err := d.Key(t.Context(), app.ID, rotated.ID)
	if err != nil || !slices.Contains(secrets, key) || !slices.ContainsFunc(secrets, func(k pandapush.Key) bool { return k.Secret == key.PreviousSecret }) {
		t.Errorf("the rotated key has a secret that nobody was given, or %v", err)
	}
	for action, want := range map[string]int{pandapush.AppUpdated: many, pandapush.KeyRotated: many, pandapush.KeyRevoked: 1} {
		if changes, err := d.Audit(t.Context(), pandapush.AuditQuery{Action: action, Limit: 100}); err != nil || len(changes) != want {
			t.Errorf("%s is in the log %d times, %v", action, len(changes), err)
		}
	}
}

func appsFound(t *testing.T, d *db.DB) {
	t.Helper()
	ids := map[string]pandapush.AppID{}
	for _, name := range []string{"b", "A b", "a b_x", "100%", "c", `o'q"\`} {
		ids[name] = mustApp(t, d, name).ID
	}
	if _, err := d.UpdateApp(t.Context(), "alice", ids["c"], pandapush.AppChange{Admins: []string{"bob"}}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		query pandapush.AppQuery
		want  string // names, separated by commas
		total int
	}{
		{pandapush.AppQuery{}, "100%,A b,a b_x,b,c," + `o'q"\`, 6},
		{pandapush.AppQuery{Limit: 2}, "100%,A b", 6},
		{pandapush.AppQuery{Limit: 2, Offset: 2}, "a b_x,b", 6},
		{pandapush.AppQuery{Limit: 2, Offset: 9}, "", 6},
		{pandapush.AppQuery{Descending: true, Limit: 1}, `o'q"\`, 6},
		{pandapush.AppQuery{User: "bob"}, "c", 1},
		{pandapush.AppQuery{User: "nobody"}, "", 0},
		{pandapush.AppQuery{Search: "a B"}, "A b,a b_x", 2},
		{pandapush.AppQuery{Search: "B_X"}, "a b_x", 1},
		{pandapush.AppQuery{Search: "_"}, "a b_x", 1},
		{pandapush.AppQuery{Search: "%"}, "100%", 1},
		{pandapush.AppQuery{Search: `\`}, `o'q"\`, 1},
		{pandapush.AppQuery{Search: "O'Q\""}, `o'q"\`, 1},
		{pandapush.AppQuery{Search: "' OR 1=1 --"}, "", 0},
		{pandapush.AppQuery{Search: "a b", User: "bob"}, "", 0},
		{pandapush.AppQuery{Search: "\x00"}, "", 0},
	} {
		apps, total, err := d.FindApps(t.Context(), row.query)
		var names []string
		for _, app := range apps {
			names = append(names, app.Name)
			if len(app.Admins) != 1 {
				t.Errorf("%+v: admins of %s: %q", row.query, app.Name, app.Admins)
			}
		}
		if got := strings.Join(names, ","); err != nil || got != row.want || total != row.total {
			t.Errorf("%+v: %q of %d, %v; want %q of %d", row.query, got, total, err, row.want, row.total)
		}
	}
	for _, sort := range []pandapush.AppOrder{pandapush.ByID, pandapush.ByCreated} {
		apps, _, err := d.FindApps(t.Context(), pandapush.AppQuery{Sort: sort})
		if err != nil || !slices.IsSortedFunc(apps, func(a, b pandapush.App) int {
			if sort == pandapush.ByID {
				return strings.Compare(string(a.ID), string(b.ID))
			}
			return a.CreatedAt.Compare(b.CreatedAt)
		}) {
			t.Errorf("by %s: %+v, %v", sort, apps, err)
		}
	}
	found, _, err := d.FindApps(t.Context(), pandapush.AppQuery{Search: string(ids["b"])[:19]})
	if err != nil || len(found) != 1 || found[0].ID != ids["b"] {
		t.Errorf("by the beginning of an id: %+v, %v", found, err)
	}
	if _, _, err := d.FindApps(t.Context(), pandapush.AppQuery{Sort: "name; DROP TABLE keys"}); !errors.Is(err, pandapush.ErrInvalid) {
		t.Errorf("by another order: %v", err)
	}
}

func keyRotated(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	key := mustKey(t, d, app.ID)
	rotated, err := d.RotateKey(t.Context(), "bob", app.ID, key.ID, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Key(t.Context(), app.ID, key.ID)
	if err != nil || got != rotated {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, rotated)
	}
	in := time.Until(got.PreviousUntil)
	if got.PreviousSecret != key.Secret || len(got.Secret.Reveal()) != 256 || got.Secret == key.Secret || in > time.Hour || in < 59*time.Minute {
		t.Errorf("rotated: ends in %v, secret changed: %v, kept: %v", in, got.Secret != key.Secret, got.PreviousSecret == key.Secret)
	}
	again, err := d.RotateKey(t.Context(), "bob", app.ID, key.ID, 0)
	if err != nil || again.PreviousSecret != "" || !again.PreviousUntil.IsZero() || again.Secret == rotated.Secret {
		t.Errorf("without overlap: %+v, %v", again, err)
	}
	if got, err := d.Key(t.Context(), app.ID, key.ID); err != nil || got != again {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, again)
	}
	if keys, err := d.AppKeys(t.Context(), app.ID); err != nil || keys[0].Secret != "" || keys[0].PreviousSecret != "" {
		t.Errorf("AppKeys() = %+v, %v", keys, err)
	}
	for _, overlap := range []time.Duration{-1, 366 * 24 * time.Hour} {
		if _, err := d.RotateKey(t.Context(), "bob", app.ID, key.ID, overlap); !errors.Is(err, pandapush.ErrInvalid) {
			t.Errorf("overlap of %v: %v", overlap, err)
		}
	}
	if _, err := d.RotateKey(t.Context(), "bob", "other", key.ID, 0); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("of another application: %v", err)
	}
	if err := d.RevokeKey(t.Context(), "bob", app.ID, key.ID); err != nil {
		t.Error(err)
	}
	if _, err := d.RotateKey(t.Context(), "bob", app.ID, key.ID, 0); !errors.Is(err, pandapush.ErrRevokedKey) {
		t.Errorf("of a revoked key: %v", err)
	}
	if got, err := d.Key(t.Context(), app.ID, key.ID); err != nil || got.Secret != again.Secret {
		t.Errorf("a revoked key got another secret, or %v", err)
	}
}

func keyDeleted(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	key, kept := mustKey(t, d, app.ID), mustKey(t, d, app.ID)
	if err := d.DeleteKey(t.Context(), "bob", "other", key.ID); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("of another application: %v", err)
	}
	if err := d.DeleteKey(t.Context(), "bob", app.ID, key.ID); err != nil {
		t.Error(err)
	}
	if err := d.DeleteKey(t.Context(), "bob", app.ID, key.ID); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	if keys, err := d.AllKeys(t.Context()); err != nil || !slices.Equal(keys, []pandapush.Key{kept}) {
		t.Errorf("AllKeys() = %+v, %v", keys, err)
	}
}

func consoleKey(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	mustKey(t, d, app.ID)
	get := func() pandapush.Key {
		key, err := d.ConsoleKey(t.Context(), "bob", app.ID, "web console", 10)
		if err != nil {
			t.Error(err)
		}
		return key
	}
	var all sync.WaitGroup
	got := make([]pandapush.Key, 5)
	for i := range got {
		all.Go(func() { got[i] = get() })
	}
	all.Wait()
	for _, key := range got {
		if key != got[0] || key.Purpose != "web console" || key.CreatedBy != "bob" || key.ExpiresAt.Year() != time.Now().UTC().Year()+10 {
			t.Errorf("got %+v and %+v", got[0], key)
		}
	}
	if err := d.RevokeKey(t.Context(), "bob", app.ID, got[0].ID); err != nil {
		t.Fatal(err)
	}
	if next := get(); next.ID == got[0].ID || next.Usable(time.Now()) != nil {
		t.Errorf("after it was revoked: %+v", next)
	}
	if _, err := d.ConsoleKey(t.Context(), "bob", "nosuch", "web console", 10); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("of no application: %v", err)
	}
}

// audited makes one change of each kind and reads them back.
func audited(t *testing.T, d *db.DB) {
	t.Helper()
	ctx := t.Context()
	app := mustApp(t, d, "app")
	key, doomed := mustKey(t, d, app.ID), mustKey(t, d, app.ID)
	rotated, err := d.RotateKey(ctx, "bob", app.ID, key.ID, time.Hour)
	_, err2 := d.UpdateApp(ctx, "bob", app.ID, pandapush.AppChange{Name: new("renamed"), Admins: []string{"alice"}})
	_, err3 := d.UpdateApp(ctx, "bob", app.ID, pandapush.AppChange{Name: new("renamed")}) // no change
	err4, err5 := d.RevokeKey(ctx, "bob", app.ID, key.ID), d.RevokeKey(ctx, "bob", app.ID, key.ID)
	err6, err7 := d.DeleteKey(ctx, odd, app.ID, doomed.ID), d.DeleteApp(ctx, "bob", app.ID)
	err8 := d.Record(ctx, pandapush.Change{By: "bob", Action: "session.end", Target: "x"})
	if err := errors.Join(err, err2, err3, err4, err5, err6, err7, err8); err != nil {
		t.Fatal(err)
	}

	changes, err := d.Audit(ctx, pandapush.AuditQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, c := range changes {
		got = append(got, c.Action+" by "+c.By)
		if time.Since(c.At) > time.Minute || i > 0 && c.ID >= changes[i-1].ID {
			t.Errorf("change %d is %d at %v", i, c.ID, c.At)
		}
		text, err := json.Marshal(c)
		if err != nil || strings.Contains(string(text), rotated.Secret.Reveal()) || strings.Contains(string(text), key.Secret.Reveal()) {
			t.Errorf("a secret, or an error, in %s, %v", text, err)
		}
	}
	want := []string{
		"session.end by bob", "app.delete by bob", "key.delete by " + odd, "key.revoke by bob", "app.update by bob",
		"key.rotate by bob", "key.create by alice", "key.create by alice", "app.create by alice",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	update := changes[4]
	if fmt.Sprint(update.Before, update.After) != "map[name:app] map[name:renamed]" || update.App != app.ID {
		t.Errorf("the update: %+v", update)
	}
	if c := changes[0]; c.App != "" || c.Target != "x" || c.Before != nil || c.After != nil {
		t.Errorf("the recorded change: %+v", c)
	}
	auditQueries(t, d, app.ID)
}

func auditQueries(t *testing.T, d *db.DB, app pandapush.AppID) {
	t.Helper()
	kept := mustApp(t, d, "kept")
	for name, row := range map[string]struct {
		query pandapush.AuditQuery
		want  int
	}{
		"of one application":    {pandapush.AuditQuery{App: app, Limit: 100}, 8},
		"of an administrator":   {pandapush.AuditQuery{User: "alice", Limit: 100}, 1},
		"of somebody else":      {pandapush.AuditQuery{User: "nobody", Limit: 100}, 0},
		"by one":                {pandapush.AuditQuery{By: odd, Limit: 100}, 1},
		"of keys":               {pandapush.AuditQuery{Action: "key", Limit: 100}, 5},
		"of one action":         {pandapush.AuditQuery{Action: pandapush.AppCreated, Limit: 100}, 2},
		"of a part of a word":   {pandapush.AuditQuery{Action: "ke_", Limit: 100}, 0},
		"of both":               {pandapush.AuditQuery{App: kept.ID, Action: "key", Limit: 100}, 0},
		"a page":                {pandapush.AuditQuery{Limit: 3}, 3},
		"nothing is asked for":  {pandapush.AuditQuery{}, 0},
		"with an id like a row": {pandapush.AuditQuery{App: "' OR 1=1 --", Limit: 100}, 0},
	} {
		changes, err := d.Audit(t.Context(), row.query)
		if err != nil || len(changes) != row.want {
			t.Errorf("%s: %d changes, %v; want %d", name, len(changes), err, row.want)
		}
	}
	seen := map[int64]bool{}
	for before := int64(0); ; {
		page, err := d.Audit(t.Context(), pandapush.AuditQuery{Before: before, Limit: 4})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			seen[c.ID] = true
		}
		before = page[len(page)-1].ID
	}
	if len(seen) != 10 {
		t.Errorf("pages have the rows %v", slices.Sorted(maps.Keys(seen)))
	}
}

// unaudited has changes made by somebody whose name the audit log can't hold.
func unaudited(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	key := mustKey(t, d, app.ID)
	tooLong := strings.Repeat("x", 256)
	_, err1 := d.CreateApp(t.Context(), tooLong, "app")
	_, err2 := d.UpdateApp(t.Context(), tooLong, app.ID, pandapush.AppChange{Name: new("y")})
	_, err3 := d.RotateKey(t.Context(), tooLong, app.ID, key.ID, 0)
	_, err4 := d.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: tooLong})
	for i, err := range []error{
		err1, err2, err3, err4, d.RevokeKey(t.Context(), tooLong, app.ID, key.ID),
		d.DeleteKey(t.Context(), tooLong, app.ID, key.ID), d.DeleteApp(t.Context(), tooLong, app.ID),
	} {
		if !errors.Is(err, pandapush.ErrInvalid) {
			t.Errorf("call %d: %v", i+1, err)
		}
	}
	if got, err := d.Key(t.Context(), app.ID, key.ID); err != nil || got != key {
		t.Errorf("Key() = %+v, %v", got, err)
	}
	if apps, err := d.Apps(t.Context()); err != nil || len(apps) != 1 || apps[0].Name != "app" {
		t.Errorf("Apps() = %+v, %v", apps, err)
	}
}

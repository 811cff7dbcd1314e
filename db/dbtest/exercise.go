package dbtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
)

// Exercise runs the conformance suite on databases that open makes; each must be fresh and migrated.
func Exercise(t *testing.T, open func(testing.TB) *db.DB) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, *db.DB){
		"an application is read back as it was made":     appRoundTrip,
		"applications are sorted by name":                appsSorted,
		"names that cannot be stored are refused":        namesRefused,
		"a key is read back as it was made":              keyRoundTrip,
		"a key belongs to its application alone":         keysIsolated,
		"what does not exist is not found":               notFound,
		"a revocation lasts":                             revocation,
		"an application goes with all that it has":       appDeleted,
		"an application is changed as a whole":           appUpdated,
		"changes made at the same time are all made":     changedAtOnce,
		"applications are found, sorted and paged":       appsFound,
		"a rotated key has two secrets for a while":      keyRotated,
		"a deleted key is gone":                          keyDeleted,
		"the console's key is made once":                 consoleKey,
		"every change is written down":                   audited,
		"nobody without a name changes anything":         unaudited,
		"deleting while keys are made leaves no orphans": deletedUnderLoad,
		"the development key is made once":               devKey,
		"uses add up":                                    usesAddUp,
		"uses of many nodes at once add up":              usesFromManyNodes,
		"a context that has ended ends the work":         canceled,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// odd is text that trips naive statements up.
const odd = `Robert'); DROP TABLE keys;-- ? $1 "ÄÖ" 🐼`

func appRoundTrip(t *testing.T, d *db.DB) {
	t.Helper()
	made := mustApp(t, d, odd)
	if !made.ID.Valid() || len(made.ID) != 20 {
		t.Errorf("id %q is not 20 letters and digits", made.ID)
	}
	got, err := d.App(t.Context(), made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != odd || got.CreatedBy != "alice" || !slices.Equal(got.Admins, []string{"alice"}) {
		t.Errorf("got %+v", got)
	}
	if !got.CreatedAt.Equal(made.CreatedAt) || time.Since(got.CreatedAt) > time.Minute || !got.UpdatedAt.IsZero() {
		t.Errorf("created %v, updated %v; made at %v", got.CreatedAt, got.UpdatedAt, made.CreatedAt)
	}
}

func appsSorted(t *testing.T, d *db.DB) {
	t.Helper()
	for _, name := range []string{"b", "Émile", "A", "a", "B", "_"} {
		mustApp(t, d, name)
	}
	apps, err := d.Apps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, app := range apps {
		names = append(names, strings.ToLower(app.Name))
		if !slices.Equal(app.Admins, []string{"alice"}) {
			t.Errorf("admins of %q: %q", app.Name, app.Admins)
		}
	}
	if want := []string{"_", "a", "a", "b", "b", "émile"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	if apps[1].ID > apps[2].ID {
		t.Errorf("equal names are not sorted by id: %q, %q", apps[1].ID, apps[2].ID)
	}
	settings, err := d.AppSettings(t.Context())
	if err != nil || len(settings) != len(apps) {
		t.Errorf("AppSettings() = %d applications, %v", len(settings), err)
	}
}

func namesRefused(t *testing.T, d *db.DB) {
	t.Helper()
	for _, bad := range []string{"", " ", "\u3000", "a\nb", "a\x00b", "\x7f", "\xff", strings.Repeat("ä", 256)} {
		if _, err := d.CreateApp(t.Context(), "alice", bad); !errors.Is(err, pandapush.ErrInvalid) {
			t.Errorf("CreateApp(name %q) = %v", bad, err)
		}
		if _, err := d.CreateApp(t.Context(), bad, "app"); !errors.Is(err, pandapush.ErrInvalid) {
			t.Errorf("CreateApp(by %q) = %v", bad, err)
		}
	}
	app := mustApp(t, d, strings.Repeat("ä", 255))
	for _, k := range []pandapush.NewKey{
		{App: app.ID},
		{App: app.ID, By: "alice", Purpose: "a\x00b"},
		{App: app.ID, By: "alice", Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := d.CreateKey(t.Context(), k); !errors.Is(err, pandapush.ErrInvalid) {
			t.Errorf("CreateKey(%+v) = %v", k, err)
		}
	}
	if keys, err := d.AppKeys(t.Context(), app.ID); err != nil || len(keys) != 0 {
		t.Errorf("AppKeys() = %v, %v", keys, err)
	}
}

func keyRoundTrip(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	expires := time.Date(2030, 2, 3, 4, 5, 6, 789_000_000, time.FixedZone("", 3600))
	made, err := d.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: odd, Purpose: odd, Expires: expires})
	if err != nil {
		t.Fatal(err)
	}
	if len(made.ID) != 20 || !strings.HasPrefix(string(made.ID), "PSID") || len(made.Secret.Reveal()) != 256 {
		t.Errorf("id %q, %d characters of secret", made.ID, len(made.Secret.Reveal()))
	}
	got, err := d.Key(t.Context(), app.ID, made.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got != made {
		t.Errorf("got  %+v\nwant %+v", got, made)
	}
	if !got.ExpiresAt.Equal(expires) || got.Purpose != odd || got.CreatedBy != odd {
		t.Errorf("got %+v", got)
	}
	never := mustKey(t, d, app.ID)
	if !never.ExpiresAt.IsZero() {
		t.Errorf("expires %v, want never", never.ExpiresAt)
	}
	all, err := d.AllKeys(t.Context())
	if err != nil || len(all) != 2 || !slices.Contains(all, got) || !slices.Contains(all, never) {
		t.Errorf("AllKeys() = %+v, %v", all, err)
	}
}

func keysIsolated(t *testing.T, d *db.DB) {
	t.Helper()
	one, other := mustApp(t, d, "one"), mustApp(t, d, "other")
	key := mustKey(t, d, one.ID)
	if _, err := d.Key(t.Context(), other.ID, key.ID); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("Key() of the other application = %v", err)
	}
	if err := d.RevokeKey(t.Context(), "alice", other.ID, key.ID); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("RevokeKey() of the other application = %v", err)
	}
	if err := d.AddUses(t.Context(), []db.Use{{App: other.ID, Key: key.ID, Count: 1, Last: time.Now()}}); err != nil {
		t.Error(err)
	}
	if got, err := d.Key(t.Context(), one.ID, key.ID); err != nil || got != key {
		t.Errorf("key was touched: %+v, %v", got, err)
	}
	keys, err := d.AppKeys(t.Context(), one.ID)
	if err != nil || len(keys) != 1 || keys[0].ID != key.ID || keys[0].Secret != "" {
		t.Errorf("AppKeys() = %+v, %v: want the key without its secret", keys, err)
	}
	if keys, err := d.AppKeys(t.Context(), other.ID); err != nil || len(keys) != 0 {
		t.Errorf("AppKeys() of the other application = %+v, %v", keys, err)
	}
}

func notFound(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	ctx := t.Context()
	for _, id := range []pandapush.AppID{"", "nosuch", "a'b", "a\x00b", "\xff", pandapush.AppID(strings.Repeat("a", 1000))} {
		_, err1 := d.App(ctx, id)
		_, err2 := d.AppKeys(ctx, id)
		_, err3 := d.CreateKey(ctx, pandapush.NewKey{App: id, By: "alice"})
		_, err4 := d.Key(ctx, id, "key")
		for i, err := range []error{err1, err2, err3, err4, d.DeleteApp(ctx, "alice", id), d.RevokeKey(ctx, "alice", id, "key")} {
			if !errors.Is(err, pandapush.ErrNotFound) {
				t.Errorf("application %q, call %d: %v", id, i+1, err)
			}
		}
	}
	for _, id := range []pandapush.KeyID{"", "nosuch", "a\x00b", "\xff"} {
		_, err := d.Key(ctx, app.ID, id)
		for i, err := range []error{err, d.RevokeKey(ctx, "alice", app.ID, id)} {
			if !errors.Is(err, pandapush.ErrNotFound) {
				t.Errorf("key %q, call %d: %v", id, i+1, err)
			}
		}
	}
}

func revocation(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	key := mustKey(t, d, app.ID)
	var first time.Time
	for range 2 {
		if err := d.RevokeKey(t.Context(), "alice", app.ID, key.ID); err != nil {
			t.Fatal(err)
		}
		got, err := d.Key(t.Context(), app.ID, key.ID)
		if err != nil || got.RevokedAt.IsZero() || got.UpdatedAt.IsZero() {
			t.Fatalf("Key() = %+v, %v", got, err)
		}
		if first.IsZero() {
			first = got.RevokedAt
		}
		if !got.RevokedAt.Equal(first) {
			t.Errorf("second revocation moved the first from %v to %v", first, got.RevokedAt)
		}
		if err := got.Usable(time.Now()); !errors.Is(err, pandapush.ErrRevokedKey) {
			t.Errorf("Usable() = %v", err)
		}
	}
}

func appDeleted(t *testing.T, d *db.DB) {
	t.Helper()
	app, other := mustApp(t, d, "app"), mustApp(t, d, "other")
	mustKey(t, d, app.ID)
	kept := mustKey(t, d, other.ID)
	if err := d.DeleteApp(t.Context(), "alice", app.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteApp(t.Context(), "alice", app.ID); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("second DeleteApp() = %v", err)
	}
	if keys, err := d.AllKeys(t.Context()); err != nil || !slices.Equal(keys, []pandapush.Key{kept}) {
		t.Errorf("AllKeys() = %+v, %v", keys, err)
	}
	if apps, err := d.Apps(t.Context()); err != nil || len(apps) != 1 || !slices.Equal(apps[0].Admins, []string{"alice"}) {
		t.Errorf("Apps() = %+v, %v", apps, err)
	}
}

func deletedUnderLoad(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	mustKey(t, d, app.ID)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				_, err := d.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: "alice"})
				if errors.Is(err, pandapush.ErrNotFound) {
					return
				}
				if err != nil {
					t.Errorf("CreateKey() = %v", err)
					return
				}
			}
		})
	}
	if err := d.DeleteApp(t.Context(), "alice", app.ID); err != nil {
		t.Error(err)
		_ = d.DeleteApp(t.Context(), "alice", app.ID) // so that the others end
	}
	all.Wait()
	if keys, err := d.AllKeys(t.Context()); err != nil || len(keys) != 0 {
		t.Errorf("AllKeys() = %d keys, %v", len(keys), err)
	}
}

func devKey(t *testing.T, d *db.DB) {
	t.Helper()
	ctx := t.Context()
	for _, secret := range []pandapush.Secret{"devsecret", "another"} {
		if err := d.EnsureDev(ctx, "devapp", "dev-key", secret); err != nil {
			t.Fatal(err)
		}
	}
	app, err := d.App(ctx, "devapp")
	if err != nil || app.Name != "dev" || app.CreatedBy != "admin" {
		t.Errorf("App() = %+v, %v", app, err)
	}
	key, err := d.Key(ctx, "devapp", "dev-key")
	if err != nil || key.Secret != "devsecret" || key.Purpose != "dev" {
		t.Errorf("Key() = %+v, %v", key, err)
	}
	if years := key.ExpiresAt.Year() - time.Now().Year(); years < 99 || years > 101 {
		t.Errorf("expires %v", key.ExpiresAt)
	}
	if err := d.EnsureDev(ctx, "devapp2", "dev-key", "x"); !errors.Is(err, pandapush.ErrExists) {
		t.Errorf("EnsureDev() with the key of another application = %v", err)
	}
	if _, err := d.App(ctx, "devapp2"); !errors.Is(err, pandapush.ErrNotFound) {
		t.Errorf("refused EnsureDev() left its application: %v", err)
	}
	for _, bad := range []struct{ app, key, secret string }{{"dev-app", "k", "s"}, {"a", "", "s"}, {"a", "k", ""}} {
		err := d.EnsureDev(ctx, pandapush.AppID(bad.app), pandapush.KeyID(bad.key), pandapush.Secret(bad.secret))
		if !errors.Is(err, pandapush.ErrInvalid) {
			t.Errorf("EnsureDev(%q) = %v", bad, err)
		}
	}
}

func usesAddUp(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	key, idle := mustKey(t, d, app.ID), mustKey(t, d, app.ID)
	const huge = 1 << 31 // more than the Node version's column held
	last := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	for range 2 {
		uses := []db.Use{{App: app.ID, Key: key.ID, Count: huge, Last: last}, {App: app.ID, Key: "gone", Count: 1, Last: last}}
		if err := d.AddUses(t.Context(), uses); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.Key(t.Context(), app.ID, key.ID)
	if err != nil || got.UseCount != 2*huge || !got.LastUsed.Equal(last) {
		t.Errorf("Key() = %+v, %v", got, err)
	}
	if got, err := d.Key(t.Context(), app.ID, idle.ID); err != nil || got != idle {
		t.Errorf("idle key was touched: %+v, %v", got, err)
	}
}

func usesFromManyNodes(t *testing.T, d *db.DB) {
	t.Helper()
	const nodes, keys = 8, 5
	app := mustApp(t, d, "app")
	var uses []db.Use
	for range keys {
		uses = append(uses, db.Use{App: app.ID, Key: mustKey(t, d, app.ID).ID, Count: 1, Last: time.Now()})
	}
	var all sync.WaitGroup
	for n := range nodes {
		own := slices.Concat(uses[n%keys:], uses[:n%keys]) // each in another order
		all.Go(func() {
			if err := d.AddUses(t.Context(), own); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	got, err := d.AppKeys(t.Context(), app.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range got {
		if key.UseCount != nodes {
			t.Errorf("use count %d, want %d", key.UseCount, nodes)
		}
	}
}

func canceled(t *testing.T, d *db.DB) {
	t.Helper()
	app := mustApp(t, d, "app")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err1 := d.Apps(ctx)
	_, err2 := d.CreateApp(ctx, "alice", "late")
	for i, err := range []error{err1, err2, d.DeleteApp(ctx, "alice", app.ID), d.Ping(ctx)} {
		if !errors.Is(err, context.Canceled) || errors.Is(err, pandapush.ErrUnavailable) {
			t.Errorf("call %d: %v", i+1, err)
		}
	}
	if apps, err := d.Apps(t.Context()); err != nil || len(apps) != 1 {
		t.Errorf("Apps() = %+v, %v", apps, err)
	}
}

func mustApp(tb testing.TB, d *db.DB, name string) pandapush.App {
	tb.Helper()
	app, err := d.CreateApp(tb.Context(), "alice", name)
	if err != nil {
		tb.Fatal(err)
	}
	return app
}

func mustKey(tb testing.TB, d *db.DB, app pandapush.AppID) pandapush.Key {
	tb.Helper()
	key, err := d.CreateKey(tb.Context(), pandapush.NewKey{App: app, By: "alice"})
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

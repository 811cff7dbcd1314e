package db_test

import (
	"testing"

	"github.com/pandapush/pandapush"
)

func TestNothingChangesWithoutItsAuditRow(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
			d := e.open(t)
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			app, err := d.CreateApp(t.Context(), "alice", "app")
			if err != nil {
				t.Fatal(err)
			}
			key, err := d.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: "alice"})
			if err != nil {
				t.Fatal(err)
			}
			e.exec(t, "DROP TABLE audit")
			_, err1 := d.CreateApp(t.Context(), "alice", "another")
			_, err2 := d.UpdateApp(t.Context(), "alice", app.ID, pandapush.AppChange{Name: new("y"), Admins: []string{}})
			_, err3 := d.CreateKey(t.Context(), pandapush.NewKey{App: app.ID, By: "alice"})
			_, err4 := d.RotateKey(t.Context(), "alice", app.ID, key.ID, 0)
			for i, err := range []error{
				err1, err2, err3, err4, d.RevokeKey(t.Context(), "alice", app.ID, key.ID),
				d.DeleteKey(t.Context(), "alice", app.ID, key.ID), d.DeleteApp(t.Context(), "alice", app.ID),
			} {
				if err == nil {
					t.Errorf("call %d succeeded", i+1)
				}
			}
			if apps, err := d.Apps(t.Context()); err != nil || len(apps) != 1 || apps[0].Name != "app" || len(apps[0].Admins) != 1 {
				t.Errorf("Apps() = %+v, %v", apps, err)
			}
			if keys, err := d.AllKeys(t.Context()); err != nil || len(keys) != 1 || keys[0] != key {
				t.Errorf("AllKeys() = %+v, %v", keys, err)
			}
		})
	}
}

package db_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/pandapush/pandapush"
)

func TestKeysOfAnApplicationAreBounded(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
			d := e.open(t)
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			full, err1 := d.CreateApp(t.Context(), "alice", "full")
			other, err2 := d.CreateApp(t.Context(), "alice", "other")
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			e.exec(t, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
				INSERT INTO keys (id, application_id, secret) SELECT 'key' || i, '%s', 'secret' FROM n`, full.ID))
			last, err := d.CreateKey(t.Context(), pandapush.NewKey{App: full.ID, By: "alice"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.CreateKey(t.Context(), pandapush.NewKey{App: full.ID, By: "alice"})
			_, console := d.ConsoleKey(t.Context(), "alice", full.ID, "web console", 10)
			for _, err := range []error{err, console} {
				if wrong, ok := errors.AsType[pandapush.Invalid](err); !ok || wrong[0].Field != "keys" {
					t.Errorf("one more: %v", err)
				}
			}
			if _, err := d.CreateKey(t.Context(), pandapush.NewKey{App: other.ID, By: "alice"}); err != nil {
				t.Errorf("of another application: %v", err)
			}
			if err := d.DeleteKey(t.Context(), "alice", full.ID, last.ID); err != nil {
				t.Fatal(err)
			}
			if _, err := d.CreateKey(t.Context(), pandapush.NewKey{App: full.ID, By: "alice"}); err != nil {
				t.Errorf("in the place of another: %v", err)
			}
		})
	}
}

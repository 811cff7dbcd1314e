package db_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/pandapush/pandapush"
	"github.com/pandapush/pandapush/db"
)

const (
	oldApp    = "Zk3VbN8qTtXw0LmYc5Rd"
	oldKey    = "PSIDa1B2c3D4e5F6g7H8"
	oldSecret = "Qm7Zt2Lk9Xv4Bn6Cw1Ys8Dp3Fg5Hj0Ra2Te7Uo4I" // 40 characters, as secrets once were
)

// knexTables is what knex' migrations of the Node version make; {id} and {time} are the types that differ.
var knexTables = []string{
	`CREATE TABLE knex_migrations (id {id}, name varchar(255), batch integer, migration_time {time})`,
	`CREATE TABLE knex_migrations_lock ("index" {id}, is_locked integer)`,
	`INSERT INTO knex_migrations (name, batch) VALUES ('20170216051221_init.js', 1),
		('20170225005417_key_statistics.js', 1), ('20181001041100_modify_key_secret_size.js', 1)`,
	`INSERT INTO knex_migrations_lock (is_locked) VALUES (0)`,
	`CREATE TABLE applications (id varchar(255), name varchar(255), created_by varchar(255),
		created_at {time}, updated_at {time}, PRIMARY KEY (id))`,
	`CREATE TABLE application_users (application_id varchar(255), user_id varchar(255),
		FOREIGN KEY (application_id) REFERENCES applications (id))`,
	`CREATE TABLE keys (id varchar(255), application_id varchar(255), secret varchar(255), created_by varchar(255),
		expires {time}, purpose varchar(255), created_at {time}, updated_at {time},
		FOREIGN KEY (application_id) REFERENCES applications (id), PRIMARY KEY (id))`,
	`ALTER TABLE keys ADD COLUMN last_used {time}`,
	`ALTER TABLE keys ADD COLUMN use_count integer`,
}

// knexRows are rows as the Node version wrote them.
var knexRows = []string{
	`INSERT INTO applications VALUES
		('` + oldApp + `', 'Old app', 'alice', '2017-03-01T10:20:30.456Z', NULL),
		('nameless', NULL, 'bob', '2019-03-01T10:20:30.456Z', NULL),
		('with-dash', 'Odd', 'bob', '2019-03-01T10:20:30.456Z', '2019-04-01T00:00:00.000Z')`,
	`INSERT INTO application_users VALUES ('` + oldApp + `', 'bob'), ('` + oldApp + `', 'alice'), ('` + oldApp + `', 'bob')`,
	`INSERT INTO keys VALUES ('` + oldKey + `', '` + oldApp + `', '` + oldSecret + `', 'alice', '2099-01-02T03:04:05.678Z',
		'web console', '2017-03-01T10:21:00.000Z', NULL, '2020-01-01T00:00:00.000Z', 2147483647)`,
	`INSERT INTO keys (id, application_id, secret, created_by, created_at)
		VALUES ('never', '` + oldApp + `', 's', 'alice', '2017-03-01T10:22:00.000Z')`,
	`INSERT INTO keys (id, application_id, secret, expires, created_at)
		VALUES ('past', '` + oldApp + `', 's', '2018-01-01T00:00:00.000Z', '2017-03-01T10:23:00.000Z')`,
}

// buildKnex makes a database as the Node version leaves it behind.
func buildKnex(t *testing.T, e engine) {
	t.Helper()
	id, moment := "integer not null primary key autoincrement", "datetime"
	if e.cfg.Driver == db.Postgres {
		id, moment = "serial primary key", "timestamptz"
	}
	for _, statement := range slices.Concat(knexTables, knexRows) {
		e.exec(t, strings.NewReplacer("{id}", id, "{time}", moment).Replace(statement))
	}
	if e.cfg.Driver == db.Postgres {
		e.exec(t, `ALTER TABLE keys ALTER COLUMN secret TYPE varchar(1024)`)
	}
}

// adopt builds a database of the Node version, migrates it and returns it with a loaded key ring that logs to log.
func adopt(t *testing.T, e engine, log *slog.Logger, more ...string) (*db.DB, *db.KeyRing) {
	t.Helper()
	buildKnex(t, e)
	e.exec(t, more...)
	d := e.open(t)
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ring := db.NewKeyRing(d, db.KeyRingConfig{Log: log})
	if err := ring.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d, ring
}

func TestOldApplicationsAreKept(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
			d, _ := adopt(t, e, nil)
			apps, err := d.Apps(t.Context())
			if err != nil || len(apps) != 3 {
				t.Fatalf("Apps() = %+v, %v", apps, err)
			}
			if apps[0].ID != "nameless" || apps[0].Name != "" || apps[1].ID != "with-dash" || apps[1].UpdatedAt.IsZero() {
				t.Errorf("Apps() = %+v", apps)
			}
			old := apps[2]
			created := time.Date(2017, 3, 1, 10, 20, 30, 456_000_000, time.UTC)
			if old.ID != oldApp || old.Name != "Old app" || old.CreatedBy != "alice" || !old.CreatedAt.Equal(created) {
				t.Errorf("old application: %+v", old)
			}
			if !slices.Equal(old.Admins, []string{"alice", "bob"}) {
				t.Errorf("admins %q: want each once", old.Admins)
			}
			var rows int
			count := e.raw.QueryRowContext(t.Context(),
				`SELECT (SELECT count(*) FROM application_users) + (SELECT count(*) FROM knex_migrations)`)
			if err := count.Scan(&rows); err != nil || rows != 6 {
				t.Errorf("%d rows left of 6, %v", rows, err)
			}
			if err := d.DeleteApp(t.Context(), "alice", "with-dash"); err != nil {
				t.Errorf("DeleteApp() = %v", err)
			}
			if err := d.DeleteApp(t.Context(), "alice", oldApp); err != nil {
				t.Errorf("DeleteApp() = %v", err)
			}
		})
	}
}

func TestOldKeysAreKept(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
			d, _ := adopt(t, e, nil)
			keys, err := d.AppKeys(t.Context(), oldApp)
			if err != nil || len(keys) != 3 {
				t.Fatalf("AppKeys() = %+v, %v", keys, err)
			}
			if k := keys[0]; k.ID != oldKey || k.Purpose != "web console" || k.UseCount != 1<<31-1 ||
				!k.ExpiresAt.Equal(time.Date(2099, 1, 2, 3, 4, 5, 678_000_000, time.UTC)) ||
				!k.LastUsed.Equal(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("old key: %+v", k)
			}
			if k := keys[1]; k.ID != "never" || !k.ExpiresAt.IsZero() || k.UseCount != 0 || k.Purpose != "" {
				t.Errorf("old key: %+v", k)
			}
			uses := []db.Use{{App: oldApp, Key: oldKey, Count: 5, Last: time.Now()}, {App: oldApp, Key: "never", Count: 1, Last: time.Now()}}
			if err := d.AddUses(t.Context(), uses); err != nil {
				t.Fatalf("the count of a busy key is full: %v", err)
			}
			key, err := d.CreateKey(t.Context(), pandapush.NewKey{App: oldApp, By: "bob"})
			if err != nil {
				t.Fatal(err)
			}
			if stored, err := d.Key(t.Context(), oldApp, key.ID); err != nil || stored.Secret != key.Secret {
				t.Errorf("a new secret does not fit: %v", err)
			}
		})
	}
}

func TestOldCredentialsWork(t *testing.T) {
	t.Parallel()
	for name, empty := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := empty(t)
			d, ring := adopt(t, e, nil)
			token := mint(t, jwt.MapClaims{
				"keyId": oldKey, "channel": "/" + oldApp + "/private/rooms/**", "sub": true, "iat": 1_500_000_000,
				"exp": time.Now().Add(time.Hour).Unix(),
			})
			allowed := func(cred pandapush.Credential, action pandapush.Action, channel string) error {
				target, err := pandapush.ParsePattern("/" + oldApp + channel)
				if err != nil {
					t.Fatal(err)
				}
				_, err = pandapush.NewAuthority(ring).Authorize(cred, action, target, time.Now())
				return err
			}
			byToken, bySecret := pandapush.Credential{Token: token}, pandapush.Credential{Key: oldKey, Secret: oldSecret}
			for _, row := range []struct {
				cred    pandapush.Credential
				action  pandapush.Action
				channel string
				want    error
			}{
				{byToken, pandapush.Subscribe, "/private/rooms/1", nil},
				{byToken, pandapush.Subscribe, "/private/other", pandapush.ErrTokenChannel},
				{byToken, pandapush.Publish, "/private/rooms/1", pandapush.ErrNoPublishing},
				{bySecret, pandapush.Publish, "/private/anything", nil},
				{pandapush.Credential{Key: oldKey, Secret: "wrong"}, pandapush.Publish, "/private/a", pandapush.ErrWrongSecret},
				{pandapush.Credential{Key: "never", Secret: "s"}, pandapush.Publish, "/private/a", nil},
				{pandapush.Credential{Key: "past", Secret: "s"}, pandapush.Publish, "/private/a", pandapush.ErrExpiredKey},
				{pandapush.Credential{}, pandapush.Subscribe, "/public/a", nil},
			} {
				if err := allowed(row.cred, row.action, row.channel); !errors.Is(err, row.want) {
					t.Errorf("action %d on %s: %v, want %v", row.action, row.channel, err, row.want)
				}
			}

			if err := d.RevokeKey(t.Context(), "alice", oldApp, oldKey); err != nil {
				t.Fatal(err)
			}
			if err := ring.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, cred := range []pandapush.Credential{byToken, bySecret} {
				if err := allowed(cred, pandapush.Subscribe, "/private/rooms/1"); !errors.Is(err, pandapush.ErrRevokedKey) {
					t.Errorf("with the key revoked: %v", err)
				}
			}
		})
	}
}

// mint signs a token with the old key.
func mint(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(oldSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestOddExpiriesFailClosedAndAreLoggedOnce(t *testing.T) {
	t.Parallel()
	type row struct {
		expires string // as SQL
		want    error
	}
	for name, rows := range map[string]map[pandapush.KeyID]row{
		"sqlite": {
			"garbage": {"'next summer'", pandapush.ErrExpiredKey},
			"object":  {"'[object Object]'", pandapush.ErrExpiredKey},
			"empty":   {"''", pandapush.ErrExpiredKey},
			"year":    {"'2099'", pandapush.ErrExpiredKey}, // SQLite makes a number of it: 2 seconds after 1970
			"ancient": {"'0001-01-01T00:00:00.000Z'", pandapush.ErrExpiredKey},
			"millis":  {"4102444800000", nil},
		},
		"postgres": {
			"garbage": {"'-infinity'", pandapush.ErrExpiredKey},
			"ancient": {"'0001-01-01T00:00:00.000Z'", pandapush.ErrExpiredKey},
			"forever": {"'infinity'", nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var inserts []string
			for id, r := range rows {
				inserts = append(inserts, `INSERT INTO keys (id, application_id, secret, expires)
					VALUES ('`+string(id)+`', 'nameless', 's', `+r.expires+`)`)
			}
			var out strings.Builder
			_, ring := adopt(t, engines[name](t), slog.New(slog.NewTextHandler(&out, nil)), inserts...)
			if err := ring.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			for id, r := range rows {
				key, ok := ring.Key("nameless", id)
				if err := key.Usable(time.Now()); !ok || !errors.Is(err, r.want) {
					t.Errorf("key %s: %v, %v; want %v", id, ok, err, r.want)
				}
			}
			if n := strings.Count(out.String(), "key_id=garbage"); n != 1 {
				t.Errorf("logged %d times, want once:\n%s", n, &out)
			}
			if strings.Contains(out.String(), "summer") {
				t.Errorf("the log has more than the id:\n%s", &out)
			}
		})
	}
}

// The Node version migrated SQLite whenever it started; only a Postgres database can have stopped on the way.
func TestDatabaseThatStoppedBeforeTheLastKnexMigrations(t *testing.T) {
	t.Parallel()
	e := engines["postgres"](t)
	buildKnex(t, e)
	e.exec(t, `ALTER TABLE keys DROP COLUMN last_used`, `ALTER TABLE keys DROP COLUMN use_count`,
		`ALTER TABLE keys ALTER COLUMN secret TYPE varchar(255)`)
	d := e.open(t)
	if err := d.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.CreateKey(t.Context(), pandapush.NewKey{App: oldApp, By: "bob"}); err != nil {
		t.Errorf("CreateKey() = %v", err)
	}
}

// Package db keeps applications, their administrators and their keys in Postgres or SQLite, and holds all keys in memory
// for whoever checks credentials.
//
// It knows nothing of HTTP, Redis or who may administer what: callers decide that, and tell other nodes of a change after
// the method that made it has returned.
//
//	db.go         Config, Open, Close; transactions and the running of statements
//	dialect.go    everything that differs between the two databases
//	migrate.go    the schema: migrate, its version, refuse a wrong one
//	apps.go       changing table applications, with application_users; apps_list.go reads it
//	keys.go       changing table keys; keys_list.go reads it
//	audit.go      table audit: who changed what
//	dev.go        the development application of DEV_*
//	usage.go      how often keys were used
//	moment.go     reading points in time, whatever the Node version wrote
//	text.go       which names and ids can be stored
//	random.go     new ids and secrets
//	keyring.go    KeyRing: loads, reloads on request and on a period
//	snapshot.go   the immutable contents of a KeyRing
//	flush.go      uses counted in memory, on their way to the database
//	metrics.go    the series of a KeyRing
//	migrations/   one folder for each database, equal numbers, for this package and for the goose program
//	dbtest/       databases for tests and the conformance suite
//
// # Schema
//
// applications(id, name, created_by, created_at, updated_at, settings). An id is 20 random letters and digits. The settings
// are pandapush.Settings as JSON, null for none.
//
// application_users(application_id, user_id): who administers an application. There is no unique constraint, since
// databases of the Node version hold duplicates; readers see each administrator once.
//
// keys(id, application_id, secret, created_by, expires, purpose, created_at, updated_at, last_used, use_count,
// revoked_at, previous_secret, previous_until). The id is unique over all applications. Secrets are in clear, because they
// sign tokens. Expires null means never. A revoked key is kept, with the moment of its revocation. A rotated key has the
// previous secret, too, and when that stops being valid.
//
// audit(id, at, actor, action, application_id, target, before, after) has a row for every change, written in the transaction
// that makes the change, with the actor that the caller names. Before and after are JSON objects of the fields that differ,
// and never hold a secret. Rows have no foreign keys, so they outlive what they are about. They are never deleted.
//
// The first migration adopts the tables of the Node version, rows untouched: it adds revoked_at and two indexes, and on
// Postgres widens use_count to 64 bits. The Node version still works on the result, but does not know of revocation. This
// migration can't be undone. The second adds what the admin API needs, and undoing it drops that.
//
// # Differences between the databases
//
// Statements are written once, with ? as placeholder and no ? in any literal. What differs is in dialect.go:
//
//   - Postgres wants $1, $2, …; bind rewrites.
//   - SQLite stores moments as ISO 8601 text in UTC, as the Node version did, in columns of numeric affinity, so an old row may
//     hold a number or any text. A number is taken as milliseconds since 1970. An expiry that cannot be read counts as
//     passed, and KeyRing logs the key's id: a mistyped date must not make a key that never dies. (The Node version let it
//     live.) Postgres' infinity is never, -infinity is passed.
//   - SQLite has one connection, so that writers wait for each other in Go; other processes are waited for up to five
//     seconds. Every transaction takes the write lock when it begins. On Postgres whoever changes an application or a key
//     locks its row.
//   - SQLite is migrated by whoever opens it; Postgres on request, under goose's session lock, so any number of nodes may
//     do it at once.
//
// Moments are cut to milliseconds on both. SQLite knows upper and lower case of ASCII alone, so a search for "É" finds no "é"
// there.
//
// # How long a revoked key may live
//
// On the node that revokes it and on every node that gets the notice: until the reload that follows, in well under a second.
// On a node that misses the notice: until its periodic reload, at most KeyRingConfig.TTL (CACHE_TTL_MS) and a tenth. On a
// node that cannot reach the database: until it can again; it keeps serving from what it has.
//
// # Errors
//
// pandapush.ErrNotFound, pandapush.ErrExists, and pandapush.Invalid with the fields that are wrong. Failures to reach the
// database wrap pandapush.ErrUnavailable. No error and no log line holds a secret.
package db

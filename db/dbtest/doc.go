// Package dbtest gives tests real databases: a SQLite file, or a database of a private Postgres that the first test to
// want one starts. Only tests may import it.
//
// The Postgres server keeps everything in a temporary folder and listens on a Unix socket there. It needs Debian's
// postgresql package (initdb in PATH or under /usr/lib/postgresql) and, for a test that runs as root, the user postgres.
// A package that uses it ends its tests through Main, which stops the server. Should the test process die otherwise, the
// server notices and stops by itself.
//
// Exercise is the conformance suite of package db.
package dbtest

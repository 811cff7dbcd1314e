package db_test

import (
	"testing"

	"github.com/pandapush/pandapush/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

func TestSQLite(t *testing.T) {
	t.Parallel()
	dbtest.Exercise(t, dbtest.NewSQLite)
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	dbtest.Exercise(t, dbtest.NewPostgres)
}

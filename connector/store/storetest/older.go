package storetest

import (
	"io/fs"
	"testing"

	"github.com/pressly/goose/v3"
	goosedb "github.com/pressly/goose/v3/database"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/migrations"
)

// MigrateTo creates the tables of an earlier version of the schema in an empty database.
func (db *Database) MigrateTo(t testing.TB, version int64) {
	t.Helper()
	if err := migrateTo(t, db, version); err != nil {
		t.Fatalf("migrating to version %d: %v", version, err)
	}
}

func migrateTo(t testing.TB, db *Database, version int64) error {
	dialect, scripts, folder := goose.DialectSQLite3, fs.FS(migrations.SQLite), "sqlite"
	if db.Driver == sqldb.MySQL {
		dialect, scripts, folder = goose.DialectMySQL, migrations.MySQL, "mysql"
	}
	scripts, err := fs.Sub(scripts, folder)
	if err != nil {
		return err
	}
	versions, err := goosedb.NewStore(dialect, "schema_versions")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectCustom, db.Raw(t), scripts, goose.WithStore(versions), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.UpTo(t.Context(), version)
	return err
}

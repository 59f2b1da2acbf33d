package store_test

import (
	"errors"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/migrations"
)

func TestMigrate_NewerSchema(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		if _, err := db.Raw(t).ExecContext(t.Context(), "INSERT INTO schema_versions (version_id, is_applied) VALUES (99, true)"); err != nil {
			t.Fatalf("INSERT = %v", err)
		}
		err := s.Migrate(t.Context())
		if !errors.Is(err, sqldb.ErrNewerSchema) {
			t.Fatalf("Migrate() = %v, want %v", err, sqldb.ErrNewerSchema)
		}
		if !strings.Contains(err.Error(), "99") {
			t.Errorf("Migrate() = %v, want the version 99 in it", err)
		}
		// The error releases the lock.
		if err := s.Migrate(t.Context()); !errors.Is(err, sqldb.ErrNewerSchema) {
			t.Errorf("second Migrate() = %v, want %v", err, sqldb.ErrNewerSchema)
		}
	})
}

func TestMigrate_Concurrently(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		var starters errgroup.Group
		for range 4 {
			s := db.Unmigrated(t)
			starters.Go(func() error { return s.Migrate(t.Context()) })
		}
		if err := starters.Wait(); err != nil {
			t.Fatalf("Migrate() = %v", err)
		}
		var applied int
		row := db.Raw(t).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM schema_versions WHERE version_id = 1")
		if err := row.Scan(&applied); err != nil || applied != 1 {
			t.Errorf("migration 1 was applied %d times, %v, want once", applied, err)
		}
		addTenant(t, db.Open(t))
	})
}

func TestMigrate_ResumesOnMySQL(t *testing.T) {
	t.Parallel()
	storetest.OnEmptyMySQL(t, func(t *testing.T, db *storetest.Database) {
		// The server commits after each CREATE TABLE, so that a migration may end between two.
		s := db.Open(t)
		raw := db.Raw(t)
		for _, statement := range []string{"DROP TABLE nonces", "DELETE FROM schema_versions WHERE version_id > 0"} {
			if _, err := raw.ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s = %v", statement, err)
			}
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatalf("Migrate() = %v", err)
		}
		if fresh, err := s.RememberNonce(t.Context(), "key", "nonce", noon, noon); !fresh || err != nil {
			t.Errorf("RememberNonce() = %v, %v, want true", fresh, err)
		}
	})
}

func TestMigrations_SameForBothDatabases(t *testing.T) {
	t.Parallel()
	names := func(files fs.FS, folder string) string {
		entries, err := fs.ReadDir(files, folder)
		if err != nil {
			t.Fatalf("ReadDir(%s) = _, %v", folder, err)
		}
		var all []string
		for _, entry := range entries {
			all = append(all, entry.Name())
		}
		return strings.Join(all, " ")
	}
	if lite, my := names(migrations.SQLite, "sqlite"), names(migrations.MySQL, "mysql"); lite != my {
		t.Errorf("migrations of SQLite = %s, of MySQL = %s", lite, my)
	}
	for _, files := range []fs.FS{migrations.SQLite, migrations.MySQL} {
		err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			script, err := fs.ReadFile(files, path)
			if strings.Contains(string(script), "+goose Down") {
				t.Errorf("%s has a down migration", path)
			}
			return err
		})
		if err != nil {
			t.Errorf("WalkDir() = %v", err)
		}
	}
}

func TestTenant_WithoutTables(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		if _, err := db.Unmigrated(t).Tenant(t.Context(), "some"); err == nil || errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Tenant() without tables = _, %v, want an error that is not %v", err, tenant.ErrNotFound)
		}
	})
}

// An older program kept the value of the consent before as the predecessor of a new one.
func TestMigrate_DeletesPredecessorsOfOtherConsents(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		db.MigrateTo(t, 3)
		for id, consents := range map[string]map[string]string{ // slot → consent
			"same":    {"active": "c1", "predecessor": "c1", "pending": "c2"},
			"another": {"active": "c3", "predecessor": "c2"},
			"alone":   {"predecessor": "c4"},
		} {
			execute(t, db, "INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory, application_id, version)"+
				" VALUES (?, 'key', 'account', '', '', '', '', '', 1)", id)
			for slot, consent := range consents {
				execute(t, db, "INSERT INTO grants (tenant_id, slot, issued_at, directory_id, application_id, procedure_name, consent_id, consented_by,"+
					" asked_by, checks, version) VALUES (?, ?, '2026-11-23 12:00:00.000', '', '', '', ?, '{}', '', '{}', 1)", id, slot, consent)
			}
		}
		db.MigrateTo(t, 5)
		rows, err := db.Raw(t).QueryContext(t.Context(), "SELECT tenant_id, slot FROM grants ORDER BY tenant_id, slot")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var left []string
		for rows.Next() {
			var id, slot string
			if err := rows.Scan(&id, &slot); err != nil {
				t.Fatal(err)
			}
			left = append(left, id+" "+slot)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(left, ", "); got != "another active, same active, same pending, same predecessor" {
			t.Errorf("the migration leaves %s", got)
		}
	})
}

// An empty SQLite file gets its tables in one transaction; that must be the same as one migration after the other.
func TestMigrate_AtOnceAsOneByOne(t *testing.T) {
	t.Parallel()
	atOnce, oneByOne := storetest.EmptySQLite(t), storetest.EmptySQLite(t)
	if err := atOnce.Unmigrated(t).Migrate(t.Context()); err != nil {
		t.Fatalf("Migrate() = %v", err)
	}
	version, err := strconv.ParseInt(scalar(t, atOnce, "SELECT MAX(version_id) FROM schema_versions"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	oneByOne.MigrateTo(t, version)
	for _, query := range []string{
		"SELECT group_concat(type || ' ' || name || ' ' || tbl_name || ' ' || COALESCE(sql, ''), ';' ORDER BY type, name) FROM sqlite_master",
		"SELECT group_concat(version_id || ' ' || is_applied, ', ' ORDER BY id) FROM schema_versions",
	} {
		if got, want := scalar(t, atOnce, query), scalar(t, oneByOne, query); got != want {
			t.Errorf("%s:\nat once    %s\none by one %s", query, got, want)
		}
	}
}

func TestMigrate_AtOnceLeavesNothingWhenItFails(t *testing.T) {
	t.Parallel()
	db := storetest.EmptySQLite(t)
	s := db.Unmigrated(t)
	execute(t, db, "CREATE TABLE clients (id TEXT)") // another program's, in the way of a later migration
	if err := s.Migrate(t.Context()); err == nil {
		t.Fatal("Migrate() of a file with another table of the same name = nil")
	}
	if names := scalar(t, db, "SELECT group_concat(name) FROM sqlite_master"); names != "clients" {
		t.Errorf("after a failed migration the file has %s, want only what it had", names)
	}
	execute(t, db, "DROP TABLE clients")
	if err := s.Migrate(t.Context()); err != nil {
		t.Errorf("Migrate() afterwards = %v", err)
	}
}

// scalar returns the one value that a query returns, as text.
func scalar(t *testing.T, db *storetest.Database, query string) string {
	t.Helper()
	var value string
	if err := db.Raw(t).QueryRowContext(t.Context(), query).Scan(&value); err != nil {
		t.Fatalf("%s = %v", query, err)
	}
	return value
}

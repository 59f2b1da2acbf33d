package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// TestOpen_MySQLUnsafeServer stores rows on a server whose settings, or whose init_connect, would lose them, and reads
// them with another connection.
func TestOpen_MySQLUnsafeServer(t *testing.T) {
	t.Parallel()
	db, administer := storetest.OwnServer(t, "ALL")
	for name, setting := range map[string]struct{ set, reset string }{
		"autocommit":                   {"SET GLOBAL autocommit = 0", "SET GLOBAL autocommit = 1"},
		"autocommit by init_connect":   {"SET GLOBAL init_connect = 'SET autocommit = 0'", "SET GLOBAL init_connect = ''"},
		"completion_type":              {"SET GLOBAL completion_type = 'CHAIN'", "SET GLOBAL completion_type = 'NO_CHAIN'"},
		"read-only transactions":       {"SET GLOBAL TRANSACTION READ ONLY", "SET GLOBAL TRANSACTION READ WRITE"},
		"isolation":                    {"SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ"},
		"sql_mode":                     {"SET GLOBAL sql_mode = ''", "SET GLOBAL sql_mode = DEFAULT"},
		"foreign keys by init_connect": {"SET GLOBAL init_connect = 'SET foreign_key_checks = 0, unique_checks = 0'", "SET GLOBAL init_connect = ''"},
		"limited results":              {"SET GLOBAL sql_select_limit = 1", "SET GLOBAL sql_select_limit = DEFAULT"},
		"all by init_connect": {
			"SET GLOBAL init_connect = \"SET autocommit = 0, completion_type = 2, sql_mode = '', sql_select_limit = 0, sql_safe_updates = 1, foreign_key_checks = 0\"",
			"SET GLOBAL init_connect = ''",
		},
	} {
		t.Run(name, func(t *testing.T) {
			administer("DROP DATABASE connector", "CREATE DATABASE connector", setting.set)
			defer administer(setting.reset)
			checkStores(t, db)
		})
	}
}

// checkStores stores rows in single statements and in transactions, alternately, and reads them from another replica that
// begins while the first has its connections.
func checkStores(t *testing.T, db *storetest.Database) {
	t.Helper()
	ctx := t.Context()
	first := db.Open(t)
	in := newInstance()
	if err := first.SaveInstance(ctx, &in); err != nil {
		t.Fatalf("SaveInstance() = %v", err)
	}
	for range 3 {
		saved := newTenant()
		if err := first.Transact(ctx, func(ctx context.Context) error { return first.SaveTenant(ctx, &saved) }); err != nil {
			t.Fatalf("SaveTenant() = %v", err)
		}
		saved.Name = "changed"
		if err := first.SaveTenant(ctx, &saved); err != nil {
			t.Fatalf("SaveTenant() = %v", err)
		}
	}
	orphan := newGrant("no such tenant", token.Active, noon)
	if err := first.SaveGrant(ctx, &orphan); err == nil {
		t.Error("SaveGrant() of a tenant that does not exist = nil, want an error")
	}
	in.PackageVersion = "stored last"
	if err := first.SaveInstance(ctx, &in); err != nil {
		t.Fatalf("SaveInstance() = %v", err)
	}
	second := db.Open(t)
	tenants, err := second.Tenants(ctx, in.Key)
	if err != nil || len(tenants) != 3 {
		t.Fatalf("Tenants() = %d of them, %v, want 3", len(tenants), err)
	}
	for _, got := range tenants {
		if got.Name != "changed" {
			t.Errorf("Tenants() = name %q, want the one that was stored last", got.Name)
		}
	}
	if got, err := second.Instance(ctx, in.Key); err != nil || got.PackageVersion != "stored last" {
		t.Errorf("Instance() = package version %q, %v, want what was stored last", got.PackageVersion, err)
	}
}

// TestOpen_MySQLRefusesUnsafeDatabase makes the database unsafe in ways that no connection can repair.
func TestOpen_MySQLRefusesUnsafeDatabase(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ change, want string }{
		"no foreign key":       {"ALTER TABLE grants DROP FOREIGN KEY grants_tenant", "grants_tenant"},
		"without transactions": {"ALTER TABLE nonces ENGINE = MyISAM", "nonces"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := storetest.EmptyMySQL(t)
			db.Open(t)
			if _, err := db.Raw(t).ExecContext(t.Context(), tc.change); err != nil {
				t.Fatalf("%s = %v", tc.change, err)
			}
			s, err := store.Open(t.Context(), store.Config{Config: sqldb.Config{Driver: db.Driver, DSN: secret.New(db.DSN)}, Keyring: db.Keyring})
			if !errors.Is(err, sqldb.ErrUnsafe) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Open() = %v, %v, want %v with %s", s, err, sqldb.ErrUnsafe, tc.want)
			}
		})
	}
}

// TestSettings_SQLite reads back what openSQLite sets.
func TestSettings_SQLite(t *testing.T) {
	t.Parallel()
	got, err := storetest.SQLite(t).Open(t).Settings(t.Context())
	if err != nil || len(got) != 5 {
		t.Fatalf("Settings() = %v, %v, want the version and 4 pragmas", got, err)
	}
	for _, s := range got {
		if s.Problem != "" || s.Value == "" {
			t.Errorf("Settings() = %+v, want no problem", s)
		}
	}
}

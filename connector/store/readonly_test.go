package store_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
)

// TestTransact_MySQLRetriesWhenReadOnly writes to a server that became read-only, like the old primary after a failover,
// until it accepts writes again. It has a server of its own, because read-only is a setting of the whole server.
func TestTransact_MySQLRetriesWhenReadOnly(t *testing.T) {
	t.Parallel()
	server := storetest.Server(t)
	admin, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		t.Fatalf("Open() = _, %v", err)
	}
	t.Cleanup(func() { admin.Close() })
	run := func(statements ...string) {
		t.Helper()
		for _, statement := range statements {
			if _, err := admin.ExecContext(context.Background(), statement); err != nil {
				t.Fatalf("%s = %v", statement, err)
			}
		}
	}
	// An administrator may write to a read-only server.
	run("CREATE DATABASE connector", "CREATE USER 'connector'@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT ALL ON connector.* TO 'connector'@'127.0.0.1'")
	pauses := 0
	db := storetest.SQLite(t) // for its keys
	db.Driver, db.DSN = sqldb.MySQL, strings.Replace(server.DSN("connector"), "root@", "connector:x@", 1)
	s := db.Open(t, func(cfg *store.Config) {
		cfg.Wait = func(context.Context, time.Duration) error {
			if pauses++; pauses == 3 {
				run("SET GLOBAL read_only = OFF")
			}
			return nil
		}
	})
	owner := addTenant(t, s)
	for name, write := range map[string]func() error{
		"a transaction": func() error {
			return s.Transact(t.Context(), func(ctx context.Context) error { return s.SaveTenant(ctx, &owner) })
		},
		"a single statement": func() error { return s.SaveTenant(t.Context(), &owner) },
	} {
		pauses = 0
		run("SET GLOBAL read_only = ON")
		if err := write(); err != nil || pauses != 3 {
			t.Errorf("%s on a read-only server = %v after %d pauses, want retries until the server accepts writes, after 3", name, err, pauses)
		}
		run("SET GLOBAL read_only = OFF")
	}
	if got, err := s.Tenant(t.Context(), owner.ID); err != nil || got.Version != 3 {
		t.Errorf("Tenant() = version %d, %v, want 3", got.Version, err)
	}
}

package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

// TestStore_MySQLAway reads and writes while the server is away in each of the ways in which it can be, and once more when it is
// back.
func TestStore_MySQLAway(t *testing.T) {
	t.Parallel()
	db, administer := storetest.OwnServer(t, "ALL")
	s := db.Open(t, func(cfg *store.Config) { cfg.Wait = func(context.Context, time.Duration) error { return nil } })
	owner := addTenant(t, s)
	for _, tc := range []struct {
		name       string
		away, back []string
		reads      bool // reading works nevertheless
	}{
		{"read-only", []string{"SET GLOBAL read_only = ON"}, []string{"SET GLOBAL read_only = OFF"}, true},
		{"account locked", []string{"ALTER USER 'connector'@'127.0.0.1' ACCOUNT LOCK"}, []string{"ALTER USER 'connector'@'127.0.0.1' ACCOUNT UNLOCK"}, false},
		{"password changed", []string{"ALTER USER 'connector'@'127.0.0.1' IDENTIFIED BY 'y'"}, []string{"ALTER USER 'connector'@'127.0.0.1' IDENTIFIED BY 'x'"}, false},
		{"no rights", []string{"REVOKE ALL ON connector.* FROM 'connector'@'127.0.0.1'"}, []string{"GRANT ALL ON connector.* TO 'connector'@'127.0.0.1'"}, false},
		{"a table is missing", []string{"RENAME TABLE connector.nonces TO connector.elsewhere"}, []string{"RENAME TABLE connector.elsewhere TO connector.nonces"}, true},
	} {
		administer(tc.away...)
		disconnect(t, s)
		if _, err := s.Tenant(t.Context(), owner.ID); tc.reads != (err == nil) || err != nil && !failure.Is(err, failure.DatabaseUnavailable) {
			t.Errorf("%s: Tenant() = _, %v, want it to read = %v, or %s", tc.name, err, tc.reads, failure.DatabaseUnavailable)
		}
		if _, err := s.RememberNonce(t.Context(), "key", tc.name, noon, noon); !failure.Is(err, failure.DatabaseUnavailable) {
			t.Errorf("%s: RememberNonce() = _, %v, want %s", tc.name, err, failure.DatabaseUnavailable)
		}
		administer(tc.back...)
		disconnect(t, s)
		if fresh, err := s.RememberNonce(t.Context(), "key", tc.name, noon, noon); !fresh || err != nil {
			t.Errorf("%s: RememberNonce() = %v, %v when the server is back, want true: nothing was stored before", tc.name, fresh, err)
		}
	}
}

// disconnect closes the connections of a store, so that it needs new ones.
func disconnect(t *testing.T, s *store.Store) {
	t.Helper()
	if err := store.Disconnect(s); err != nil {
		t.Fatalf("Disconnect() = %v", err)
	}
}

// TestStore_MySQLStopped stops the server for good.
func TestStore_MySQLStopped(t *testing.T) {
	t.Parallel()
	server := storetest.Server(t)
	db := storetest.SQLite(t) // for its keys
	db.Driver, db.DSN = "mysql", strings.Replace(server.DSN("mysql"), "/mysql", "/connector", 1)
	raw := &storetest.Database{Driver: "mysql", DSN: server.DSN("")}
	if _, err := raw.Raw(t).ExecContext(t.Context(), "CREATE DATABASE connector"); err != nil {
		t.Fatalf("CREATE DATABASE = %v", err)
	}
	s := db.Open(t, func(cfg *store.Config) { cfg.Wait = func(context.Context, time.Duration) error { return nil } })
	owner := addTenant(t, s)
	if err := server.Kill(); err != nil {
		t.Fatalf("Kill() = %v", err)
	}
	for range 3 { // the first one finds the lost connections
		if _, err := s.Tenant(t.Context(), owner.ID); !failure.Is(err, failure.DatabaseUnavailable) {
			t.Errorf("Tenant() = _, %v, want %s", err, failure.DatabaseUnavailable)
		}
		err := s.Transact(t.Context(), func(ctx context.Context) error { return s.SaveTenant(ctx, &owner) })
		if !failure.Is(err, failure.DatabaseUnavailable) {
			t.Errorf("Transact() = %v, want %s", err, failure.DatabaseUnavailable)
		}
	}
}

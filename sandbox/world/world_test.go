package world_test

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/sandbox/world"
)

// start returns an installed sandbox.
func start(t *testing.T, cfg world.Config) *world.World {
	t.Helper()
	return startOn(t, storetest.Any(t), cfg)
}

// startWritable is start with connections to the database of the connector.
func startWritable(t *testing.T, cfg world.Config) (*world.World, *sql.DB) {
	t.Helper()
	db := storetest.Any(t)
	if db.Driver == sqldb.SQLite {
		cfg.Folder = t.TempDir()
		db.DSN = filepath.Join(cfg.Folder, "connector.db") + "?_pragma=busy_timeout(30000)"
	}
	return startOn(t, db, cfg), db.Raw(t)
}

func startOn(t *testing.T, db *storetest.Database, cfg world.Config) *world.World {
	t.Helper()
	w, err := world.Start(t.Context(), on(db, cfg))
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	if err := w.Install(t.Context()); err != nil {
		t.Fatalf("Install() = %v", err)
	}
	return w
}

// on returns a configuration that uses a database. The sandbox creates a file of SQLite itself.
func on(db *storetest.Database, cfg world.Config) world.Config {
	if db.Driver == sqldb.MySQL {
		cfg.Database = secret.New(db.DSN)
	}
	return cfg
}

func TestInstall_NewTenantHasNoToken(t *testing.T) {
	w := start(t, world.Config{})
	answer := w.As(t.Context(), world.Rita, http.MethodGet, w.TenantOf(world.Rita).ID, "tokenStatus", nil)
	var status struct{ State string }
	if err := json.Unmarshal(answer.Body, &status); err != nil || answer.Status != http.StatusOK || status.State != "absent" {
		t.Errorf("tokenStatus = %d %s, want the state absent", answer.Status, answer.Body)
	}
}

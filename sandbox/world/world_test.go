package world_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/sandbox/world"
)

// start returns an installed sandbox.
func start(t *testing.T, cfg world.Config) *world.World {
	t.Helper()
	w, err := world.Start(t.Context(), on(storetest.Any(t), cfg))
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

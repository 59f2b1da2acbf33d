package walk_test

import (
	"os"
	"strings"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/sandbox/walk"
	"azure-partner-connector/sandbox/world"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func TestRun_OnBothDatabases(t *testing.T) {
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		cfg := world.Config{}
		if db.Driver == sqldb.MySQL {
			cfg.Database = secret.New(db.DSN)
		}
		w, err := world.Start(t.Context(), cfg)
		if err != nil {
			t.Fatalf("Start() = %v", err)
		}
		defer func() {
			if err := w.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
		}()
		var output strings.Builder
		if err := walk.Run(t.Context(), w, &output); err != nil {
			t.Errorf("Run() = %v, after\n%s", err, output.String())
		}
	})
}

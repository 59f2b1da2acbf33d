package walk_test

import (
	"os"
	"strings"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/sandbox/walk"
	"azure-partner-connector/sandbox/world"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func TestRun_OnBothDatabases(t *testing.T) {
	for name, database := range map[string]func() secret.Text{
		"sqlite":  func() secret.Text { return secret.Text{} },
		"mariadb": func() secret.Text { return secret.New(storetest.EmptyMariaDB(t).DSN) },
	} {
		t.Run(name, func(t *testing.T) {
			w, err := world.Start(t.Context(), world.Config{Database: database()})
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
}

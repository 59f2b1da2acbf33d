package world_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/sandbox/world"
)

// TestRehearse_ConnectorOfAnOperator registers a connector that knows nothing of the sandbox but what it prints.
func TestRehearse_ConnectorOfAnOperator(t *testing.T) {
	t.Parallel()
	w, err := world.Rehearse(t.Context(), world.Config{PanelListen: "127.0.0.1:0"}, "http://localhost:18081")
	check(t, err)
	defer func() { check(t, w.Close()) }()

	folder := t.TempDir()
	keys, file := filepath.Join(folder, "keys.json"), filepath.Join(folder, "connector.yaml")
	if _, err := seal.CreateFile(keys); err != nil {
		t.Fatal(err)
	}
	hooks, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	w.HooksURL = fmt.Sprintf("http://%s/aps", hooks.Addr())
	db := storetest.SQLite(t)
	check(t, os.WriteFile(file, fmt.Appendf(nil, `hooks: {listen: "127.0.0.1:0", publicURL: %q}
onboarding: {listen: "127.0.0.1:0", publicURL: "http://localhost:18081"}
private: {listen: "127.0.0.1:0"}
database: {path: %q}
keys: {file: %q}
%s`, w.HooksURL, db.DSN, keys, w.RehearsalConfiguration()), 0o600))
	cfg, err := config.Load(file, nil)
	check(t, err)
	connector, err := app.New(t.Context(), cfg, app.Options{Listeners: app.Listeners{Hooks: hooks}})
	check(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- connector.Run(ctx) }()
	defer func() {
		stop()
		check(t, <-ended)
	}()

	_, err = w.Register(t.Context(), nil)
	check(t, err)
	services, err := app.Open(t.Context(), cfg, app.Options{Migration: app.ExamineSchema})
	check(t, err)
	defer services.Close()
	scenario{t, w}.eventually("subscriptions of both resellers", func() bool {
		tenants, err := services.Tenants.Tenants(t.Context(), w.Key)
		check(t, err)
		return len(tenants) == 2
	})
}

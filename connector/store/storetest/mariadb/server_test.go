package mariadb_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"azure-partner-connector/connector/store/storetest/mariadb"
)

func TestServer(t *testing.T) {
	folder := t.TempDir()
	for _, open := range []string{folder, filepath.Dir(folder)} { // the server may run as another account
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatalf("Chmod() = %v", err)
		}
	}
	t.Setenv("TMPDIR", folder)
	server, err := mariadb.Start(t.Context())
	if err != nil {
		t.Fatalf("Start() = _, %v", err)
	}
	pool, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		t.Fatalf("Open() = _, %v", err)
	}
	defer pool.Close()
	var version string
	if err := pool.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version); err != nil || version == "" {
		t.Errorf("SELECT VERSION() = %q, %v", version, err)
	}
	if err := server.Stop(); err != nil {
		t.Errorf("Stop() = %v", err)
	}
	if err := pool.PingContext(t.Context()); err == nil {
		t.Error("Ping() after Stop() = nil, want an error")
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
		t.Errorf("Stop() leaves %d files, %v, want none", len(files), err)
	}
}

func TestServerOutlivesItsDeath(t *testing.T) {
	server, err := mariadb.StartAs(t.Context(), mariadb.Config{Durable: true})
	if err != nil {
		t.Fatalf("StartAs() = _, %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("Stop() = %v", err)
		}
	})
	pool, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		t.Fatalf("Open() = _, %v", err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(t.Context(), "CREATE DATABASE survives"); err != nil {
		t.Fatalf("CREATE DATABASE = %v", err)
	}
	if err := server.Kill(); err != nil {
		t.Fatalf("Kill() = %v", err)
	}
	if err := pool.PingContext(t.Context()); err == nil {
		t.Error("Ping() after Kill() = nil, want an error")
	}
	if err := server.Run(t.Context()); err != nil {
		t.Fatalf("Run() = %v", err)
	}
	if _, err := pool.ExecContext(t.Context(), "USE survives"); err != nil {
		t.Errorf("USE after Kill() and Run() = %v", err)
	}
}

func TestStartRefusals(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	t.Run("ended context", func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := mariadb.Start(ended); err == nil {
			t.Error("Start() = _, nil, want an error")
		}
	})
	t.Run("not installed", func(t *testing.T) {
		t.Setenv("PATH", folder)
		if _, err := mariadb.Start(t.Context()); !errors.Is(err, mariadb.ErrNotInstalled) {
			t.Errorf("Start() = _, %v, want %v", err, mariadb.ErrNotInstalled)
		}
	})
	if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
		t.Errorf("a refused Start() leaves %d files, %v, want none", len(files), err)
	}
}

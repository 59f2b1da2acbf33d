package dbserver_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/connector/store/storetest/dbserver"
)

// selected returns the configuration of the server that tests run on.
func selected(t *testing.T) dbserver.Config {
	t.Helper()
	flavor, err := dbserver.Selected()
	if err != nil {
		t.Fatal(err)
	}
	return dbserver.Config{Flavor: flavor}
}

func TestSelected_IsTheServerThatTheVariableNames(t *testing.T) {
	for name, want := range map[string]dbserver.Flavor{"": dbserver.MariaDB{}, "mariadb": dbserver.MariaDB{}, "mysql": dbserver.MySQL{}} {
		t.Setenv(dbserver.FlavorVariable, name)
		if got, err := dbserver.Selected(); err != nil || got != want {
			t.Errorf("Selected() of %q = %v, %v, want %v", name, got, err, want)
		}
	}
	t.Setenv(dbserver.FlavorVariable, "postgres")
	if got, err := dbserver.Selected(); err == nil {
		t.Errorf("Selected() of postgres = %v, nil, want an error", got)
	}
}

func TestMySQL_StartAndStop(t *testing.T) {
	folder := t.TempDir()
	for _, open := range []string{folder, filepath.Dir(folder)} { // the server may run as another account
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatalf("Chmod() = %v", err)
		}
	}
	t.Setenv("TMPDIR", folder)
	server, err := dbserver.Start(t.Context(), selected(t))
	if err != nil {
		t.Fatalf("Start() = _, %v", err)
	}
	pool, err := sql.Open("mysql", server.DSN(""))
	if err != nil {
		t.Fatalf("Open() = _, %v", err)
	}
	defer pool.Close()
	var version string
	if err := pool.QueryRowContext(t.Context(), "SELECT VERSION()").Scan(&version); err != nil {
		t.Errorf("SELECT VERSION() = _, %v", err)
	}
	if got := strings.Contains(version, "MariaDB"); got != (selected(t).Flavor == dbserver.MariaDB{}) {
		t.Errorf("SELECT VERSION() = %q, want %s", version, selected(t).Flavor.Name())
	}
	t.Logf("%s %s", selected(t).Flavor.Name(), version)
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

func TestMySQL_RecoversAfterKill(t *testing.T) {
	durable := selected(t)
	durable.Durable = true
	server, err := dbserver.Start(t.Context(), durable)
	if err != nil {
		t.Fatalf("Start() = _, %v", err)
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

func TestMySQL_StartErrors(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	t.Run("ended context", func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := dbserver.Start(ended, selected(t)); err == nil {
			t.Error("Start() = _, nil, want an error")
		}
	})
	t.Run("not installed", func(t *testing.T) {
		t.Setenv("PATH", folder)
		t.Setenv("XDG_CACHE_HOME", folder)
		if _, err := dbserver.Start(t.Context(), selected(t)); !errors.Is(err, dbserver.ErrNotInstalled) {
			t.Errorf("Start() = _, %v, want %v", err, dbserver.ErrNotInstalled)
		}
	})
	if files, err := os.ReadDir(folder); err != nil || len(files) != 0 {
		t.Errorf("a failed Start() leaves %d files, %v, want none", len(files), err)
	}
}

func TestMySQL_TakesAnotherPort(t *testing.T) {
	server, err := dbserver.Prepare(t.Context(), selected(t))
	if err != nil {
		t.Fatalf("Prepare() = _, %v", err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Errorf("Stop() = %v", err)
		}
	})
	taken := dbserver.Port(server)
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(taken)))
	if err != nil {
		t.Fatalf("Listen() = _, %v", err)
	}
	defer listener.Close()
	if err := server.Run(t.Context()); err != nil {
		t.Fatalf("Run() on a taken port = %v, want another port", err)
	}
	if got := dbserver.Port(server); got == taken {
		t.Errorf("Run() on a taken port answers on the port %d, want another", got)
	}
	if err := server.Kill(); err != nil {
		t.Fatalf("Kill() = %v", err)
	}
	before := server.DSN("")
	other, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(dbserver.Port(server))))
	if err != nil {
		t.Fatalf("Listen() = _, %v", err)
	}
	if err := server.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another process listens") {
		t.Errorf("Run() on a taken port that callers know = %v, want an error that says so", err)
	}
	if err := errors.Join(other.Close(), server.Run(t.Context())); err != nil || server.DSN("") != before {
		t.Errorf("Run() on the port when it is free again = %v, at %s, want %s", err, server.DSN(""), before)
	}
}

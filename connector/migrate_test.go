package main_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"azure-partner-connector/connector/store/storetest"
)

// rowRights are what an account needs that changes no tables.
const rowRights = "SELECT, INSERT, UPDATE, DELETE"

// onServer configures a connector with a MariaDB server of its own, whose account has only rowRights, and returns the DSN of
// an account that may change tables.
func (c *terminal) onServer() (file, privileged string, administer func(statements ...string)) {
	c.Helper()
	db, administer := storetest.OwnServer(c, rowRights)
	administer("CREATE USER 'migrator'@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT ALL ON connector.* TO 'migrator'@'127.0.0.1'")
	file = c.configured()
	c.environ = append(c.environ, "CONNECTOR_DATABASE__DRIVER=mysql", "CONNECTOR_DATABASE__PATH=", "CONNECTOR_DATABASE__DSN="+db.DSN)
	return file, strings.Replace(db.DSN, "connector:x@", "migrator:x@", 1), administer
}

// TestMigrate_AloneOnMariaDB migrates with one account, and serves with another one that may not change tables.
func TestMigrate_AloneOnMariaDB(t *testing.T) {
	c := newTerminal(t)
	file, privileged, administer := c.onServer()
	c.check("serve before migrate", c.run("serve", "--no-migrate", "--config", file), 1, "run connector migrate")
	c.check("migrate without rights", c.run("migrate", "--config", file), 1, "CREATE command denied")

	limited := c.environ
	c.environ = append(limited[:len(limited):len(limited)], "CONNECTOR_DATABASE__DSN="+privileged)
	c.check("migrate", c.run("migrate", "--config", file), 0, "the schema of the database is up to date")
	c.check("migrate again", c.run("migrate", "--config", file), 0, "the schema of the database is up to date")
	c.environ = limited

	s := c.serve("--no-migrate", "--config", file)
	if got := s.get("private", "/readyz"); got != http.StatusOK {
		t.Errorf("GET /readyz = %d, want 200", got)
	}
	administer("SET GLOBAL read_only = ON")
	if got := s.get("private", "/readyz"); got != http.StatusServiceUnavailable {
		t.Errorf("GET /readyz = %d while the database is read-only, want 503", got)
	}
	c.check("a new replica", c.run("serve", "--no-migrate", "--config", file), 1, "the database is read-only (read_only = ON)")
	c.check("doctor", c.run("doctor", "--config", file), 1, "failed   database: The database is read-only (read_only = ON).", "ok       database autocommit: ON")
	administer("SET GLOBAL read_only = OFF")
	if got := s.get("private", "/readyz"); got != http.StatusOK {
		t.Errorf("GET /readyz = %d after the failover, want 200", got)
	}
	if code := s.end(syscall.SIGTERM); code != 0 {
		t.Errorf("connector serve ended with the exit code %d, want 0:\n%s", code, s.log.String())
	}
}

func TestMigrate_SQLite(t *testing.T) {
	c := newTerminal(t)
	file := c.configured()
	c.check("serve before migrate", c.run("serve", "--no-migrate", "--config", file), 1, "run connector migrate")
	c.check("migrate", c.run("migrate", "--config", file), 0, "the schema of the database is up to date")
	s := c.serve("--no-migrate", "--config", file)
	if code := s.end(syscall.SIGTERM); code != 0 {
		t.Errorf("connector serve ended with the exit code %d, want 0:\n%s", code, s.log.String())
	}
}

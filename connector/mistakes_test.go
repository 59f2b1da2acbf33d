package main_test

import (
	"database/sql"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"azure-partner-connector/connector/store/sqldb"
)

// nobody is an account that owns nothing.
const nobody = 65534

// silent returns the address of a server that accepts connections and says nothing, as one behind a firewall may.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// TestMistakes_AreExplainedOnce runs the program with what an operator gets wrong. It says once what it saw and what to do, and
// exits with 1. How long it may wait for a server is sqldb.OpenTimeout; it waits for nothing else.
func TestMistakes_AreExplainedOnce(t *testing.T) {
	if sqldb.OpenTimeout >= 5*time.Second {
		t.Errorf("a server may take %s to answer first, want less than 5s", sqldb.OpenTimeout)
	}
	onMySQL := func(dsn string) func(c *terminal, file string) []string {
		return func(c *terminal, file string) []string {
			c.environ = append(c.environ, "CONNECTOR_DATABASE__DRIVER=mysql", "CONNECTOR_DATABASE__PATH=", "CONNECTOR_DATABASE__DSN=user:"+c.hide()+"@"+dsn)
			return []string{"serve", "--config", file}
		}
	}
	expired := []string{"hooks.tls.certFile: the certificate ended on 2020-01-02T00:00:00Z", "replace server.pem and its key"}
	for name, tc := range map[string]struct {
		spoil func(c *terminal, file string) (command []string)
		want  []string
	}{
		"no such file": {func(*terminal, string) []string {
			return []string{"serve", "--config", "nowhere.yaml"}
		}, []string{"nowhere.yaml: no such file or directory", "correct the path"}},
		"unknown key": {func(c *terminal, file string) []string {
			c.write(file, c.read(file)+"retention: {event: 9600h}\n")
			return []string{"serve", "--config", file}
		}, []string{"retention.event (line 10)", "unknown key"}},
		"no YAML": {func(c *terminal, file string) []string {
			c.write(file, c.read(file)+"retention: {events\n")
			return []string{"config", "check", "--config", file}
		}, []string{"connector.yaml (line ", "not a YAML file"}},
		"no DSN":                              {onMySQL("localhost/connector"), []string{"database.dsn", "user:password@tcp(host:3306)/name"}},
		"no server":                           {onMySQL("tcp(127.0.0.1:1)/connector"), []string{"connection refused", "check the host and the port in database.dsn"}},
		"a server that is silent":             {onMySQL("tcp(" + silent(t) + ")/connector"), []string{"did not answer within 4s", "check the host and the port in database.dsn"}},
		"a certificate that expired, checked": {expiredCertificate("config", "check"), expired},
		"a certificate that expired, served":  {expiredCertificate("serve"), expired},
		"another key": {func(c *terminal, file string) []string {
			c.check("migrate", c.run("migrate", "--config", file), 0)
			c.check("keys create", c.run("keys", "create", "other.keys"), 0)
			c.environ = append(c.environ, "CONNECTOR_KEYS__FILE=other.keys")
			return []string{"serve", "--config", file}
		}, []string{"the keys do not belong to this database", "use the key file that has it"}},
		"a newer database": {func(c *terminal, file string) []string {
			c.check("migrate", c.run("migrate", "--config", file), 0)
			db, err := sql.Open("sqlite", filepath.Join(c.folder, "connector.db"))
			c.must(err)
			_, err = db.ExecContext(c.Context(), "INSERT INTO schema_versions (version_id, is_applied) VALUES (9999, 1)")
			c.must(err)
			c.must(db.Close())
			return []string{"serve", "--config", file}
		}, []string{"its version is 9999", "start the newer program"}},
		"a configuration that it may not read": {func(c *terminal, file string) []string {
			c.must(os.Chmod(filepath.Join(c.folder, file), 0))
			return []string{"serve", "--config", file}
		}, []string{"connector.yaml: permission denied", "let the user of the process read"}},
		"keys that it may not read": {func(c *terminal, file string) []string {
			c.must(os.Chmod(filepath.Join(c.folder, "connector.keys"), 0))
			return []string{"serve", "--config", file}
		}, []string{"connector.keys: permission denied", "let the user of the process read"}},
		"a database that it may not write": {func(c *terminal, file string) []string {
			c.must(os.Mkdir(filepath.Join(c.folder, "data"), 0o500))
			c.environ = append(c.environ, "CONNECTOR_DATABASE__PATH=data/connector.db")
			return []string{"serve", "--config", file}
		}, []string{"permission denied", "the user of the process"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTerminal(t)
			c.folder = serverFolder(t)
			command := tc.spoil(c, c.configured())
			got := c.runAsNobody(command...)
			c.check(strings.Join(command, " "), got, 1)
			for _, want := range tc.want {
				if n := strings.Count(got.stdout+got.stderr, want); n != 1 {
					t.Errorf("connector %s = %v, which says %q %d times, want once", strings.Join(command, " "), got, want, n)
				}
			}
		})
	}
}

// expiredCertificate configures a certificate that ended long ago, for a command.
func expiredCertificate(command ...string) func(c *terminal, file string) []string {
	return func(c *terminal, file string) []string {
		files, err := certificatesUntil(c.folder, time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC))
		c.must(err)
		c.environ = append(c.environ, "CONNECTOR_HOOKS__TLS__CERTFILE="+filepath.Base(files.serverCert), "CONNECTOR_HOOKS__TLS__KEYFILE="+filepath.Base(files.serverKey))
		return append(slices.Clone(command), "--config", file)
	}
}

// runAsNobody runs a command with an account that owns the files of the test and has no other rights: root may read everything.
func (c *terminal) runAsNobody(args ...string) output {
	c.Helper()
	if os.Geteuid() != 0 {
		return c.run(args...)
	}
	c.must(filepath.Walk(c.folder, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody)
	}))
	return c.runWith(func(command *exec.Cmd) {
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		command.Env = slices.Concat(command.Env, []string{"HOME=" + c.folder})
	}, args...)
}

package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"azure-partner-connector/connector/store/storetest"
)

// rowRights are what an account needs that changes no tables.
const rowRights = "SELECT, INSERT, UPDATE, DELETE"

// onServer configures a connector with a server of its own, whose account has only rowRights, and returns the DSN of
// an account that may change tables.
func (c *terminal) onServer() (file, privileged string, administer func(statements ...string)) {
	c.Helper()
	db, administer := storetest.OwnServer(c, rowRights)
	administer("CREATE USER 'migrator'@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT ALL ON connector.* TO 'migrator'@'127.0.0.1'")
	file = c.configured()
	c.environ = append(c.environ, "CONNECTOR_DATABASE__DRIVER=mysql", "CONNECTOR_DATABASE__PATH=", "CONNECTOR_DATABASE__DSN="+db.DSN)
	return file, strings.Replace(db.DSN, "connector:x@", "migrator:x@", 1), administer
}

// TestMigrate_MySQLAlone migrates with one account, and serves with another one that may not change tables.
func TestMigrate_MySQLAlone(t *testing.T) {
	c := newTerminal(t)
	file, privileged, administer := c.onServer()
	c.check("serve before migrate", c.run("serve", "--no-migrate", "--config", file), 1, "run connector migrate")
	c.check("migrate without rights", c.run("migrate", "--config", file), 1, "CREATE command denied", "give the user of database.dsn CREATE, ALTER, DROP, INDEX and REFERENCES")
	c.check("serve without rights", c.run("serve", "--config", file), 1, "CREATE command denied", "then connector serve --no-migrate")

	limited := c.environ
	c.environ = slices.Concat(limited, []string{"CONNECTOR_DATABASE__DSN=" + privileged})
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
	administer("SET GLOBAL read_only = OFF", "CREATE USER 'reader'@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT SELECT ON connector.* TO 'reader'@'127.0.0.1'")
	reader := newTerminal(t)
	reader.folder, reader.environ = c.folder, slices.Concat(limited, []string{"CONNECTOR_DATABASE__DSN=" + strings.Replace(privileged, "migrator:x@", "reader:x@", 1)})
	reader.check("serve of a reader", reader.run("serve", "--no-migrate", "--config", file), 1, "UPDATE command denied", "give the user of database.dsn SELECT, INSERT, UPDATE and DELETE on the database")
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

// TestMigrate_MySQLEncrypted connects to a server that demands encryption and the connector's certificate, both signed by
// an authority of the test.
func TestMigrate_MySQLEncrypted(t *testing.T) {
	c := newTerminal(t)
	files, err := certificates(serverFolder(t))
	c.must(err)
	db, administer := storetest.OwnServer(t, "ALL", "--ssl-ca="+files.authority, "--ssl-cert="+files.serverCert, "--ssl-key="+files.serverKey)
	administer("ALTER USER 'connector'@'127.0.0.1' REQUIRE X509")
	file := c.configured()
	base := slices.Concat(c.environ, []string{"CONNECTOR_DATABASE__DRIVER=mysql", "CONNECTOR_DATABASE__PATH=", "CONNECTOR_DATABASE__DSN=" + db.DSN})
	for _, tc := range []struct {
		name    string
		environ []string
		code    int
		want    string
	}{
		{"without encryption", nil, 1, "Access denied"},
		{"another authority", []string{"CERTFILE=" + files.clientCert, "KEYFILE=" + files.clientKey}, 1, "unknown authority"},
		{"without certificate", []string{"CAFILE=" + files.authority}, 1, "Access denied"},
		{"with all", []string{"CAFILE=" + files.authority, "CERTFILE=" + files.clientCert, "KEYFILE=" + files.clientKey}, 0, "up to date"},
	} {
		c.environ = base[:len(base):len(base)]
		for _, variable := range tc.environ {
			c.environ = append(c.environ, "CONNECTOR_DATABASE__"+variable)
		}
		c.check("migrate "+tc.name, c.run("migrate", "--config", file), tc.code, tc.want)
		if tc.code == 0 {
			c.check("doctor "+tc.name, c.run("doctor", "--config", file), 1, "ok       database: mysql responds")
		}
	}
}

// serverFolder returns a folder that the account of the server can read.
func serverFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "connector-certificates-") //nolint:usetesting // parents of t.TempDir are closed to other accounts
	if err == nil {
		err = os.Chmod(folder, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

type certificateFiles struct{ authority, serverCert, serverKey, clientCert, clientKey string }

// certificates writes an authority and the certificates of a server at 127.0.0.1 and of its client.
func certificates(folder string) (certificateFiles, error) {
	return certificatesUntil(folder, time.Now().Add(time.Hour))
}

// certificatesUntil is certificates with the time when all of them end.
func certificatesUntil(folder string, end time.Time) (certificateFiles, error) {
	files := certificateFiles{
		authority: filepath.Join(folder, "ca.pem"), serverCert: filepath.Join(folder, "server.pem"), serverKey: filepath.Join(folder, "server.key"),
		clientCert: filepath.Join(folder, "client.pem"), clientKey: filepath.Join(folder, "client.key"),
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotBefore: end.AddDate(0, 0, -1), NotAfter: end, IsCA: true, BasicConstraintsValid: true,
	}
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, authority.Public(), authority)
	if err != nil {
		return files, err
	}
	if err := writePEM(files.authority, "CERTIFICATE", der); err != nil {
		return files, err
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return files, err
	}
	for i, leaf := range []struct{ cert, key string }{{files.serverCert, files.serverKey}, {files.clientCert, files.clientKey}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return files, err
		}
		template := x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 2)), Subject: pkix.Name{CommonName: filepath.Base(leaf.cert)}, NotBefore: root.NotBefore, NotAfter: root.NotAfter,
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
		signed, err := x509.CreateCertificate(rand.Reader, &template, root, key.Public(), authority)
		if err != nil {
			return files, err
		}
		encoded, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return files, err
		}
		if err := errors.Join(writePEM(leaf.cert, "CERTIFICATE", signed), writePEM(leaf.key, "PRIVATE KEY", encoded)); err != nil {
			return files, err
		}
	}
	return files, nil
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644)
}

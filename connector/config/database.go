package config

import (
	"crypto/tls"
	"net"
	"strings"

	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/store/sqldb"
)

// Encryption returns how the connection to a mysql server is encrypted, or nil when the DSN says it.
func (d Database) Encryption() (*tls.Config, error) {
	if d.CAFile == "" && d.CertFile == "" {
		return nil, nil
	}
	roots, err := httpclient.Roots(d.CAFile)
	if err != nil {
		return nil, err
	}
	encryption := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	if d.CertFile != "" {
		encryption.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(d.CertFile, d.KeyFile)
			return &pair, err
		}
	}
	return encryption, nil
}

func (c *checker) database() {
	db := &c.cfg.Database
	if c.failed("database") {
		return
	}
	switch db.Driver {
	case SQLite:
		if !db.DSN.Empty() || db.DSNFile != "" {
			c.problem("database.dsn", "only for the driver mysql; sqlite uses path")
		}
		for _, file := range []struct{ key, name string }{{"caFile", db.CAFile}, {"certFile", db.CertFile}, {"keyFile", db.KeyFile}} {
			if file.name != "" {
				c.problem("database."+file.key, "only for the driver mysql")
			}
		}
		if db.Path == "" {
			db.Path = "connector.db"
		}
		c.checkMode("database.path", db.Path)
	case MySQL:
		if db.Path != "" {
			c.problem("database.path", "only for the driver sqlite; mysql uses dsn")
		}
		c.mysql(db)
	default:
		c.problem("database.driver", "%q is invalid: must be %s or %s", db.Driver, SQLite, MySQL)
	}
}

func (c *checker) mysql(db *Database) {
	c.caFile("database.caFile", db.CAFile)
	c.tls("database", TLS{db.CertFile, db.KeyFile})
	if db.DSN.Empty() {
		c.problem("database.dsn", "missing: mysql needs dsn or dsnFile")
		return
	}
	parsed, err := sqldb.ParseDSN(db.DSN.Reveal())
	if err != nil {
		c.problem("database.dsn", "invalid: %v", err)
		return
	}
	byFile := db.CAFile != "" || db.CertFile != ""
	switch {
	case byFile && parsed.TLSConfig != "" && parsed.TLSConfig != "true":
		c.problem("database.dsn", "tls=%s contradicts database.caFile or database.certFile, which encrypt and verify; remove one of them", parsed.TLSConfig)
	case byFile, parsed.TLSConfig == "true", isLocal(parsed.Net, parsed.Addr):
	case parsed.TLSConfig == "skip-verify", parsed.TLSConfig == "preferred":
		c.warn("database.dsn has tls=%s: whoever is between this service and the database can read and change everything. Set database.caFile, or tls=true.", parsed.TLSConfig)
	default:
		c.warn("database.dsn has no tls: whoever is between this service and the database can read and change everything. Set database.caFile, or tls=true.")
	}
}

// isLocal reports whether a server is on this machine.
func isLocal(network, address string) bool {
	if network == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	return err == nil && isLoopback(strings.ToLower(host))
}

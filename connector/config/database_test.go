package config_test

import (
	"os"
	"strings"
	"testing"

	"azure-partner-connector/connector/config"
)

func TestLoad_DatabaseProblems(t *testing.T) {
	const dsn = "u:" + canary + "@tcp(db:3306)/d"
	for name, tc := range map[string]struct{ database, key, problem string }{
		"password in plain text":      {"driver: mysql, dsn: '" + dsn + "?tls=true&allowCleartextPasswords=true'", "database.dsn", "sets allowCleartextPasswords: it would send the password in plain text"},
		"encryption given up":         {"driver: mysql, dsn: '" + dsn + "?allowFallbackToPlaintext=1'", "database.dsn", "sets allowFallbackToPlaintext"},
		"our files":                   {"driver: mysql, dsn: '" + dsn + "?parseTime=true&allowAllFiles=TRUE'", "database.dsn", "sets allowAllFiles"},
		"broken passwords":            {"driver: mysql, dsn: '" + dsn + "?allowOldPasswords=true'", "database.dsn", "sets allowOldPasswords"},
		"unknown tls name":            {"driver: mysql, dsn: '" + dsn + "?tls=custom'", "database.dsn", "unknown tls configuration: tls must be true, false, skip-verify or preferred"},
		"unknown option":              {"driver: mysql, dsn: '" + dsn + "?parseTime=" + canary + "'", "database.dsn", "user:password@tcp(host:3306)/name"},
		"authority and no encryption": {"driver: mysql, dsn: '" + dsn + "?tls=false', caFile: ca.pem", "database.dsn", "tls=false contradicts database.caFile"},
		"authority and no check":      {"driver: mysql, dsn: '" + dsn + "?tls=skip-verify', caFile: ca.pem", "database.dsn", "tls=skip-verify contradicts database.caFile"},
		"authority missing":           {"driver: mysql, dsn: '" + dsn + "', caFile: nowhere.pem", "database.caFile", "cannot be read"},
		"certificate without key":     {"driver: mysql, dsn: '" + dsn + "', certFile: ca.pem", "database.keyFile", "missing although certFile is set"},
		"key without certificate":     {"driver: mysql, dsn: '" + dsn + "', keyFile: key.pem", "database.certFile", "missing although keyFile is set"},
		"certificate unusable":        {"driver: mysql, dsn: '" + dsn + "', certFile: ca.pem, keyFile: ca.pem", "database", "the certificate is unusable"},
		"authority of sqlite":         {"caFile: ca.pem", "database.caFile", "only for the driver mysql"},
		"certificate of sqlite":       {"certFile: ca.pem", "database.certFile", "only for the driver mysql"},
		"key of sqlite":               {"keyFile: ca.pem", "database.keyFile", "only for the driver mysql"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(tc.database, "ca.pem", write(t, "ca.pem", authority(t), 0o600))
			_, err := config.Load(write(t, "config.yaml", valid+"database: {"+text+"}\n", 0o600), nil)
			if got := problems(t, err)[tc.key]; !strings.Contains(got, tc.problem) {
				t.Errorf("Load: problem of %s = %q, want %q in it", tc.key, got, tc.problem)
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("Load: the error contains the password")
			}
		})
	}
}

// TestLoad_WarnsOfUnprotectedDatabases goes through connections that somebody on their way can read or change.
func TestLoad_WarnsOfUnprotectedDatabases(t *testing.T) {
	for database, want := range map[string]string{
		"driver: mysql, dsn: 'u:p@tcp(db:3306)/d'":                       "no tls",
		"driver: mysql, dsn: 'u:p@tcp(10.0.0.1:3306)/d?tls=false'":       "no tls",
		"driver: mysql, dsn: 'u:p@tcp(db:3306)/d?tls=preferred'":         "tls=preferred",
		"driver: mysql, dsn: 'u:p@tcp(db:3306)/d?tls=skip-verify'":       "tls=skip-verify",
		"driver: mysql, dsn: 'u:p@tcp(db:3306)/d?tls=true'":              "",
		"driver: mysql, dsn: 'u:p@tcp(db:3306)/d', caFile: ca.pem":       "",
		"driver: mysql, dsn: 'u:p@tcp(127.0.0.1:3306)/d'":                "",
		"driver: mysql, dsn: 'u:p@tcp([::1]:3306)/d'":                    "",
		"driver: mysql, dsn: 'u:p@tcp(Localhost:3306)/d'":                "",
		"driver: mysql, dsn: 'u:p@unix(/run/mysqld/mysqld.sock)/d'":      "",
		"driver: mysql, dsn: 'u:p@/d'":                                   "", // the driver's default is this machine
		"path: connector.db":                                             "",
		"driver: mysql, dsn: 'u:p@tcp(db:3306)/d?tls=1', caFile: ca.pem": "",
	} {
		text := strings.ReplaceAll(database, "ca.pem", write(t, "ca.pem", authority(t), 0o600))
		got, err := config.Load(write(t, "config.yaml", valid+"database: {"+text+"}\n", 0o600), nil)
		if err != nil {
			t.Errorf("Load with %s = %v", database, err)
			continue
		}
		if want == "" && len(got.Warnings) == 0 {
			continue
		}
		if want == "" || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], want) {
			t.Errorf("Load with %s: warnings = %q, want %q", database, got.Warnings, want)
		}
	}
}

// authority returns a PEM certificate.
func authority(t *testing.T) string {
	t.Helper()
	file, _ := certificate(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

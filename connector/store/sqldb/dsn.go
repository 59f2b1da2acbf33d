package sqldb

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	mysqldriver "github.com/go-sql-driver/mysql"
)

// unsafeOptions are parameters of a DSN that let a server, or anyone who answers in its place, read the password or our files.
var unsafeOptions = map[string]string{
	"allowCleartextPasswords":  "it would send the password in plain text to whoever asks",
	"allowFallbackToPlaintext": "it would give up encryption when the server offers none",
	"allowAllFiles":            "it would let the server read every file of the connector",
	"allowOldPasswords":        "it would send the password with an encryption that is broken",
}

// tlsNames are the values of the parameter tls.
var tlsNames = []string{"true", "false", "skip-verify", "preferred"}

// ParseDSN parses the DSN of a MySQL database. Its error says what is wrong and quotes neither the password nor anything else
// of the DSN but names and values of parameters that this program knows.
func ParseDSN(dsn string) (*mysqldriver.Config, error) {
	parameters := parametersOf(dsn)
	for name, reason := range unsafeOptions {
		if value := parameters.Get(name); isTrue(value) {
			return nil, fmt.Errorf("the DSN sets %s: %s; remove it", name, reason)
		}
	}
	if name := parameters.Get("tls"); name != "" && !slices.Contains(tlsNames, strings.ToLower(name)) && !isBool(name) {
		return nil, errors.New("the DSN names an unknown tls configuration: tls must be true, false, skip-verify or preferred; name certificates in database.caFile, database.certFile and database.keyFile")
	}
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		// The cause may quote a part of a password that was not escaped.
		return nil, errors.New("the DSN is malformed: expected user:password@tcp(host:3306)/name")
	}
	if cfg.DBName == "" {
		return nil, errors.New("the DSN names no database: expected user:password@tcp(host:3306)/name")
	}
	return cfg, nil
}

// parametersOf returns the parameters of a DSN, which follow the last slash.
func parametersOf(dsn string) url.Values {
	_, text, _ := strings.Cut(dsn[strings.LastIndex(dsn, "/")+1:], "?")
	values := url.Values{}
	for pair := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if unescaped, err := url.QueryUnescape(value); err == nil {
			value = unescaped
		}
		values.Set(name, value)
	}
	return values
}

// isTrue and isBool read values as the driver does.
func isTrue(value string) bool { return slices.Contains([]string{"1", "true", "TRUE", "True"}, value) }

func isBool(value string) bool {
	return isTrue(value) || slices.Contains([]string{"0", "false", "FALSE", "False"}, value)
}

package sqldb

import (
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/glebarez/go-sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"
)

// advice returns what to do about an error that a database gives when it is opened, for the person who starts the program.
func advice(err error) string {
	if e, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		switch e.Number {
		case 1045, 1698, 1251: // access denied, by password or by the way to sign in
			return "check the user and the password in database.dsn, and from where the server lets this user connect"
		case 1044, 1142, 1143, 1227: // access to the database, a table or a column denied, or a privilege missing
			return rightsAdvice(e.Message)
		case 1049:
			return "create the database that database.dsn names, or correct the name"
		}
		return ""
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() & 0xff {
		case 26, 11: // NOTADB, CORRUPT
			return "check that database.path names the connector's own file; restore a backup if it is damaged"
		case 5, 6: // BUSY, LOCKED
			return "stop the other program that uses the file: only one connector may"
		case 14, 8: // CANTOPEN, READONLY
			return "check the permissions of the file and its folder: the user of the process must write both"
		}
		return ""
	}
	_, isNetwork := errors.AsType[net.Error](err)
	_, isCertificate := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isCertificate:
		return "renew the server's certificate if it has expired, name its authority in database.caFile, and its host in database.dsn as the certificate does"
	case errors.Is(err, fs.ErrPermission):
		return "give the user of the process the right to write the file and its folder (database.path)"
	case errors.Is(err, fs.ErrNotExist):
		return "create the folder, or correct database.path"
	case errors.Is(err, context.Canceled):
		return ""
	case isNetwork, errors.Is(err, mysqldriver.ErrInvalidConn):
		return "check the host and the port in database.dsn, that the server runs, and that this machine may connect to it"
	}
	return ""
}

// rightsAdvice returns what to do about a right that an account lacks. A server's message begins with the name of the right
// (docs/reference/databases.md §6).
func rightsAdvice(message string) string {
	right, _, _ := strings.Cut(message, " ")
	switch strings.TrimSuffix(right, ",") {
	case "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES":
		return "give the user of database.dsn CREATE, ALTER, DROP, INDEX and REFERENCES on the database, or run connector migrate with an account that has them and then connector serve --no-migrate"
	}
	return "give the user of database.dsn SELECT, INSERT, UPDATE and DELETE on the database"
}

// An advisedError is an error with what to do about it.
type advisedError struct {
	error
	advice string
}

func (e *advisedError) Error() string { return e.error.Error() + "; " + e.advice }

func (e *advisedError) Unwrap() error { return e.error }

// advised returns err with what to do about it, once, if that is known.
func advised(err error) error {
	if _, done := errors.AsType[*advisedError](err); done || err == nil {
		return err
	}
	if text := advice(err); text != "" {
		return &advisedError{err, text}
	}
	return err
}

// FindFile returns an error that wraps fs.ErrNotExist, with what to do, when the file of a SQLite database is missing. A relative path
// is usually meant for the working folder of the service, which is not that of a person at the command line.
func FindFile(path string) error {
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	advice := "correct database.path, or start connector serve, which creates the file"
	if folder, folderErr := os.Getwd(); folderErr == nil && !filepath.IsAbs(path) {
		advice = "database.path is relative to the working folder, which is " + folder + " here: change to that of the service, or start connector serve, which creates the file"
	}
	return &advisedError{err, advice}
}

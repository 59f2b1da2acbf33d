package sqldb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/glebarez/go-sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"
)

// advice returns what to do about an error that a database gives when it is opened, for the person who starts the program.
func advice(err error) string {
	if e, ok := errors.AsType[*mysqldriver.MySQLError](err); ok {
		switch e.Number {
		case 1045, 1698, 1251: // access denied, by password or by the way to sign in
			return "check the user and the password in database.dsn, and from where the server lets this user connect"
		case 1044, 1142, 1227: // access to the database or a table denied, or a privilege missing
			return "give the user of database.dsn its rights on the database"
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
	switch {
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

// advised returns err with what to do about it, if that is known.
func advised(err error) error {
	if text := advice(err); text != "" {
		return fmt.Errorf("%w; %s", err, text)
	}
	return err
}

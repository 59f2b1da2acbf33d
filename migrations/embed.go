// Package migrations holds the versioned SQL scripts of each kind of database, in the format of goose. They are
// forward-only.
package migrations

import "embed"

// MySQL holds the migrations for MySQL, MariaDB and compatible databases, in the folder mysql.
//
//go:embed mysql/*.sql
var MySQL embed.FS

// SQLite holds the migrations for SQLite, in the folder sqlite.
//
//go:embed sqlite/*.sql
var SQLite embed.FS

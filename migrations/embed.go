// Package migrations holds the versioned SQL of each kind of database, in the format of goose. They run forward only.
package migrations

import "embed"

// MySQL holds the migrations of MySQL, MariaDB and what speaks their language, in the folder mysql.
//
//go:embed mysql/*.sql
var MySQL embed.FS

// SQLite holds the migrations of SQLite, in the folder sqlite.
//
//go:embed sqlite/*.sql
var SQLite embed.FS

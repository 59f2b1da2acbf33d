package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// A Setting is something about a database that correctness rests on, as the database itself reports it.
type Setting struct {
	Name  string // for example autocommit
	Value string // what the database says

	// Problem is a clause that says what is wrong; empty when nothing is.
	Problem string
	// Advice says what to do about the problem.
	Advice string
	// Tolerable is true for a problem with which the program runs nevertheless.
	Tolerable bool
}

// ErrUnsafe is returned for a database whose settings could lose what it acknowledged.
var ErrUnsafe = errors.New("the database is not safe to use")

// unsafe returns an error that wraps ErrUnsafe and names every intolerable problem, or nil.
func unsafe(settings []Setting) error {
	var errs []error
	for _, s := range settings {
		if s.Problem != "" && !s.Tolerable {
			errs = append(errs, fmt.Errorf("%w: %s. %s", ErrUnsafe, s.Problem, s.Advice))
		}
	}
	return errors.Join(errs...)
}

// Settings returns what correctness rests on, as a connection of db sees it: also what Open set, because a proxy or a
// compatible database may ignore that.
func (db *DB) Settings(ctx context.Context) ([]Setting, error) {
	settings, err := db.readSettings(ctx, db.pool)
	if err != nil {
		return nil, fmt.Errorf("reading the settings of the database: %w", err)
	}
	return settings, nil
}

func (db *DB) readSettings(ctx context.Context, pool *sql.DB) (settings []Setting, err error) {
	err = db.repeat(ctx, func() (err error) {
		settings, err = settingsOf(ctx, db.driver, pool)
		return err
	})
	return settings, err
}

func settingsOf(ctx context.Context, driver string, pool *sql.DB) ([]Setting, error) {
	if driver == SQLite {
		return sqliteSettings(ctx, pool)
	}
	return mysqlSettings(ctx, pool)
}

// A rule is what one setting must be.
type rule struct {
	name string
	// variables are the names that databases have for it; the first one that the database knows counts.
	variables []string
	ok        func(value string) bool
	problem   string // a format for the value
	advice    string
	tolerable bool
	// optional is true for a setting that a database may lack.
	optional bool
}

// proxyAdvice is for what this program sets on every connection.
const proxyAdvice = "The connector sets it on every connection, and something between it and the server, or the server itself, ignores that; connect to the server directly."

// mysqlRules are the rules for MySQL and MariaDB (docs/reference/databases.md §5).
func mysqlRules() []rule {
	on := func(value string) bool { return strings.EqualFold(value, "ON") || value == "1" }
	return []rule{
		{name: "autocommit", variables: []string{"autocommit"}, ok: on, problem: "autocommit is %s, so that statements report success and are lost", advice: proxyAdvice},
		{name: "isolation", variables: []string{"transaction_isolation", "tx_isolation"}, ok: func(v string) bool { return v == "READ-COMMITTED" }, problem: "the isolation level is %s, not READ-COMMITTED", advice: proxyAdvice},
		{name: "sql_mode", variables: []string{"sql_mode"}, ok: func(v string) bool { return strings.Contains(v, "STRICT_ALL_TABLES") }, problem: "sql_mode is %q, without STRICT_ALL_TABLES, so that values that do not fit are cut", advice: proxyAdvice},
		{name: "foreign_key_checks", variables: []string{"foreign_key_checks"}, ok: on, problem: "foreign_key_checks is %s, so that secrets of deleted tenants may remain", advice: proxyAdvice},
		{name: "unique_checks", variables: []string{"unique_checks"}, ok: on, problem: "unique_checks is %s, so that one directory may get two tenants", advice: proxyAdvice},
		{name: "completion_type", variables: []string{"completion_type"}, ok: func(v string) bool { return v == "NO_CHAIN" || v == "0" }, problem: "completion_type is %s, so that statements after a COMMIT are lost", advice: proxyAdvice, optional: true},
		{name: "sql_select_limit", variables: []string{"sql_select_limit"}, ok: func(v string) bool { return len(v) > 10 }, problem: "sql_select_limit is %s, so that results are cut", advice: proxyAdvice, optional: true},
		{name: "innodb_flush_log_at_trx_commit", variables: []string{"innodb_flush_log_at_trx_commit"}, ok: func(v string) bool { return v == "1" || v == "3" }, problem: "innodb_flush_log_at_trx_commit is %s, so that a power failure loses the last second of refresh tokens, unless another node has them", advice: "Set it to 1, unless the database is a cluster.", tolerable: true, optional: true},
	}
}

func mysqlSettings(ctx context.Context, pool *sql.DB) ([]Setting, error) {
	var version string
	if err := pool.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return nil, err
	}
	settings := []Setting{versionSetting(version)}
	rules := mysqlRules()
	var names []any
	for _, r := range rules {
		for _, name := range r.variables {
			names = append(names, name)
		}
	}
	values, err := variablesOf(ctx, pool, "SESSION", names)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		if s, known := r.setting(values); known || !r.optional {
			settings = append(settings, s)
		}
	}
	tables, err := tableSettings(ctx, pool)
	return append(settings, tables...), err
}

// variablesOf returns the values, GLOBAL or SESSION, of those variables that the database knows.
func variablesOf(ctx context.Context, pool *sql.DB, scope string, names []any) (map[string]string, error) {
	query := "SHOW " + scope + " VARIABLES WHERE Variable_name IN (?" + strings.Repeat(", ?", len(names)-1) + ")" //nolint:gosec // scope is one of two constants
	rows, err := pool.QueryContext(ctx, query, names...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		values[strings.ToLower(name)] = value
	}
	return values, rows.Err()
}

func (r rule) setting(values map[string]string) (s Setting, known bool) {
	s = Setting{Name: r.name, Tolerable: r.tolerable}
	for _, name := range r.variables {
		if s.Value, known = values[name]; known {
			break
		}
	}
	switch {
	case !known:
		s.Value, s.Problem, s.Advice = "unknown", fmt.Sprintf("the database does not report %s", r.name), proxyAdvice
	case !r.ok(s.Value):
		s.Problem, s.Advice = fmt.Sprintf(r.problem, s.Value), r.advice
	}
	return s, known
}

// versionNumber matches the number in VERSION(). MariaDB behind some proxies has "5.5.5-" in front.
var versionNumber = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)`)

func versionSetting(version string) Setting {
	s := Setting{Name: "version", Value: version}
	const advice = "Use MySQL 8.4 or later, or MariaDB 10.6 or later."
	number := versionNumber.FindStringSubmatch(version)
	if number == nil {
		s.Problem, s.Advice = fmt.Sprintf("its version is %q, which has no number", version), advice
		return s
	}
	major, _ := strconv.Atoi(number[1])
	minor, _ := strconv.Atoi(number[2])
	before := func(otherMajor, otherMinor int) bool {
		return major < otherMajor || major == otherMajor && minor < otherMinor
	}
	least, name := [2]int{8, 0}, "MySQL"
	mariaDB := strings.Contains(strings.ToLower(version), "mariadb")
	if mariaDB {
		least, name = [2]int{10, 6}, "MariaDB"
	}
	switch {
	case before(least[0], least[1]):
		s.Problem, s.Advice = fmt.Sprintf("it is %s %d.%d, which is too old", name, major, minor), advice
	case !mariaDB && before(8, 4):
		s.Problem = fmt.Sprintf("it is %s %d.%d, older than 8.4, which its maker does not support any more, and not proven", name, major, minor)
		s.Advice, s.Tolerable = advice, true
	}
	return s
}

var (
	createdTable = regexp.MustCompile(`CREATE TABLE IF NOT EXISTS (\w+)`)
	foreignKey   = regexp.MustCompile(`CONSTRAINT (\w+) FOREIGN KEY`)
)

// tableSettings checks what a restored dump, or a database that is only compatible, may lack: transactions and foreign keys
// of the tables of the applied migrations. It returns nothing for a database without tables.
func tableSettings(ctx context.Context, pool *sql.DB) ([]Setting, error) {
	tables, keys, err := migratedNames(ctx, pool)
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	engine := Setting{Name: "engine", Value: "InnoDB"}
	others, err := Texts(ctx, pool, "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' AND engine <> 'InnoDB' ORDER BY table_name")
	if err != nil {
		return nil, err
	}
	if others = slices.DeleteFunc(others, func(name string) bool { return !slices.Contains(tables, name) }); len(others) > 0 {
		engine.Value = "not InnoDB: " + strings.Join(others, ", ")
		engine.Problem = "not all of its tables have the engine InnoDB, and others may have no transactions (" + strings.Join(others, ", ") + ")"
		engine.Advice = "Change them with ALTER TABLE … ENGINE = InnoDB."
	}
	// MariaDB shows table_constraints only to accounts that may change the table, and this also to those that may read it.
	present, err := Texts(ctx, pool, "SELECT DISTINCT constraint_name FROM information_schema.key_column_usage WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL")
	if err != nil {
		return nil, err
	}
	missing := slices.DeleteFunc(slices.Clone(keys), func(name string) bool { return slices.Contains(present, name) })
	foreign := Setting{Name: "foreign keys", Value: fmt.Sprintf("%d of %d", len(keys)-len(missing), len(keys))}
	if len(missing) > 0 {
		foreign.Problem = "it lacks the foreign keys " + strings.Join(missing, ", ")
		foreign.Advice = "Restore a complete copy, or add them as in migrations/mysql."
	}
	return []Setting{engine, foreign}, nil
}

// migratedNames returns the tables and foreign keys that the applied migrations created.
func migratedNames(ctx context.Context, pool *sql.DB) (tables, keys []string, err error) {
	_, scripts, countTables, err := dialectOf(MySQL)
	if err != nil {
		return nil, nil, err
	}
	var n int
	if err := pool.QueryRowContext(ctx, countTables, versionTable).Scan(&n); err != nil || n == 0 {
		return nil, nil, err
	}
	applied, err := Texts(ctx, pool, "SELECT version_id FROM "+versionTable+" WHERE is_applied")
	if err != nil {
		return nil, nil, err
	}
	files, err := fs.Glob(scripts, "*.sql")
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		version, err := goose.NumericComponent(file)
		if err != nil || !slices.Contains(applied, strconv.FormatInt(version, 10)) {
			continue
		}
		script, err := fs.ReadFile(scripts, file)
		if err != nil {
			return nil, nil, err
		}
		for _, match := range createdTable.FindAllStringSubmatch(string(script), -1) {
			tables = append(tables, match[1])
		}
		for _, match := range foreignKey.FindAllStringSubmatch(string(script), -1) {
			keys = append(keys, match[1])
		}
	}
	return tables, keys, nil
}

// Texts returns the values of a query with one column.
func Texts(ctx context.Context, pool *sql.DB, query string) ([]string, error) {
	rows, err := pool.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var values []string
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, rows.Err()
}

// sqliteSettings reads the pragmas that openSQLite sets: SQLite reports no error for one that it cannot set, for example
// journal_mode on a file system without shared memory.
func sqliteSettings(ctx context.Context, pool *sql.DB) ([]Setting, error) {
	var version string
	if err := pool.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return nil, err
	}
	settings := []Setting{{Name: "version", Value: version}}
	for _, pragma := range []struct{ name, want, problem, advice string }{
		{"journal_mode", "wal", "its journal_mode is %s, not wal, so that readers and writers block each other", "Put the file on a local file system."},
		{"synchronous", "2", "synchronous is %s, not 2 (FULL), so that a power failure loses refresh tokens", "Report this as a fault of the connector."},
		{"foreign_keys", "1", "foreign_keys is %s, so that secrets of deleted tenants may remain", "Report this as a fault of the connector."},
		{"secure_delete", "1", "secure_delete is %s, so that deleted secrets remain in the file", "Report this as a fault of the connector."},
	} {
		s := Setting{Name: pragma.name}
		if err := pool.QueryRowContext(ctx, "PRAGMA "+pragma.name).Scan(&s.Value); err != nil {
			return nil, err
		}
		if s.Value != pragma.want {
			s.Problem, s.Advice = fmt.Sprintf(pragma.problem, s.Value), pragma.advice
		}
		settings = append(settings, s)
	}
	return settings, nil
}

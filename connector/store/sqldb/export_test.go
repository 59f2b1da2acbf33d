package sqldb

import "database/sql"

// Outcomes returns the rows of serverErrors: number, what it means, and the expression that its messages match.
func Outcomes() (rows []Outcome) {
	for _, known := range serverErrors {
		row := Outcome{Number: known.number, Means: map[outcome]string{retryable: "retried", undecided: "undecided"}[known.outcome]}
		if known.text != nil {
			row.Text = known.text.String()
		}
		rows = append(rows, row)
	}
	return rows
}

// An Outcome is a row of serverErrors.
type Outcome struct {
	Number uint16
	Means  string
	Text   string
}

// Judge returns the setting that a server's value leads to: of the rule that reads the variable, or of the version.
func Judge(variable, value string) Setting {
	if variable == "version" {
		return versionSetting(value)
	}
	values := map[string]string{}
	if value != "" {
		values[variable] = value
	}
	for _, r := range mysqlRules() {
		for _, name := range r.variables {
			if name == variable {
				s, _ := r.setting(values)
				return s
			}
		}
	}
	return Setting{}
}

// Unopened returns a DB without a database, for a Batcher.
func Unopened(driver string, connections int) *DB {
	return &DB{driver: driver, cfg: Config{Driver: driver, MaxConnections: connections}}
}

// Pooled returns a DB with connections of its own.
func Pooled(driver string, pool *sql.DB) *DB { return &DB{driver: driver, pool: pool} }

// Advice returns what to do about an error that a database gives when it is opened.
func Advice(err error) string { return advice(err) }

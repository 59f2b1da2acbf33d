package main

import (
	"fmt"

	"azure-partner-connector/connector/app"
)

type migrateCommand struct{ configFile }

// Run brings the schema up to date and ends.
func (m migrateCommand) Run(c *console) error {
	cfg, err := m.load()
	if err != nil {
		return err
	}
	if err := app.Migrate(c.ctx, cfg, app.Options{Log: newLog(forPrograms(c.stderr), cfg.Log)}); err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.stdout, "the schema of the database is up to date")
	return err
}

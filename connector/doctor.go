package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
)

type doctorCommand struct {
	configFile
	Tenant string `help:"Also diagnose this tenant, named by its ID, name or directory. Its refresh token is renewed once, as by Check Now." placeholder:"ID"`
	JSON   bool   `help:"Print one JSON document at the end instead of one line per check."`
	Log    bool   `help:"Write the log to standard error, in the configured level and format."`
}

// Run diagnoses the deployment and fails when any check failed.
func (d doctorCommand) Run(c *console) error {
	examiner, err := doctor.New(doctor.Config{
		Load:   d.parse,
		Tenant: d.Tenant,
		OnFinding: func(f doctor.Finding) {
			if !d.JSON {
				fmt.Fprintln(c.stdout, oneLine(f.String()))
			}
		},
		Log: func(cfg config.Log) *slog.Logger {
			if !d.Log {
				return slog.New(slog.DiscardHandler)
			}
			return newLog(forPrograms(c.stderr), cfg)
		},
	})
	if err != nil {
		return err
	}
	report := examiner.Examine(c.ctx)
	failed := report.Count(doctor.Failed)
	if d.JSON {
		encoder := json.NewEncoder(forPrograms(c.stdout))
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			return fmt.Errorf("writing the report: %w", err)
		}
	} else {
		fmt.Fprintf(c.stdout, "%d ok, %d with a warning, %d failed; reference %s\n", report.Count(doctor.OK), report.Count(doctor.Warning), failed, report.Reference)
	}
	if failed > 0 {
		return errors.New("some checks failed")
	}
	return nil
}

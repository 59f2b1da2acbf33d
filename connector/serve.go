package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"azure-partner-connector/connector/app"
)

type serveCommand struct {
	configFile
	NoMigrate bool `help:"Leave the schema of the database as it is, and refuse to start when connector migrate must run first. The database account then needs no rights but to read and change rows."`
}

// Run serves until the process receives a signal to stop.
func (s serveCommand) Run(c *console) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, os.Interrupt, syscall.SIGTERM) // from now on SIGHUP does not kill
	defer func() {
		signal.Stop(signals)
		close(signals)
	}()
	cfg, err := s.load()
	if err != nil && cfg.Log.Format == "" {
		return err // the file cannot be read, so nothing is known of its log
	}
	log := newLog(forPrograms(c.stderr), cfg.Log)
	if err != nil {
		return cannotStart(log, err)
	}
	// Nobody trusts a listener whose certificate has ended, and somebody looks now. One that ends later is served on, with an error
	// in the log: the refresh tokens must go on being renewed.
	if err := cfg.Ended(time.Now()); err != nil {
		return cannotStart(log, err)
	}
	for _, warning := range cfg.Warnings {
		log.WarnContext(c.ctx, "configuration warning", "warning", warning)
	}
	options := app.Options{Log: log, Version: version}
	if s.NoMigrate {
		options.Migration = app.RequireSchema
	}
	traces, err := startTraces(log)
	if err != nil {
		return cannotStart(log, err)
	}
	options.Traces = traces.provider()
	connector, err := app.New(c.ctx, cfg, options)
	if err != nil {
		traces.end()
		return cannotStart(log, err)
	}
	log.InfoContext(c.ctx, "connector started", "version", version)
	go obey(c.ctx, signals, connector, log)
	supervised := supervise(c.ctx, log)
	defer supervised()
	err = connector.Run(c.ctx)
	traces.end()
	if err != nil {
		log.ErrorContext(c.ctx, "connector stopped", "err", err)
		return err
	}
	log.InfoContext(c.ctx, "connector stopped")
	return nil
}

// obey reloads certificates at every SIGHUP, and ends draining at the second signal to stop. The first one ends the
// context of the command.
func obey(ctx context.Context, signals <-chan os.Signal, connector *app.App, log *slog.Logger) {
	stops := 0
	for s := range signals {
		if s == syscall.SIGHUP {
			log.InfoContext(ctx, "reloading certificates", "signal", s.String())
			connector.Reload(ctx)
		} else if stops++; stops > 1 {
			connector.Hurry()
		}
	}
}

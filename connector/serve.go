package main

import "azure-partner-connector/connector/app"

type serveCommand struct{ configFile }

// Run serves until the process receives a signal to stop.
func (s serveCommand) Run(c *console) error {
	cfg, err := s.load()
	if err != nil {
		return err
	}
	log := newLog(c.stderr, cfg.Log)
	for _, warning := range cfg.Warnings {
		log.WarnContext(c.ctx, "configuration warning", "warning", warning)
	}
	connector, err := app.New(c.ctx, cfg, app.Options{Log: log})
	if err != nil {
		return err
	}
	log.InfoContext(c.ctx, "connector started", "version", version)
	err = connector.Run(c.ctx)
	log.InfoContext(c.ctx, "connector stopped", "err", err)
	return err
}

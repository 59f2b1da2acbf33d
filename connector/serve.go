package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/seal"
)

// configFile is shared by the commands that read the configuration.
type configFile struct {
	Config string `help:"The configuration file; the environment (CONNECTOR_…) wins over it." type:"path" env:"CONNECTOR_CONFIG" placeholder:"FILE"`
}

func (f configFile) load() (config.Config, error) { return config.Load(f.Config, os.Environ()) }

type serveCommand struct{ configFile }

// Run serves until the process is told to end.
func (s serveCommand) Run(c *console) error {
	cfg, err := s.load()
	if err != nil {
		return fmt.Errorf("the configuration is wrong:\n%w", err)
	}
	log := newLog(c.stderr, cfg.Log)
	for _, warning := range cfg.Warnings {
		log.WarnContext(c.ctx, "the configuration works, but should not stay so", "warning", warning)
	}
	connector, err := app.New(c.ctx, cfg, app.Options{Log: log})
	if err != nil {
		return err
	}
	log.InfoContext(c.ctx, "connector starts", "version", version)
	err = connector.Run(c.ctx)
	log.InfoContext(c.ctx, "connector has ended", "err", err)
	return err
}

func newLog(w io.Writer, cfg config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Level}
	if cfg.Format == config.Text {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

type configCommand struct {
	Example configExample `cmd:"" help:"Print a configuration file with every key explained."`
	Check   configCheck   `cmd:"" help:"Say everything that is wrong with the configuration."`
}

type configExample struct{}

// Run prints the example.
func (configExample) Run(c *console) error {
	_, err := c.stdout.Write(config.Example())
	return err
}

type configCheck struct{ configFile }

// Run loads the configuration and tells what it found.
func (f configCheck) Run(c *console) error {
	cfg, err := f.load()
	if err != nil {
		return fmt.Errorf("the configuration is wrong:\n%w", err)
	}
	for _, warning := range cfg.Warnings {
		fmt.Fprintln(c.stdout, "warning:", warning)
	}
	_, err = fmt.Fprintln(c.stdout, "the configuration is complete")
	return err
}

type keysCommand struct {
	Create keysCreate `cmd:"" help:"Make a new file of keys. Keep a copy apart from the database: without it nothing stored can be read."`
}

type keysCreate struct {
	File string `arg:"" help:"Where to write the keys; must not exist yet." type:"path"`
}

// Run makes the keys.
func (k keysCreate) Run(c *console) error {
	if _, err := seal.CreateFile(k.File); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.stdout, "wrote new keys to", k.File)
	return err
}

package main

import (
	"fmt"

	"azure-partner-connector/connector/config"
)

type configCommand struct {
	Example configExample `cmd:"" help:"Print a configuration file that explains every key."`
	Check   configCheck   `cmd:"" help:"List everything that is wrong with the configuration."`
}

type configExample struct{}

// Run prints the example.
func (configExample) Run(c *console) error {
	_, err := c.stdout.Write(config.Example())
	return err
}

type configCheck struct{ configFile }

// Run loads the configuration and prints its warnings; it fails with all problems.
func (f configCheck) Run(c *console) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		fmt.Fprintln(c.stdout, "warning:", warning)
	}
	_, err = fmt.Fprintln(c.stdout, "the configuration is valid")
	return err
}

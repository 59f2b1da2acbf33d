package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.yaml.in/yaml/v3"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/trace/otlp"
)

type configCommand struct {
	Example configExample `cmd:"" help:"Print a configuration file that explains every key."`
	Show    configShow    `cmd:"" help:"Print the configuration that file, environment and defaults make together, without its secrets."`
	Check   configCheck   `cmd:"" help:"List everything that is wrong with the configuration, also certificates that have ended, and check that the keys belong to the database if that can be reached."`
}

type configExample struct{}

// Run prints the example.
func (configExample) Run(c *console) error {
	_, err := forPrograms(c.stdout).Write(config.Example())
	return err
}

type configShow struct{ configFile }

// Run prints the effective configuration as YAML. Secrets print themselves as redacted.
func (f configShow) Run(c *console) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	encoder := yaml.NewEncoder(forPrograms(c.stdout))
	encoder.SetIndent(2)
	if err := encoder.Encode(cfg); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	return encoder.Close()
}

type configCheck struct{ configFile }

// Run loads the configuration and prints its warnings; it fails with all problems. Then it checks the keys.
func (f configCheck) Run(c *console) error {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	for _, warning := range cfg.Warnings {
		fmt.Fprintln(c.stdout, "warning:", warning)
	}
	keyring, err := cfg.Keys.Open()
	if err != nil {
		return fmt.Errorf("the configuration is invalid:\nkeys.file: %w", err)
	}
	if _, _, err := otlp.FromEnvironment(os.Getenv); err != nil {
		return fmt.Errorf("the environment is invalid:\n%w", err)
	}
	if err := cfg.Ended(time.Now()); err != nil {
		return err
	}
	fmt.Fprintln(c.stdout, "the configuration is valid")
	return checkDatabase(c, cfg, keyring)
}

// checkDatabase checks that the keys belong to the database. A database that does not exist yet or cannot be reached from here
// is no error: the check may run before the deployment.
func checkDatabase(c *console, cfg config.Config, keyring *seal.Keyring) error {
	var err, secretsErr error
	unreachable := withStore(c, cfg, keyring, func(s *store.Store) error {
		if err = s.CheckKeys(c.ctx); err == nil {
			var warnings []string
			warnings, secretsErr = app.CheckSecrets(c.ctx, s, cfg.Instances)
			for _, warning := range warnings {
				fmt.Fprintln(c.stdout, "warning:", warning)
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrWrongKeys):
		return err
	case errors.Is(err, sqldb.ErrNoSchema):
		_, err = fmt.Fprintln(c.stdout, "the database is empty; it will belong to these keys")
		return errors.Join(err, strongSecrets(cfg))
	case cfg.Database.Driver == config.SQLite && errors.Is(unreachable, fs.ErrNotExist):
		_, err = fmt.Fprintln(c.stdout, "there is no database yet; the first start creates it, and it will belong to these keys")
		return errors.Join(err, strongSecrets(cfg))
	case unreachable != nil || err != nil:
		_, err = fmt.Fprintln(c.stdout, "whether the keys belong to the database was not checked:", errors.Join(unreachable, err))
		return err
	}
	_, err = fmt.Fprintln(c.stdout, "the keys belong to the database")
	return errors.Join(err, secretsErr)
}

// strongSecrets returns an error for each weak secret: an empty database knows no instance.
func strongSecrets(cfg config.Config) error {
	var errs []error
	for i, in := range cfg.Instances {
		if weakness := config.Weakness(in.Secret); weakness != "" {
			errs = append(errs, fmt.Errorf("instances[%d].secret is too weak for a new instance: %s", i, weakness))
		}
	}
	return errors.Join(errs...)
}

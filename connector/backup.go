package main

import (
	"errors"
	"fmt"

	"azure-partner-connector/connector/store"
)

type backupCommand struct {
	Check backupCheck `cmd:"" help:"Prove that a database, such as one restored from a copy, opens with the key file: every secret in it is opened, and none is shown."`
}

type backupCheck struct{ configFile }

// Run opens everything that is sealed and fails when anything does not open, or when there is nothing.
func (b backupCheck) Run(c *console) error {
	cfg, err := b.load()
	if err != nil {
		return fmt.Errorf("the configuration is wrong:\n%w", err)
	}
	keyring, err := cfg.Keys.Open()
	if err != nil {
		return err
	}
	return withStored(c, cfg, keyring, func(s *store.Store) error {
		found, err := s.CheckSealed(c.ctx, nil)
		if err != nil {
			return err
		}
		return report(c, found)
	})
}

func report(c *console, found []store.Progress) error {
	var opened, older, failed int
	for _, p := range found {
		fmt.Fprintf(c.stdout, "%s.%s: %d open, %d do not\n", p.Table, p.Column, p.Looked-p.Failed, p.Failed)
		if p.Failure != nil {
			fmt.Fprintln(c.stdout, "  the first:", p.Failure)
		}
		opened, older, failed = opened+p.Looked-p.Failed, older+p.Older, failed+p.Failed
	}
	if older > 0 {
		fmt.Fprintf(c.stdout, "%d are not sealed with the key that seals now; connector rekey --reseal changes that\n", older)
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d secrets of %d do not open: this is not the key file that they were sealed with, or they were changed", failed, opened+failed)
	case opened == 0:
		return errors.New("there is not one secret in this database: nothing is proven")
	}
	_, err := fmt.Fprintf(c.stdout, "all %d secrets open\n", opened)
	return err
}

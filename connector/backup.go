package main

import (
	"errors"
	"fmt"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
)

type backupCommand struct {
	Check backupCheck `cmd:"" help:"Check that a database, for example a restored backup, can be read with the key file: opens every secret and shows none."`
}

type backupCheck struct{ configFile }

// Run opens every sealed value. It fails when the keys do not belong to the database, when one value does not open, and when
// there is none: then the check proves nothing.
func (b backupCheck) Run(c *console) error {
	return withConfiguredStore(c, b.configFile, func(_ *seal.Keyring, s *store.Store) error {
		if err := s.CheckKeys(c.ctx); err != nil {
			return err
		}
		columns, err := s.CheckSealed(c.ctx, nil)
		if err != nil {
			return err
		}
		restored, err := s.Restored(c.ctx)
		if err != nil {
			return err
		}
		bringsBack(c, restored)
		return report(c, columns)
	})
}

// bringsBack says what the database undoes when it replaces a newer one. Nothing in it shows that it is old.
func bringsBack(c *console, r store.Restored) {
	last := "it has no event"
	if !r.LastEvent.IsZero() {
		last = "its last event is of " + r.LastEvent.Format("2006-01-02 15:04:05 UTC")
	}
	fmt.Fprintf(c.stdout, `%s; used in place of a newer database, it brings back:
  %d refresh tokens, also those that were deleted since
  the borrowers of %d instances, also those that were removed since
  %d clients of the token API with their keys, also those that were removed since
  %d open consents with their links and claim codes, also those that were used since
  the %d requests of the platform that it remembers, and none of those since
`, last, r.Grants, r.Borrowing, r.Clients, r.Consents, r.Nonces)
}

func report(c *console, columns []store.Progress) error {
	var opened, older, failed int
	for _, p := range columns {
		fmt.Fprintf(c.stdout, "%s.%s: %d opened, %d failed\n", p.Table, p.Column, p.Checked-p.Failed, p.Failed)
		if p.Failure != nil {
			fmt.Fprintln(c.stdout, "  first failure:", p.Failure)
		}
		opened, older, failed = opened+p.Checked-p.Failed, older+p.Older, failed+p.Failed
	}
	if older > 0 {
		fmt.Fprintf(c.stdout, "%d are sealed with an older key; run connector rekey --reseal\n", older)
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d secrets failed to open: they were damaged or changed in the database, or their key is lost", failed, opened+failed)
	case opened == 0:
		return errors.New("the database holds no secret, so the check proves nothing")
	}
	_, err := fmt.Fprintf(c.stdout, "all %d secrets opened\n", opened)
	return err
}

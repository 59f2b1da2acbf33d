package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os/user"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
)

type eventsCommand struct {
	List   eventsList   `cmd:"" help:"List the latest events of the audit trail."`
	Export eventsExport `cmd:"" help:"Write events, one a line, from the beginning or from where an earlier export ended."`
	Accept eventsAccept `cmd:"" help:"Accept the changes and holes that connector events verify lists. Without --yes it only shows them."`
	Verify eventsVerify `cmd:"" help:"Compare the audit trail with its checkpoints, and list every change and hole. Changes nothing."`
}

type eventsVerify struct {
	configFile
	Checkpoint int64  `help:"A checkpoint that the log of the connector named (events covered)." placeholder:"NUMBER"`
	Hash       string `help:"The hash that the log named for this checkpoint. A trail whose end was cut off does not have it any more." placeholder:"HASH"`
}

// Run verifies the events. It fails when something was changed or is missing.
func (e eventsVerify) Run(c *console) error {
	if (e.Checkpoint == 0) != (e.Hash == "") {
		return errors.New("--checkpoint and --hash belong together")
	}
	return withCheckedStore(c, e.configFile, func(s *store.Store) error {
		v, err := s.VerifyEvents(c.ctx, func(text string) { fmt.Fprintln(c.stdout, "problem:", text) })
		if err != nil {
			return err
		}
		if e.Checkpoint > 0 {
			if err := s.CompareCheckpoint(c.ctx, e.Checkpoint, e.Hash); err != nil {
				fmt.Fprintln(c.stdout, "problem:", err)
				v.Problems++
			}
		}
		fmt.Fprintf(c.stdout, "verified %d events of %d checkpoints; %d removed by retention, %d not covered yet\n", v.Events, v.Checkpoints, v.Removed, v.Uncovered)
		if v.Accepted > 0 {
			fmt.Fprintf(c.stdout, "%s accepted; see the events integrity.accepted\n", were(v.Accepted, "problem"))
		}
		if v.Last.Number > 0 {
			fmt.Fprintf(c.stdout, "the last checkpoint is %d, its hash %s\n", v.Last.Number, hex.EncodeToString(v.Last.Hash))
		}
		if v.Problems > 0 {
			return fmt.Errorf("%s found: the audit trail was changed outside the connector", were(v.Problems, "problem"))
		}
		return nil
	})
}

type eventsAccept struct {
	configFile
	Yes bool `help:"Accept what is shown. Each problem becomes an event of the audit trail, and another change of the same events is another problem."`
}

// Run shows the problems of the audit trail, and with --yes accepts them.
func (e eventsAccept) Run(c *console) error {
	return withCheckedStore(c, e.configFile, func(s *store.Store) error {
		v, err := s.VerifyEvents(c.ctx, func(text string) { fmt.Fprintln(c.stdout, "problem:", text) })
		switch {
		case err != nil:
			return err
		case v.Problems == 0:
			_, err := fmt.Fprintln(c.stdout, "there is nothing to accept")
			return err
		case !e.Yes:
			return errors.New("nothing was changed; repeat the command with --yes to accept these problems")
		}
		if err := s.AcceptEvents(c.ctx, v.Found, time.Now(), commandLine()); err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "%s accepted\n", were(len(v.Found), "problem"))
		return err
	})
}

type integrityCommand struct {
	List   integrityList   `cmd:"" help:"List the instances, tenants and clients of the token API whose owner, directory, borrowers or scopes were changed outside the connector."`
	Accept integrityAccept `cmd:"" help:"Accept the present values of a listed instance or tenant as they are. Without --yes it only shows them."`
}

type integrityList struct{ configFile }

// Run lists altered rows. It fails when there are any.
func (i integrityList) Run(c *console) error {
	return withCheckedStore(c, i.configFile, func(s *store.Store) error {
		altered, err := s.Altered(c.ctx)
		if err != nil {
			return err
		}
		for _, row := range altered {
			describe(c, row)
		}
		if len(altered) > 0 {
			return fmt.Errorf("%s changed outside the connector; restore the right values, or %s", were(len(altered), "row"), remedyOf(altered))
		}
		_, err = fmt.Fprintln(c.stdout, "all instances, tenants and clients are as the connector stored them")
		return err
	})
}

// remedyOf says what else than right values repairs altered rows. Those of clients cannot be accepted: only a new key proves
// who has it.
func remedyOf(altered []store.AlteredRow) string {
	const accept, again = "accept the present ones with connector integrity accept", "remove the client with connector clients remove and add it again"
	clients := 0
	for _, row := range altered {
		if row.Client != "" {
			clients++
		}
	}
	switch clients {
	case 0:
		return accept
	case len(altered):
		return again
	}
	return accept + "; of a client, " + again
}

// were returns a number of things in a sentence about the past.
func were[N int | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return fmt.Sprintf("%d %ss were", n, thing)
}

func describe(c *console, row store.AlteredRow) {
	name := "instance " + row.InstanceKey
	switch {
	case row.TenantID != "":
		name = "tenant " + row.TenantID
	case row.Key != "":
		name = "key " + row.Key + " of client " + row.Client
	case row.Client != "":
		name = "client " + row.Client
	}
	fmt.Fprintln(c.stdout, name)
	for _, column := range row.Columns {
		fmt.Fprintf(c.stdout, "  %s is now %s\n", column.Name, harmless(column.Value))
	}
	for _, g := range row.Grants {
		fmt.Fprintf(c.stdout, "  its %s grant was given to account %s of instance %s\n", g.Slot, harmless(g.AccountID), harmless(g.InstanceKey))
	}
}

type integrityAccept struct {
	configFile
	Tenant   string `help:"The tenant to accept." xor:"row" required:"" placeholder:"ID"`
	Instance string `help:"The instance to accept, by its consumer key." xor:"row" required:"" placeholder:"KEY"`
	Yes      bool   `help:"Accept what is shown. The grants of a tenant then belong to its present owner."`
}

// Run shows the present values of one altered row, and with --yes accepts them.
func (i integrityAccept) Run(c *console) error {
	return withCheckedStore(c, i.configFile, func(s *store.Store) error {
		altered, err := s.Altered(c.ctx)
		if err != nil {
			return err
		}
		for _, row := range altered {
			if row.Client != "" || row.TenantID != i.Tenant || i.Tenant == "" && row.InstanceKey != i.Instance {
				continue
			}
			describe(c, row)
			if !i.Yes {
				return errors.New("nothing was changed; repeat the command with --yes to accept these values")
			}
			if err := s.Accept(c.ctx, row, time.Now(), commandLine()); err != nil {
				return err
			}
			_, err := fmt.Fprintln(c.stdout, "accepted")
			return err
		}
		return errors.New("this row is not listed: connector integrity list shows those that are")
	})
}

// commandLine returns who runs the command.
func commandLine() audit.Actor {
	actor := audit.Actor{Kind: audit.Operator, Name: "command line"}
	if u, err := user.Current(); err == nil {
		actor.ID, actor.Name = u.Username, u.Username
	}
	return actor
}

// withCheckedStore calls use with the database of the configuration, after it has checked that the keys belong to it.
func withCheckedStore(c *console, file configFile, use func(*store.Store) error) error {
	return withConfiguredStore(c, file, func(_ *seal.Keyring, s *store.Store) error {
		if err := s.CheckForm(c.ctx); err != nil {
			return err
		}
		return use(s)
	})
}

// withConfiguredStore calls use with the key file and the database of the configuration.
func withConfiguredStore(c *console, file configFile, use func(*seal.Keyring, *store.Store) error) error {
	cfg, err := file.load()
	if err != nil {
		return err
	}
	keyring, err := cfg.Keys.Open()
	if err != nil {
		return err
	}
	return withStore(c, cfg, keyring, func(s *store.Store) error {
		return use(keyring, s)
	})
}

package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
)

type keysCommand struct {
	Create keysCreate `cmd:"" help:"Create a key file. Keep a copy separate from the database: without the keys, nothing stored can be read."`
	Accept keysAccept `cmd:"" help:"Record anew that the keys belong to the database, when that record is damaged or gone. Without --yes it only shows what it would record."`
	List   keysList   `cmd:"" help:"List the IDs of the keys in the key file, and what the database needs them for. It shows no key."`
}

type keysCreate struct {
	File string `arg:"" help:"Where to write the keys. The file must not exist." type:"path"`
}

// Run creates the keys.
func (k keysCreate) Run(c *console) error {
	if _, err := seal.CreateFile(k.File); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.stdout, "wrote new keys to", k.File)
	return err
}

type keysList struct{ configFile }

// Run lists the keys of the file, and those that only the database names. It fails when the keys do not belong to the database.
func (k keysList) Run(c *console) error {
	return withConfiguredStore(c, k.configFile, func(keyring *seal.Keyring, s *store.Store) error {
		belongs := s.CheckKeys(c.ctx)
		uses, err := s.KeyUses(c.ctx)
		if err != nil {
			return errors.Join(belongs, err)
		}
		needs := map[uint32][]string{} // key → what needs it
		for _, use := range uses {
			needs[use.Key] = append(needs[use.Key], fmt.Sprintf("%s.%s %d", use.Table, use.Column, use.Values))
		}
		line := func(key uint32, role string) {
			what := "nothing"
			if len(needs[key]) > 0 {
				what = strings.Join(needs[key], ", ")
			}
			fmt.Fprintf(c.stdout, "key %d: %s; sealed %s\n", key, role, what)
			delete(needs, key)
		}
		for _, key := range keyring.Keys() {
			role := "opens"
			if key == keyring.Primary() {
				role = "seals"
			}
			line(key, role)
		}
		for _, use := range uses {
			if len(needs[use.Key]) > 0 {
				line(use.Key, "not in the key file")
			}
		}
		return belongs
	})
}

type keysAccept struct {
	configFile
	Yes bool `help:"Record what is shown. It refuses keys that do not open what is stored."`
}

// Run shows which keys have no intact record in the database, and with --yes records them.
func (k keysAccept) Run(c *console) error {
	return withConfiguredStore(c, k.configFile, func(_ *seal.Keyring, s *store.Store) error {
		found, err := s.UnrecordedKeys(c.ctx)
		if err != nil {
			return err
		}
		for _, key := range found.Keys {
			fmt.Fprintf(c.stdout, "key %d: its record in the database is damaged or gone\n", key)
		}
		fmt.Fprintf(c.stdout, "the keys open %d secrets of the database; %d do not open and count as absent\n", found.Opened, found.Failed)
		if !k.Yes {
			return errors.New("nothing was changed; repeat the command with --yes to record these keys")
		}
		if err := s.AcceptKeys(c.ctx, time.Now(), commandLine()); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.stdout, "recorded; look at connector integrity list and connector events verify")
		return err
	})
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
)

type rekeyCommand struct {
	configFile
	Add    bool `help:"Only add a key, which can open but does not seal yet. Then copy the key file to all replicas and restart them." xor:"step"`
	Reseal bool `help:"Seal with the newest key from now on, and reseal everything that is sealed with an older one. Repeat it to resume after an interruption." xor:"step"`
}

// Help implements kong.HelpProvider.
func (rekeyCommand) Help() string {
	return `Without a flag, rekey takes both steps at once, for a connector that is stopped.
While the connector runs: --add; copy the key file to all replicas and restart them; --reseal; copy the file again and
restart them; --reseal once more, for what replicas sealed with the older key in the meantime. Keys are never removed:
backups of the database need the older ones.`
}

// Run adds a key, or reseals with it, or both.
func (r rekeyCommand) Run(c *console) error {
	cfg, err := r.load()
	if err != nil {
		return err
	}
	if cfg.Keys.File == "" {
		return errors.New("the keys are in keys.ring: write them to a file, name it in CONNECTOR_KEYS__FILE, remove keys.ring, and run this again")
	}
	keyring, err := cfg.Keys.Open()
	if err != nil {
		return err
	}
	if !r.Reseal {
		if keyring, err = announce(c.stdout, keyring, cfg.Keys.File); err != nil || r.Add {
			return err
		}
	}
	if keyring, err = promote(c.stdout, keyring, cfg.Keys.File); err != nil {
		return err
	}
	return reseal(c, cfg, keyring)
}

// announce adds a key to the file, unless the file has one that does not seal yet: a repeated --add must not add a key
// that running replicas do not have.
func announce(out io.Writer, keyring *seal.Keyring, file string) (*seal.Keyring, error) {
	if !keyring.Promoted() {
		_, err := fmt.Fprintln(out, "the key file already has a new key; continue with --reseal")
		return keyring, err
	}
	announced, err := keyring.Announce()
	if err != nil {
		return nil, err
	}
	if err := announced.ReplaceFile(file); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(out, "added a key to", file)
	return announced, err
}

// promote makes the newest key in the file the one that seals.
func promote(out io.Writer, keyring *seal.Keyring, file string) (*seal.Keyring, error) {
	if keyring.Promoted() {
		return keyring, nil
	}
	promoted, err := keyring.Promote()
	if err != nil {
		return nil, err
	}
	if err := promoted.ReplaceFile(file); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(out, "the newest key now seals")
	return promoted, err
}

func reseal(c *console, cfg config.Config, keyring *seal.Keyring) error {
	return withStore(c, cfg, keyring, func(s *store.Store) error {
		n, err := s.Reseal(c.ctx, func(p store.Progress) {
			fmt.Fprintf(c.stdout, "%s.%s: %d of %d, %d resealed\n", p.Table, p.Column, p.Checked, p.Total, p.Older)
		})
		if err != nil {
			return fmt.Errorf("%w; %d values were resealed; run connector rekey --reseal to resume", err, n)
		}
		if n == 0 {
			_, err = fmt.Fprintln(c.stdout, "everything is sealed with the newest key")
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "resealed %d values\n", n)
		return err
	})
}

// withStore calls use with the database, which it does not migrate. A missing file is an error, because it means that
// the configured path is wrong.
func withStore(c *console, cfg config.Config, keyring *seal.Keyring, use func(*store.Store) error) (err error) {
	if cfg.Database.Driver == config.SQLite {
		if _, err := os.Stat(cfg.Database.Path); err != nil {
			return fmt.Errorf("opening the database: %w", err)
		}
	}
	s, err := app.OpenStore(c.ctx, cfg, keyring, app.Options{Log: newLog(c.stderr, cfg.Log)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return use(s)
}

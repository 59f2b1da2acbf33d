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
	Add    bool `help:"Only add a key, which opens and does not seal yet. Then give the key file to all replicas and restart them." xor:"step"`
	Reseal bool `help:"Seal with the newest key from now on, and seal everything again that is sealed with an older one. May be repeated, and goes on where it was cut short." xor:"step"`
}

// Help is what `connector rekey --help` says besides.
func (rekeyCommand) Help() string {
	return `Without a flag both steps are taken at once, for a connector that does not run.
While it runs: --add; give the key file to all replicas and restart them; --reseal; give them the file again and
restart them; --reseal once more, for what they sealed with the older key meanwhile. No key is ever removed: copies of
the database need the older ones.`
}

// Run adds a key, or puts it to use, or both.
func (r rekeyCommand) Run(c *console) error {
	cfg, err := r.load()
	if err != nil {
		return fmt.Errorf("the configuration is wrong:\n%w", err)
	}
	if cfg.Keys.File == "" {
		return errors.New("the keys are in keys.ring: run this with a file of them, named by CONNECTOR_KEYS__FILE, and without keys.ring")
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

// announce adds a key to the file, unless there is one already that waits to be put to use: a command that was
// repeated must not leave a key that nobody knows.
func announce(out io.Writer, keyring *seal.Keyring, file string) (*seal.Keyring, error) {
	if !keyring.Promoted() {
		_, err := fmt.Fprintln(out, "a new key is in the file already; it waits for --reseal")
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

// promote makes the newest key of the file the one that seals.
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
	_, err = fmt.Fprintln(out, "the newest key seals from now on")
	return promoted, err
}

func reseal(c *console, cfg config.Config, keyring *seal.Keyring) error {
	return withStored(c, cfg, keyring, func(s *store.Store) error {
		n, err := s.Reseal(c.ctx, func(p store.Progress) {
			fmt.Fprintf(c.stdout, "%s.%s: %d of %d, %d sealed again\n", p.Table, p.Column, p.Looked, p.Of, p.Older)
		})
		if err != nil {
			return fmt.Errorf("%w; %d were sealed again, connector rekey --reseal goes on from there", err, n)
		}
		if n == 0 {
			_, err = fmt.Fprintln(c.stdout, "everything is sealed with the newest key")
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "sealed %d values again\n", n)
		return err
	})
}

// withStored opens the database as it is. A file that does not exist is not made: the name would be wrong.
func withStored(c *console, cfg config.Config, keyring *seal.Keyring, use func(*store.Store) error) (err error) {
	if cfg.Database.Driver == config.SQLite {
		if _, err := os.Stat(cfg.Database.Path); err != nil {
			return fmt.Errorf("looking for the database: %w", err)
		}
	}
	s, err := app.OpenStore(c.ctx, cfg, keyring, app.Options{Log: newLog(c.stderr, cfg.Log)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return use(s)
}

package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
)

type rekeyCommand struct {
	configFile
	Add    bool     `help:"Only add a key, which can open but does not seal yet. Then copy the key file to all replicas and restart them." xor:"step"`
	Reseal bool     `help:"Seal with the newest key from now on, and reseal everything that is sealed with an older one. Repeat it to resume after an interruption." xor:"step"`
	Retire []uint32 `help:"Remove a key from the file that nothing needs any more; connector keys list shows the IDs. It refuses while a secret needs the key or a connector seals with it." xor:"step" placeholder:"ID"`
	Lost   bool     `help:"With --retire: give up a key whose file is lost for good. Every secret that needs it counts as absent from then on."`
}

// Help implements kong.HelpProvider.
func (rekeyCommand) Help() string {
	return `Without a flag, rekey adds a key and reseals, for a connector that is stopped.
While the connector runs: --add; copy the key file to all replicas and restart them; --reseal; copy the file again and
restart them; --reseal once more, for what replicas sealed with the older key in the meantime; --retire to end the older
key, and copy the file again. Keep the old key file with the backups of the database from before: they need it.`
}

// Run adds a key, or reseals with it, or both, or retires keys.
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
	switch {
	case r.Lost && len(r.Retire) == 0:
		return errors.New("--lost needs --retire with the ID of the lost key")
	case r.Lost:
		return lose(c, cfg, keyring, r.Retire)
	}
	if err := mustBelong(c, cfg, keyring); err != nil {
		return err
	}
	if len(r.Retire) > 0 {
		return retire(c, cfg, keyring, r.Retire)
	}
	if !r.Reseal {
		if keyring, err = announce(c.stdout, keyring, cfg.Keys.File); err != nil || r.Add {
			return err
		}
	}
	if keyring, err = promote(c, cfg, keyring); err != nil {
		return err
	}
	return reseal(c, cfg, keyring)
}

// mustBelong returns an error when the keys do not belong to the database, or the connector has not migrated it.
func mustBelong(c *console, cfg config.Config, keyring *seal.Keyring) error {
	return withStore(c, cfg, keyring, func(s *store.Store) error {
		if err := s.CheckKeys(c.ctx); err != nil {
			return err
		}
		err := s.Check(c.ctx)
		if errors.Is(err, sqldb.ErrOlderSchema) {
			err = fmt.Errorf("%w; run connector migrate first", err)
		}
		return err
	})
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
	if err := announced.ReplaceFile(file, keyring); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(out, "added a key to", file)
	return announced, err
}

// promote makes the newest key in the file the one that seals. The database learns of the key first, so that no replica
// without it starts once it seals.
func promote(c *console, cfg config.Config, keyring *seal.Keyring) (*seal.Keyring, error) {
	if keyring.Promoted() {
		return keyring, nil
	}
	promoted, err := keyring.Promote()
	if err != nil {
		return nil, err
	}
	err = withStore(c, cfg, promoted, func(s *store.Store) error { return s.KeepKey(c.ctx, promoted.Primary()) })
	if err != nil {
		return nil, err
	}
	if err := promoted.ReplaceFile(cfg.Keys.File, keyring); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(c.stdout, "the newest key now seals")
	return promoted, err
}

func reseal(c *console, cfg config.Config, keyring *seal.Keyring) error {
	return withStore(c, cfg, keyring, func(s *store.Store) error {
		last := map[string]store.Progress{} // column → progress
		n, err := s.Reseal(c.ctx, func(p store.Progress) {
			last[p.Table+"."+p.Column] = p
			fmt.Fprintf(c.stdout, "%s.%s: %d of %d, %d resealed\n", p.Table, p.Column, p.Checked, p.Total, p.Older)
		})
		if err != nil {
			return fmt.Errorf("%w; %d values were resealed; run connector rekey --reseal to resume", err, n)
		}
		failed := 0
		for _, p := range last {
			failed += p.Failed
		}
		if failed > 0 {
			fmt.Fprintf(c.stdout, "%d values do not open and were left as they are; connector backup check names them\n", failed)
		}
		if n == 0 {
			_, err = fmt.Fprintln(c.stdout, "everything is sealed with the newest key")
			return err
		}
		_, err = fmt.Fprintf(c.stdout, "resealed %d values\n", n)
		return err
	})
}

// retire ends keys that nothing needs, in the database and then in the file.
func retire(c *console, cfg config.Config, keyring *seal.Keyring, keys []uint32) error {
	return withStore(c, cfg, keyring, func(s *store.Store) error {
		for _, key := range keys {
			err := s.RetireKey(c.ctx, key)
			if needed, ok := errors.AsType[*store.KeyNeededError](err); ok {
				return fmt.Errorf("%w; %s", err, remedy(needed, keyring))
			}
			if err != nil {
				return err
			}
			if slices.Contains(keyring.Keys(), key) {
				rest, err := keyring.Retire(key)
				if err != nil {
					return err
				}
				if err := rest.ReplaceFile(cfg.Keys.File, keyring); err != nil {
					return err
				}
				keyring = rest
			}
			if _, err := fmt.Fprintf(c.stdout, "retired key %d; keep the old key file with the backups that need it\n", key); err != nil {
				return err
			}
		}
		return nil
	})
}

// remedy says how to retire a key that is still needed.
func remedy(needed *store.KeyNeededError, keyring *seal.Keyring) string {
	switch {
	case !slices.Contains(keyring.Keys(), needed.Key):
		return "use the key file that has it, or if that is lost for good, add --lost"
	case needed.Seals:
		return "restart all replicas with the current key file, wait five minutes, and run connector rekey --reseal before this"
	}
	return "run connector rekey --reseal first"
}

// lose gives up lost keys.
func lose(c *console, cfg config.Config, keyring *seal.Keyring, keys []uint32) error {
	return withStore(c, cfg, keyring, func(s *store.Store) error {
		if err := s.LoseKeys(c.ctx, keys, time.Now(), commandLine()); err != nil {
			return err
		}
		uses, err := s.KeyUses(c.ctx)
		if err != nil {
			return err
		}
		for _, use := range uses {
			if slices.Contains(keys, use.Key) {
				fmt.Fprintf(c.stdout, "%s.%s: %d values need key %d and count as absent\n", use.Table, use.Column, use.Values, use.Key)
			}
		}
		_, err = fmt.Fprintln(c.stdout, "the database now belongs to", cfg.Keys.File)
		return err
	})
}

// withStore calls use with the database, which it does not migrate. A missing file is an error, because it means that
// the configured path is wrong.
func withStore(c *console, cfg config.Config, keyring *seal.Keyring, use func(*store.Store) error) (err error) {
	if cfg.Database.Driver == config.SQLite {
		if err := sqldb.FindFile(cfg.Database.Path); err != nil {
			return fmt.Errorf("opening the database: %w", err)
		}
	}
	s, err := app.OpenStore(c.ctx, cfg, keyring, app.Options{Log: newLog(forPrograms(c.stderr), cfg.Log)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return use(s)
}

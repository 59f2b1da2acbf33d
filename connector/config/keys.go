package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"azure-partner-connector/connector/seal"
)

// Open returns the keys from the file or from Ring.
func (k Keys) Open() (*seal.Keyring, error) {
	if !k.Ring.Empty() {
		return seal.Load(strings.NewReader(k.Ring.Reveal()))
	}
	keyring, err := seal.LoadFile(k.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w; restore it from a copy or correct keys.file, or, if nothing is stored yet, make it with connector keys create", err)
	case err != nil:
		return nil, fmt.Errorf("%w%s", err, fileAdvice(err))
	}
	return keyring, nil
}

func (c *checker) keys() {
	k := c.cfg.Keys
	switch {
	case c.failed("keys"):
	case k.File == "" && k.Ring.Empty():
		c.problem("keys.file", "missing: set the key file, or keys.ring")
	case k.File != "" && !k.Ring.Empty():
		c.problem("keys.ring", "keys.file is set too; set only one of them")
	case !k.Ring.Empty():
		if _, err := k.Open(); err != nil {
			c.problem("keys.ring", "%v; it must contain what connector keys create writes to a file", err)
		}
	case c.cfg.Database.Driver == SQLite && sameFolder(k.File, c.cfg.Database.Path):
		c.warn("keys.file is in the folder of the database: whoever copies the folder, or a backup of it, has the secrets and their keys. Keep the key file elsewhere.")
	}
}

// sameFolder reports whether two files are in one folder.
func sameFolder(one, other string) bool {
	a, err := filepath.Abs(filepath.Dir(one))
	b, otherErr := filepath.Abs(filepath.Dir(other))
	return err == nil && otherErr == nil && a == b
}

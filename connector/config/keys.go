package config

import (
	"path/filepath"
	"strings"

	"azure-partner-connector/connector/seal"
)

// Open returns the keys from the file or from Ring.
func (k Keys) Open() (*seal.Keyring, error) {
	if !k.Ring.Empty() {
		return seal.Load(strings.NewReader(k.Ring.Reveal()))
	}
	return seal.LoadFile(k.File)
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

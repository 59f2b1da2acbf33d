package config

import (
	"strings"

	"azure-partner-connector/connector/seal"
)

// Open returns the keys, wherever they are.
func (k Keys) Open() (*seal.Keyring, error) {
	if !k.Ring.Empty() {
		return seal.Load(strings.NewReader(k.Ring.Reveal()))
	}
	return seal.LoadFile(k.File)
}

func (c *checker) keys() {
	k := c.cfg.Keys
	switch {
	case c.faulty("keys"):
	case k.File == "" && k.Ring.Empty():
		c.fault("keys.file", "it is missing; it names the file that holds the keys, unless keys.ring holds them")
	case k.File != "" && !k.Ring.Empty():
		c.fault("keys.ring", "there is a keys.file, too; only one of them can hold the keys")
	case !k.Ring.Empty():
		if _, err := k.Open(); err != nil {
			c.fault("keys.ring", "%v; it holds what connector keys create writes into a file", err)
		}
	}
}

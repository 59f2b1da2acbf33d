package main

import (
	"fmt"

	"azure-partner-connector/connector/seal"
)

type keysCommand struct {
	Create keysCreate `cmd:"" help:"Create a key file. Keep a copy separate from the database: without the keys, nothing stored can be read."`
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

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/platform/pack"
)

type packageCommand struct {
	Build packageBuild `cmd:"" default:"withargs" help:"Build the package."`
	Check packageCheck `cmd:"" help:"List what a platform would refuse in a package, and advice."`
}

type packageBuild struct {
	configFile
	ID  string `help:"Publish under this package ID. Default: package.id of the configuration, or the ID in app.yaml." placeholder:"URI"`
	Out string `help:"Folder to write the package to." default:"dist" type:"path"`
}

// Run builds the package.
func (b packageBuild) Run(c *console) error {
	id := b.ID
	if id == "" && b.Config != "" {
		cfg, err := b.load()
		if err != nil {
			return err
		}
		id = cfg.Package.ID
	}
	p, err := app.Package(id)
	if err != nil {
		return err
	}
	content, err := p.Build()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.Out, 0o750); err != nil {
		return fmt.Errorf("creating the folder for the package: %w", err)
	}
	file := filepath.Join(b.Out, p.FileName())
	if err := os.WriteFile(file, content, 0o600); err != nil {
		return fmt.Errorf("writing the package: %w", err)
	}
	_, err = fmt.Fprintf(c.stdout, "wrote %s (%d bytes) with ID %s\n", file, len(content), p.ID())
	return err
}

type packageCheck struct {
	File string `arg:"" help:"Package file." type:"existingfile"`
}

// Run checks a package and fails when a platform would refuse it.
func (k packageCheck) Run(c *console) error {
	content, err := os.ReadFile(k.File)
	if err != nil {
		return fmt.Errorf("reading the package: %w", err)
	}
	findings := pack.Check(bytes.NewReader(content), int64(len(content)))
	for _, f := range findings {
		fmt.Fprintf(c.stdout, "%-8s %s: %s\n", f.Level, f.Where, f.What)
	}
	switch {
	case len(pack.Refusals(findings)) > 0:
		return errors.New("a platform would refuse this package")
	case len(findings) > 0:
		_, err = fmt.Fprintln(c.stdout, "a platform accepts", k.File)
	default:
		_, err = fmt.Fprintln(c.stdout, "no problems found in", k.File)
	}
	return err
}

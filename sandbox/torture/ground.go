// Package torture proves the custody of grants under faults (design §5): real replicas, a real database and the simulated
// Microsoft, which remembers what it issued, while one after the other is killed, cut off, stopped or made to lie about
// the time. Every scenario ends with the same examination, Rig.Examine.
//
// The short form is the package's test; the full form is the command below it, which `make torture` runs.
package torture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"

	"azure-partner-connector/connector/store/storetest/mariadb"
)

// Config is what a Ground needs. The zero Config is usable.
type Config struct {
	// Folder is where replicas' logs, keys and configurations are kept. Default: a new one that Close removes.
	Folder string
}

// A Ground is what scenarios share: the replica program and a private MariaDB. Several may run on it at once.
type Ground struct {
	cfg       Config
	ownFolder bool
	program   string // the replica's
	server    *mariadb.Server
	rigs      atomic.Int32 // numbers the rigs
}

// Prepare builds the replica program and starts the database. Close the Ground when done.
func Prepare(ctx context.Context, cfg Config) (*Ground, error) {
	g := &Ground{cfg: cfg}
	if err := g.prepare(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Ground) prepare(ctx context.Context) error {
	var err error
	if g.cfg.Folder == "" {
		if g.cfg.Folder, err = os.MkdirTemp("", "torture-"); err != nil {
			return fmt.Errorf("making a folder: %w", err)
		}
		g.ownFolder = true
	}
	g.program = filepath.Join(g.cfg.Folder, "replica")
	build := exec.CommandContext(ctx, "go", "build", "-o", g.program, "azure-partner-connector/sandbox/torture/replica")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the replica: %w: %s", err, said)
	}
	g.server, err = mariadb.StartAs(ctx, mariadb.Config{Durable: true})
	return err
}

// Close stops the database and removes what Prepare made.
func (g *Ground) Close() error {
	var errs []error
	if g.server != nil {
		errs = append(errs, g.server.Stop())
	}
	if g.ownFolder {
		errs = append(errs, os.RemoveAll(g.cfg.Folder))
	}
	return errors.Join(errs...)
}

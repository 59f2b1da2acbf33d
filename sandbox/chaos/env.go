// Package chaos proves that grants stay safe under injected faults: real replicas, a real database and the simulated
// Microsoft, which remembers what it issued. Replicas and databases are killed, disconnected, slowed down or given a wrong
// clock. Every scenario ends with the same checks, Deployment.Verify.
//
// Nothing here depends on the speed of the machine. The harness knows which replicas run, counts the steps of renewals and
// the sweeps that they report, and reads the database. Time passes only when it moves all clocks.
//
// The short form is the package's test, on MariaDB with Galera or on MySQL with Group Replication; the full form is the command
// below it, which `make chaos` runs, with all of them.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"azure-partner-connector/connector/store/storetest/dbserver"
)

const (
	// waitLimit bounds every wait of the harness. It only guards against a hang and decides nothing, so it is far more
	// than any wait needs on a busy machine.
	waitLimit = 15 * time.Minute
	// pollInterval is how often a condition is checked.
	pollInterval = 20 * time.Millisecond
)

// Config is what an Env needs. The zero Config is usable.
type Config struct {
	// Folder is where replicas' logs, keys and configurations are kept. Default: a new one that Close removes.
	Folder string

	// Flavor is the kind of database server for scenarios that run on any. Default: MariaDB.
	Flavor dbserver.Flavor
}

// An Env is what scenarios share: the replica program and a private database server. Several scenarios may run in it at once.
type Env struct {
	cfg         Config
	ownFolder   bool
	program     string // the replica's
	server      *dbserver.Server
	dsn         string       // the server's
	deployments atomic.Int32 // numbers them
}

// Prepare builds the replica program and starts the database. Close the Env when done.
func Prepare(ctx context.Context, cfg Config) (*Env, error) {
	e := &Env{cfg: cfg}
	if err := e.prepare(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Env) prepare(ctx context.Context) error {
	var err error
	if e.cfg.Folder == "" {
		if e.cfg.Folder, err = os.MkdirTemp("", "chaos-"); err != nil {
			return fmt.Errorf("creating a folder: %w", err)
		}
		e.ownFolder = true
	}
	e.program = filepath.Join(e.cfg.Folder, "replica")
	build := exec.CommandContext(ctx, "go", "build", "-o", e.program, "azure-partner-connector/sandbox/chaos/replica")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the replica: %w: %s", err, output)
	}
	if e.server, err = dbserver.Start(ctx, dbserver.Config{Flavor: e.cfg.Flavor, Durable: true}); err != nil {
		return err
	}
	e.dsn = e.server.DSN("")
	return nil
}

// Close stops the database and removes what Prepare created.
func (e *Env) Close() error {
	var errs []error
	if e.server != nil {
		errs = append(errs, e.server.Stop())
	}
	if e.ownFolder {
		errs = append(errs, os.RemoveAll(e.cfg.Folder))
	}
	return errors.Join(errs...)
}

// await polls until done returns true or an error. It says what it waited for when ctx or the limit ends it.
func await(ctx context.Context, what string, done func(ctx context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		ok, err := done(ctx)
		if err == nil && !ok {
			select {
			case <-ticker.C:
				continue
			case <-ctx.Done():
				err = ctx.Err()
			}
		}
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		return nil
	}
}

package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"azure-partner-connector/connector/store/storetest/dbserver"
)

// databaseKilled repeatedly kills the database server and lets it recover while three replicas renew.
func databaseKilled(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	return e.withOwnServer(ctx, spec{name: "database-killed", tenants: 40, market: true}, func(d *Deployment, server *dbserver.Server) error {
		return d.repeatFault(ctx, s, "times the server was killed", manySteps, func(ctx context.Context) error {
			return errors.Join(server.Kill(), server.Run(ctx))
		})
	})
}

// withOwnServer runs a scenario on a server of its own, because its faults would affect other deployments.
func (e *Env) withOwnServer(ctx context.Context, s spec, run func(*Deployment, *dbserver.Server) error, arguments ...string) (*Deployment, error) {
	server, err := dbserver.Start(ctx, dbserver.Config{Flavor: e.cfg.Flavor, Durable: true, Arguments: arguments})
	if err != nil {
		return nil, err
	}
	s.dsns = []string{server.DSN("")}
	d, err := e.deploy(ctx, s)
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	d.closers = append(d.closers, server.Stop)
	err = run(d, server)
	return d, err
}

// connectionsDropped makes the server drop every connection to the database, whatever runs on it.
func connectionsDropped(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	s.Faults *= 5
	d, err := e.deploy(ctx, spec{name: "connections-dropped", tenants: 40})
	if err != nil {
		return nil, err
	}
	err = d.repeatFault(ctx, s, "times all connections were dropped", fewSteps, d.dropConnections)
	return d, err
}

func (d *Deployment) dropConnections(ctx context.Context) error {
	rows, err := d.db().QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()")
	if err != nil {
		return nil // the harness's own connection may be one that was dropped last time
	}
	defer rows.Close()
	var all []int64
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return err
		}
		all = append(all, id)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, id := range all {
		if _, err := d.db().ExecContext(ctx, fmt.Sprintf("KILL %d", id)); err == nil { // it may be closed already
			d.count("connections dropped", 1)
		}
	}
	return nil
}

// commitsBlocked blocks every commit, so that leases expire while their owners commit.
func commitsBlocked(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	return e.withOwnServer(ctx, spec{name: "commits-blocked", tenants: 40}, func(d *Deployment, _ *dbserver.Server) error {
		return d.repeatFault(ctx, s, "times commits were blocked", manySteps, d.blockCommits)
	})
}

func (d *Deployment) blockCommits(ctx context.Context) error {
	own, err := d.db().Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer own.Close()
	if _, err := own.ExecContext(ctx, "FLUSH TABLES WITH READ LOCK"); err != nil {
		return fmt.Errorf("blocking commits: %w", err)
	}
	err = await(ctx, "a blocked transaction", func(ctx context.Context) (bool, error) {
		var blocked int
		err := own.QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE() AND state LIKE 'Waiting for % lock'").Scan(&blocked)
		return blocked > 0, err
	})
	if err == nil {
		d.Advance(lease + time.Second)
	}
	_, unlockErr := own.ExecContext(context.WithoutCancel(ctx), "UNLOCK TABLES")
	return errors.Join(err, unlockErr)
}

// The size of the database in megabytes at which its disk is full for the first time, and how much space is added each
// time after that.
const (
	firstLimit = 24
	moreLimit  = 8
)

// limitSpace returns the server's argument that limits the size of all its files together. It simulates a full disk
// without a file system of its own, which would need root.
func limitSpace(megabytes int) string {
	return fmt.Sprintf("--innodb-data-file-path=ibdata1:12M:autoextend:max:%dM", megabytes)
}

// diskFull fills the server's disk until not even a row can be deleted, waits until a replica has met the error, and then
// adds space, as an operator would.
func diskFull(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	return e.withOwnServer(ctx, spec{name: "disk-full", tenants: 24}, func(d *Deployment, server *dbserver.Server) error {
		if _, err := d.db().ExecContext(ctx, "CREATE TABLE chaos_ballast (ballast LONGBLOB)"); err != nil {
			return fmt.Errorf("creating ballast: %w", err)
		}
		if _, err := d.startReplicas(ctx, 2, healthy); err != nil {
			return err
		}
		for n := 1; n <= s.Faults; n++ {
			if err := d.fillDisk(ctx, server); err != nil {
				return err
			}
			if err := errors.Join(server.Kill(), server.Run(ctx, limitSpace(firstLimit+n*moreLimit))); err != nil {
				return err
			}
			if err := d.Recover(ctx); err != nil {
				return err
			}
			d.count("times the disk was full", 1)
		}
		return nil
	}, "--innodb-file-per-table=OFF", "--innodb-undo-tablespaces=0", limitSpace(firstLimit))
}

func (d *Deployment) fillDisk(ctx context.Context, server *dbserver.Server) error {
	for _, size := range []int{100 << 10, 1 << 10} {
		for {
			if _, err := d.db().ExecContext(ctx, "INSERT INTO chaos_ballast (ballast) VALUES (?)", bytes.Repeat([]byte("x"), size)); err != nil {
				break // full
			}
		}
	}
	// Free space within pages may suffice for some more renewals, so this waits until one of them fails. A server whose
	// background work meets the full disk may crash.
	for failed := false; !failed && server.Running(); {
		d.StartPeriod()
		var err error
		if failed, err = d.awaitFailureOrRenewals(ctx, "is full", server.Running); err != nil {
			return err
		}
	}
	if !server.Running() {
		d.count("times the server crashed", 1)
	}
	return nil
}

// sqliteDiskFull is diskFull for SQLite: the replica cannot make the files longer than they are.
func sqliteDiskFull(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "sqlite-disk-full", tenants: 12, sqlite: true})
	if err != nil {
		return nil, err
	}
	for range s.Faults {
		// A log that is large already would let the database grow to its size.
		if _, err := d.db().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
			return d, fmt.Errorf("emptying the log of the database: %w", err)
		}
		size, err := sizeOf(d.spec.dsns[0], d.spec.dsns[0]+"-wal")
		if err != nil {
			return d, fmt.Errorf("measuring the database: %w", err)
		}
		d.StartPeriod()
		limited, err := d.start(ctx, replicaOptions{fileLimit: size + 64<<10})
		if err != nil {
			return d, err
		}
		for failed := false; !failed; {
			if failed, err = d.awaitFailureOrRenewals(ctx, "disk", func() bool { return true }); err != nil {
				return d, err
			}
			if !failed {
				d.StartPeriod()
			}
		}
		limited.kill()
		d.count("times the disk was full", 1)
		free, err := d.start(ctx, replicaOptions{})
		if err != nil {
			return d, err
		}
		if err := errors.Join(d.Recover(ctx), free.stop(ctx)); err != nil {
			return d, err
		}
	}
	return d, nil
}

// sizeOf returns the size of the largest of those files that exist.
func sizeOf(files ...string) (largest int64, err error) {
	for _, file := range files {
		info, err := os.Stat(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, err
		}
		largest = max(largest, info.Size())
	}
	return largest, nil
}

// awaitFailureOrRenewals waits until all tenants are renewed, the database has stopped, or a running replica logs a text
// that it had not logged before. logged reports the last case.
func (d *Deployment) awaitFailureOrRenewals(ctx context.Context, text string, running func() bool) (logged bool, err error) {
	err = await(ctx, fmt.Sprintf("%q in a log", text), func(ctx context.Context) (bool, error) {
		due, leases, pendingErr := d.pending(ctx)
		for _, r := range d.running() {
			lines, err := r.newLog()
			if err != nil {
				return false, err
			}
			logged = logged || bytes.Contains(lines, []byte(text))
		}
		return logged || !running() || pendingErr == nil && due+len(leases) == 0, nil
	})
	return logged, err
}

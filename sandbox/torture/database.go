package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/store/storetest/mariadb"
)

// How long things may go on between two blows to the database.
const (
	breath      = time.Second
	shortBreath = 300 * time.Millisecond // after blows that cost nothing
)

// databaseKilled kills the database server and lets it recover, again and again, while three replicas renew.
func databaseKilled(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	const blow = "times the server was killed"
	return g.onItsOwn(ctx, layout{name: "database-killed", tenants: 40}, func(r *Rig, server *mariadb.Server) error {
		return r.struck(ctx, s, blow, breath, func(ctx context.Context) error { return errors.Join(server.Kill(), server.Run(ctx)) })
	})
}

// onItsOwn runs a scenario on a server of its own: what it does there would meet the rigs of others, too.
func (g *Ground) onItsOwn(ctx context.Context, l layout, run func(*Rig, *mariadb.Server) error, arguments ...string) (*Rig, error) {
	server, err := mariadb.StartAs(ctx, mariadb.Config{Durable: true, Arguments: arguments})
	if err != nil {
		return nil, err
	}
	l.dsns = []string{server.DSN("")}
	r, err := g.newRig(ctx, l)
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	r.closing = append(r.closing, server.Stop)
	err = run(r, server)
	return r, err
}

// struck lets three replicas renew as long as the blow was struck less often than the scale wants.
func (r *Rig) struck(ctx context.Context, s Scale, blow string, between time.Duration, strike func(context.Context) error) error {
	if _, err := r.seat(ctx, replicasInStorm, func(int) wish { return wish{} }); err != nil {
		return err
	}
	return r.whileRenewing(ctx, func(int) bool { return r.counted(blow) < s.Blows }, between, func(ctx context.Context) error {
		defer r.count(blow, 1)
		return strike(ctx)
	})
}

// connectionsCut has the server cut every connection to the rig's database, in the middle of whatever runs on it.
func connectionsCut(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	s.Blows *= 5
	r, err := g.newRig(ctx, layout{name: "connections-cut", tenants: 40})
	if err != nil {
		return nil, err
	}
	err = r.struck(ctx, s, "times all connections were cut", shortBreath, r.cutConnections)
	return r, err
}

func (r *Rig) cutConnections(ctx context.Context) error {
	rows, err := r.raw.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()")
	if err != nil {
		return nil // our own connection may be one that was cut the last time
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
		if _, err := r.raw.ExecContext(ctx, fmt.Sprintf("KILL %d", id)); err == nil { // it may have gone by itself
			r.count("connections cut", 1)
		}
	}
	return nil
}

// slowness is how long commits hang: longer than the harness waits until it lets leases run out.
const slowness = 2 * time.Second

// commitsSlow makes every commit hang, so that leases run out under those who hold them.
func commitsSlow(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	return g.onItsOwn(ctx, layout{name: "commits-slow", tenants: 40}, func(r *Rig, _ *mariadb.Server) error {
		return r.struck(ctx, s, "times commits hung", breath, r.hangCommits)
	})
}

func (r *Rig) hangCommits(ctx context.Context) error {
	own, err := r.raw.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connecting to the database: %w", err)
	}
	defer own.Close()
	if _, err := own.ExecContext(ctx, "FLUSH TABLES WITH READ LOCK"); err != nil {
		return fmt.Errorf("holding commits: %w", err)
	}
	_ = clock.Sleep(ctx, slowness)
	_, err = own.ExecContext(context.WithoutCancel(ctx), "UNLOCK TABLES")
	return err
}

// roomy is how large the database of a full disk may grow at first, and room what it is given more each time.
const (
	roomy = 24
	room  = 8
)

// space is the argument that lets everything together grow to so many megabytes. That is a disk without its mounting,
// for which one has to be root.
func space(megabytes int) string {
	return fmt.Sprintf("--innodb-data-file-path=ibdata1:12M:autoextend:max:%dM", megabytes)
}

// diskFull fills the server's disk until not even a row can be deleted, waits until a replica has run into that, and
// gives it more room, as its operator would.
func diskFull(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	return g.onItsOwn(ctx, layout{name: "disk-full", tenants: 24}, func(r *Rig, server *mariadb.Server) error {
		if _, err := r.raw.ExecContext(ctx, "CREATE TABLE torture_ballast (ballast LONGBLOB)"); err != nil {
			return fmt.Errorf("making ballast: %w", err)
		}
		if _, err := r.seat(ctx, 2, func(int) wish { return wish{} }); err != nil {
			return err
		}
		for n := 1; n <= s.Blows; n++ {
			relieve := func() error { return errors.Join(server.Kill(), server.Run(ctx, space(roomy+n*room))) }
			if err := r.fillAndRelieve(ctx, relieve); err != nil {
				return err
			}
			r.count("times the disk was full", 1)
		}
		return nil
	}, "--innodb-file-per-table=OFF", "--innodb-undo-tablespaces=0", space(roomy))
}

func (r *Rig) fillAndRelieve(ctx context.Context, relieve func() error) error {
	for _, size := range []int{100 << 10, 1 << 10} {
		for {
			if _, err := r.raw.ExecContext(ctx, "INSERT INTO torture_ballast (ballast) VALUES (?)", bytes.Repeat([]byte("x"), size)); err != nil {
				break // full
			}
		}
	}
	// What is free within pages may last for some renewals: it goes on until one has met the end.
	for met := false; !met; {
		r.Period()
		var err error
		if met, err = r.settleUnless(ctx, "is full"); err != nil {
			return err
		}
	}
	if err := relieve(); err != nil {
		return err
	}
	return r.Heal(ctx)
}

// fileFull is the same for SQLite: the replica may not make the files longer than they are.
func fileFull(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	r, err := g.newRig(ctx, layout{name: "file-full", tenants: 12, sqlite: true})
	if err != nil {
		return nil, err
	}
	for range s.Blows {
		info, err := os.Stat(r.layout.dsns[0])
		if err != nil {
			return r, fmt.Errorf("measuring the database: %w", err)
		}
		r.Period()
		cramped, err := r.start(ctx, wish{fileLimit: info.Size() + 64<<10})
		if err != nil {
			return r, err
		}
		for met := false; !met; {
			if met, err = r.settleUnless(ctx, "disk"); err != nil {
				return r, err
			}
			if !met {
				r.Period()
			}
		}
		cramped.kill()
		r.count("times the disk was full", 1)
		free, err := r.start(ctx, wish{})
		if err != nil {
			return r, err
		}
		if err := errors.Join(r.Heal(ctx), free.stop()); err != nil {
			return r, err
		}
	}
	return r, nil
}

// settleUnless waits until all tenants are renewed, or until one of the living replicas writes a text into its log that
// was not there before; then it returns true.
func (r *Rig) settleUnless(ctx context.Context, text string) (met bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		left, leftErr := r.open(ctx)
		for _, one := range r.living() {
			said, err := one.news()
			if err != nil {
				return false, err
			}
			met = met || bytes.Contains(said, []byte(text))
		}
		if met || leftErr == nil && left == 0 {
			return met, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false, fmt.Errorf("waiting for %q in a log, with %d tenants left: %w", text, left, errors.Join(ctx.Err(), leftErr))
		}
	}
}

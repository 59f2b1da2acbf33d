package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

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
	return g.struck(ctx, layout{name: "database-killed", tenants: 40}, s, blow, breath, func(ctx context.Context, _ *Rig) error {
		if err := g.server.Kill(); err != nil {
			return err
		}
		return g.server.Run(ctx)
	})
}

// struck lets three replicas renew as long as blow has been struck less often than the scale wants.
func (g *Ground) struck(ctx context.Context, l layout, s Scale, blow string, between time.Duration, strike func(context.Context, *Rig) error) (*Rig, error) {
	r, err := g.newRig(ctx, l)
	if err != nil {
		return nil, err
	}
	if _, err := r.seat(ctx, replicasInStorm, func(seat int) wish { return wish{database: seat % len(r.layout.dsns)} }); err != nil {
		return r, err
	}
	err = r.whileRenewing(ctx, func(int) bool { return r.counted(blow) < s.Blows }, between, func(ctx context.Context) error {
		defer r.count(blow, 1)
		return strike(ctx, r)
	})
	return r, err
}

// connectionsCut has the server cut every connection but its own, in the middle of whatever runs on them.
func connectionsCut(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	s.Blows *= 5
	return g.struck(ctx, layout{name: "connections-cut", tenants: 40}, s, "times all connections were cut", shortBreath, func(ctx context.Context, r *Rig) error {
		rows, err := r.raw.QueryContext(ctx, "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND db = DATABASE()")
		if err != nil {
			return nil // our own connection may be one that was cut the last time
		}
		defer rows.Close()
		var cut []int64
		for rows.Next() {
			var id int64
			if err := rows.Scan(&id); err != nil {
				return err
			}
			cut = append(cut, id)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		for _, id := range cut {
			if _, err := r.raw.ExecContext(ctx, fmt.Sprintf("KILL %d", id)); err == nil { // it may have gone by itself
				r.count("connections cut", 1)
			}
		}
		return nil
	})
}

// slowness is how long commits hang: longer than the harness waits until it lets leases run out.
const slowness = 2 * time.Second

// commitsSlow makes every commit hang, so that leases run out under those who hold them.
func commitsSlow(ctx context.Context, g *Ground, s Scale) (*Rig, error) {
	return g.struck(ctx, layout{name: "commits-slow", tenants: 40}, s, "times commits hung", breath, func(ctx context.Context, r *Rig) error {
		own, err := r.raw.Conn(ctx)
		if err != nil {
			return err
		}
		defer own.Close()
		if _, err := own.ExecContext(ctx, "FLUSH TABLES WITH READ LOCK"); err != nil {
			return fmt.Errorf("holding commits: %w", err)
		}
		select {
		case <-time.After(slowness):
		case <-ctx.Done():
		}
		_, err = own.ExecContext(context.WithoutCancel(ctx), "UNLOCK TABLES")
		return err
	})
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
	server, err := mariadb.StartAs(ctx, mariadb.Config{Durable: true, Arguments: []string{
		"--innodb-file-per-table=OFF", "--innodb-undo-tablespaces=0", space(roomy),
	}})
	if err != nil {
		return nil, err
	}
	r, err := g.newRig(ctx, layout{name: "disk-full", tenants: 24, dsns: []string{server.DSN("")}})
	if err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	r.closing = append(r.closing, server.Stop)
	if _, err := r.raw.ExecContext(ctx, "CREATE TABLE torture_ballast (ballast LONGBLOB)"); err != nil {
		return r, fmt.Errorf("making ballast: %w", err)
	}
	if _, err := r.seat(ctx, 2, func(int) wish { return wish{} }); err != nil {
		return r, err
	}
	for n := 1; n <= s.Blows; n++ {
		if err := r.fillAndRelieve(ctx, func() error { return server.Run(ctx, space(roomy+n*room)) }, server.Kill); err != nil {
			return r, err
		}
		r.count("times the disk was full", 1)
	}
	return r, nil
}

func (r *Rig) fillAndRelieve(ctx context.Context, run, kill func() error) error {
	for _, size := range []int{100 << 10, 1 << 10} {
		for {
			if _, err := r.raw.ExecContext(ctx, "INSERT INTO torture_ballast (ballast) VALUES (?)", bytes.Repeat([]byte("x"), size)); err != nil {
				break // full
			}
		}
	}
	r.Period()
	if err := r.awaitLog(ctx, "is full"); err != nil {
		return err
	}
	if err := errors.Join(kill(), run()); err != nil {
		return err
	}
	if err := r.Settle(ctx); err != nil {
		return err
	}
	r.Advance(2 * hour) // those who failed for another reason meanwhile are tried again
	return r.Settle(ctx)
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
		if err := r.awaitLog(ctx, "disk"); err != nil {
			return r, err
		}
		cramped.kill()
		r.count("times the disk was full", 1)
		free, err := r.start(ctx, wish{})
		if err != nil {
			return r, err
		}
		if err := r.Settle(ctx); err != nil {
			return r, err
		}
		r.Advance(2 * hour)
		if err := errors.Join(r.Settle(ctx), free.stop()); err != nil {
			return r, err
		}
	}
	return r, nil
}

// awaitLog waits until one of the living replicas writes a text into its log that was not there before.
func (r *Rig) awaitLog(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		for _, one := range r.living() {
			content, err := os.ReadFile(one.log)
			if err != nil {
				return fmt.Errorf("reading a log: %w", err)
			}
			fresh := content[one.read:]
			one.read = len(content)
			if bytes.Contains(fresh, []byte(text)) {
				return nil
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q in a log: %w", text, ctx.Err())
		}
	}
}

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// queryLimit bounds one query of the harness, because a fault may make the database hang.
const queryLimit = 10 * time.Second

const (
	// longestRetry is more than the longest wait between two attempts of a renewal.
	longestRetry = 27 * time.Hour
	// soon separates tenants that wait for another attempt from those that were renewed: the former are due within
	// longestRetry, the latter not for most of a period.
	soon = 2 * longestRetry
	// recoveries bounds how often Recover advances by longestRetry, since each attempt may meet another fault. All of them
	// together leave more than soon of a period.
	recoveries = 6
)

// leasesExpired is the name under which the harness counts how often it let leases expire.
const leasesExpired = "times that leases had to expire"

// AwaitRenewals waits until no tenant is due or leased, and until the database answers. When the remaining leases are
// abandoned, it moves the clock past their end.
func (d *Deployment) AwaitRenewals(ctx context.Context) error {
	var (
		due     int
		leases  map[string]string
		lastErr error
		seen    *leaseSnapshot
	)
	err := await(ctx, "renewals", func(ctx context.Context) (bool, error) {
		abandoned := seen != nil && seen.abandoned() // checked before the leases are read, because they may be released in between
		due, leases, lastErr = d.pending(ctx)
		switch {
		case lastErr != nil: // the next poll tries again
		case due > 0: // a running replica leases it with its next sweep
			seen = nil
		case len(leases) == 0:
			return true, nil
		case seen == nil || !seen.includes(leases):
			seen = d.snapshot(leases)
		case abandoned:
			d.Advance(lease + time.Second)
			d.count(leasesExpired, 1)
			seen = nil
		}
		return false, nil //nolint:nilerr // a database that does not answer is asked again
	})
	if err != nil {
		return fmt.Errorf("%d tenants of %d are due and %d leased: %w", due, len(d.tenants), len(leases), errors.Join(err, lastErr))
	}
	return nil
}

// pending returns how many tenants are due and not leased, and the valid leases: tenant → owner.
func (d *Deployment) pending(ctx context.Context) (due int, leases map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	now := d.clock.Now().Format(timeFormat)
	rows, err := d.db().QueryContext(ctx, "SELECT tenant_id, lease_owner FROM schedules WHERE lease_until >= ? "+
		"UNION ALL SELECT tenant_id, NULL FROM schedules WHERE due_at <= ? AND (lease_until IS NULL OR lease_until < ?)", now, now, now)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	leases = map[string]string{}
	for rows.Next() {
		var tenantID string
		var owner sql.NullString
		if err := rows.Scan(&tenantID, &owner); err != nil {
			return 0, nil, err
		}
		if owner.Valid {
			leases[tenantID] = owner.String
		} else {
			due++
		}
	}
	return due, leases, rows.Err()
}

// A leaseSnapshot is the set of leases at a moment, with the replicas that could release them.
type leaseSnapshot struct {
	leases map[string]string // tenant → owner
	marks  map[*replica]int  // a mark that was sent after the leases were read
}

func (d *Deployment) snapshot(leases map[string]string) *leaseSnapshot {
	s := &leaseSnapshot{leases: leases, marks: map[*replica]int{}}
	for _, r := range d.running() {
		s.marks[r] = r.sendMark()
	}
	return s
}

// includes reports whether the snapshot contains all the given leases.
func (s *leaseSnapshot) includes(leases map[string]string) bool {
	for tenantID, owner := range leases {
		if s.leases[tenantID] != owner {
			return false
		}
	}
	return true
}

// abandoned reports whether no replica will release the leases of the snapshot: each has exited, is kept from its
// database, or has ended a sweep since. A sweep ends after it has released, as far as that worked, everything that it
// leased, and a replica runs one sweep at a time.
func (s *leaseSnapshot) abandoned() bool {
	for r, mark := range s.marks {
		if !r.hasExited() && !r.isIsolated() && !r.sweptSince(mark) {
			return false
		}
	}
	return true
}

// Recover is AwaitRenewals after a fault is over: it also waits for the next attempts of renewals that failed or were
// deferred.
func (d *Deployment) Recover(ctx context.Context) error {
	for range recoveries {
		if err := d.AwaitRenewals(ctx); err != nil {
			return err
		}
		waiting, err := d.waiting(ctx)
		if err == nil && waiting == 0 {
			return nil
		}
		if err != nil {
			continue // the database has just stopped answering; AwaitRenewals waits for it
		}
		d.count("renewals that worked later", waiting)
		d.Advance(longestRetry)
	}
	return d.AwaitRenewals(ctx)
}

// waiting returns how many tenants wait for another attempt.
func (d *Deployment) waiting(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	err = d.db().QueryRowContext(ctx, "SELECT COUNT(*) FROM schedules WHERE failure IS NOT NULL OR due_at < ?",
		d.clock.Now().Add(soon).Format(timeFormat)).Scan(&n)
	return n, err
}

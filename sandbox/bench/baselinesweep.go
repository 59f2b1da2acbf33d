package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/random"
)

// A baselineSweep is the baseline of renewals: only the necessary statements, in as few transactions as possible. A
// successor must be durable before it is used, since Microsoft may not return it again; the results of its use are
// therefore stored in a second transaction.
type baselineSweep struct {
	pool *sql.DB

	due, read, lease, predecessor, successor, schedule, event, announce, learned, release *sql.Stmt
}

func newBaselineSweep(ctx context.Context, pool *sql.DB) (*baselineSweep, error) {
	l := &baselineSweep{pool: pool}
	for _, statement := range []struct {
		into **sql.Stmt
		text string
	}{
		{&l.due, "SELECT tenant_id FROM schedules WHERE slack_day >= 0 AND due_at <= ? AND lease_until IS NULL ORDER BY slack_day, due_at LIMIT 512"},
		{&l.read, "SELECT t.instance_key, i.credentials, g.refresh_token, g.version, s.version FROM tenants t JOIN instances i ON i.instance_key = t.instance_key " +
			"JOIN grants g ON g.tenant_id = t.id AND g.slot = 'active' JOIN schedules s ON s.tenant_id = t.id WHERE t.id = ?"},
		{&l.lease, "UPDATE schedules SET lease_owner = ?, lease_until = ?, version = version + 1 WHERE tenant_id = ? AND lease_until IS NULL"},
		{&l.predecessor, "INSERT INTO grants (tenant_id, slot, refresh_token, issued_at, directory_id, application_id, procedure_name, consent_id, " +
			"consented_at, consented_by, asked_by, scopes, checks, version, instance_key, account_id) " +
			"SELECT tenant_id, 'predecessor', refresh_token, issued_at, directory_id, application_id, procedure_name, consent_id, " +
			"consented_at, consented_by, asked_by, scopes, checks, 1, instance_key, account_id FROM grants a WHERE a.tenant_id = ? AND a.slot = 'active' " +
			"ON DUPLICATE KEY UPDATE refresh_token = VALUES(refresh_token), issued_at = VALUES(issued_at), version = grants.version + 1"},
		{&l.successor, "UPDATE grants SET refresh_token = ?, issued_at = ?, version = version + 1 WHERE tenant_id = ? AND slot = 'active' AND version = ?"},
		{&l.schedule, "UPDATE schedules SET due_at = ?, expires_at = ?, slack_day = ?, last_at = ?, last_success_at = ?, version = version + 1 WHERE tenant_id = ? AND version = ?"},
		{&l.event, "INSERT INTO events (id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, " +
			"result, reference, details) VALUES (?, ?, ?, ?, 'grant.renewed', 'scheduler', '', 'renewal', '', '', 'ok', 'ABCDEFGHIJ', NULL)"},
		{&l.announce, "INSERT INTO announcements (subject_kind, subject_id, look_at, version) VALUES ('tenant', ?, ?, 1) " +
			"ON DUPLICATE KEY UPDATE look_at = VALUES(look_at), version = version + 1"},
		{&l.learned, "UPDATE grants SET refresh_token = ?, issued_at = ?, checks = ?, version = version + 1 WHERE tenant_id = ? AND slot = 'active' AND version = ?"},
		{&l.release, "UPDATE schedules SET lease_owner = NULL, lease_until = NULL WHERE tenant_id = ? AND lease_owner = ?"},
	} {
		prepared, err := pool.PrepareContext(ctx, statement.text) //nolint:sqlclosecheck // close closes it
		if err != nil {
			l.close()
			return nil, fmt.Errorf("preparing the sweep of the baseline: %w", err)
		}
		*statement.into = prepared
	}
	return l, nil
}

func (l *baselineSweep) close() {
	for _, statement := range []*sql.Stmt{l.due, l.read, l.lease, l.predecessor, l.successor, l.schedule, l.event, l.announce, l.learned, l.release} {
		if statement != nil {
			statement.Close()
		}
	}
}

// sweep renews count due tenants and returns how long that took.
func (l *baselineSweep) sweep(ctx context.Context, count int) (time.Duration, error) {
	began := time.Now()
	for renewed := 0; renewed < count; {
		due, err := l.find(ctx)
		if err != nil {
			return 0, err
		}
		if len(due) == 0 {
			return 0, fmt.Errorf("the baseline renewed %d tenants of %d", renewed, count)
		}
		var all errgroup.Group
		all.SetLimit(workers)
		for _, id := range due {
			all.Go(func() error { return l.renew(ctx, id) })
		}
		if err := all.Wait(); err != nil {
			return 0, err
		}
		renewed += len(due)
	}
	return time.Since(began), nil
}

func (l *baselineSweep) find(ctx context.Context) ([]string, error) {
	rows, err := l.due.QueryContext(ctx, time.Now().UTC())
	if err != nil {
		return nil, fmt.Errorf("finding what is due: %w", err)
	}
	defer rows.Close()
	var due []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		due = append(due, id)
	}
	return due, rows.Err()
}

func (l *baselineSweep) renew(ctx context.Context, id string) error {
	now, owner := time.Now().UTC(), random.ID()
	var key string
	var credentials, value []byte
	var version, scheduled int64
	if err := l.read.QueryRowContext(ctx, id).Scan(&key, &credentials, &value, &version, &scheduled); err != nil {
		return fmt.Errorf("reading a tenant: %w", err)
	}
	if err := affected(l.lease.ExecContext(ctx, owner, now.Add(2*time.Minute), id)); err != nil {
		return err
	}
	const checks = `{"mfa":"yes","globalAdmin":"yes","adminAgent":"yes"}`
	expires := now.Add(90 * 24 * time.Hour)
	err := l.transact(ctx, func(do func(*sql.Stmt, ...any) error) error {
		return errors.Join(
			do(l.predecessor, id), do(l.successor, value, now, id, version),
			do(l.schedule, now.Add(later), expires, expires.Unix()/86400, now, now, id, scheduled+1),
			do(l.event, random.ID(), now, key, id), do(l.announce, id, now))
	})
	if err != nil {
		return err
	}
	return l.transact(ctx, func(do func(*sql.Stmt, ...any) error) error {
		return errors.Join(do(l.learned, value, now, checks, id, version+1), do(l.release, id, owner))
	})
}

func (l *baselineSweep) transact(ctx context.Context, fn func(do func(*sql.Stmt, ...any) error) error) error {
	tx, err := l.pool.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after a commit
	if err := fn(func(s *sql.Stmt, values ...any) error {
		return affected(tx.StmtContext(ctx, s).ExecContext(ctx, values...)) //nolint:sqlclosecheck // the transaction closes it
	}); err != nil {
		return err
	}
	return tx.Commit()
}

func affected(result sql.Result, err error) error {
	if err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return errors.Join(errors.New("a statement matched no row"), err)
	}
	return nil
}

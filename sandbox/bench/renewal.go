package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/token"
)

// The least rates of renewals.
const (
	exactRenewalBar   = 0.85 // of workers ÷ latency, where all workers return at once
	spreadRenewalBar  = 0.92 // of workers ÷ latency
	slowRenewalBar    = 0.90 // of workers ÷ latency, where other calls are slow too
	instantRenewalBar = 0.80 // of the baseline
)

// workers is how many renewals run concurrently.
const workers = 32

// latency is how long a slow Microsoft takes.
const latency = 100 * time.Millisecond

// renewal compares the sweep with the best possible rate of its workers. The baseline has its own database with the same
// content on the same server, because the token service cannot open the predecessors that the baseline stores.
func (e *Env) renewal(ctx context.Context) (rows []Row, err error) {
	connector, err := e.populate(ctx, e.cfg.Tenants, e.cfg.Tenants)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, connector.close()) }()
	baseline, err := e.populate(ctx, e.cfg.Tenants, e.cfg.Tenants)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, baseline.close()) }()
	once, spread, each := newFakeMicrosoft(), newFakeMicrosoft(), newFakeMicrosoft()
	once.redemption, once.only = latency, token.PartnerCenter
	spread.redemption, spread.only, spread.spread = latency, token.PartnerCenter, true
	each.redemption, each.otherCall = latency, latency
	first, err := slowRenewals(ctx, connector, once, "a renewal takes exactly 100 ms at Microsoft", latency, e.cfg.Tenants, exactRenewalBar)
	if err != nil {
		return nil, err
	}
	between, err := slowRenewals(ctx, connector, spread, "a renewal takes 50 to 150 ms at Microsoft", latency, e.cfg.Tenants, spreadRenewalBar)
	if err != nil {
		return []Row{first}, err
	}
	second, err := slowRenewals(ctx, connector, each, "each of its 7 calls takes 100 ms", callsPerRenewal*latency, min(e.cfg.Tenants, 10*workers), slowRenewalBar)
	if err != nil {
		return []Row{first, between}, err
	}
	instant, err := e.instantRenewals(ctx, baseline.pool, connector)
	return []Row{first, between, second, instant}, err
}

// slowRenewals compares the sweep with workers that do nothing but wait for Microsoft.
func slowRenewals(ctx context.Context, c *population, ms *fakeMicrosoft, when string, each time.Duration, count int, bar float64) (Row, error) {
	if err := makeDue(ctx, c.pool, count); err != nil {
		return Row{}, err
	}
	took, err := sweep(ctx, c.store, ms, count)
	if err != nil {
		return Row{}, err
	}
	reached, best := float64(count)/took.Seconds(), workers/each.Seconds()
	return percent("renewal sweep where "+when+", against workers ÷ latency", reached/best, bar).doing(
		"The baseline is arithmetic: as many workers that do nothing but wait for Microsoft. The token service's sweep waits the same, on MariaDB.").with(
		"%s tenants due, %d workers: %.1f renewals/s of %.1f.", grouped(count), workers, reached, best).because(
		"Besides Microsoft a worker waits for the database: it reads, commits each of the three successors, and commits the checks with the release of its lease. " + sharedProcessors), nil
}

// instantRenewals compares the sweep with the baseline's, in turn, with a Microsoft that responds at once.
func (e *Env) instantRenewals(ctx context.Context, pool *sql.DB, ours *population) (Row, error) {
	baseline, err := newBaselineSweep(ctx, pool)
	if err != nil {
		return Row{}, err
	}
	defer baseline.close()
	count := e.cfg.Tenants
	var baselines, sweeps []float64
	for turn := range e.cfg.Turns + 1 {
		if err := makeDue(ctx, pool, count); err != nil {
			return Row{}, err
		}
		a, err := baseline.sweep(ctx, count)
		if err != nil {
			return Row{}, err
		}
		if err := makeDue(ctx, ours.pool, count); err != nil {
			return Row{}, err
		}
		b, err := sweep(ctx, ours.store, newFakeMicrosoft(), count)
		if err != nil {
			return Row{}, err
		}
		if turn > 0 { // the first one warms up
			baselines, sweeps = append(baselines, float64(count)/a.Seconds()), append(sweeps, float64(count)/b.Seconds())
		}
	}
	return percent("renewal sweep with an instant Microsoft", median(sweeps)/median(baselines), instantRenewalBar).doing(
		"The baseline leases a tenant, commits successor and predecessor with schedule, event and announcement, then commits the checks and the release: one "+
			"SELECT and three commits, by prepared statements, without sealing or checks. The token service's sweep does all that a renewal needs, with sealing, "+
			"versions and checks. Each has a database of its own on the same server.").with(
		"%s tenants due, %d workers, %d connections. Sweep %.0f/s (%s); baseline %.0f/s (%s).",
		grouped(count), workers, baselineConnections, median(sweeps), joined(sweeps), median(baselines), joined(baselines)).because(
		"The sweep stores the successor that comes with each of the three access tokens before it goes on, in four transactions; the baseline stores one. " + sharedProcessors), nil
}

// makeDue makes count tenants due, and no others.
func makeDue(ctx context.Context, pool *sql.DB, count int) error {
	now := time.Now().UTC()
	for _, statement := range []struct {
		text   string
		values []any
	}{
		{"UPDATE schedules SET due_at = ?", []any{now.Add(later)}},
		{"UPDATE schedules SET due_at = ? ORDER BY tenant_id LIMIT ?", []any{now.Add(-time.Hour), count}},
		// Every stored value must be older than the one that replaces it, to the millisecond.
		{"UPDATE grants SET issued_at = ?", []any{now.Add(-age)}},
	} {
		if _, err := pool.ExecContext(ctx, statement.text, statement.values...); err != nil {
			return fmt.Errorf("making tenants due: %w", err)
		}
	}
	return nil
}

// sweep renews the due tenants, of which there must be count, and returns how long that took.
func sweep(ctx context.Context, s *store.Store, ms *fakeMicrosoft, count int) (time.Duration, error) {
	tokens, err := token.New(token.Config{Store: s, Microsoft: ms, Workers: workers})
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := tokens.Sweep(ctx); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if redeemed := ms.redeemed.Load(); redeemed != int64(3*count) { // once for each api
		return 0, fmt.Errorf("%d tenants were due, and Microsoft was asked for %d tokens", count, redeemed)
	}
	return took, nil
}

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

// What renewing may cost.
const (
	slowRenewalBar    = 0.90 // of workers ÷ latency
	instantRenewalBar = 0.75 // of the floor
)

// workers is how many renewals run at once.
const workers = 32

// latency is how long a slow Microsoft takes.
const latency = 100 * time.Millisecond

// renewal measures the sweep against what its workers could do at best. The floor has a database of its own on the same
// server, filled alike: custody would not open the predecessors that the floor keeps.
func (g *Ground) renewal(ctx context.Context) (rows []Row, err error) {
	ours, err := g.crowd(ctx, g.cfg.Tenants, g.cfg.Tenants)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ours.close()) }()
	least, err := g.crowd(ctx, g.cfg.Tenants, g.cfg.Tenants)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, least.close()) }()
	once, each := newPrompt(), newPrompt()
	once.redemption, once.only = latency, token.PartnerCenter
	each.redemption, each.question = latency, latency
	first, err := slowRenewals(ctx, ours, once, "a renewal takes 100 ms at Microsoft", latency, g.cfg.Tenants)
	if err != nil {
		return nil, err
	}
	second, err := slowRenewals(ctx, ours, each, "each of its 7 calls takes 100 ms", callsPerRenewal*latency, min(g.cfg.Tenants, 10*workers))
	if err != nil {
		return []Row{first}, err
	}
	instant, err := g.instantRenewals(ctx, least.pool, ours)
	return []Row{first, second, instant}, err
}

// slowRenewals compares the sweep with what its workers could do if they did nothing but wait.
func slowRenewals(ctx context.Context, c *crowd, ms *prompt, when string, each time.Duration, count int) (Row, error) {
	if err := makeDue(ctx, c.pool, count); err != nil {
		return Row{}, err
	}
	took, err := sweep(ctx, c.store, ms, count)
	if err != nil {
		return Row{}, err
	}
	reached, best := float64(count)/took.Seconds(), workers/each.Seconds()
	return percent("renewal sweep where "+when+", against workers ÷ latency", reached/best, slowRenewalBar).does(
		"There is no floor but arithmetic: so many workers that do nothing but wait for Microsoft. Custody's sweep waits the same, on MariaDB.").told(
		"%s tenants due, %d workers: %.1f renewals/s of %.1f.", grouped(count), workers, reached, best).owing(
		"Besides waiting for Microsoft a worker waits for its database: it reads, commits the successor, commits what was learned, and gives back. " + sharing), nil
}

// instantRenewals compares the sweep with the floor's, in turn, with a Microsoft that answers at once.
func (g *Ground) instantRenewals(ctx context.Context, floor *sql.DB, custody *crowd) (Row, error) {
	least, err := newLeastSweep(ctx, floor)
	if err != nil {
		return Row{}, err
	}
	defer least.close()
	count := g.cfg.Tenants
	var floors, ours []float64
	for turn := range g.cfg.Turns + 1 {
		if err := makeDue(ctx, floor, count); err != nil {
			return Row{}, err
		}
		a, err := least.sweep(ctx, count)
		if err != nil {
			return Row{}, err
		}
		if err := makeDue(ctx, custody.pool, count); err != nil {
			return Row{}, err
		}
		b, err := sweep(ctx, custody.store, newPrompt(), count)
		if err != nil {
			return Row{}, err
		}
		if turn > 0 { // the first one finds everything cold
			floors, ours = append(floors, float64(count)/a.Seconds()), append(ours, float64(count)/b.Seconds())
		}
	}
	return percent("renewal sweep with an instant Microsoft", median(ours)/median(floors), instantRenewalBar).does(
		"The floor leases a tenant, commits successor and predecessor with schedule, event and announcement, then commits what was learned and the release: one "+
			"SELECT and three commits, by prepared statements, without sealing or checks. Custody's sweep does all that it does for a renewal, with sealing, "+
			"versions and checks. Each has a database of its own on the same server.").told(
		"%s tenants due, %d workers, %d connections. Custody %.0f/s (%s); floor %.0f/s (%s).",
		grouped(count), workers, floorConnections, median(ours), joined(ours), median(floors), joined(floors)).owing(
		"Custody seals, checks and reads more than the floor, and its statements are made by gorm. " + sharing), nil
}

// makeDue makes so many tenants due, and no other.
func makeDue(ctx context.Context, pool *sql.DB, count int) error {
	now := time.Now().UTC()
	for _, statement := range []struct {
		text   string
		values []any
	}{
		{"UPDATE schedules SET due_at = ?", []any{now.Add(later)}},
		{"UPDATE schedules SET due_at = ? ORDER BY tenant_id LIMIT ?", []any{now.Add(-time.Hour), count}},
		// The values that are stored next must be newer than those that are stored, to the millisecond.
		{"UPDATE grants SET issued_at = ?", []any{now.Add(-age)}},
	} {
		if _, err := pool.ExecContext(ctx, statement.text, statement.values...); err != nil {
			return fmt.Errorf("making tenants due: %w", err)
		}
	}
	return nil
}

// sweep renews what is due, which must be so many, and returns how long that took.
func sweep(ctx context.Context, s *store.Store, ms *prompt, count int) (time.Duration, error) {
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

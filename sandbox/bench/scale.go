package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/store"
)

// Upper bounds of what the number of tenants may change.
const (
	manyBar = 1.2 // times what a renewal costs with few
	dueBar  = 5.0 // ms
)

// few is how many tenants the small database holds, and how many are due at once in both.
const few = 1000

// searches is how often the due tenants are searched for in each situation.
const searches = 50

// A population is a database full of tenants, some of which have grants that open.
type population struct {
	store  *store.Store
	pool   *sql.DB
	opened []string // ids of tenants whose grants open
}

func (p *population) close() error { return errors.Join(p.store.Close(), p.pool.Close()) }

// many measures the cost of a renewal, and the time to find the due tenants, in a large database.
func (e *Env) many(ctx context.Context) (rows []Row, err error) {
	small, err := e.populate(ctx, few, few)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, small.close()) }()
	large, err := e.populate(ctx, e.cfg.Many, min(e.cfg.Many, few*(e.cfg.Turns+1)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, large.close()) }()
	cost, err := e.renewalCosts(ctx, small, large)
	if err != nil {
		return nil, err
	}
	found, err := e.findingDue(ctx, large)
	return []Row{cost, found}, err
}

// populate fills a database with count tenants, of which open have grants that can be renewed. The others are copies of one
// of these under other IDs: nothing reads them, but they are in every index.
func (e *Env) populate(ctx context.Context, count, open int) (*population, error) {
	db, err := e.mysql(ctx)
	if err != nil {
		return nil, err
	}
	c := &population{}
	if c.store, err = e.open(ctx, db); err != nil {
		return nil, err
	}
	if c.pool, err = openBaseline(db.driver, db.dsn); err != nil {
		return nil, errors.Join(err, c.store.Close())
	}
	if c.opened, err = e.seed(ctx, c.store, open, time.Now().Add(later)); err == nil {
		_, err = c.pool.ExecContext(ctx, "INSERT INTO announcements (subject_kind, subject_id, version) SELECT 'tenant', id, 1 FROM tenants")
	}
	if err == nil {
		err = c.multiply(ctx, open, count)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// copied is how many tenants one statement creates.
const copied = 20_000

// multiply copies a tenant until there are count tenants. They are due within the next ten days, but not within an hour, and
// their grants expire 79 days later: the times of later ones would count as wrong, and the sweep would renew all.
func (p *population) multiply(ctx context.Context, open, count int) error {
	original := p.opened[0]
	soon := time.Now().UTC().Add(time.Hour).Truncate(time.Second)
	for first := open; first < count; first += copied {
		from := fmt.Sprintf(`(SELECT LOWER(INSERT(INSERT(INSERT(INSERT(MD5(seq), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-')) AS id,
			seq %% 860000 AS spread FROM seq_%d_to_%d) n`, first+1, min(first+copied, count))
		for _, statement := range []struct {
			text   string
			values []any
		}{
			{`INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory, directory_id, application_id, credentials,
				created_at, updated_at, version) SELECT n.id, instance_key, account_id, subscription_id, name, marketplace, n.id, n.id, application_id, credentials,
				created_at, updated_at, version FROM tenants t JOIN ` + from + ` WHERE t.id = ?`, []any{original}},
			{`INSERT INTO grants (tenant_id, slot, refresh_token, issued_at, directory_id, application_id, procedure_name, consent_id, consented_at,
				consented_by, asked_by, scopes, checks, version) SELECT n.id, slot, refresh_token, issued_at, n.id, application_id, procedure_name, consent_id, consented_at,
				consented_by, asked_by, scopes, checks, version FROM grants g JOIN ` + from + ` WHERE g.tenant_id = ? AND g.slot = 'active'`, []any{original}},
			{`INSERT INTO schedules SELECT n.id, ? + INTERVAL n.spread SECOND, ? + INTERVAL 79 DAY + INTERVAL n.spread SECOND,
				TIMESTAMPDIFF(DAY, '1970-01-01', ? + INTERVAL 79 DAY + INTERVAL n.spread SECOND), NULL, NULL, attempt, last_at, last_success_at,
				failing_since, failure, version FROM schedules s JOIN ` + from + ` WHERE s.tenant_id = ?`, []any{soon, soon, soon, original}},
			{`INSERT INTO announcements (subject_kind, subject_id, version) SELECT 'tenant', n.id, 1 FROM ` + from, nil},
		} {
			if _, err := p.pool.ExecContext(ctx, statement.text, statement.values...); err != nil {
				return fmt.Errorf("copying a tenant: %w", err)
			}
		}
	}
	_, err := p.pool.ExecContext(ctx, "ANALYZE TABLE tenants, grants, schedules, announcements")
	return err
}

// due makes the given tenants due.
func (p *population) due(ctx context.Context, ids []string) error {
	values := []any{time.Now().UTC().Add(-time.Hour)}
	for _, id := range ids {
		values = append(values, id)
	}
	_, err := p.pool.ExecContext(ctx, "UPDATE schedules SET due_at = ? WHERE tenant_id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", values...)
	if err != nil {
		return fmt.Errorf("making tenants due: %w", err)
	}
	return nil
}

// renewalCosts compares the cost of a renewal in both databases, in turn. In the large one, other tenants are due in each
// turn, so that none of their rows was read before.
func (e *Env) renewalCosts(ctx context.Context, small, large *population) (Row, error) {
	var baseline, most []float64 // µs per renewal
	for turn := range e.cfg.Turns + 1 {
		ids := large.opened[min(turn*few, len(large.opened)-few):]
		a, err := renewalCost(ctx, small, small.opened)
		if err != nil {
			return Row{}, err
		}
		b, err := renewalCost(ctx, large, ids[:few])
		if err != nil {
			return Row{}, err
		}
		if turn > 0 { // the first one warms up
			baseline, most = append(baseline, a), append(most, b)
		}
	}
	name := fmt.Sprintf("cost of a renewal with %s tenants, against that with %s", grouped(e.cfg.Many), grouped(few))
	return atMost(name, "×", median(most)/median(baseline), manyBar).doing(
		"Both sides are the token service's sweep on MariaDB with an instant Microsoft, in two databases of one server that differ only in the number of "+
			"tenants. %s are due in each turn, in the large database others each time.", grouped(few)).with(
		"%d workers. With many %.0f µs a renewal (%s); with few %.0f µs (%s).", workers, median(most), joined(most), median(baseline), joined(baseline)).because(sharedProcessors), nil
}

// renewalCost renews the given tenants and returns the average time of a renewal in microseconds.
func renewalCost(ctx context.Context, c *population, ids []string) (float64, error) {
	if err := c.due(ctx, ids); err != nil {
		return 0, err
	}
	took, err := sweep(ctx, c.store, newFakeMicrosoft(), len(ids))
	return float64(took.Microseconds()) / float64(len(ids)), err
}

// findingDue measures how long it takes to find the tenants to renew next, depending on how many are due.
func (e *Env) findingDue(ctx context.Context, c *population) (Row, error) {
	var medians []float64
	var details []string
	for _, situation := range []struct {
		name string
		make func() error
	}{
		{"none is due", func() error { return nil }},
		{grouped(few) + " are due", func() error { return c.due(ctx, c.opened[:few]) }},
		{"a tenth is due, as after an outage of a day", func() error {
			_, err := c.pool.ExecContext(ctx, "UPDATE schedules SET due_at = ? WHERE tenant_id < '1a'", time.Now().UTC().Add(-time.Hour))
			return err
		}},
	} {
		if err := situation.make(); err != nil {
			return Row{}, fmt.Errorf("making tenants due: %w", err)
		}
		var all []float64
		for range searches {
			began := time.Now()
			if _, err := c.store.Due(ctx, began, workers); err != nil {
				return Row{}, err
			}
			all = append(all, float64(time.Since(began).Microseconds())/1000)
		}
		medians = append(medians, median(all))
		details = append(details, fmt.Sprintf("%s: %.2f ms, at most %.2f ms", situation.name, median(all), slices.Max(all)))
	}
	return below("finding the due tenants among "+grouped(e.cfg.Many), "ms", slices.Max(medians), dueBar).doing(
		"The token service's own query for the %d tenants that are to be renewed next, least slack first, on MariaDB. The figure is the slowest median.", workers).with(
		"%d searches each. %s.", searches, strings.Join(details, "; ")).because(sharedProcessors), nil
}

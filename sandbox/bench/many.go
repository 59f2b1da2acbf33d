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

// What the number of tenants may change.
const (
	manyBar = 1.2 // times what a renewal costs with few
	dueBar  = 5.0 // ms
)

// few is how many tenants the small database holds, and how many are due at once in both.
const few = 1000

// searches is how often what is due is searched for in each situation.
const searches = 50

// A crowd is a database full of tenants, of which the first few have grants that open.
type crowd struct {
	store  *store.Store
	pool   *sql.DB
	opened []string // ids of tenants whose grants open
}

func (c *crowd) close() error { return errors.Join(c.store.Close(), c.pool.Close()) }

// many measures what a renewal costs, and what it takes to find out which are due, where there are many tenants.
func (g *Ground) many(ctx context.Context) (rows []Row, err error) {
	small, err := g.crowd(ctx, few, few)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, small.close()) }()
	large, err := g.crowd(ctx, g.cfg.Many, min(g.cfg.Many, few*(g.cfg.Turns+1)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, large.close()) }()
	cost, err := g.renewalCosts(ctx, small, large)
	if err != nil {
		return nil, err
	}
	found, err := g.findingDue(ctx, large)
	return []Row{cost, found}, err
}

// crowd fills a database with count tenants, of which as many as open have grants that can be renewed. The others are
// copies of one of these under ids of their own: nobody reads them, but every index knows them.
func (g *Ground) crowd(ctx context.Context, count, open int) (*crowd, error) {
	db, err := g.mysql(ctx)
	if err != nil {
		return nil, err
	}
	c := &crowd{}
	if c.store, err = g.open(ctx, db); err != nil {
		return nil, err
	}
	if c.pool, err = openFloor(db.driver, db.dsn); err != nil {
		return nil, errors.Join(err, c.store.Close())
	}
	if c.opened, err = g.seed(ctx, c.store, open, time.Now().Add(later)); err == nil {
		_, err = c.pool.ExecContext(ctx, "INSERT INTO announcements SELECT 'tenant', id, NULL, NULL, NULL, NULL, 1 FROM tenants")
	}
	if err == nil {
		err = c.multiply(ctx, open, count)
	}
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// copied is how many tenants one statement makes.
const copied = 20_000

// multiply makes copies of a tenant until there are count. They are due over the ten days that come, and their grants
// expire 80 days after that.
func (c *crowd) multiply(ctx context.Context, open, count int) error {
	original := c.opened[0]
	soon := time.Now().UTC().Add(later).Truncate(time.Second)
	for first := open; first < count; first += copied {
		from := fmt.Sprintf(`(SELECT LOWER(INSERT(INSERT(INSERT(INSERT(MD5(seq), 21, 0, '-'), 17, 0, '-'), 13, 0, '-'), 9, 0, '-')) AS id,
			seq %% 864000 AS spread FROM seq_%d_to_%d) n`, first+1, min(first+copied, count))
		for _, statement := range []struct {
			text   string
			values []any
		}{
			{`INSERT INTO tenants SELECT n.id, instance_key, account_id, subscription_id, name, marketplace, n.id, n.id, application_id, credentials,
				created_at, updated_at, version FROM tenants t JOIN ` + from + ` WHERE t.id = ?`, []any{original}},
			{`INSERT INTO grants SELECT n.id, slot, refresh_token, issued_at, n.id, application_id, procedure_name, consent_id, consented_at,
				consented_by, asked_by, scopes, checks, version FROM grants g JOIN ` + from + ` WHERE g.tenant_id = ? AND g.slot = 'active'`, []any{original}},
			{`INSERT INTO schedules SELECT n.id, ? + INTERVAL n.spread SECOND, ? + INTERVAL 80 DAY + INTERVAL n.spread SECOND,
				TIMESTAMPDIFF(DAY, '1970-01-01', ? + INTERVAL 80 DAY + INTERVAL n.spread SECOND), NULL, NULL, attempt, last_at, last_success_at,
				failing_since, failure, version FROM schedules s JOIN ` + from + ` WHERE s.tenant_id = ?`, []any{soon, soon, soon, original}},
			{`INSERT INTO announcements SELECT 'tenant', n.id, NULL, NULL, NULL, NULL, 1 FROM ` + from, nil},
		} {
			if _, err := c.pool.ExecContext(ctx, statement.text, statement.values...); err != nil {
				return fmt.Errorf("multiplying a tenant: %w", err)
			}
		}
	}
	_, err := c.pool.ExecContext(ctx, "ANALYZE TABLE tenants, grants, schedules, announcements")
	return err
}

// due makes the given tenants due.
func (c *crowd) due(ctx context.Context, ids []string) error {
	values := []any{time.Now().UTC().Add(-time.Hour)}
	for _, id := range ids {
		values = append(values, id)
	}
	_, err := c.pool.ExecContext(ctx, "UPDATE schedules SET due_at = ? WHERE tenant_id IN (?"+strings.Repeat(", ?", len(ids)-1)+")", values...)
	if err != nil {
		return fmt.Errorf("making tenants due: %w", err)
	}
	return nil
}

// renewalCosts compares what a renewal takes in both databases, in turn. In the large one other tenants are due in each
// turn, so that nothing of theirs was touched before.
func (g *Ground) renewalCosts(ctx context.Context, small, large *crowd) (Row, error) {
	var least, most []float64 // µs per renewal
	for turn := range g.cfg.Turns + 1 {
		ids := large.opened[min(turn*few, len(large.opened)-few):]
		a, err := renewalCost(ctx, small, small.opened)
		if err != nil {
			return Row{}, err
		}
		b, err := renewalCost(ctx, large, ids[:few])
		if err != nil {
			return Row{}, err
		}
		if turn > 0 { // the first one finds everything cold
			least, most = append(least, a), append(most, b)
		}
	}
	name := fmt.Sprintf("cost of a renewal with %s tenants, against that with %s", grouped(g.cfg.Many), grouped(few))
	return atMost(name, "×", median(most)/median(least), manyBar).does(
		"Both sides are custody's own sweep on MariaDB with an instant Microsoft, in two databases of one server that differ in nothing but the number of "+
			"tenants. %s are due in each turn, in the large database others each time.", grouped(few)).told(
		"%d workers. With many %.0f µs a renewal (%s); with few %.0f µs (%s).", workers, median(most), joined(most), median(least), joined(least)).owing(sharing), nil
}

// renewalCost renews the given tenants and returns what each took on average, in microseconds.
func renewalCost(ctx context.Context, c *crowd, ids []string) (float64, error) {
	if err := c.due(ctx, ids); err != nil {
		return 0, err
	}
	took, err := sweep(ctx, c.store, newPrompt(), len(ids))
	return float64(took.Microseconds()) / float64(len(ids)), err
}

// findingDue measures how long it takes to find out which tenants are to be renewed next, however many they are.
func (g *Ground) findingDue(ctx context.Context, c *crowd) (Row, error) {
	var medians []float64
	var told []string
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
		told = append(told, fmt.Sprintf("%s: %.2f ms, at most %.2f ms", situation.name, median(all), slices.Max(all)))
	}
	return below("finding the due tenants among "+grouped(g.cfg.Many), "ms", slices.Max(medians), dueBar).does(
		"Custody's own question for the %d tenants that are to be renewed next, least slack first, on MariaDB. The figure is the slowest median.", workers).told(
		"%d searches each. %s.", searches, strings.Join(told, "; ")).owing(sharing), nil
}

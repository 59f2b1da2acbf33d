package chaos

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/token"
)

// Eight workers on two nodes contend for one tenant, as no sweep ever does.
const (
	contendingWorkers = 8
	contendedNodes    = 2
)

// contend lets workers on two nodes take and give back the lease of one tenant, each of them n times. Two nodes may both
// begin to commit a lease, and one of them loses: its worker must hear that the tenant is leased, or get the lease, but no
// error of the database.
func (d *Deployment) contend(ctx context.Context, n int) (err error) {
	stores := make([]*store.Store, 0, contendedNodes)
	defer func() {
		for _, s := range stores {
			err = errors.Join(err, s.Close())
		}
	}()
	for i := range contendedNodes {
		dsn := d.spec.dsns[i%len(d.spec.dsns)]
		s, err := store.Open(ctx, store.Config{Config: sqldb.Config{Driver: sqldb.MySQL, DSN: secret.New(dsn)}, Keyring: d.keyring})
		if err != nil {
			return err
		}
		stores = append(stores, s)
	}
	tenantID, now := d.tenants[0], d.clock.Now()
	work, working := errgroup.WithContext(ctx)
	for worker := range contendingWorkers {
		s := stores[worker%len(stores)]
		work.Go(func() error {
			owner := fmt.Sprintf("worker %d", worker)
			for range n {
				switch _, err := s.Lease(working, tenantID, owner, now, now.Add(lease)); {
				case err == nil:
					d.count("leases that a worker got", 1)
				case errors.Is(err, token.ErrLeased):
					d.count("leases that another worker had", 1)
					continue
				default:
					return fmt.Errorf("leasing beside others: %w", err)
				}
				if err := s.Release(working, tenantID, owner); err != nil {
					return fmt.Errorf("releasing beside others: %w", err)
				}
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	if d.counted("leases that a worker got") == 0 {
		return errors.New("no worker got a lease")
	}
	return await(ctx, "the last release to reach every node", func(ctx context.Context) (bool, error) {
		leased := 0
		for _, pool := range d.pools {
			var here int
			if err := pool.QueryRowContext(ctx, "SELECT COUNT(*) FROM schedules WHERE lease_owner IS NOT NULL").Scan(&here); err != nil {
				return false, err
			}
			leased += here
		}
		return leased == 0, nil
	})
}

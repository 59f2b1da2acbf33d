package token

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
)

// sweepBatch is how many due tenants are read at once, per worker.
const sweepBatch = 16

// Sweep renews every tenant that is due, least slack first, and returns when none is left that it has not tried. Any
// number of replicas may sweep at once: the leases keep them apart. A tenant's failure is in its status and in the log,
// not in the error.
func (s *Service) Sweep(ctx context.Context) error {
	tried := map[string]bool{}
	for {
		due, err := s.cfg.Store.Due(ctx, s.cfg.Now(), s.cfg.Workers*sweepBatch)
		if err != nil {
			return fmt.Errorf("finding due tenants: %w", err)
		}
		var workers errgroup.Group
		workers.SetLimit(s.cfg.Workers)
		fresh := 0
		for _, tenantID := range due {
			if tried[tenantID] || ctx.Err() != nil {
				continue
			}
			tried[tenantID] = true
			fresh++
			workers.Go(func() error {
				s.renewDue(ctx, tenantID)
				return nil
			})
		}
		if err := workers.Wait(); err != nil {
			return err
		}
		if fresh == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (s *Service) renewDue(ctx context.Context, tenantID string) {
	ctx = failure.WithReference(ctx, random.Reference())
	err := s.redeem(ctx, tenantID, audit.Actor{Kind: audit.Scheduler, Name: "renewal"}, scheduled)
	switch {
	case err == nil:
	case failure.Is(err, failure.RenewalRunning):
		s.cfg.Log.DebugContext(ctx, "renewal is held by another replica", "tenant", tenantID)
	default:
		s.cfg.Log.ErrorContext(ctx, "renewal failed", "tenant", tenantID, "kind", failure.From(err).Kind(),
			"reference", failure.Reference(ctx), "err", err)
	}
}

package token

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
)

// keepSuccessor stores the successor that a redemption of g returned, with an event, before anything else is done with the
// answer, and even after ctx has ended. It returns the grant that is stored then. When the row changed since g was read, the
// successor replaces only a value of the same consent that Microsoft did not issue later; else it is dropped, and stays
// valid at Microsoft. customer is the customer directory in which g was redeemed; empty for the partner's own.
func (s *Service) keepSuccessor(ctx context.Context, r *tenant.Resolved, g Grant, redeemed Redemption, customer string, by audit.Actor) (Grant, error) {
	if redeemed.RefreshToken.Empty() {
		return g, nil // g's value stays valid
	}
	ctx = context.WithoutCancel(ctx)
	// Redemptions for many customers of one tenant change the same row at the same time. In one process they take turns, so
	// that each meets only what other replicas do.
	turn := s.turnOf(g.TenantID)
	turn.Lock()
	defer turn.Unlock()
	current, ok := g, true
	for attempt := 1; ; attempt++ {
		if !ok || !s.supersedes(redeemed, g, current) {
			s.cfg.Log.InfoContext(ctx, "a successor was dropped, because the grant was replaced or deleted meanwhile", "tenant", g.TenantID, "api", redeemed.API)
			return current, nil
		}
		stored := current
		err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
			stored = current
			if err := s.replace(ctx, &stored, redeemedGrant{Redemption: redeemed}); err != nil {
				return err
			}
			return s.append(ctx, r, rotated(redeemed.API, customer, by))
		})
		if err == nil {
			return stored, nil
		}
		if !errors.Is(err, ErrStale) || attempt == maxKeepAttempts {
			return g, fmt.Errorf("storing a successor: %w", err)
		}
		if current, ok, err = s.grant(ctx, g.TenantID, Active); err != nil {
			return g, err
		}
	}
}

// supersedes reports whether the successor that a redemption of g returned replaces the stored grant. Under an unchanged row
// version it does, whatever the clocks say.
func (s *Service) supersedes(redeemed Redemption, g, current Grant) bool {
	switch {
	case current.Version == g.Version:
		return true
	case current.ConsentID != g.ConsentID:
		return false
	}
	return !redeemed.IssuedAt.Before(current.IssuedAt) || current.implausible(s.cfg.Now())
}

// rotated returns the event of a successor that was stored without a renewal.
func rotated(api API, customer string, by audit.Actor) audit.Event {
	details := map[string]string{"api": string(api)}
	if customer != "" {
		details["directory"] = customer
	}
	return audit.Event{Action: audit.GrantRotated, Actor: by, Details: details}
}

// maxKeepAttempts is how often a successor is stored while other replicas store theirs. Each attempt that fails is one of
// theirs that succeeded.
const maxKeepAttempts = 10

// turnOf returns what guards the storing of a tenant's successors in this process.
func (s *Service) turnOf(tenantID string) *sync.Mutex {
	hash := fnv.New32a()
	hash.Write([]byte(tenantID))
	return &s.successors[hash.Sum32()%uint32(len(s.successors))]
}

// replace makes the successor that a redemption returned the value of a stored active grant. The value that was redeemed
// worked, so it is the predecessor: the stored one, or the predecessor itself. It joins the caller's transaction.
func (s *Service) replace(ctx context.Context, stored *Grant, redeemed redeemedGrant) error {
	if redeemed.refusal == nil {
		if err := s.savePredecessor(ctx, *stored); err != nil {
			return err
		}
	}
	stored.advance(redeemed.Redemption)
	if err := s.cfg.Store.SaveGrant(ctx, stored); err != nil {
		return stale(err, "saving grant of "+stored.TenantID)
	}
	return nil
}

package binding

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// The beginnings of the keys of backoff for all tenants of an instance, and for one.
const (
	tenantsOf = "tenants of "
	tenantOf  = "tenant of "
)

// maxFailed is how many tenants a record names at most.
const maxFailed = 5

// errUnknown makes a later Sweep ask again for tenants that the platform does not have now.
var errUnknown = errors.New("the platform doesn't have every tenant; connector instances lists them")

func scheduler() audit.Actor { return audit.Actor{Kind: audit.Scheduler, Name: "binding"} }

// bindTenants repairs what a hook could not do: it finds the account of tenants that have none, recognizes tenants that the
// platform has after all, and makes the platform report the changes of their accounts. A tenant that fails is tried again after a
// delay of its own: one that is lost for good must not delay the others.
func (s *Service) bindTenants(ctx context.Context, in tenant.Instance) error {
	ids, err := s.cfg.Store.UnboundTenants(ctx, in.Key, s.cfg.AccountEvents)
	if err != nil {
		return err
	}
	keyOf := func(id string) string { return tenantOf + in.Key + " " + id }
	s.keepBackoff(keyOf(""), ids)
	var failed []error
	for _, id := range ids {
		if s.backingOff(keyOf(id)) {
			continue
		}
		err := s.bindTenant(ctx, in, id)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case failure.Is(err, failure.PlatformUnavailable):
			return err // all others would fail, too
		case failure.Is(err, failure.Integrity):
			err = nil // an altered one stays as it is
		case err != nil:
			failed = append(failed, fmt.Errorf("tenant %s: %w", id, err))
		}
		s.record(keyOf(id), err)
	}
	if len(failed) > 0 {
		s.cfg.Log.WarnContext(ctx, "binding tenants failed; retrying later", "instance", in.Key, "tenants", len(failed),
			"err", errors.Join(failed[:min(len(failed), maxFailed)]...))
	}
	return nil
}

// keepBackoff forgets the failures of tenants that are not among ids.
func (s *Service) keepBackoff(prefix string, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.backoff, func(key string, _ backoff) bool {
		id, of := strings.CutPrefix(key, prefix)
		return of && !slices.Contains(ids, id)
	})
}

func (s *Service) bindTenant(ctx context.Context, in tenant.Instance, id string) error {
	t, err := s.cfg.Store.Tenant(ctx, id)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && t.Altered {
		return nil
	}
	if err != nil {
		return err
	}
	if t.AccountID == "" || !t.UnknownAt.IsZero() {
		if t, err = s.recognize(ctx, in, t); err != nil {
			return err
		}
	}
	if !s.cfg.AccountEvents || t.AccountID == "" || t.WatchedAccountID == t.AccountID {
		return nil
	}
	if _, err := s.SubscribeAccount(ctx, in, t.AccountID); err != nil {
		return fmt.Errorf("subscribing to changes of its account: %w", err)
	}
	return s.cfg.Tenants.Watched(ctx, in.Key, id, t.AccountID, scheduler())
}

// recognize asks the platform for a tenant and its account. An account that is stored already stays: only hooks move tenants.
func (s *Service) recognize(ctx context.Context, in tenant.Instance, t tenant.Tenant) (tenant.Tenant, error) {
	account, err := s.cfg.Controller.TenantAccount(ctx, in, t.ID)
	if failure.Is(err, failure.NotFound) {
		return t, errUnknown
	}
	if err != nil {
		return t, fmt.Errorf("reading it at the platform: %w", err)
	}
	if t.AccountID == "" && account != "" {
		if t, err = s.cfg.Tenants.Link(ctx, in.Key, t.ID, t.AccountID, account, scheduler()); err != nil {
			return t, err
		}
	}
	return s.cfg.Tenants.Recognize(ctx, in.Key, t.ID, scheduler())
}

package binding

import (
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// tenantsOf begins the keys of backoff for the tenants of an instance.
const tenantsOf = "tenants of "

// maxFailed is how many tenants an error names at most.
const maxFailed = 5

// errUnknown makes a later Sweep ask again for tenants that the platform does not have now.
var errUnknown = errors.New("the platform doesn't have every tenant; connector instances lists them")

func scheduler() audit.Actor { return audit.Actor{Kind: audit.Scheduler, Name: "binding"} }

// bindTenants repairs what a hook could not do: it finds the account of tenants that have none, recognizes tenants that the
// platform has after all, and makes the platform report the changes of their accounts.
func (s *Service) bindTenants(ctx context.Context, in tenant.Instance) error {
	ids, err := s.cfg.Store.UnboundTenants(ctx, in.Key, s.cfg.AccountEvents)
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range ids {
		err := s.bindTenant(ctx, in, id)
		switch {
		case err == nil, failure.Is(err, failure.Integrity): // an altered one stays as it is
		case failure.Is(err, failure.PlatformUnavailable):
			return err // all others would fail, too
		case len(failed) < maxFailed:
			failed = append(failed, fmt.Errorf("tenant %s: %w", id, err))
		}
	}
	return errors.Join(failed...)
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
		if t, err = s.cfg.Tenants.Link(ctx, in.Key, t.ID, account, scheduler()); err != nil {
			return t, err
		}
	}
	return s.cfg.Tenants.Recognize(ctx, in.Key, t.ID, scheduler())
}

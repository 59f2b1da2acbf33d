package token

import (
	"context"
	"fmt"
	"slices"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// History returns a tenant's events, newest first, up to limit. When before is not zero, it returns events older than that. It
// returns nothing from before the tenant moved to its present owner: that concerns others.
func (s *Service) History(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err != nil {
		return nil, err
	}
	events, err := s.cfg.Store.Events(ctx, tenantID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("reading events of %s: %w", tenantID, err)
	}
	return slices.DeleteFunc(events, func(e audit.Event) bool { return e.At.Before(r.Tenant.MovedAt) }), nil
}

func (s *Service) append(ctx context.Context, r *tenant.Resolved, e audit.Event) error {
	e.InstanceKey, e.TenantID = r.Tenant.InstanceKey, r.Tenant.ID
	return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), e)
}

// refusal returns the event of an action that failed.
func refusal(action audit.Action, by audit.Actor, err error) audit.Event {
	f := failure.From(err)
	e := audit.Event{Action: action, Actor: by, Result: string(f.Code), Details: map[string]string{}}
	for name, value := range f.Params {
		e.Details[name] = value
	}
	if f.Microsoft != nil && f.Microsoft.Code != "" {
		e.Details["microsoft_code"] = f.Microsoft.Code
	}
	return e
}

// observe reports how an action ended.
func (s *Service) observe(action audit.Action, err error) {
	result := audit.OK
	if err != nil {
		result = string(failure.From(err).Code)
	}
	s.cfg.Observe(action, result)
}

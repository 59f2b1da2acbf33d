package token

import (
	"context"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// History returns a tenant's events, newest first, up to limit. When before is not zero, it returns events older than that. It
// returns nothing from before the tenant moved to its present owner: that concerns others. What was before is what was stored
// before, whatever the clocks said.
func (s *Service) History(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err != nil {
		return nil, err
	}
	read := s.cfg.Store.Events
	if !r.Tenant.MovedAt.IsZero() {
		read = s.cfg.Store.OwnEvents
	}
	events, err := read(ctx, tenantID, before, limit)
	if err != nil {
		return nil, fmt.Errorf("reading events of %s: %w", tenantID, err)
	}
	return events, nil
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

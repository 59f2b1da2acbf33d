package token

import (
	"context"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// Lendings says whether a history has the events of access tokens, which are most of all.
type Lendings string

// The parts of a history.
const (
	WithLendings Lendings = "" // the whole
	NoLendings   Lendings = "none"
	OnlyLendings Lendings = "only"
)

// HistoryOf is History of one part. It looks at a bounded number of events: where it stops before it has limit of that part, the
// page ends with an event of the other part, older than which nothing was looked at.
func (s *Service) HistoryOf(ctx context.Context, tenantID string, lendings Lendings, before time.Time, limit int) ([]audit.Event, error) {
	if lendings == WithLendings {
		return s.History(ctx, tenantID, before, limit)
	}
	if _, err := tenant.Resolve(ctx, s.cfg.Store, tenantID); err != nil {
		return nil, err
	}
	events, err := s.cfg.Store.HistoryEvents(ctx, tenantID, lendings, before, limit)
	if err != nil {
		return nil, fmt.Errorf("reading events of %s: %w", tenantID, err)
	}
	return events, nil
}

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

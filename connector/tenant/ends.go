package tenant

import (
	"context"
	"errors"
	"slices"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

// RecordEnds stores when credentials end that r's client uses, by their names, as Microsoft tells. It changes nothing about a
// credential that was replaced since r was read, nor about rows that were altered.
func (s *Service) RecordEnds(ctx context.Context, r Resolved, ends map[string]time.Time, by audit.Actor) error {
	used := r.Client().Application
	altered := r.Tenant.Altered || r.Instance.Altered
	if altered || len(used.differing(ends)) == 0 {
		return nil
	}
	err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		e := audit.Event{InstanceKey: r.Instance.Key, Action: audit.CredentialDated, Actor: by}
		if r.ownApplication() {
			t, err := s.Tenant(ctx, r.Instance.Key, r.Tenant.ID)
			if err != nil {
				return err
			}
			if !t.Application.date(used, ends, &e) {
				return nil
			}
			e.TenantID, t.UpdatedAt = t.ID, s.cfg.Now()
			if err := s.cfg.Store.SaveTenant(ctx, &t); err != nil {
				return translated(err, "saving tenant "+t.ID)
			}
			return s.append(ctx, e)
		}
		in, err := s.Instance(ctx, r.Instance.Key)
		if err != nil {
			return err
		}
		if !in.Settings.Application.date(used, ends, &e) {
			return nil
		}
		in.UpdatedAt = s.cfg.Now()
		if err := s.cfg.Store.SaveInstance(ctx, &in); err != nil {
			return translated(err, "saving instance "+in.Key)
		}
		return s.append(ctx, e)
	})
	if failure.Is(err, failure.Conflict) || failure.Is(err, failure.NotFound) || errors.Is(err, ErrChanged) {
		return nil // somebody changed the settings; the next check reads the ends again
	}
	return err
}

// ownApplication reports whether the tenant uses an application of its own.
func (r *Resolved) ownApplication() bool {
	return r.Instance.Settings.TenantApplication && r.Tenant.Application.ID != ""
}

// differing returns the names of the credentials whose ends differ.
func (a Application) differing(ends map[string]time.Time) []string {
	var names []string
	for name, at := range ends {
		if c := a.Slot(name); c != nil && !c.Value.Empty() && !at.IsZero() && !c.Ends.Equal(at) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// date takes over the ends of those credentials that are still the used ones, and names them in e. It reports whether there are
// any.
func (a *Application) date(used Application, ends map[string]time.Time, e *audit.Event) bool {
	if a.ID != used.ID || a.Unreadable {
		return false
	}
	e.Details = map[string]string{}
	for _, name := range a.differing(ends) {
		if c := a.Slot(name); c.Value.Reveal() == used.Slot(name).Value.Reveal() {
			c.Ends = ends[name]
			e.Details[name] = ends[name].UTC().Format(time.RFC3339)
		}
	}
	return len(e.Details) > 0
}

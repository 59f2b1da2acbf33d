package token

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// An Exported is a refresh token for another program.
type Exported struct {
	DirectoryID   string
	ApplicationID string // that the refresh token was issued to
	RefreshToken  secret.Text
}

// Export returns a copy of the refresh token of a tenant, for another program. The tenant's history has its event, with details,
// before. What Exportable refuses, it refuses too.
func (s *Service) Export(ctx context.Context, tenantID string, details map[string]string, by audit.Actor) (Exported, error) {
	var exported Exported
	err := s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
		if err != nil {
			return err
		}
		if err := s.Exportable(ctx, r); err != nil {
			return err
		}
		g, ok, err := s.grant(ctx, tenantID, Active)
		if err != nil {
			return err
		}
		if !ok {
			return failure.New(failure.GrantAbsent)
		}
		if _, err := usable(&r, &g); err != nil { // what Exportable saw may have been replaced
			return err
		}
		exported = Exported{g.DirectoryID, g.ApplicationID, g.RefreshToken}
		return s.append(ctx, &r, audit.Event{Action: audit.GrantExported, Actor: by, Details: details})
	})
	if err != nil {
		return Exported{}, err
	}
	return exported, nil
}

// Exportable returns why the refresh token of a tenant that was just resolved cannot be exported: there is none, nobody may use it,
// or Microsoft does not accept it any more. It returns nil when it can.
func (s *Service) Exportable(ctx context.Context, r tenant.Resolved) error {
	if err := r.Intact(); err != nil {
		return err
	}
	snapshot, err := s.Snapshot(ctx, r.Tenant.ID)
	if err != nil {
		return err
	}
	if snapshot.Active == nil {
		return failure.New(failure.GrantAbsent)
	}
	if _, err := usable(&r, snapshot.Active); err != nil {
		return err
	}
	now := s.cfg.Now()
	// A setting that Microsoft refuses says nothing about the refresh token itself.
	if state, why := stateOfGrant(r, statusOfSettings(r, now), *snapshot.Active, snapshot.Schedule, now); state == StateExpired || state == StateActionRequired {
		return why.Error()
	}
	return nil
}

// RecordExport stores the events of which providers are notified: how many refresh tokens of each instance leave, and for which
// recipients. Call it before they do.
func (s *Service) RecordExport(ctx context.Context, tokens map[string]int, recipients string, by audit.Actor) error {
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		for _, key := range slices.Sorted(maps.Keys(tokens)) {
			err := audit.Append(ctx, s.cfg.Store, s.cfg.Now(), audit.Event{
				InstanceKey: key, Action: audit.TokensExported, Actor: by, Result: string(failure.TokensExported),
				Details: map[string]string{"count": strconv.Itoa(tokens[key]), "operator": by.Name, "recipients": recipients},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// recordPermissions appends an event if the consent lacks other permissions than at the checks before: because it was given
// without them, because they were withdrawn, or because they were granted since. It joins the caller's transaction.
func (s *Service) recordPermissions(ctx context.Context, instanceKey, tenantID string, before, after Checks, by audit.Actor) error {
	was, is := before.missing(), after.missing()
	if is == was {
		return nil
	}
	e := audit.Event{InstanceKey: instanceKey, TenantID: tenantID, Action: audit.PermissionsChanged, Actor: by}
	if is != "" {
		e.Result = string(failure.PermissionsMissing)
		e.Details = map[string]string{"permissions": is}
	}
	return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), e)
}

// recordEnds stores when credentials end, as Graph told. That it fails is logged: people can enter the ends, and the next check
// reads them again.
func (s *Service) recordEnds(ctx context.Context, r tenant.Resolved, ends map[string]time.Time, by audit.Actor) {
	if len(ends) == 0 || s.cfg.RecordEnds == nil {
		return
	}
	if err := s.cfg.RecordEnds(ctx, r, ends, by); err != nil {
		s.cfg.Log.WarnContext(ctx, "storing the ends of credentials failed", "tenant", r.Tenant.ID, "reference", failure.Reference(ctx), "err", err)
	}
}

// missing returns the permissions that the consent lacks with their apis, for people to read; "" when it lacks none.
func (c Checks) missing() string {
	var all []string
	for api, probe := range c.APIs {
		for _, name := range probe.Missing {
			all = append(all, string(api)+" "+name)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

package notify

import (
	"cmp"
	"context"
	"slices"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	// remindEvery is how long a reseller is not reminded again.
	remindEvery = day
	// reminderAge is how old a reminder may be that nobody was notified of yet, as after a long outage.
	reminderAge = 3 * day
)

// Remind reminds the reseller of a tenant that its token needs a person, by every channel that reaches the reseller, and returns
// when. It refuses while nothing needs to be done, when no channel reaches the reseller, and within a day of the last reminder.
func (s *Service) Remind(ctx context.Context, r tenant.Resolved, by audit.Actor) (time.Time, error) {
	status, err := s.cfg.Statuses.Status(ctx, r)
	switch {
	case err != nil:
		return time.Time{}, err
	case status.State == token.StateActive, status.State == token.StateSuspended:
		return time.Time{}, failure.New(failure.NothingToRemind)
	case !s.reachesReseller(r.Tenant):
		return time.Time{}, failure.New(failure.ResellerUnreachable)
	}
	var at time.Time
	err = clock.InTime(ctx, s.cfg.Now, s.cfg.Store.Transact, func(ctx context.Context, now time.Time) error {
		e := audit.Completed(ctx, now, audit.Event{
			InstanceKey: r.Instance.Key, TenantID: r.Tenant.ID, Action: audit.TenantReminded, Actor: by, Details: map[string]string{"state": string(status.State)},
		})
		// The event locks the announcement of the tenant, so that of two reminders at the same time, one sees the other.
		if err := s.cfg.Store.AppendEvent(ctx, e); err != nil {
			return err
		}
		last, err := s.cfg.Store.RecentEvents(ctx, r.Tenant.ID, []audit.Action{audit.TenantReminded}, now.Add(-remindEvery), maxOutbox)
		if err != nil {
			return err
		}
		for _, other := range last {
			// One that is farther ahead was dated by a wrong clock.
			if other.ID != e.ID && other.At.Before(now.Add(remindEvery)) {
				return failure.New(failure.RemindedRecently, "time", ShownTime(other.At))
			}
		}
		at = e.At
		return nil
	})
	return at, err
}

// reachesReseller reports whether a channel sends notices about t to its reseller.
func (s *Service) reachesReseller(t tenant.Tenant) bool {
	return slices.ContainsFunc(s.cfg.Channels, func(c Channel) bool {
		return c.Audience() == Everyone && t.AccountID != "" || c.Audience() == Reseller && len(t.Notices.Recipients) > 0
	})
}

// reminders returns a notice for each of the last events, newest first, that the reseller was not notified of, oldest first.
func (s *State) reminders(last []audit.Event, status token.Status) []change {
	var changes []change
	ids := make([]string, 0, len(last))
	for _, e := range slices.Backward(last) {
		ids = append(ids, e.ID)
		if slices.Contains(s.Reminders, e.ID) || status.State == token.StateActive || status.State == token.StateSuspended {
			continue // solved meanwhile
		}
		by := cmp.Or(e.Actor.Name, e.Actor.ID, e.Actor.AccountID)
		changes = append(changes, change{kind: Reminder, reason: status.Failure, ends: status.ExpiresAt, by: by, held: true})
	}
	s.Reminders = ids
	return changes
}

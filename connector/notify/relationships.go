package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	// relationshipsEvery is how often the relationships of a partner are read, so that all warnings of a day are one notice.
	relationshipsEvery = day
	// relationshipsRetry is when they are read again after a failure that may pass.
	relationshipsRetry = time.Hour

	// maxRelationships bounds the customers whose warnings are remembered: those whose relationships end first.
	maxRelationships = 5000
	// maxNamed bounds the customers that a notice names, and maxName the characters of a name.
	maxNamed = 20
	maxName  = 80
)

// relationshipDays returns how many days before the end of a relationship people are warned, in descending order.
func relationshipDays() []int { return []int{30, 7, 1} }

// Relationships tells when relationships with customers end; token.Service implements it.
type Relationships interface {
	// RelationshipEnds returns the customers of a tenant whose relationships end without extending themselves, the first to end first.
	RelationshipEnds(ctx context.Context, r tenant.Resolved) ([]token.RelationshipEnd, error)
}

// A CustomerEnd is a customer whose relationship ends, in a notice.
type CustomerEnd struct {
	Directory string    `json:"directory"`
	Name      string    `json:"name"`
	Ends      time.Time `json:"ends"`
}

// A relationshipWarning is the last warning that was sent before the relationship with a customer ends. It is short as JSON, because
// thousands may end on one day.
type relationshipWarning Countdown

// MarshalJSON implements json.Marshaler.
func (w relationshipWarning) MarshalJSON() ([]byte, error) {
	return json.Marshal([2]int64{w.Ends.Unix(), int64(w.Notified)})
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *relationshipWarning) UnmarshalJSON(text []byte) error {
	var numbers [2]int64
	if err := json.Unmarshal(text, &numbers); err != nil {
		return fmt.Errorf("reading when people were warned of the end of a relationship: %w", err)
	}
	*w = relationshipWarning{time.Unix(numbers[0], 0).UTC(), int(numbers[1])}
	return nil
}

// relationships records when relationships end and returns the customers that people must be warned of. It looks ahead to the next
// reading: what would be due before that is due now.
func (s *State) relationships(ends []token.RelationshipEnd, now time.Time) []token.RelationshipEnd {
	kept := map[string]relationshipWarning{}
	for directory, w := range s.Relationships {
		if now.Before(w.Ends) { // also without a relationship that ends now: it may be one again
			kept[directory] = w
		}
	}
	var due []token.RelationshipEnd
	for _, e := range ends[:min(len(ends), maxRelationships)] {
		end := e.EndsAt.Truncate(time.Second)
		if !now.Before(end) {
			continue
		}
		ahead := now.Add(relationshipsEvery)
		if !ahead.Before(end) {
			ahead = end.Add(-time.Nanosecond)
		}
		countdown := Countdown(kept[e.DirectoryID])
		if countdown.advance(end, relationshipDays(), ahead) {
			due = append(due, e)
		}
		delete(kept, e.DirectoryID)
		if countdown.Notified != 0 {
			kept[e.DirectoryID] = relationshipWarning(countdown)
		}
	}
	s.Relationships = kept
	return due
}

// warnOfRelationships reads when the relationships of a tenant's partner end, once a day, and warns people of those that end soon.
// A failure of Microsoft is retried, not returned.
func (s *Service) warnOfRelationships(ctx context.Context, a *Announcement, r tenant.Resolved, status token.Status, about Notice) error {
	state, now := &a.State, s.cfg.Now()
	if s.cfg.Relationships == nil || !lendsForCustomers(r.Instance.Settings) || !usable(status) {
		state.RelationshipsAt = time.Time{}
		return nil
	}
	if now.Before(state.RelationshipsAt) && !state.RelationshipsAt.After(now.Add(relationshipsEvery+clock.WrongFrom)) {
		return nil
	}
	ends, err := s.cfg.Relationships.RelationshipEnds(token.WithoutRetries(ctx), r)
	if err != nil {
		state.RelationshipsAt = now.Add(relationshipsEvery)
		if failure.From(err).Kind() == failure.Transient {
			state.RelationshipsAt = now.Add(relationshipsRetry)
		}
		s.cfg.Log.WarnContext(ctx, "the relationships with customers could not be read", "tenant", r.Tenant.ID, "reference", failure.Reference(ctx), "err", err)
		return s.save(ctx, *a)
	}
	state.RelationshipsAt = now.Add(relationshipsEvery)
	due := state.relationships(ends, now)
	if len(due) == 0 {
		return s.save(ctx, *a)
	}
	about.Customers, about.Count = named(due), len(due)
	warning, to := change{kind: RelationshipWarning, ends: due[0].EndsAt}, s.reach(r.Tenant)
	warning.held = to.early(warning, now)
	s.enqueue(state, about, to, []change{warning}, now)
	err = s.cfg.Store.Transact(context.WithoutCancel(ctx), func(ctx context.Context) error {
		if err := s.save(ctx, *a); err != nil {
			return err
		}
		return s.cfg.Store.AppendEvent(ctx, endingEvent(r.Tenant, about, due[0].EndsAt, now, failure.Reference(ctx)))
	})
	if err != nil {
		return err
	}
	return s.deliver(ctx, a)
}

// lendsForCustomers reports whether access tokens are issued for customers at all.
func lendsForCustomers(settings tenant.Settings) bool {
	return settings.CustomerDirectories == tenant.ListedCustomers || settings.CustomerDirectories == tenant.AnyCustomers
}

// usable reports whether a token can be used to read relationships.
func usable(status token.Status) bool {
	return status.State == token.StateActive || status.State == token.StateExpiring || status.State == token.StateRenewalFailing
}

// named returns the customers that a notice names.
func named(due []token.RelationshipEnd) []CustomerEnd {
	var customers []CustomerEnd
	for _, e := range due[:min(len(due), maxNamed)] {
		customers = append(customers, CustomerEnd{e.DirectoryID, length.Shorten(strings.Join(strings.Fields(e.Name), " "), maxName), e.EndsAt})
	}
	return customers
}

// endingEvent returns the event of a warning.
func endingEvent(t tenant.Tenant, about Notice, first, now time.Time, reference string) audit.Event {
	names := make([]string, len(about.Customers))
	for i, c := range about.Customers {
		names[i] = c.Name
	}
	return audit.Event{
		ID: random.ID(), At: now, InstanceKey: t.InstanceKey, TenantID: t.ID, Action: audit.RelationshipsEnding,
		Actor: audit.Actor{Kind: audit.Scheduler, Name: "relationships"}, Result: audit.OK, Reference: reference,
		Details: map[string]string{"count": strconv.Itoa(about.Count), "customers": strings.Join(names, ", "), "ends": first.UTC().Format(time.RFC3339)},
	}
}

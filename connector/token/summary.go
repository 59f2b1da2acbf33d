package token

import (
	"context"
	"fmt"
	"time"

	"azure-partner-connector/connector/failure"
)

// StateOf returns the state of a token whose reason is code.
func StateOf(code failure.Code) State { return StateOfKind(code.Kind()) }

// A Moment is what the states of many tenants depend on besides what is stored.
type Moment struct {
	Now       time.Time
	ClaimLife time.Duration // Config.ClaimLife
}

// EndBounds are the remaining lives for which a Summary counts grants.
func EndBounds() []time.Duration {
	const day = 24 * time.Hour
	return []time.Duration{0, day, 3 * day, 7 * day, 14 * day, 30 * day, 60 * day, Life}
}

// A Summary says how the tenants of all installed instances are, computed by the database. It takes what is stored as intact:
// a tenant that was altered, or whose secrets do not open, counts as its columns say.
type Summary struct {
	At time.Time
	// Tenants counts the tenants in every state.
	Tenants map[State]int
	// Grants counts active grants, and Ending those that end within each of EndBounds.
	Grants int
	Ending []int
	// Remaining is the remaining life of all active grants together; that of an expired one is negative.
	Remaining time.Duration
	// FirstEnd is when the first of them ends, or ended; zero without any.
	FirstEnd time.Time
	// Due counts renewals that are due, and Overdue says for how long the first of them is.
	Due     int
	Overdue time.Duration
	// Leased counts renewals that a replica has leased.
	Leased int
	// LastSuccess is when the last successful renewal or consent of any tenant was; zero without any.
	LastSuccess time.Time
	// LastExport is when refresh tokens were last exported within the last week; zero when none were.
	LastExport time.Time
	// Announcements counts tenants and instances whose state is to be announced, and AnnouncementsOverdue says for how long
	// the first of them is due.
	Announcements        int
	AnnouncementsOverdue time.Duration
}

// ExportsTold is for how long a Summary tells of an export.
const ExportsTold = 7 * 24 * time.Hour

// Summary returns how all tenants are. It reads every tenant: call it at most once a minute.
func (s *Service) Summary(ctx context.Context) (Summary, error) {
	summary, err := s.cfg.Store.Summarize(ctx, s.moment())
	if err != nil {
		return Summary{}, fmt.Errorf("summarizing the tenants: %w", err)
	}
	return summary, nil
}

func (s *Service) moment() Moment { return Moment{s.cfg.Now(), s.cfg.ClaimLife} }

// A Query selects tenants by the state that the database computes (Summary).
type Query struct {
	Instances []string // consumer keys; none: all installed instances
	States    []State  // none: all
	// Search is part of a tenant's name, directory or ID; whether case matters outside ASCII depends on the database.
	Search string
	Offset int
	Limit  int // 0: no limit
}

// A Listed is one tenant of a list.
type Listed struct {
	TenantID string
	State    State
}

// A List is a page of tenants, most urgent first, of one state those whose tokens end first.
type List struct {
	Tenants []Listed
	// Counts counts the tenants that match the rest of the query by state, whatever states it asks for.
	Counts map[State]int
}

// List returns the tenants that match a query.
func (s *Service) List(ctx context.Context, q Query) (List, error) {
	list, err := s.cfg.Store.ListTenants(ctx, q, s.moment())
	if err != nil {
		return List{}, fmt.Errorf("listing tenants: %w", err)
	}
	return list, nil
}

// ByUrgency returns every state, most urgent first.
func ByUrgency() []State {
	return []State{
		StateExpired, StateActionRequired, StateMisconfigured, StateExpiring, StateRenewalFailing, StatePending, StateAbsent, StateSuspended, StateActive,
	}
}

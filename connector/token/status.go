package token

import (
	"context"
	"strconv"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

// A State is the token status in one word.
type State string

// The states.
const (
	StateAbsent         State = "absent"
	StatePending        State = "pending" // a consent waits for its claim code or its confirmation
	StateActive         State = "active"
	StateExpiring       State = "expiring"        // 30 days or less are left
	StateRenewalFailing State = "renewal_failing" // transient trouble
	StateActionRequired State = "action_required" // a person must sign in again
	StateMisconfigured  State = "misconfigured"
	StateSuspended      State = "suspended" // the platform suspended the subscription
	StateExpired        State = "expired"
)

// States returns every state.
func States() []State {
	return []State{StateAbsent, StatePending, StateActive, StateExpiring, StateRenewalFailing, StateActionRequired, StateMisconfigured, StateSuspended, StateExpired}
}

// ExpiringBelow is the remaining life at which a grant that was not renewed counts as expiring.
const ExpiringBelow = 30 * 24 * time.Hour

// A Status is the current status of a tenant's token. Times that do not apply are zero.
type Status struct {
	State State
	// Failure is the reason; nil for an active token, unless its time of issue is implausible.
	Failure *failure.Record

	IssuedAt, ExpiresAt, ConsentedAt time.Time
	LastRenewalAt, NextRenewalAt     time.Time
	// LastRenewalFailure is nil when the last renewal worked.
	LastRenewalFailure *failure.Record
	// ExpiresAt is 90 days from now while the time of issue is implausible.
	// DaysLeft counts the whole days until ExpiresAt; 0 without a grant.
	DaysLeft int

	DirectoryID   string
	Directory     string // as entered
	ApplicationID string
	// SecretEnds is when the last credential of the application stops working (tenant.Application.Ends).
	SecretEnds time.Time
	// Credentials are the credentials of the application. Checks.Credential names the one that worked last.
	Credentials []tenant.CredentialEnd
	ConsentedBy Person
	AskedBy     string
	Procedure   Procedure
	Scopes      []string
	Checks      Checks
	// Deployment says which apis the tenant's instance has.
	Deployment tenant.Deployment

	// Pending is a manual consent that waits for its claim code; nil when none does.
	Pending *WaitingGrant
	// Unconfirmed is a consent that waits until the reseller confirms it by its ID; nil when none does.
	Unconfirmed *WaitingGrant
}

// APIs returns the apis of the tenant's instance in the order in which they are shown.
func (st Status) APIs() []API { return apisOf(st.Deployment) }

// A WaitingGrant is a consent that has not taken effect, for the person who enters its claim code or confirms it.
type WaitingGrant struct {
	ConsentID   string
	Procedure   Procedure
	ConsentedBy Person
	ConsentedAt time.Time
	ExpiresAt   time.Time
	// Replaces is the account whose grant it replaces, if that is to be confirmed because it is another one; else nil.
	Replaces *Person
}

// Status returns the current status of the token of a tenant that was just resolved. It sends no request to Microsoft.
func (s *Service) Status(ctx context.Context, r tenant.Resolved) (Status, error) {
	snapshot, err := s.Snapshot(ctx, r.Tenant.ID)
	if err != nil {
		return Status{}, err
	}
	return s.StatusOf(r, snapshot), nil
}

// StatusOf returns the current status of the token of a tenant of which snapshot was just read.
func (s *Service) StatusOf(r tenant.Resolved, snapshot Snapshot) Status {
	now := s.cfg.Now()
	st := statusOfSettings(r, now)
	st.Pending = s.waiting(snapshot.Pending, snapshot.Active, now)
	st.Unconfirmed = s.waiting(snapshot.Unconfirmed, snapshot.Active, now)
	if snapshot.Active == nil {
		st.State, st.Failure = stateWithoutGrant(r, st, snapshot)
		return st.unlessHeld(r)
	}
	st.describe(*snapshot.Active, snapshot.Schedule, now)
	st.State, st.Failure = stateOfGrant(r, st, *snapshot.Active, snapshot.Schedule, now)
	return st.unlessHeld(r)
}

// SuspendedSince is the package version whose types know the state suspended.
const SuspendedSince = 2

// unlessHeld returns st, or another state when nothing may be issued because the tenant or its instance was altered, or because
// the platform suspended the subscription. An expired token stays expired when it was altered: that is more urgent. While the
// subscription is suspended, nobody can do anything about the token.
func (st Status) unlessHeld(r tenant.Resolved) Status {
	if err := r.Intact(); err != nil && st.State != StateExpired {
		st.State, st.Failure = StateMisconfigured, &failure.Record{Code: failure.From(err).Code}
	}
	if err := r.Tenant.InUse(); err != nil {
		st.State, st.Failure = StateSuspended, &failure.Record{Code: failure.From(err).Code}
		if r.Instance.PackageMajor() < SuspendedSince {
			st.State = StateMisconfigured
		}
	}
	return st
}

// waiting returns what people have to know about a grant that waits; nil when there is none or its time is over.
func (s *Service) waiting(g, active *Grant, now time.Time) *WaitingGrant {
	if g == nil || g.Unreadable {
		return nil
	}
	w := &WaitingGrant{g.ConsentID, g.Procedure, g.ConsentedBy, g.ConsentedAt, g.ConsentedAt.Add(s.cfg.ClaimLife), nil}
	if Over(w.ExpiresAt, now, s.cfg.ClaimLife) {
		return nil
	}
	if active != nil && s.mustConfirm(g.ConsentedBy, active.ConsentedBy) {
		w.Replaces = &active.ConsentedBy
	}
	return w
}

func statusOfSettings(r tenant.Resolved, now time.Time) Status {
	c := r.Client()
	return Status{
		DirectoryID: c.DirectoryID, Directory: r.Tenant.Directory,
		ApplicationID: c.Application.ID, SecretEnds: c.Application.Ends(now), Credentials: c.Application.CredentialEnds(),
		Checks: Checks{MFA: Unknown, GlobalAdmin: Unknown, AdminAgent: Unknown}, Deployment: c.Deployment,
	}
}

func (st *Status) describe(g Grant, schedule Schedule, now time.Time) {
	st.IssuedAt, st.ExpiresAt, st.ConsentedAt = g.IssuedAt, g.lifeEnds(now), g.ConsentedAt
	st.ConsentedBy, st.AskedBy, st.Procedure, st.Scopes, st.Checks = g.ConsentedBy, g.AskedBy, g.Procedure, g.Scopes, g.Checks
	if left := st.ExpiresAt.Sub(now); left > 0 {
		st.DaysLeft = int(left / (24 * time.Hour))
	}
	st.LastRenewalAt, st.LastRenewalFailure = schedule.LastAt, schedule.Failure
	if schedule.DueAt.Before(never) {
		st.NextRenewalAt = schedule.DueAt
	}
}

// stateOfGrant returns the state of a tenant with a grant, and its reason. Expiry comes first, then settings that the grant
// does not match, then the failure of the last renewal.
func stateOfGrant(r tenant.Resolved, st Status, g Grant, schedule Schedule, now time.Time) (State, *failure.Record) {
	if !now.Before(g.ExpiresAt()) {
		return StateExpired, &failure.Record{Code: failure.GrantExpired}
	}
	if _, err := usable(&r, &g); err != nil {
		f := failure.From(err)
		return StateOfKind(f.Kind()), &failure.Record{Code: f.Code, Params: f.Params}
	}
	if schedule.Failure != nil {
		return StateOfKind(schedule.Failure.Code.Kind()), schedule.Failure
	}
	if g.ExpiresAt().Sub(now) <= ExpiringBelow {
		return StateExpiring, &failure.Record{Code: failure.GrantExpiring, Params: map[string]string{"days": strconv.Itoa(st.DaysLeft)}}
	}
	if g.implausible(now) {
		return StateActive, &failure.Record{Code: failure.IssueTimeImplausible}
	}
	return StateActive, nil
}

func stateWithoutGrant(r tenant.Resolved, st Status, snapshot Snapshot) (State, *failure.Record) {
	c := r.Client()
	switch err := c.Application.Usable(); {
	case st.Pending != nil:
		return StatePending, &failure.Record{Code: failure.ClaimWaiting, Params: map[string]string{"username": st.Pending.ConsentedBy.Username}}
	case r.Tenant.Directory == "":
		return StateMisconfigured, &failure.Record{Code: failure.DirectoryMissing}
	case err != nil:
		return StateMisconfigured, &failure.Record{Code: failure.From(err).Code}
	case snapshot.Pending != nil && snapshot.Pending.Unreadable:
		return StateMisconfigured, &failure.Record{Code: failure.GrantUnreadable}
	case snapshot.Schedule.Failure != nil && snapshot.Schedule.Failure.Code == failure.ConsentDisowned:
		return StateAbsent, snapshot.Schedule.Failure
	}
	return StateAbsent, &failure.Record{Code: failure.GrantAbsent}
}

// StateOfKind returns the state of a token whose last renewal failed with a failure of a kind.
func StateOfKind(k failure.Kind) State {
	switch k {
	case failure.SignIn:
		return StateActionRequired
	case failure.Configuration:
		return StateMisconfigured
	}
	return StateRenewalFailing
}

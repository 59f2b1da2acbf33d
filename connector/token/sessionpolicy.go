package token

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

const (
	// ageTolerance is how far two ages may differ and still count as the same: a policy shows only at the next redemption.
	ageTolerance = 2 * 24 * time.Hour
	// policyTimes is how many sign-ins must have ended at the same age before a policy is named as the cause.
	policyTimes = 2
	// policyEvents is how many events are read to detect a policy.
	policyEvents = 100
)

// A SessionEnd is how a tenant's sign-ins end.
type SessionEnd struct {
	Age   time.Duration // of the latest sign-in when Microsoft first refused it
	Times int           // how many sign-ins ended at about that age, including the latest
}

// FindSessionEnd returns at which age the latest sign-in of a tenant ended, and how many sign-ins ended at about that age.
// The events are the tenant's, newest first; at is when Microsoft asks for a new sign-in. It returns the zero SessionEnd when
// the events contain no consent. Only refusals that ask for a new sign-in or for MFA count.
func FindSessionEnd(events []audit.Event, at time.Time) SessionEnd {
	var ages []time.Duration // one for each sign-in that has ended
	var signedIn, waiting time.Time
	ended := false
	for _, e := range slices.Backward(events) {
		switch {
		case e.Action == audit.ConsentGranted && e.Details["procedure"] == string(Manual):
			waiting = e.At // takes effect with its claim code
		case e.Action == audit.ConsentGranted:
			signedIn, ended = e.At, false
		case e.Action == audit.ClaimAccepted && !waiting.IsZero():
			signedIn, waiting, ended = waiting, time.Time{}, false
		case e.Action == audit.RenewalFailed && endsSessions(failure.Code(e.Result)) && !signedIn.IsZero() && !ended:
			ages, ended = append(ages, e.At.Sub(signedIn)), true
		}
	}
	if signedIn.IsZero() {
		return SessionEnd{}
	}
	if !ended {
		ages = append(ages, at.Sub(signedIn))
	}
	end := SessionEnd{Age: ages[len(ages)-1]}
	if end.Age < 0 {
		return SessionEnd{} // our clock was wrong at the consent
	}
	for _, age := range ages {
		if (age - end.Age).Abs() <= ageTolerance {
			end.Times++
		}
	}
	return end
}

// endsSessions reports whether code is one by which sign-in frequency and "remember MFA" policies end a session
// (docs/reference/microsoft-identity.md §6.1).
func endsSessions(code failure.Code) bool {
	return code == failure.SignInFrequency || code == failure.MFARequired
}

// detectPolicy returns f, or the failure that names a policy as the cause when the tenant's sign-ins always end at the same
// age: renewing more often cannot prevent that.
func (s *Service) detectPolicy(ctx context.Context, tenantID string, f *failure.Error) (*failure.Error, error) {
	if !endsSessions(f.Code) {
		return f, nil
	}
	actions := []audit.Action{audit.ConsentGranted, audit.ClaimAccepted, audit.RenewalFailed}
	events, err := s.cfg.Store.EventsOf(ctx, tenantID, actions, policyEvents)
	if err != nil {
		return nil, fmt.Errorf("reading the sign-in events of %s: %w", tenantID, err)
	}
	end := FindSessionEnd(events, s.cfg.Now())
	if end.Times < policyTimes {
		return f, nil
	}
	days := max(1, int(end.Age.Round(24*time.Hour)/(24*time.Hour)))
	policy := failure.Wrap(f, failure.SameAge, "days", strconv.Itoa(days), "times", strconv.Itoa(end.Times))
	policy.Microsoft = f.Microsoft
	return policy, nil
}

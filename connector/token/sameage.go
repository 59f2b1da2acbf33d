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
	// sameAge is how far apart two ages may be to be called the same: a policy is noticed only at the next redemption.
	sameAge = 2 * 24 * time.Hour
	// patternTimes is how often a sign-in must have ended at the same age before a policy is named.
	patternTimes = 2
	// patternEvents is how many events are read to find that out.
	patternEvents = 100
)

// A SessionEnd is how the sign-ins of a tenant end.
type SessionEnd struct {
	Age   time.Duration // of the latest sign-in when Microsoft first refused it
	Times int           // how many sign-ins ended at about that age, the latest included
}

// FindSessionEnd finds out at which age the latest sign-in of a tenant ended, and how many before it ended at about the same
// age. The events are the tenant's, newest first; at is when Microsoft asks for a new sign-in. The zero SessionEnd means
// that no consent is among the events. What was refused for another reason than a missing sign-in or MFA does not count.
func FindSessionEnd(events []audit.Event, at time.Time) SessionEnd {
	var ages []time.Duration // one for each sign-in that has ended
	var signedIn, waiting time.Time
	ended := false
	for _, e := range slices.Backward(events) {
		switch {
		case e.Action == audit.ConsentGranted && e.Details["procedure"] == string(Manual):
			waiting = e.At // in effect only with its claim code
		case e.Action == audit.ConsentGranted:
			signedIn, ended = e.At, false
		case e.Action == audit.ClaimAccepted && !waiting.IsZero():
			signedIn, waiting, ended = waiting, time.Time{}, false
		case e.Action == audit.RenewalFailed && periodic(failure.Code(e.Result)) && !signedIn.IsZero() && !ended:
			ages, ended = append(ages, e.At.Sub(signedIn)), true
		}
	}
	if signedIn.IsZero() {
		return SessionEnd{}
	}
	if !ended {
		ages = append(ages, at.Sub(signedIn))
	}
	ending := SessionEnd{Age: ages[len(ages)-1]}
	for _, age := range ages {
		if (age - ending.Age).Abs() <= sameAge {
			ending.Times++
		}
	}
	return ending
}

// periodic reports whether code is one by which sign-in frequency and "remember MFA" policies end a session
// (microsoft-identity.md §6.1).
func periodic(code failure.Code) bool {
	return code == failure.SignInFrequency || code == failure.MFARequired
}

// recognised returns f, or, where sign-ins of the tenant always end at the same age, the failure that says so: renewing
// more often cannot beat the policy that does it.
func (s *Service) recognised(ctx context.Context, tenantID string, f *failure.Error) (*failure.Error, error) {
	if !periodic(f.Code) {
		return f, nil
	}
	actions := []audit.Action{audit.ConsentGranted, audit.ClaimAccepted, audit.RenewalFailed}
	events, err := s.cfg.Store.EventsOf(ctx, tenantID, actions, patternEvents)
	if err != nil {
		return nil, fmt.Errorf("reading how sign-ins of %s ended: %w", tenantID, err)
	}
	ending := FindSessionEnd(events, s.cfg.Now())
	if ending.Times < patternTimes {
		return f, nil
	}
	days := max(1, int(ending.Age.Round(24*time.Hour)/(24*time.Hour)))
	named := failure.Wrap(f, failure.SameAge, "days", strconv.Itoa(days), "times", strconv.Itoa(ending.Times))
	named.Microsoft = f.Microsoft
	return named, nil
}

package notify

import (
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

const day = 24 * time.Hour

// patience is how long a renewal may fail for transient reasons before people are told: it is retried all the while,
// and a token has weeks to spare.
const patience = day

// expiryDays and credentialDays are how many days ahead people are warned (microsoft-identity.md §6.3), falling.
func expiryDays() []int     { return []int{30, 14, 7, 3, 1} }
func credentialDays() []int { return []int{60, 30, 14, 7, 1} }

// A Memory is what was told of a subject, and what is still to be told. It is stored as JSON.
type Memory struct {
	// Pushed are the properties that the platform was last given, as JSON; empty before the first time.
	Pushed string `json:"pushed,omitempty"`
	// Push is how far pushing others has got.
	Push Retry `json:"push,omitzero"`

	// Trouble is what people were told of and what has not ended: a failure code, or the state renewal_failing.
	Trouble string `json:"trouble,omitempty"`
	// FailingSince is when renewal was first seen failing for transient reasons; zero while it is not.
	FailingSince time.Time `json:"failingSince,omitzero"`

	Expiry     Countdown `json:"expiry,omitzero"`     // of the token
	Credential Countdown `json:"credential,omitzero"` // of the application's last credential

	Outbox []Delivery `json:"outbox,omitempty"` // in the order of time
}

// A Delivery is one notice on its way through one channel.
type Delivery struct {
	Channel string `json:"channel"`
	Notice  Notice `json:"notice"`
	Retry   Retry  `json:"retry,omitzero"`
}

// A Retry is how often something failed, and not before when it is tried again.
type Retry struct {
	Attempts  int       `json:"attempts"`
	NotBefore time.Time `json:"notBefore"`
}

// A Countdown is which of the days before an end people were told of.
type Countdown struct {
	Ends time.Time `json:"ends,omitzero"`
	Told int       `json:"told,omitempty"` // the least number of days; 0: none
}

// reached returns the day of warning that has come and was not told of, and notes it as told. Of several that have
// come only the last counts. Another end starts over.
func (c *Countdown) reached(ends time.Time, warnings []int, now time.Time) bool {
	if !c.Ends.Equal(ends) {
		*c = Countdown{Ends: ends}
	}
	if ends.IsZero() || !now.Before(ends) {
		return false
	}
	last := 0
	for _, days := range warnings {
		if ends.Sub(now) <= time.Duration(days)*day {
			last = days
		}
	}
	if last == 0 || c.Told != 0 && c.Told <= last {
		return false
	}
	c.Told = last
	return true
}

// A finding is something that people must be told.
type finding struct {
	kind   Kind
	reason *failure.Record
	ends   time.Time
}

// compare returns what is new in the status of a tenant, and remembers it. A credential of the instance is the
// instance's to tell of: own says that it is the tenant's.
func (m *Memory) compare(s token.Status, own bool, now time.Time) []finding {
	var found []finding
	alarm, alarmed := m.alarm(s, now)
	if alarmed {
		found = append(found, alarm)
	}
	// An alarm tells how much time is left, and counts as the warning.
	if m.Expiry.reached(s.ExpiresAt, expiryDays(), now) && !alarmed {
		found = append(found, finding{ExpiryWarning, s.Failure, s.ExpiresAt})
		if m.Trouble == "" {
			m.Trouble = string(failure.GrantExpiring)
		}
	}
	if m.Trouble != "" && !alarmed {
		switch {
		case s.State == token.StateActive:
			m.Trouble = ""
			found = append(found, finding{Recovery, nil, s.ExpiresAt})
		case s.IssuedAt.IsZero(): // somebody took the token away
			m.Trouble = ""
		}
	}
	var credentialEnds time.Time
	if own {
		credentialEnds = s.SecretEnds
	}
	return append(found, m.credential(credentialEnds, now)...)
}

// credential returns the warning of a credential's end when one is due.
func (m *Memory) credential(ends, now time.Time) []finding {
	if !m.Credential.reached(ends, credentialDays(), now) {
		return nil
	}
	return []finding{{CredentialWarning, nil, ends}}
}

// alarm returns the alarm that the status gives cause for, unless people were told of it. A tenant that has no token
// yet, or no longer, gives none: whoever sets it up is looking at it.
func (m *Memory) alarm(s token.Status, now time.Time) (finding, bool) {
	if s.State != token.StateRenewalFailing {
		m.FailingSince = time.Time{}
	}
	if s.IssuedAt.IsZero() || s.Failure == nil {
		return finding{}, false
	}
	trouble := string(s.Failure.Code)
	switch s.State {
	case token.StateActionRequired, token.StateMisconfigured, token.StateExpired:
		if m.Trouble == trouble {
			return finding{}, false
		}
	case token.StateRenewalFailing:
		if m.FailingSince.IsZero() {
			m.FailingSince = now
		}
		// Whatever else is wrong, people know of it; which transient reason it is changes from try to try.
		if m.Trouble != "" && m.Trouble != string(failure.GrantExpiring) || now.Sub(m.FailingSince) < patience {
			return finding{}, false
		}
		trouble = string(token.StateRenewalFailing)
	default:
		return finding{}, false
	}
	m.Trouble = trouble
	return finding{Alarm, s.Failure, s.ExpiresAt}, true
}

// next returns when time alone will change something or something is to be tried again; zero when neither will.
func (m *Memory) next(s token.Status, own bool, now time.Time) time.Time {
	moments := []time.Time{s.ExpiresAt}
	moments = append(moments, ahead(s.ExpiresAt, expiryDays())...)
	if own {
		moments = append(moments, ahead(s.SecretEnds, credentialDays())...)
	}
	if !m.FailingSince.IsZero() {
		moments = append(moments, m.FailingSince.Add(patience))
	}
	if s.Pending != nil {
		moments = append(moments, s.Pending.ExpiresAt)
	}
	return m.earliest(moments, now)
}

// earliest returns the first moment after now at which there is something to do.
func (m *Memory) earliest(moments []time.Time, now time.Time) time.Time {
	moments = append(moments, m.Push.NotBefore)
	for _, d := range m.Outbox {
		moments = append(moments, d.Retry.NotBefore)
	}
	var first time.Time
	for _, at := range moments {
		if at.After(now) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}

func ahead(ends time.Time, warnings []int) []time.Time {
	if ends.IsZero() {
		return nil
	}
	var moments []time.Time
	for _, days := range warnings {
		moments = append(moments, ends.Add(-time.Duration(days)*day))
	}
	return moments
}

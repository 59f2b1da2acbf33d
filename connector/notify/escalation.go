package notify

import (
	"slices"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A reach says which audiences the notices about a subject have.
type reach struct {
	reseller bool // it has recipients of its own
	// hold is how long the provider is not notified of a problem; zero: it is notified at once.
	hold time.Duration
}

func (s *Service) reach(t tenant.Tenant) reach {
	channel := slices.ContainsFunc(s.cfg.Channels, func(c Channel) bool { return c.Audience() == Reseller })
	if !channel || len(t.Notices.Recipients) == 0 {
		return reach{}
	}
	return reach{true, s.cfg.EscalateAfter}
}

// gets reports whether an audience is notified of c.
func (r reach) gets(audience Audience, c change) bool {
	switch audience {
	case Provider:
		return !c.held
	case Reseller:
		return r.reseller && !c.provider
	}
	return true
}

// early reports whether more time is left than a warning of c is kept from the provider.
func (r reach) early(c change, now time.Time) bool { return r.hold > 0 && c.ends.Sub(now) > r.hold }

// escalate marks the changes that the provider is not notified of, and adds the alarm that a problem of which only the reseller
// knows continues. known says that the provider knew of the problem that there was before the changes.
func (s *State) escalate(changes []change, known bool, status token.Status, r reach, now time.Time) []change {
	if s.HeldSince.After(now.Add(clock.WrongFrom)) { // a clock was wrong
		s.HeldSince = now
	}
	for i := range changes {
		c := &changes[i]
		switch {
		case c.provider:
		case c.kind == Alarm:
			c.held = r.hold > 0 && !known
			s.holdBack(c.held, now)
		case c.kind == ExpiryWarning:
			c.held = r.early(*c, now) && !known
			s.holdBack(c.held, now)
		case c.kind == Recovery:
			c.held = !s.HeldSince.IsZero()
		default:
			c.held = r.early(*c, now)
		}
	}
	if s.Trouble == "" {
		s.HeldSince = time.Time{}
	}
	warned := s.Trouble == string(failure.GrantExpiring) // by days, so further warnings reach the provider
	if s.HeldSince.IsZero() || now.Before(s.HeldSince.Add(r.hold)) || warned && r.hold > 0 || status.Failure == nil {
		return changes
	}
	c := change{kind: Alarm, reason: status.Failure, ends: status.ExpiresAt, provider: true, since: s.HeldSince}
	if warned {
		c.kind = ExpiryWarning
	}
	s.HeldSince = time.Time{}
	return append(changes, c)
}

// holdBack records whether the provider does not know of the problem. A new reason does not make it wait longer.
func (s *State) holdBack(held bool, now time.Time) {
	switch {
	case !held:
		s.HeldSince = time.Time{}
	case s.HeldSince.IsZero():
		s.HeldSince = now
	}
}

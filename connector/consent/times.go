package consent

import (
	"time"

	"azure-partner-connector/connector/token"
)

// latest returns the latest times that may be stored at now.
func (s *Service) latest(now time.Time) Latest {
	at := now.Add(token.Tolerance)
	return Latest{Now: now, Happened: at, SignIn: at.Add(s.cfg.ConsentLife), Link: at.Add(s.cfg.LinkLife), Claim: at.Add(s.cfg.ClaimLife)}
}

// timedOut reports whether nobody may sign in for c any more.
func (s *Service) timedOut(c Consent) bool {
	longest := s.cfg.ConsentLife
	if c.Procedure == token.Manual {
		longest = s.cfg.LinkLife
	}
	return token.Over(c.ExpiresAt, s.cfg.Now(), longest)
}

// unclaimed reports whether the time to enter the claim code of c, or to confirm c, is over.
func (s *Service) unclaimed(c Consent) bool {
	return token.Over(c.ClaimExpiresAt, s.cfg.Now(), s.cfg.ClaimLife)
}

// expired reports whether a sign-in that was begun with st is no longer accepted.
func (s *Service) expired(st State) bool {
	longest := s.cfg.ConsentLife
	if st.BrowserHash == "" { // the state of a link
		longest = s.cfg.LinkLife
	}
	return token.Over(st.ExpiresAt, s.cfg.Now(), longest)
}

// misdated reports whether a clock that was wrong created c. It would be the newest consent for as long as that clock was ahead.
func (s *Service) misdated(c Consent) bool {
	return c.CreatedAt.After(s.cfg.Now().Add(token.Tolerance))
}

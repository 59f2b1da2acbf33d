package consent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A Current is what a panel shows of the consents of a tenant when it opens, so that nothing is lost by a reload.
type Current struct {
	Link      *OpenLink // nil without one that works
	Automatic *Attempt  // nil unless one is running or has just ended
}

// An OpenLink is the link of the manual procedure that works now.
type OpenLink struct {
	Begun

	OpenedAt time.Time // when Microsoft's page was last opened with it; zero if never, or unknown because the link is direct
	// ConsentedBy and ConsentedAt are set while the consent waits for its claim code.
	ConsentedBy token.Person
	ConsentedAt time.Time
}

// An Attempt is the newest automatic consent of a tenant.
type Attempt struct {
	Found

	// Ends is how it ends in the browser of the panel that began it.
	Ends token.Procedure
}

// Current returns the link that works, and the automatic consent that is running or has ended within the time that a consent may
// take. It changes nothing, and makes no link.
func (s *Service) Current(ctx context.Context, r tenant.Resolved) (Current, error) {
	link, err := s.currentLink(ctx, r)
	if err != nil {
		return Current{}, fmt.Errorf("reading the open link of %s: %w", r.Tenant.ID, err)
	}
	attempt, err := s.attempt(ctx, r.Tenant.ID)
	if err != nil {
		return Current{}, fmt.Errorf("reading the newest automatic consent of %s: %w", r.Tenant.ID, err)
	}
	return Current{link, attempt}, nil
}

// currentLink returns the link that Link would return without making, prolonging or replacing one; nil without.
func (s *Service) currentLink(ctx context.Context, r tenant.Resolved) (*OpenLink, error) {
	if errors.Join(r.Intact(), r.Tenant.InUse(), r.Client().Application.Usable()) != nil || r.Tenant.DirectoryID == "" {
		return nil, nil //nolint:nilerr // nobody can consent with a link now
	}
	c, err := s.cfg.Store.OpenConsent(ctx, r.Tenant.ID, token.Manual)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && (s.timedOut(c) || s.misdated(c) || c.Link.Empty()) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	link := &OpenLink{Begun: Begun{c.ID, s.landingURL(c), c.ExpiresAt, token.Manual}, OpenedAt: c.OpenedAt}
	if r.Instance.Settings.DirectLink {
		if link.Begun, err = s.storedDirectLink(ctx, r, c); err != nil {
			if errors.Is(err, tenant.ErrNotFound) { // the setting is newer than the link, or the state's secrets do not open
				return nil, nil
			}
			return nil, err
		}
	}
	if c.Status != Claimable || s.unclaimed(c) {
		return link, nil
	}
	g, err := s.cfg.Store.Grant(ctx, r.Tenant.ID, token.Pending)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && g.ConsentID != c.ID {
		return link, nil
	}
	link.ConsentedBy, link.ConsentedAt = g.ConsentedBy, g.ConsentedAt
	return link, err
}

// attempt returns the newest automatic consent of a tenant, as Find does; nil when it ended too long ago to be told, or none began.
func (s *Service) attempt(ctx context.Context, tenantID string) (*Attempt, error) {
	c, err := s.cfg.Store.NewestConsent(ctx, tenantID, token.Automatic)
	if errors.Is(err, tenant.ErrNotFound) || err == nil && s.misdated(c) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	ended := c.EndedAt
	if ended.IsZero() {
		ended = c.ExpiresAt
	}
	if c.Status != Confirmable && !s.cfg.Now().Before(ended.Add(s.cfg.ConsentLife)) {
		return nil, nil
	}
	found, err := s.Find(ctx, tenantID, c.ID)
	if err != nil {
		return nil, err
	}
	found.CreatedAt, found.ExpiresAt = c.CreatedAt, c.ExpiresAt
	a := &Attempt{found, token.Automatic}
	if c.BrowserHash == "" {
		a.Ends = token.Manual
	}
	return a, nil
}

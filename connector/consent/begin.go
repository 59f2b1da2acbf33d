package consent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A Begun is a consent that has begun, as the panel needs it in order to continue.
type Begun struct {
	ID        string // of the consent
	URL       string // to open or to copy
	ExpiresAt time.Time
	// Procedure is how the consent will end in the caller's browser. In any other it ends as a manual one.
	Procedure token.Procedure
}

// Begin starts the automatic procedure. The caller opens URL in its window and polls Find.
func (s *Service) Begin(ctx context.Context, tenantID string, request Request, by audit.Actor) (Begun, error) {
	if err := request.check(); err != nil {
		return Begun{}, err
	}
	r, err := s.ready(ctx, tenantID)
	if err != nil {
		return Begun{}, err
	}
	if err := s.take(ctx, r, limit.Consents, by); err != nil {
		return Begun{}, err
	}
	c, err := s.newConsent(r, token.Automatic, s.cfg.ConsentLife, by)
	if err != nil {
		return Begun{}, err
	}
	if c.BrowserHash, err = s.bind(c.ID, request.Browser); err != nil {
		return Begun{}, err
	}
	e := audit.Event{Action: audit.ConsentBegun, Actor: by, Details: map[string]string{"procedure": string(token.Automatic)}}
	ends := token.Automatic
	if c.BrowserHash == "" {
		ends = token.Manual
		e.Details["ends"] = string(token.Manual)
	}
	unlisted := s.unlisted(r.Instance.Key, request)
	if unlisted {
		e.Details["unlisted_origin"] = request.Origin
	}
	err = s.add(ctx, r, c, e, func(ctx context.Context) error {
		if !unlisted {
			return nil
		}
		return s.cfg.Store.SaveUnlistedOrigin(ctx, tenantID, request.Origin, s.cfg.Now())
	})
	if err != nil {
		return Begun{}, err
	}
	return Begun{c.ID, s.landingURL(c), c.ExpiresAt, ends}, nil
}

// Link returns the link of the manual procedure: the open one, or a new one. An expired link is prolonged while its consent
// waits for the claim code.
func (s *Service) Link(ctx context.Context, tenantID string, by audit.Actor) (Begun, error) {
	r, err := s.ready(ctx, tenantID)
	if err != nil {
		return Begun{}, err
	}
	c, err := s.cfg.Store.OpenConsent(ctx, tenantID, token.Manual)
	switch {
	case errors.Is(err, tenant.ErrNotFound):
		c = Consent{}
	case err != nil:
		return Begun{}, fmt.Errorf("reading open link of %s: %w", tenantID, err)
	}
	switch timedOut := s.timedOut(c); {
	case c.ID == "", timedOut && (c.Status == Waiting || s.unclaimed(c)):
		c, err = s.openLink(ctx, r, by)
	case timedOut:
		// Not a new link: it would replace the consent that waits for its claim code.
		now := s.cfg.Now()
		c.ExpiresAt = now.Add(s.cfg.LinkLife)
		if s.misdated(c) {
			c.CreatedAt = now
		}
		err = s.saveLink(ctx, r, &c, by)
	}
	if err == nil && c.Link.Empty() {
		err = s.replaceLink(ctx, r, &c, by)
	}
	if err != nil {
		return Begun{}, changed(err, "opening link of "+tenantID)
	}
	if !r.Instance.Settings.DirectLink {
		return Begun{c.ID, s.landingURL(c), c.ExpiresAt, token.Manual}, nil
	}
	begun, err := s.directLink(ctx, r, c)
	if errors.Is(err, tenant.ErrNotFound) { // the secrets of its state do not open
		if err := s.replaceLink(ctx, r, &c, by); err != nil {
			return Begun{}, changed(err, "opening link of "+tenantID)
		}
		begun, err = s.directLink(ctx, r, c)
	}
	return begun, err
}

// replaceLink gives a consent another link when its own cannot be shown any more. The consent goes on, so that a claim code
// keeps its meaning.
func (s *Service) replaceLink(ctx context.Context, r tenant.Resolved, c *Consent, by audit.Actor) error {
	s.cfg.Log.WarnContext(ctx, "the stored link cannot be read; replacing it", "tenant", c.TenantID, "consent", c.ID)
	c.Link = secret.New(random.Token())
	var err error
	if c.LinkHash, err = s.hash(hashLink, c.Link.Reveal()); err != nil {
		return err
	}
	return s.saveLink(ctx, r, c, by)
}

// saveLink stores a link that was prolonged or replaced, with its event.
func (s *Service) saveLink(ctx context.Context, r tenant.Resolved, c *Consent, by audit.Actor) error {
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.SaveConsent(ctx, c); err != nil {
			return err
		}
		return s.append(ctx, r, audit.Event{Action: audit.ConsentLinked, Actor: by, Details: map[string]string{"procedure": string(c.Procedure)}})
	})
}

func (s *Service) landingURL(c Consent) string {
	return s.cfg.PublicURL + "/consent/" + c.Link.Reveal()
}

// openLink starts a manual procedure.
func (s *Service) openLink(ctx context.Context, r tenant.Resolved, by audit.Actor) (Consent, error) {
	if err := s.take(ctx, r, limit.Consents, by); err != nil {
		return Consent{}, err
	}
	c, err := s.newConsent(r, token.Manual, s.cfg.LinkLife, by)
	if err != nil {
		return Consent{}, err
	}
	e := audit.Event{Action: audit.ConsentLinked, Actor: by, Details: map[string]string{"procedure": string(token.Manual)}}
	return c, s.add(ctx, r, c, e, func(context.Context) error { return nil })
}

// newConsent returns a consent that begins now. It stores nothing.
func (s *Service) newConsent(r tenant.Resolved, procedure token.Procedure, life time.Duration, by audit.Actor) (Consent, error) {
	now := s.cfg.Now()
	c := Consent{
		ID: random.ID(), TenantID: r.Tenant.ID, Procedure: procedure, Status: Waiting,
		Link: secret.New(random.Token()), AskedBy: by.Bounded(), CreatedAt: now, ExpiresAt: now.Add(life),
	}
	var err error
	c.LinkHash, err = s.hash(hashLink, c.Link.Reveal())
	return c, err
}

// add stores a new consent with its event and whatever also stores. It returns the failure conflict when the tenant got another
// owner since r was read.
func (s *Service) add(ctx context.Context, r tenant.Resolved, c Consent, e audit.Event, also func(context.Context) error) error {
	return s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		now, err := tenant.Resolve(ctx, s.cfg.Store, r.Tenant.ID)
		if err == nil && now.Tenant.AccountID != r.Tenant.AccountID {
			err = failure.New(failure.Conflict)
		}
		if err == nil {
			err = s.closeMisdated(ctx, c)
		}
		if err != nil {
			return err
		}
		fresh := c
		if err := s.cfg.Store.SaveConsent(ctx, &fresh); err != nil {
			return changed(err, "saving consent "+c.ID)
		}
		if err := also(ctx); err != nil {
			return err
		}
		return s.append(ctx, r, e)
	})
}

// closeMisdated closes the open consents that would count as newer than c because a clock that was wrong created them.
func (s *Service) closeMisdated(ctx context.Context, c Consent) error {
	for {
		old, err := s.cfg.Store.OpenConsent(ctx, c.TenantID, c.Procedure)
		if errors.Is(err, tenant.ErrNotFound) || err == nil && !s.misdated(old) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading open consent of %s: %w", c.TenantID, err)
		}
		old.Status, old.EndedAt, old.ClaimHash = Closed, c.CreatedAt, ""
		if err := s.cfg.Store.SaveConsent(ctx, &old); err != nil {
			return changed(err, "closing consent "+old.ID)
		}
	}
}

// directLink returns the address of Microsoft's sign-in page for a link. Its state is the secret of the link, so that the
// same link always has the same address. The state is not bound to a browser, so only the panel can redeem it. directLink
// returns tenant.ErrNotFound when there is a state whose secrets do not open.
func (s *Service) directLink(ctx context.Context, r tenant.Resolved, c Consent) (Begun, error) {
	begun, err := s.storedDirectLink(ctx, r, c)
	if !errors.Is(err, tenant.ErrNotFound) {
		return begun, err
	}
	state := newState(c.ID, r.Tenant.ID, "", s.cfg.Now(), c.ExpiresAt)
	if state.Hash, err = s.hash(hashState, c.Link.Reveal()); err != nil {
		return Begun{}, err
	}
	// It exists when another call added it meanwhile, or when its secrets do not open.
	if err := s.cfg.Store.AddState(ctx, state); err != nil && !errors.Is(err, tenant.ErrChanged) {
		return Begun{}, fmt.Errorf("preparing state of consent %s: %w", c.ID, err)
	}
	return s.storedDirectLink(ctx, r, c)
}

// storedDirectLink returns the direct address of a link that was prepared before; else tenant.ErrNotFound.
func (s *Service) storedDirectLink(ctx context.Context, r tenant.Resolved, c Consent) (Begun, error) {
	hash, err := s.hash(hashState, c.Link.Reveal())
	if err != nil {
		return Begun{}, err
	}
	state, err := s.cfg.Store.State(ctx, hash)
	if err != nil {
		return Begun{}, fmt.Errorf("reading state of consent %s: %w", c.ID, err)
	}
	url, err := s.authorizeURL(ctx, r, state, c.Link.Reveal(), Visit{})
	return Begun{c.ID, url, c.ExpiresAt, token.Manual}, err
}

// A Landing is what the onboarding page shows to visitors of a link before they continue to Microsoft.
type Landing struct {
	// Procedure is how the consent will end in the visitor's browser.
	Procedure token.Procedure
	// Who asks, as the platform names them: nobody has verified the names. AccountID is the platform's number of the account;
	// empty if unknown.
	TenantName  string
	AccountID   string
	AskedBy     string
	Marketplace string

	Directory     string
	ApplicationID string
	Permissions   []Permission
	ExpiresAt     time.Time
	// CodeWaits means that somebody has signed in with the link already, whose claim code another sign-in would replace.
	CodeWaits bool
	// StraightOn means that the visitor is redirected to Microsoft without seeing the page.
	StraightOn bool
}

// Landing returns the landing page of a link for the browser with a cookie, "" for one without. It changes nothing, because
// mail programs open links for previews. Whoever opens an automatic link in another browser than that of the panel must see who
// asks before they continue, because that need not be anybody they know.
func (s *Service) Landing(ctx context.Context, link, browser string) (Landing, error) {
	c, r, err := s.byLink(ctx, link)
	if err != nil {
		return Landing{}, err
	}
	automatic, err := s.takesEffect(r, c, browser)
	if err != nil {
		return Landing{}, err
	}
	permissions, err := s.cfg.Microsoft.Permissions(r.Client())
	if err != nil {
		return Landing{}, err
	}
	l := Landing{
		Procedure: token.Manual, Permissions: permissions, CodeWaits: c.Status == Claimable,
		TenantName: tenant.ShownName(r.Tenant.Name), AccountID: r.Tenant.AccountID,
		AskedBy: tenant.ShownName(c.AskedBy.Name), Marketplace: tenant.ShownName(r.Tenant.Marketplace),
		Directory: tenant.ShownName(r.Tenant.Directory), ApplicationID: r.Client().Application.ID, ExpiresAt: c.ExpiresAt,
		StraightOn: automatic || c.Procedure == token.Manual && r.Instance.Settings.SkipLanding,
	}
	if automatic {
		l.Procedure = token.Automatic
	}
	return l, nil
}

// A Visit is one opening of Microsoft's sign-in page from a page of ours.
type Visit struct {
	Browser string // value of the browser's cookie
	Locale  string // language of Microsoft's page; "" for Microsoft's choice
	// AnotherAccount lets the visitor choose the account, though the browser is signed in at Microsoft.
	AnotherAccount bool
}

// Authorize returns the address of Microsoft's sign-in page with a new state that only one browser can complete. A link may be
// opened any number of times until one opening succeeds.
func (s *Service) Authorize(ctx context.Context, link string, visit Visit) (string, error) {
	c, r, err := s.byLink(ctx, link)
	if err != nil {
		return "", err
	}
	if err := s.take(ctx, r, limit.Openings, audit.Actor{Kind: audit.Visitor}); err != nil {
		return "", err
	}
	browserHash, err := s.hash(hashBrowser, visit.Browser)
	if err != nil {
		return "", err
	}
	now := s.cfg.Now()
	return s.openPage(ctx, r, newState(c.ID, r.Tenant.ID, browserHash, now, now.Add(s.cfg.ConsentLife)), visit)
}

// openPage stores a state under a new random value and returns the address of Microsoft's sign-in page with it.
func (s *Service) openPage(ctx context.Context, r tenant.Resolved, state State, visit Visit) (string, error) {
	value := random.Token()
	var err error
	if state.Hash, err = s.hash(hashState, value); err != nil {
		return "", err
	}
	if err := s.cfg.Store.AddState(ctx, state); err != nil {
		return "", fmt.Errorf("saving state of consent %s: %w", state.ConsentID, err)
	}
	return s.authorizeURL(ctx, r, state, value, visit)
}

// byLink returns the open consent of a link.
func (s *Service) byLink(ctx context.Context, link string) (Consent, tenant.Resolved, error) {
	hash, err := s.hash(hashLink, link)
	if err != nil {
		return Consent{}, tenant.Resolved{}, err
	}
	c, err := s.cfg.Store.ConsentByLink(ctx, hash)
	if errors.Is(err, tenant.ErrNotFound) {
		return Consent{}, tenant.Resolved{}, failure.New(failure.LinkUnknown)
	}
	if err != nil {
		return Consent{}, tenant.Resolved{}, fmt.Errorf("reading consent of a link: %w", err)
	}
	if !c.open() || s.timedOut(c) {
		return Consent{}, tenant.Resolved{}, failure.New(failure.LinkExpired)
	}
	if c.Link != secret.New(link) { // it is sealed for the consent and its tenant, which somebody else has changed
		return Consent{}, tenant.Resolved{}, failure.New(failure.LinkUnknown)
	}
	r, err := s.ready(ctx, c.TenantID)
	return c, r, err
}

func (s *Service) authorizeURL(ctx context.Context, r tenant.Resolved, state State, value string, visit Visit) (string, error) {
	c := r.Client()
	// Microsoft needs to show its consent page only to the first consent of an application; later, a sign-in suffices
	// (docs/reference/microsoft-identity.md §2.1).
	prompt := "consent"
	g, err := s.cfg.Store.Grant(ctx, r.Tenant.ID, token.Active)
	switch {
	case err == nil && g.ApplicationID == c.Application.ID && g.DirectoryID == c.DirectoryID:
		prompt = "login"
	case err != nil && !errors.Is(err, tenant.ErrNotFound):
		return "", fmt.Errorf("reading grant of %s: %w", r.Tenant.ID, err)
	}
	if visit.AnotherAccount {
		prompt = "select_account"
	}
	if state.WithoutClaims {
		c.MFARequest = tenant.MFARequestOff
	}
	return s.cfg.Microsoft.AuthorizeURL(c, AuthorizeRequest{
		State: value, Nonce: state.Nonce.Reveal(), Verifier: state.Verifier,
		RedirectURI: s.RedirectURI(), Prompt: prompt, Locale: visit.Locale,
	})
}

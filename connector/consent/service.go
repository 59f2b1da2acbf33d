package consent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// maxClaimAttempts is how many wrong claim codes delete a pending grant.
const maxClaimAttempts = 5

// Purposes of keyed hashes.
const (
	hashLink    = "link"
	hashState   = "state"
	hashBrowser = "browser"
	hashPanel   = "panel" // what a panel learns about its browser
	hashBegun   = "begun" // what a consent keeps of that
	hashClaim   = "claim"
	hashProof   = "claimed grant" // what a consent keeps of a claim code
)

// Tokens is the part of token.Service that the procedures need.
type Tokens interface {
	Exchange(ctx context.Context, o token.CodeExchange) (token.Grant, error)
	Accept(ctx context.Context, g token.Grant) (token.Acceptance, error)
	StorePending(ctx context.Context, g token.Grant) error
	Activate(ctx context.Context, tenantID string, slot token.Slot, consentID string) (g token.Grant, before token.Person, err error)
	Disown(ctx context.Context, g token.Grant) error
}

// Config is what a Service needs.
type Config struct {
	Store     Store     // required
	Tokens    Tokens    // required
	Microsoft Microsoft // required
	Hasher    Hasher    // required

	// PublicURL is the public address of the onboarding pages, without a trailing slash. Required.
	PublicURL string

	// PanelOrigins are the origins of the panels of each instance: consumer key → origins. Only they learn which browser they are
	// open in, so only in them does the automatic procedure take effect at once. They must come from the operator's configuration
	// alone. Default: none, every consent ends with a claim code.
	PanelOrigins map[string][]string

	// ConsentLife is how long an automatic consent, and each opening of Microsoft's page, may take.
	// Default: 15 minutes.
	ConsentLife time.Duration

	// LinkLife is how long the link of the manual procedure works. Default: 7 days.
	LinkLife time.Duration

	// ClaimLife is how long a claim code works, and how long a consent waits for confirmation. Default: 24 hours.
	ClaimLife time.Duration

	// Limits bounds how often a tenant may begin consents, open Microsoft's page and enter codes. Default: no limits.
	Limits *limit.Limiter

	// Observe is called with the action and the result of each claim code that was entered. Default: nothing happens.
	Observe func(action audit.Action, result string)

	// Recorded is called with the action and the result of each event, before the transaction that stores it is committed: one
	// that is rolled back was counted, too. Default: nothing happens.
	Recorded func(action audit.Action, result string)

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives a record when Microsoft refuses a claims request. Default: discard.
	Log *slog.Logger
}

// A Service runs the procedures. Its methods return a *failure.Error for every failure that can be shown to a person, and are
// safe for concurrent use.
type Service struct {
	cfg Config
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Tokens == nil || cfg.Microsoft == nil || cfg.Hasher == nil || cfg.PublicURL == "" {
		return nil, errors.New("consent: a store, tokens, Microsoft, a hasher and a public URL are required")
	}
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	if cfg.ConsentLife == 0 {
		cfg.ConsentLife = 15 * time.Minute
	}
	if cfg.LinkLife == 0 {
		cfg.LinkLife = 7 * 24 * time.Hour
	}
	if cfg.ClaimLife == 0 {
		cfg.ClaimLife = 24 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Observe == nil {
		cfg.Observe = func(audit.Action, string) {}
	}
	if cfg.Recorded == nil {
		cfg.Recorded = func(audit.Action, string) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg}, nil
}

// RedirectURI returns the address to which Microsoft redirects the browser after the sign-in. It must be registered at
// Microsoft with the type Web.
func (s *Service) RedirectURI() string { return s.cfg.PublicURL + "/callback" }

// ready returns a tenant whose settings suffice for a consent, or what is missing. It resolves a directory that could not be
// resolved when it was entered.
func (s *Service) ready(ctx context.Context, tenantID string) (tenant.Resolved, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, tenantID)
	if err != nil {
		return tenant.Resolved{}, err
	}
	if err := errors.Join(r.Intact(), r.Tenant.InUse()); err != nil {
		return tenant.Resolved{}, err
	}
	if err := r.Client().Application.Usable(); err != nil {
		return tenant.Resolved{}, err
	}
	if r.Tenant.Directory == "" {
		return tenant.Resolved{}, failure.New(failure.DirectoryMissing)
	}
	if r.Tenant.DirectoryID != "" {
		return r, nil
	}
	id, err := s.cfg.Microsoft.ResolveDirectory(ctx, r.Instance.Settings.Cloud, r.Tenant.Directory)
	if err != nil {
		return tenant.Resolved{}, err
	}
	r.Tenant.SetDirectory(r.Tenant.Directory, id)
	r.Tenant.UpdatedAt = s.cfg.Now()
	err = s.cfg.Store.Transact(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.SaveTenant(ctx, &r.Tenant); err != nil {
			return err
		}
		return s.append(ctx, r, audit.Event{
			Action: audit.DirectoryResolved, Actor: audit.Actor{Kind: audit.Scheduler, Name: "directory"},
			Details: map[string]string{"directory": r.Tenant.DirectoryID},
		})
	})
	switch {
	case errors.Is(err, tenant.ErrChanged):
		return tenant.Resolved{}, failure.Wrap(err, failure.Conflict)
	case err != nil:
		return tenant.Resolved{}, fmt.Errorf("saving tenant %s: %w", tenantID, err)
	}
	return r, nil
}

// hash returns a keyed hash. It fails only when the keys are broken.
func (s *Service) hash(purpose, value string) (string, error) {
	h, err := s.cfg.Hasher.Hash(purpose, value)
	if err != nil {
		return "", fmt.Errorf("hashing %s: %w", purpose, err)
	}
	return h, nil
}

func (s *Service) append(ctx context.Context, r tenant.Resolved, e audit.Event) error {
	e.InstanceKey, e.TenantID = r.Tenant.InstanceKey, r.Tenant.ID
	s.cfg.Recorded(e.Action, cmp.Or(e.Result, audit.OK))
	return audit.Append(ctx, s.cfg.Store, s.cfg.Now(), e)
}

func changed(err error, doing string) error {
	if errors.Is(err, tenant.ErrChanged) {
		return failure.Wrap(fmt.Errorf("%s: %w", doing, err), failure.Conflict)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// take counts one use of a limit of a tenant; see limit.Limiter.
func (s *Service) take(ctx context.Context, r tenant.Resolved, name limit.Name, by audit.Actor) error {
	return s.cfg.Limits.Take(ctx, name, r.Tenant.ID, audit.Event{InstanceKey: r.Tenant.InstanceKey, TenantID: r.Tenant.ID, Actor: by})
}

// takeClaim counts one entered claim code of a tenant and of the person.
func (s *Service) takeClaim(ctx context.Context, r tenant.Resolved, by audit.Actor) error {
	if err := s.take(ctx, r, limit.Claims, by); err != nil || by.ID == "" {
		return err
	}
	return s.cfg.Limits.Take(ctx, limit.ClaimsOfPerson, r.Tenant.InstanceKey+"/"+by.ID,
		audit.Event{InstanceKey: r.Tenant.InstanceKey, TenantID: r.Tenant.ID, Actor: by})
}

// Purge deletes states and consents that ended more than a day ago, and ends those with times that only a wrong clock can have
// stored.
func (s *Service) Purge(ctx context.Context) error {
	err := clock.InTime(ctx, s.cfg.Now, s.cfg.Store.Transact, func(ctx context.Context, now time.Time) error {
		return s.cfg.Store.EndMisdated(ctx, s.latest(now))
	})
	if err != nil {
		return fmt.Errorf("ending consents with implausible times: %w", err)
	}
	if err := s.cfg.Store.Purge(ctx, s.cfg.Now().Add(-24*time.Hour)); err != nil {
		return fmt.Errorf("purging consents: %w", err)
	}
	return nil
}

func newState(consentID, tenantID, browserHash string, now, expires time.Time) State {
	return State{
		ConsentID: consentID, TenantID: tenantID, BrowserHash: browserHash,
		Nonce: secret.New(random.Token()), Verifier: secret.New(random.Token()),
		CreatedAt: now, ExpiresAt: expires,
	}
}

package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// personalDirectory is the directory that all personal Microsoft accounts share (microsoft-identity.md §4.2).
const personalDirectory = "9188040d-6c67-4c5b-b112-36a304b66dad"

// maxClockLag is how far the clocks of two replicas may be apart for a consent still to be taken as the newer value.
const maxClockLag = 10 * time.Minute

// A CodeExchange is an authorization code that Microsoft returned for a tenant, and how the consent came about.
type CodeExchange struct {
	TenantID  string
	Code      AuthorizationCode
	Nonce     string
	ConsentID string
	Procedure Procedure
	AskedBy   string
}

// Exchange redeems a code and runs the checks 2 to 6 of design §4 in their order. It stores nothing: the grant it
// returns has no slot yet. A refusal is a *failure.Error.
func (s *Service) Exchange(ctx context.Context, o CodeExchange) (Grant, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, o.TenantID)
	if err != nil {
		return Grant{}, err
	}
	c := r.Client()
	redeemed, err := s.cfg.Microsoft.Redeem(ctx, c, o.Code)
	if err != nil {
		return Grant{}, err
	}
	if redeemed.RefreshToken.Empty() {
		return Grant{}, failure.New(failure.NoRefreshToken)
	}
	person, err := s.identify(ctx, c, redeemed.IDToken, o.Nonce)
	if err != nil {
		return Grant{}, err
	}
	g := Grant{
		TenantID: o.TenantID, RefreshToken: redeemed.RefreshToken, IssuedAt: redeemed.IssuedAt,
		DirectoryID: c.DirectoryID, ApplicationID: c.Application.ID,
		Procedure: o.Procedure, ConsentID: o.ConsentID, ConsentedAt: s.cfg.Now(), ConsentedBy: person,
		AskedBy: o.AskedBy, Scopes: redeemed.Scopes,
	}
	g.Checks, err = s.checkPartnerCenter(ctx, c, redeemed.AccessToken, person)
	if err != nil {
		return Grant{}, err
	}
	// A person is waiting, and Graph and ARM refuse nothing: a slow one stays unknown.
	others, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	s.checkOthers(others, c, &g)
	switch {
	case g.Checks.GlobalAdmin == No:
		return Grant{}, failure.New(failure.RoleMissing, "username", person.Username, "role", "Global admin")
	case g.Checks.AdminAgent == No:
		return Grant{}, failure.New(failure.RoleMissing, "username", person.Username, "role", "Admin agent")
	}
	return g, nil
}

// identify verifies the id_token and that it speaks of a member of the tenant's directory.
func (s *Service) identify(ctx context.Context, c tenant.Client, idToken secret.Text, nonce string) (Person, error) {
	identity, err := s.cfg.Microsoft.Identity(ctx, c, idToken, nonce)
	if err != nil {
		return Person{}, err
	}
	switch {
	case identity.DirectoryID == personalDirectory:
		return Person{}, failure.New(failure.PersonalAccount, "username", identity.Person.Username)
	case identity.DirectoryID != c.DirectoryID:
		return Person{}, failure.New(failure.WrongDirectory, "seen", identity.DirectoryID, "expected", c.DirectoryID)
	case identity.Guest:
		return Person{}, failure.New(failure.GuestAccount, "username", identity.Person.Username)
	}
	return identity.Person, nil
}

// checkPartnerCenter reads the access token as a hint and takes Partner Center's own answer as the proof. Either no is
// a refusal; without a yes from one of them MFA is not proven.
func (s *Service) checkPartnerCenter(ctx context.Context, c tenant.Client, access secret.Text, person Person) (Checks, error) {
	claims := s.cfg.Microsoft.Claims(access)
	if claims.Readable {
		switch {
		case claims.ApplicationID != c.Application.ID:
			return Checks{}, failure.New(failure.WrongApplication, "seen", claims.ApplicationID, "expected", c.Application.ID)
		case claims.DirectoryID != c.DirectoryID:
			return Checks{}, failure.New(failure.WrongDirectory, "seen", claims.DirectoryID, "expected", c.DirectoryID)
		case claims.MFA == No:
			return Checks{}, failure.New(failure.MFAMissing)
		}
	}
	probe := s.cfg.Microsoft.Probe(ctx, c, PartnerCenter, access)
	switch {
	case probe.MFA == No:
		return Checks{}, failure.New(failure.MFAMissing)
	case probe.Works == No && probe.Failure != nil:
		f := probe.Failure.Error()
		f.Params = withUsername(f.Params, person.Username)
		return Checks{}, f
	case probe.Works == No:
		return Checks{}, failure.New(failure.NotAPartner, "username", person.Username)
	}
	mfa := proven(claims.MFA, probe.MFA)
	if mfa == Unknown && !s.cfg.AcceptUnknownMFA {
		return Checks{}, failure.New(failure.MFAUnknown)
	}
	return Checks{MFA: mfa, GlobalAdmin: Unknown, AdminAgent: Unknown, APIs: map[API]Probe{PartnerCenter: probe}}, nil
}

// checkOthers redeems g for Graph and ARM in turn, which also proves that one refresh token serves them all, and keeps
// the newest value in g. What fails is recorded and refuses nothing (design §4.6).
func (s *Service) checkOthers(ctx context.Context, c tenant.Client, g *Grant) {
	for _, api := range []API{Graph, ARM} {
		redeemed, err := s.cfg.Microsoft.Renew(ctx, c, g.RefreshToken, api)
		if err != nil {
			g.Checks.APIs[api] = s.unprobed(ctx, err)
			continue
		}
		g.advance(redeemed)
		g.Scopes = union(g.Scopes, redeemed.Scopes)
		g.Checks.APIs[api] = s.cfg.Microsoft.Probe(ctx, c, api, redeemed.AccessToken)
		if api == Graph {
			g.Checks.GlobalAdmin, g.Checks.AdminAgent = s.cfg.Microsoft.Roles(ctx, c, redeemed.AccessToken)
		}
	}
}

// unprobed is the probe of an api for which no access token was given.
func (s *Service) unprobed(ctx context.Context, err error) Probe {
	works := No
	if k := failure.From(err).Kind(); k == failure.Transient || k == failure.Internal {
		works = Unknown
	}
	return Probe{Works: works, At: s.cfg.Now(), Failure: failure.NewRecord(ctx, err), MFA: Unknown}
}

// advance takes the successor that a redemption returned; without one the old value stays good.
func (g *Grant) advance(redeemed Redemption) {
	if redeemed.RefreshToken.Empty() {
		return
	}
	g.RefreshToken, g.IssuedAt = redeemed.RefreshToken, redeemed.IssuedAt
}

func proven(answers ...Answer) Answer {
	switch {
	case slices.Contains(answers, No):
		return No
	case slices.Contains(answers, Yes):
		return Yes
	}
	return Unknown
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func withUsername(params map[string]string, username string) map[string]string {
	named := map[string]string{"username": username}
	for name, value := range params {
		named[name] = value
	}
	return named
}

// StoreActive makes an exchanged grant the tenant's active one and schedules its renewal. What was active becomes the
// predecessor until the new one worked. It belongs into the caller's transaction.
func (s *Service) StoreActive(ctx context.Context, g Grant) error {
	old, found, err := s.grant(ctx, g.TenantID, Active)
	if err != nil {
		return err
	}
	g.Slot, g.Version = Active, 0
	if found {
		g.Version = old.Version
		// A consent is newer than what is stored, whatever the clocks of two replicas say.
		if lag := old.IssuedAt.Sub(g.IssuedAt); lag >= 0 && lag < maxClockLag {
			g.IssuedAt = old.IssuedAt.Add(time.Millisecond)
		}
		if err := s.keepPredecessor(ctx, old); err != nil {
			return err
		}
	}
	if err := s.cfg.Store.SaveGrant(ctx, &g); err != nil {
		return stale(err, "saving grant of "+g.TenantID)
	}
	return s.reschedule(ctx, g.TenantID, s.succeed)
}

// StorePending stores an exchanged grant that waits for its claim code; an older waiting one is replaced. It belongs into
// the caller's transaction.
func (s *Service) StorePending(ctx context.Context, g Grant) error {
	old, found, err := s.grant(ctx, g.TenantID, Pending)
	if err != nil {
		return err
	}
	g.Slot, g.Version = Pending, 0
	if found {
		g.Version = old.Version
	}
	if err := s.cfg.Store.SaveGrant(ctx, &g); err != nil {
		return stale(err, "saving pending grant of "+g.TenantID)
	}
	return nil
}

// Activate makes a tenant's pending grant the active one and returns it. It belongs into the caller's transaction.
func (s *Service) Activate(ctx context.Context, tenantID string) (Grant, error) {
	g, found, err := s.grant(ctx, tenantID, Pending)
	if err != nil {
		return Grant{}, err
	}
	if !found {
		return Grant{}, failure.New(failure.NothingToClaim)
	}
	if err := s.StoreActive(ctx, g); err != nil {
		return Grant{}, err
	}
	if err := s.cfg.Store.DeleteGrant(ctx, tenantID, Pending); err != nil {
		return Grant{}, fmt.Errorf("deleting pending grant of %s: %w", tenantID, err)
	}
	return g, nil
}

func (s *Service) keepPredecessor(ctx context.Context, old Grant) error {
	if err := s.cfg.Store.SavePredecessor(ctx, old); err != nil {
		return fmt.Errorf("saving predecessor of %s: %w", old.TenantID, err)
	}
	return nil
}

func stale(err error, doing string) error {
	if errors.Is(err, ErrStale) {
		return failure.Wrap(fmt.Errorf("%s: %w", doing, err), failure.GrantStale)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

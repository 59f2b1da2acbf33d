package token

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// personalDirectory is the directory that all personal Microsoft accounts share (docs/reference/microsoft-identity.md §4.2).
const personalDirectory = "9188040d-6c67-4c5b-b112-36a304b66dad"

// WithoutNonce stands for the nonce of an id_token that came for a refresh token, which has none to compare.
const WithoutNonce = "\x00"

// A CodeExchange is an authorization code that Microsoft returned for a tenant, or a refresh token that another program had, with
// the provenance of the consent.
type CodeExchange struct {
	TenantID string
	Code     AuthorizationCode
	Nonce    secret.Text // of the authorization request; the id_token must contain it
	// RefreshToken is redeemed instead of Code, if it is set.
	RefreshToken secret.Text
	ConsentID    string
	Procedure    Procedure
	AskedBy      string // panel user who started the consent
}

// Exchange redeems a code once, or a refresh token, and then verifies who consented, the application and MFA, the roles, and that
// Graph and ARM accept the token, in this order. It stores nothing: the grant that it returns has no slot yet. A refusal is a
// *failure.Error.
func (s *Service) Exchange(ctx context.Context, x CodeExchange) (Grant, error) {
	r, err := tenant.Resolve(ctx, s.cfg.Store, x.TenantID)
	if err != nil {
		return Grant{}, err
	}
	if err := r.Intact(); err != nil {
		return Grant{}, err
	}
	c := r.Client()
	redeemed, err := s.redeemFirst(ctx, c, &x)
	if err != nil {
		return Grant{}, err
	}
	if redeemed.RefreshToken.Empty() {
		return Grant{}, failure.New(failure.NoRefreshToken)
	}
	if err := storable(redeemed); err != nil {
		return Grant{}, err
	}
	claims := s.cfg.Microsoft.Claims(redeemed.AccessToken)
	person, err := s.identify(ctx, c, redeemed.IDToken, x.Nonce.Reveal(), claims.Username)
	if err != nil {
		return Grant{}, refusedFor(err, "", r.Tenant.Directory)
	}
	g := Grant{
		TenantID: x.TenantID, RefreshToken: redeemed.RefreshToken, IssuedAt: redeemed.IssuedAt,
		InstanceKey: r.Tenant.InstanceKey, AccountID: r.Tenant.AccountID, DirectoryID: c.DirectoryID, ApplicationID: c.Application.ID,
		Procedure: x.Procedure, ConsentID: x.ConsentID, ConsentedAt: s.cfg.Now(), ConsentedBy: person,
		AskedBy: length.Shorten(x.AskedBy, length.Name), Scopes: union(nil, redeemed.Scopes),
	}
	if _, err := compareSubject(c, &g, redeemed.Subject); err != nil {
		return Grant{}, err // the access token is not that of the person who signed in
	}
	g.Checks, err = s.checkPartnerCenter(ctx, c, redeemed, claims, person)
	if err != nil {
		return Grant{}, refusedFor(err, person.Username, r.Tenant.Directory)
	}
	g.Checks.Account = Yes // the id_token was verified
	// A person is waiting, and Graph and ARM only cause warnings: the result of a slow one stays unknown.
	others, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	newest := g
	mismatch, err := s.checkOthers(others, c, &g, &g.Checks, func(redeemed Redemption) error {
		newest.advance(redeemed) // not used before the grant is stored
		return nil
	})
	if err := errors.Join(err, mismatch); err != nil {
		return Grant{}, err
	}
	g.RefreshToken, g.IssuedAt = newest.RefreshToken, newest.IssuedAt
	s.recordEnds(ctx, r, g.Checks.Ends, audit.Actor{Kind: audit.Visitor, Name: person.Username})
	switch {
	case g.Checks.GlobalAdmin == No:
		return Grant{}, failure.New(failure.RoleMissing, "username", person.Username, "role", "Global admin")
	case g.Checks.AdminAgent == No:
		return Grant{}, failure.New(failure.RoleMissing, "username", person.Username, "role", "Admin agent")
	}
	return g, nil
}

// redeemFirst redeems what an exchange begins with.
func (s *Service) redeemFirst(ctx context.Context, c tenant.Client, x *CodeExchange) (Redemption, error) {
	if x.RefreshToken.Empty() {
		return s.cfg.Microsoft.Redeem(ctx, c, x.Code)
	}
	x.Nonce = secret.New(WithoutNonce)
	redeemed, err := s.cfg.Microsoft.Renew(ctx, c, x.RefreshToken, PartnerCenter)
	// Microsoft does not tell a token of another application from one that was revoked in every case.
	if f := failure.From(err); f != nil && (f.Code == failure.GrantRevoked || f.Code == failure.GrantExpired || f.Code == failure.SignInRequired) {
		err = &failure.Error{
			Code: failure.ImportRefused, Params: map[string]string{"application": c.Application.ID}, Microsoft: f.Microsoft, Cause: f.Cause,
		}
	}
	return redeemed, err
}

// identify verifies the id_token, and that it is about a member of the tenant's directory. The person always has a username:
// other is that of the access token, for id_tokens without one.
func (s *Service) identify(ctx context.Context, c tenant.Client, idToken secret.Text, nonce, other string) (Person, error) {
	identity, err := s.cfg.Microsoft.Identity(ctx, c, idToken, nonce)
	if err != nil {
		return Person{}, err
	}
	if !length.Fits(identity.Person.ObjectID, length.ForeignID) {
		return Person{}, failure.Wrap(errors.New("its object ID is too long to be stored"), failure.IDTokenInvalid)
	}
	person := identity.Person
	person.Username = cmp.Or(person.Username, other, person.Name, person.ObjectID)
	person = person.bounded()
	switch {
	case identity.DirectoryID == personalDirectory:
		return Person{}, failure.New(failure.PersonalAccount, "username", person.Username)
	case identity.DirectoryID != c.DirectoryID:
		return Person{}, failure.New(failure.WrongDirectory, "seen", directoryOf(identity, person.Username), "expected", c.DirectoryID, "username", person.Username)
	case identity.Guest:
		return Person{}, failure.New(failure.GuestAccount, "username", person.Username)
	}
	return person, nil
}

// directoryOf returns how people read the directory of an identity: the domain of the username before its ID. A guest's username
// names the directory that the guest came from.
func directoryOf(identity Identity, username string) string {
	_, domain, ok := strings.Cut(username, "@")
	if !ok || domain == "" || identity.Guest || strings.Contains(username, "#EXT#") {
		return identity.DirectoryID
	}
	return domain + " (" + identity.DirectoryID + ")"
}

// refusedFor completes the refusal of a consent for the person who reads it: with the account that was used, and with the domain that
// the reseller entered before the ID of the directory that was expected.
func refusedFor(err error, username, directory string) error {
	f, ok := errors.AsType[*failure.Error](err)
	if !ok {
		return err
	}
	complete := *f
	complete.Params = maps.Clone(f.Params)
	if complete.Params["username"] == "" && username != "" {
		complete.Params = withUsername(f.Params, username)
	}
	if expected := complete.Params["expected"]; f.Code == failure.WrongDirectory && directory != "" && !strings.EqualFold(directory, expected) {
		complete.Params["expected"] = directory + " (" + expected + ")"
	}
	return &complete
}

// checkPartnerCenter checks the claims of the access token and Partner Center's own answer. An answer that cannot be read
// proves nothing and is refused; an outage is not.
func (s *Service) checkPartnerCenter(ctx context.Context, c tenant.Client, redeemed Redemption, claims AccessTokenClaims, person Person) (Checks, error) {
	if claims.Readable {
		switch {
		case claims.ApplicationID != c.Application.ID:
			return Checks{}, failure.New(failure.WrongApplication, "seen", claims.ApplicationID, "expected", c.Application.ID)
		case claims.DirectoryID != c.DirectoryID:
			return Checks{}, failure.New(failure.WrongDirectory, "seen", claims.DirectoryID, "expected", c.DirectoryID)
		}
	}
	probe := s.cfg.Microsoft.Probe(ctx, c, PartnerCenter, redeemed.AccessToken)
	switch {
	case probe.MFA == No, probe.MFA == Unknown && claims.MFA == No:
		return Checks{}, failure.New(failure.MFAMissing)
	case probe.Works == No && probe.Failure != nil, probe.Failure.Is(failure.MicrosoftAnswer):
		f := probe.Failure.Error()
		f.Params = withUsername(f.Params, person.Username)
		return Checks{}, f
	case probe.Works == No:
		return Checks{}, failure.New(failure.NotAPartner, "username", person.Username)
	}
	mfa := provenMFA(claims.MFA, probe.MFA)
	if mfa == Unknown && !s.cfg.AcceptUnknownMFA {
		return Checks{}, failure.New(failure.MFAUnknown)
	}
	return Checks{MFA: mfa, GlobalAdmin: Unknown, AdminAgent: Unknown, Credential: redeemed.Credential, APIs: map[API]Probe{PartnerCenter: lacking(ctx, probe, redeemed.Missing)}}, nil
}

// checkOthers redeems the value of g for every api but Partner Center, which also proves that one refresh token serves all apis,
// and adds the results to checks. A failure is recorded as a warning: partners work without Graph or ARM. keep is called with every
// answer before anything else is done with it; it may change g. The error is that of keep, or mismatch: an answer for another
// account, after which the rest is checked all the same.
func (s *Service) checkOthers(ctx context.Context, c tenant.Client, g *Grant, checks *Checks, keep func(Redemption) error) (mismatch, err error) {
	for _, api := range apisOf(c.Deployment)[1:] {
		redeemed, err := s.redeemFor(ctx, c, g, g.RefreshToken, api)
		if err != nil {
			if failure.Is(err, failure.AccountMismatch) {
				mismatch = err
			}
			probe := s.notProbed(ctx, err)
			if len(probe.Missing) == 0 {
				probe.Missing = g.Checks.APIs[api].Missing // nothing else was learned of them
			}
			checks.APIs[api] = probe
			continue
		}
		if err := keep(redeemed); err != nil {
			return mismatch, err
		}
		g.Scopes = union(g.Scopes, redeemed.Scopes)
		checks.APIs[api] = lacking(ctx, s.cfg.Microsoft.Probe(ctx, c, api, redeemed.AccessToken), redeemed.Missing)
		if api == Graph {
			checks.GlobalAdmin, checks.AdminAgent = s.cfg.Microsoft.Roles(ctx, c, redeemed.AccessToken)
			checks.Ends = s.cfg.Microsoft.CredentialEnds(ctx, c, redeemed.AccessToken)
		}
	}
	return mismatch, nil
}

// notProbed returns the probe of an api for which Microsoft issued no access token.
func (s *Service) notProbed(ctx context.Context, err error) Probe {
	works := No
	if k := failure.From(err).Kind(); k == failure.Transient || k == failure.Internal {
		works = Unknown
	}
	probe := Probe{Works: works, At: s.cfg.Now(), Failure: failure.NewRecord(ctx, err), MFA: Unknown}
	if f := failure.From(err); f.Code == failure.ConsentMissing && f.Params["permissions"] != "" {
		probe.Failure = nil
		probe = lacking(ctx, probe, strings.Split(f.Params["permissions"], ", "))
	}
	return probe
}

// lacking returns probe with the permissions that the consent lacks, which are its failure if it has none.
func lacking(ctx context.Context, probe Probe, missing []string) Probe {
	if len(missing) == 0 {
		return probe
	}
	probe.Missing = missing
	if probe.Failure == nil {
		probe.Failure = failure.NewRecord(ctx, failure.New(failure.PermissionsMissing, "permissions", strings.Join(missing, ", ")))
	}
	return probe
}

// provenMFA returns whether MFA was used, from the claim amr and from Partner Center's own answer, which decides. A claim
// without mfa alone proves nothing: a sign-in with a passkey has amr values of its own
// (docs/reference/microsoft-identity.md §4.3).
func provenMFA(amr, partnerCenter Answer) Answer {
	switch {
	case partnerCenter != Unknown && partnerCenter != "":
		return partnerCenter
	case amr == Yes:
		return Yes
	}
	return Unknown
}

// union returns the scopes of both, without those that there is no room for: scopes are for people to read.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	all = slices.Compact(all)
	size := 2
	return slices.DeleteFunc(all, func(scope string) bool {
		text, err := json.Marshal(scope)
		if err != nil || size+len(text)+1 > length.Setting {
			return true
		}
		size += len(text) + 1
		return false
	})
}

// storable refuses an answer whose refresh token is too long to be stored. The one that was redeemed stays valid.
func storable(redeemed Redemption) error {
	if n := len(redeemed.RefreshToken.Reveal()); n > length.Token {
		return failure.Wrap(fmt.Errorf("the refresh token has %d bytes, and %d can be stored", n, length.Token), failure.MicrosoftAnswer)
	}
	return nil
}

func withUsername(params map[string]string, username string) map[string]string {
	named := map[string]string{"username": username}
	for name, value := range params {
		named[name] = cmp.Or(value, named[name])
	}
	return named
}

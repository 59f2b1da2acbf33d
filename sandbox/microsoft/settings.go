package microsoft

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrUnknown is returned for a directory, user or application that was never added.
var ErrUnknown = errors.New("not in the simulator")

// A Policy is a directory's Conditional Access, reduced to what matters here. It is evaluated at every sign-in and at
// every redemption.
type Policy struct {
	// APIs are the APIs that the policy covers; it applies only to requests that name one of them. Default: all.
	APIs []Host

	RequireMFA bool
	// SignInFrequency is the maximum age of a sign-in at redemption (70043); 0: none.
	SignInFrequency time.Duration
	// RememberMFA is the maximum age of MFA at redemption (50078); 0: no limit.
	RememberMFA time.Duration
	// Block refuses everything (53003).
	Block bool
	// BlockServers refuses only redemptions, like a location policy that allows the office but not the data centre.
	BlockServers bool
	// BlockDeviceCode refuses refresh tokens from the device code flow.
	BlockDeviceCode bool

	// AdminConsentOnly lets only administrators consent.
	AdminConsentOnly bool
	// IgnoreMFAClaims makes the claims parameter of the authorize request ineffective.
	IgnoreMFAClaims bool
	// RefuseClaims answers an authorize request that has a claims parameter with invalid_request.
	RefuseClaims bool
	// PasswordChangeRevokes invalidates refresh tokens at a password change. Field reports say so; the documentation says
	// otherwise (docs/reference/microsoft-identity.md §6.1).
	PasswordChangeRevokes bool
}

func (p Policy) covers(hosts ...Host) bool {
	return len(p.APIs) == 0 || slices.ContainsFunc(hosts, func(h Host) bool { return slices.Contains(p.APIs, h) })
}

// SetPolicy replaces a directory's policy.
func (s *Simulator) SetPolicy(directoryID string, p Policy) error {
	return s.onDirectory(directoryID, func(d *directory) { d.policy = p })
}

// SetPartnerCenter replaces a directory's PartnerCenterMode.
func (s *Simulator) SetPartnerCenter(directoryID string, mode PartnerCenterMode) error {
	return s.onDirectory(directoryID, func(d *directory) { d.partner = mode })
}

// RevokeSessions invalidates a user's sessions and refresh tokens as of now (50173).
func (s *Simulator) RevokeSessions(upn string) error {
	return s.onUser(upn, func(u *user) { u.revoke(s.now()) })
}

// SetPassword changes a password. Policy.PasswordChangeRevokes decides whether this invalidates refresh tokens.
func (s *Simulator) SetPassword(upn, password string) error {
	return s.onUser(upn, func(u *user) {
		u.Password = password
		if s.state.directories[u.DirectoryID].policy.PasswordChangeRevokes {
			u.revoke(s.now())
		}
	})
}

// SetMFA changes a user's MFA. Refresh tokens keep the authentication from which they were issued.
func (s *Simulator) SetMFA(upn string, mfa MFA) error {
	if !slices.Contains([]MFA{MFANone, MFARegistered, MFARequired, MFAExternal, MFAPasskey}, mfa) {
		return fmt.Errorf("setting MFA of %s: there is no %q", upn, mfa)
	}
	return s.onUser(upn, func(u *user) { u.MFA = mfa })
}

// SetRoles changes a user's roles in the partner directory.
func (s *Simulator) SetRoles(upn string, globalAdmin, adminAgent bool) error {
	return s.onUser(upn, func(u *user) { u.GlobalAdmin, u.AdminAgent = globalAdmin, adminAgent })
}

// SetRoleGroup makes a user a member of a group that carries roles, or ends this.
func (s *Simulator) SetRoleGroup(upn string, member bool) error {
	return s.onUser(upn, func(u *user) { u.RoleGroup = member })
}

// Disable blocks an account (50057) until Enable.
func (s *Simulator) Disable(upn string) error {
	return s.onUser(upn, func(u *user) { u.Disabled = true })
}

// Enable unblocks an account.
func (s *Simulator) Enable(upn string) error {
	return s.onUser(upn, func(u *user) { u.Disabled = false })
}

// RefuseUser makes every sign-in and redemption of a user fail with an AADSTS code, for example 50053; 0 ends this.
func (s *Simulator) RefuseUser(upn string, code int) error {
	if _, known := refusals[code]; code != 0 && !known {
		return fmt.Errorf("refusing %s: the simulator has no AADSTS%d", upn, code)
	}
	return s.onUser(upn, func(u *user) { u.refused = code })
}

// RemoveUser deletes an account (50034).
func (s *Simulator) RemoveUser(upn string) error {
	return s.onUser(upn, func(u *user) { delete(s.state.users, strings.ToLower(u.UPN)) })
}

// RemoveApplication deletes a registration (700016).
func (s *Simulator) RemoveApplication(id string) error {
	return s.onApplication(id, func(a *application) { delete(s.state.apps, a.ID) })
}

// DisableApplication disables a registration (7000112).
func (s *Simulator) DisableApplication(id string) error {
	return s.onApplication(id, func(a *application) { a.Disabled = true })
}

// SetSecrets replaces the application's secrets. Refresh tokens are not bound to them.
func (s *Simulator) SetSecrets(id string, secrets ...Secret) error {
	return s.onApplication(id, func(a *application) { a.Secrets = slices.Clone(secrets) })
}

// SetCertificates replaces the application's certificates.
func (s *Simulator) SetCertificates(id string, certificates ...*x509.Certificate) error {
	return s.onApplication(id, func(a *application) { a.Certificates = slices.Clone(certificates) })
}

// SetFederated replaces the application's federated credentials.
func (s *Simulator) SetFederated(id string, credentials ...FederatedCredential) error {
	return s.onApplication(id, func(a *application) { a.Federated = slices.Clone(credentials) })
}

// GrantConsent consents to scopes without the pages; upn is empty for a consent for the organization.
func (s *Simulator) GrantConsent(directoryID, applicationID, upn string, scopes ...string) error {
	set, refused := s.cfg.Cloud.parseScope(strings.Join(scopes, " "))
	if refused != nil {
		return fmt.Errorf("consenting to %s: %w", applicationID, refused)
	}
	return s.onApplication(applicationID, func(a *application) {
		for _, host := range set.hosts() {
			s.state.consent(directoryID, a.ID, upn, host, set.permissions(host, a))
		}
	})
}

// Consented returns the permissions, sorted, that a directory has consented to for its organization, by API.
func (s *Simulator) Consented(directoryID, applicationID string) (map[Host][]string, error) {
	consented := map[Host][]string{}
	err := s.onApplication(applicationID, func(a *application) {
		for key, names := range s.state.consents {
			if strings.EqualFold(key.directory, directoryID) && key.app == a.ID && key.user == "" {
				consented[key.host] = slices.Sorted(slices.Values(names))
			}
		}
	})
	return consented, err
}

// RemoveConsent removes all consents to the application in a directory, or only those for some APIs.
func (s *Simulator) RemoveConsent(directoryID, applicationID string, apis ...Host) error {
	return s.onApplication(applicationID, func(a *application) {
		for key := range s.state.consents {
			if strings.EqualFold(key.directory, directoryID) && key.app == a.ID && (len(apis) == 0 || slices.Contains(apis, key.host)) {
				delete(s.state.consents, key)
			}
		}
	})
}

// RemovePermissions withdraws single permissions from all consents to the application in a directory, as an administrator of
// the directory can. The rest of the consents stays.
func (s *Simulator) RemovePermissions(directoryID, applicationID string, scopes ...string) error {
	set, refused := s.cfg.Cloud.parseScope(strings.Join(scopes, " "))
	if refused != nil {
		return fmt.Errorf("withdrawing permissions of %s: %w", applicationID, refused)
	}
	return s.onApplication(applicationID, func(a *application) {
		for key, names := range s.state.consents {
			if !strings.EqualFold(key.directory, directoryID) || key.app != a.ID {
				continue
			}
			s.state.consents[key] = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
				return slices.Contains(set.permissions(key.host, a), name)
			})
			if len(s.state.consents[key]) == 0 {
				delete(s.state.consents, key)
			}
		}
	})
}

// Oddities are deviations of answers: those that Microsoft's answers may have, and those that an attacker may cause.
type Oddities struct {
	// OpaqueAccessTokens issues access tokens that are not JWTs.
	OpaqueAccessTokens bool
	// LineBreaks separates the parts of error_description by CRLF, as older answers do.
	LineBreaks bool
	// ExtraFields adds unknown members.
	ExtraFields bool
	// OmitOptional omits every optional member of answers and errors.
	OmitOptional bool
	// OmitDate omits the header Date from all answers.
	OmitDate bool
	// KeepRefreshToken omits refresh_token from the answers to refresh grants.
	KeepRefreshToken bool

	// ByteOrderMarks are the APIs whose answers begin with a byte order mark, as those of Partner Center and ARM have done.
	ByteOrderMarks []Host
	// GraphWantsMFA makes Graph refuse every call with Unauthorized_MissingMFA, as its endpoints for partners do.
	GraphWantsMFA bool

	// GraphPage is the maximum number of entries on a page of Graph. Default: 100.
	GraphPage int
	// CustomersPage is the maximum number of entries on a page of Partner Center's customers. Default: as asked for.
	CustomersPage int
	// ARMPolicyDenies makes ARM refuse a write without MFA by policy (403) instead of a challenge (401).
	ARMPolicyDenies bool

	// IDTokenClaims and AccessTokenClaims replace claims; a nil value removes one.
	IDTokenClaims, AccessTokenClaims map[string]any
	// IDTokenSignature makes the id_token's signature invalid.
	IDTokenSignature SignatureOddity
}

// A SignatureOddity is a kind of invalid signature.
type SignatureOddity string

// The kinds. The zero SignatureOddity leaves the signature valid.
const (
	Unsigned             SignatureOddity = "none"    // alg none
	SignedWithForeignKey SignatureOddity = "foreign" // another key with a published kid
	UnknownKey           SignatureOddity = "unknown" // a kid that is never published
)

// SetOddities replaces the oddities; the zero value removes them.
func (s *Simulator) SetOddities(o Oddities) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.odd = o
}

func (s *Simulator) onDirectory(id string, change func(*directory)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.state.directory(id)
	if d == nil {
		return fmt.Errorf("directory %q: %w", id, ErrUnknown)
	}
	change(d)
	return nil
}

func (s *Simulator) onUser(upn string, change func(*user)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.state.user(upn)
	if u == nil {
		return fmt.Errorf("user %q: %w", upn, ErrUnknown)
	}
	change(u)
	return nil
}

func (s *Simulator) onApplication(id string, change func(*application)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.state.app(id)
	if a == nil {
		return fmt.Errorf("application %q: %w", id, ErrUnknown)
	}
	change(a)
	return nil
}

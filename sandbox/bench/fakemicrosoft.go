package bench

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// callsPerRenewal is how many calls to Microsoft one renewal makes, one after the other: three redemptions, three probes
// and the query of roles.
const callsPerRenewal = 7

// A fakeMicrosoft accepts everything after a delay, and counts its redemptions. It uses no network, keys or
// database, so that the time of Microsoft itself is not measured.
type fakeMicrosoft struct {
	redemption time.Duration // how long a redemption takes
	spread     bool          // a redemption takes between half and three halves of that, evenly
	otherCall  time.Duration // how long every other call takes
	only       token.API     // the api whose redemption takes that long; empty: all
	keepsToken bool          // no new refresh tokens are returned

	access, refresh secret.Text // no code reads tokens, so they may all be the same
	redeemed        atomic.Int64
}

var _ token.Microsoft = (*fakeMicrosoft)(nil)

func newFakeMicrosoft() *fakeMicrosoft {
	return &fakeMicrosoft{access: newToken(accessTokenLength), refresh: newToken(refreshTokenLength)}
}

// Redeem implements token.Microsoft.
func (m *fakeMicrosoft) Redeem(ctx context.Context, c tenant.Client, code token.AuthorizationCode) (token.Redemption, error) {
	return m.Renew(ctx, c, code.Code, token.PartnerCenter)
}

// Renew implements token.Microsoft.
func (m *fakeMicrosoft) Renew(ctx context.Context, _ tenant.Client, _ secret.Text, api token.API) (token.Redemption, error) {
	issued := time.Now().UTC()
	if m.only == "" || m.only == api {
		_ = clock.Sleep(ctx, m.takes())
	}
	m.redeemed.Add(1)
	r := token.Redemption{
		API: api, AccessToken: m.access, IssuedAt: issued, ExpiresAt: issued.Add(75 * time.Minute),
		Scopes: []string{"https://api.partnercenter.microsoft.com/user_impersonation", "offline_access"},
	}
	if !m.keepsToken {
		r.RefreshToken = m.refresh
	}
	return r, ctx.Err()
}

// takes returns how long a redemption takes.
func (m *fakeMicrosoft) takes() time.Duration {
	if !m.spread || m.redemption == 0 {
		return m.redemption
	}
	return m.redemption/2 + rand.N(m.redemption)
}

// Identity implements token.Microsoft.
func (m *fakeMicrosoft) Identity(context.Context, tenant.Client, secret.Text, string) (token.Identity, error) {
	return token.Identity{}, nil
}

// Claims implements token.Microsoft.
func (m *fakeMicrosoft) Claims(secret.Text) token.AccessTokenClaims {
	return token.AccessTokenClaims{MFA: token.Yes}
}

// Probe implements token.Microsoft.
func (m *fakeMicrosoft) Probe(ctx context.Context, _ tenant.Client, _ token.API, _ secret.Text) token.Probe {
	_ = clock.Sleep(ctx, m.otherCall)
	return token.Probe{Works: token.Yes, At: time.Now().UTC(), MFA: token.Yes}
}

// Roles implements token.Microsoft.
func (m *fakeMicrosoft) Roles(ctx context.Context, _ tenant.Client, _ secret.Text) (globalAdmin, adminAgent token.Answer) {
	_ = clock.Sleep(ctx, m.otherCall)
	return token.Yes, token.Yes
}

// CredentialEnds implements token.Microsoft.
func (m *fakeMicrosoft) CredentialEnds(context.Context, tenant.Client, secret.Text) map[string]time.Time {
	return nil
}

// ResolveDirectory implements token.Microsoft.
func (m *fakeMicrosoft) ResolveDirectory(_ context.Context, _, directory string) (string, error) {
	return directory, nil
}

// Customers implements token.Microsoft.
func (m *fakeMicrosoft) Customers(context.Context, tenant.Client, secret.Text) ([]token.Customer, error) {
	return nil, nil
}

// Relationships implements token.Microsoft.
func (m *fakeMicrosoft) Relationships(context.Context, tenant.Client, secret.Text) ([]token.Relationship, error) {
	return nil, nil
}

// CustomerScopes implements token.Microsoft.
func (*fakeMicrosoft) CustomerScopes(tenant.Client) map[token.API][]string { return nil }

// AddCustomerConsent implements token.Microsoft.
func (*fakeMicrosoft) AddCustomerConsent(context.Context, tenant.Client, string, token.API, secret.Text) error {
	return nil
}

// RemoveCustomerConsent implements token.Microsoft.
func (*fakeMicrosoft) RemoveCustomerConsent(context.Context, tenant.Client, string, secret.Text) error {
	return nil
}

package bench

import (
	"context"
	"sync/atomic"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// callsPerRenewal is how many calls to Microsoft one renewal makes, one after the other: three redemptions, three probes
// and the question for roles.
const callsPerRenewal = 7

// A prompt Microsoft says yes to everything after a while that is always the same, and counts its redemptions. What
// Microsoft takes its own time for is not measured: this one has no wire, no keys and no memory.
type prompt struct {
	redemption time.Duration // how long a redemption takes
	question   time.Duration // how long every other call takes
	only       token.API     // the api whose redemption takes that long; empty: all
	keeps      bool          // no new refresh tokens are returned

	access, refresh secret.Text // custody looks into no token, so they may all be the same
	redeemed        atomic.Int64
}

var _ token.Microsoft = (*prompt)(nil)

func newPrompt() *prompt {
	return &prompt{access: newToken(accessTokenLength), refresh: newToken(refreshTokenLength)}
}

// Redeem implements token.Microsoft.
func (p *prompt) Redeem(ctx context.Context, c tenant.Client, code token.AuthorizationCode) (token.Redemption, error) {
	return p.Renew(ctx, c, code.Code, token.PartnerCenter)
}

// Renew implements token.Microsoft.
func (p *prompt) Renew(ctx context.Context, _ tenant.Client, _ secret.Text, api token.API) (token.Redemption, error) {
	issued := time.Now().UTC()
	if p.only == "" || p.only == api {
		_ = clock.Sleep(ctx, p.redemption)
	}
	p.redeemed.Add(1)
	r := token.Redemption{
		API: api, AccessToken: p.access, IssuedAt: issued, ExpiresAt: issued.Add(75 * time.Minute),
		Scopes: []string{"https://api.partnercenter.microsoft.com/user_impersonation", "offline_access"},
	}
	if !p.keeps {
		r.RefreshToken = p.refresh
	}
	return r, ctx.Err()
}

// Identity implements token.Microsoft.
func (p *prompt) Identity(context.Context, tenant.Client, secret.Text, string) (token.Identity, error) {
	return token.Identity{}, nil
}

// Claims implements token.Microsoft.
func (p *prompt) Claims(secret.Text) token.AccessTokenClaims {
	return token.AccessTokenClaims{MFA: token.Yes}
}

// Probe implements token.Microsoft.
func (p *prompt) Probe(ctx context.Context, _ tenant.Client, _ token.API, _ secret.Text) token.Probe {
	_ = clock.Sleep(ctx, p.question)
	return token.Probe{Works: token.Yes, At: time.Now().UTC(), MFA: token.Yes}
}

// Roles implements token.Microsoft.
func (p *prompt) Roles(ctx context.Context, _ tenant.Client, _ secret.Text) (globalAdmin, adminAgent token.Answer) {
	_ = clock.Sleep(ctx, p.question)
	return token.Yes, token.Yes
}

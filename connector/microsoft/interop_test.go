package microsoft_test

import (
	"context"
	"slices"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func (p *oidcProvider) redeem(client tenant.Client, code token.AuthorizationCode) (token.Redemption, error) {
	return p.client.Redeem(context.Background(), client, code)
}

func (p *oidcProvider) renew(client tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	return p.client.Renew(context.Background(), client, refreshToken, api)
}

// grant returns the result of a new consent.
func (p *oidcProvider) grant(client tenant.Client) (attempt, token.Redemption) {
	p.Helper()
	a := p.authorize(client, "accept")
	got, err := p.redeem(client, a.code())
	if err != nil {
		p.Fatalf("Redeem() = %v, want nil", err)
	}
	return a, got
}

// refused checks that err is the failure want of the given kind.
func (p *oidcProvider) refused(what string, err error, want failure.Code, kind failure.Kind) {
	p.Helper()
	if f := failure.From(err); err == nil || f.Code != want || f.Kind() != kind {
		p.Errorf("%s = %v, want %s of kind %s", what, err, want, kind)
	}
}

func TestInterop_RefusalsAreUnderstood(t *testing.T) {
	p := newOIDCProvider(t)
	client := p.as(application)
	with := func(change func(*token.AuthorizationCode)) token.AuthorizationCode {
		code := p.authorize(client, "accept").code()
		change(&code)
		return code
	}

	declined := p.authorize(client, "abort").answer
	f := p.client.CallbackError(consent.CallbackError{Error: declined.Get("error"), Description: declined.Get("error_description")})
	p.refused("CallbackError() of a declined consent", f, failure.ConsentDeclined, failure.SignIn)

	_, err := p.redeem(client, with(func(c *token.AuthorizationCode) { c.Verifier = secret.New(verifier + "x") }))
	p.refused("Redeem() with another verifier", err, failure.CodeInvalid, failure.SignIn)
	_, err = p.redeem(client, with(func(c *token.AuthorizationCode) { c.RedirectURI += "/other" }))
	p.refused("Redeem() with another redirect address", err, failure.CodeInvalid, failure.SignIn)
	_, err = p.redeem(client, with(func(c *token.AuthorizationCode) { c.Code = secret.New("invented") }))
	p.refused("Redeem() of an invented code", err, failure.CodeInvalid, failure.SignIn)
	_, err = p.redeem(p.as(certified), with(func(*token.AuthorizationCode) {}))
	p.refused("Redeem() of another application's code", err, failure.CodeInvalid, failure.SignIn)

	wrong := client
	wrong.Application.Secret = clientSecretOf("canary-wrong")
	_, err = p.redeem(wrong, with(func(*token.AuthorizationCode) {}))
	p.refused("Redeem() with a wrong secret", err, failure.ClientCredential, failure.Configuration)
	_, stolen := newCertificate(t, noon)
	forged := p.as(certified)
	forged.Application.Certificate = stolen
	_, err = p.redeem(forged, p.authorize(forged, "accept").code())
	p.refused("Redeem() with another certificate", err, failure.ClientCredential, failure.Configuration)
	unknown := client
	unknown.Application.ID = foreign
	_, err = p.renew(unknown, secret.New("anything"), token.Graph)
	p.refused("Renew() by an unknown application", err, failure.ClientCredential, failure.Configuration)

	_, err = p.renew(client, secret.New("invented"), token.Graph)
	p.refused("Renew() of an invented token", err, failure.SignInRequired, failure.SignIn)
	_, got := p.grant(client)
	_, err = p.renew(wrong, got.RefreshToken, token.Graph)
	p.refused("Renew() with a wrong secret", err, failure.ClientCredential, failure.Configuration)

	a, got := p.grant(client)
	for what, nonce := range map[string]string{"another nonce": "another", "no nonce": ""} {
		_, err := p.client.Identity(t.Context(), client, got.IDToken, nonce)
		p.refused("Identity() with "+what, err, failure.IDTokenInvalid, failure.Internal)
	}
	_, err = p.client.Identity(t.Context(), p.as(certified), got.IDToken, a.request.Nonce)
	p.refused("Identity() for another application", err, failure.IDTokenInvalid, failure.Internal)
}

// A second redemption of a code revokes the tokens of the first, as the standard recommends; Microsoft does not.
func TestInterop_CodeIsRedeemedOnce(t *testing.T) {
	p := newOIDCProvider(t)
	client := p.as(application)
	a, got := p.grant(client)
	_, err := p.redeem(client, a.code())
	p.refused("Redeem() of the same code", err, failure.CodeInvalid, failure.SignIn)
	_, err = p.renew(client, got.RefreshToken, token.Graph)
	p.refused("Renew() of the token of the first redemption", err, failure.SignInRequired, failure.SignIn)
}

// The whole flow with each kind of credential: code, PKCE, id_token, then several renewals, each with the refresh token
// of the one before. Unlike Microsoft, this provider accepts each refresh token only once, so that using an old one
// fails.
func TestInterop_GrantAndRenewals(t *testing.T) {
	p := newOIDCProvider(t)
	for name, id := range map[string]string{"by secret": application, "by certificate": certified} {
		t.Run(name, func(t *testing.T) {
			client := p.as(id)
			a, got := p.grant(client)
			identity, err := p.client.Identity(t.Context(), client, got.IDToken, a.request.Nonce)
			want := token.Identity{DirectoryID: directory, Person: token.Person{ObjectID: "object-of-int", Username: "int@contoso.example", Name: "Integration"}}
			if err != nil || identity != want {
				t.Errorf("Identity() = %+v, %v, want %+v", identity, err, want)
			}
			if claims := p.client.Claims(got.AccessToken); claims.Readable || claims.MFA != token.Unknown {
				t.Errorf("Claims() = %+v, want nothing of a token that is not a JWT", claims)
			}
			spent := got.RefreshToken
			for _, api := range []token.API{token.PartnerCenter, token.Graph, token.ARM, token.PartnerCenter} {
				before := got
				if got, err = p.renew(client, before.RefreshToken, api); err != nil {
					t.Fatalf("Renew(%s) = %v, want nil", api, err)
				}
				if got.RefreshToken.Empty() || got.RefreshToken == before.RefreshToken || got.AccessToken == before.AccessToken || got.AccessToken.Empty() {
					t.Errorf("Renew(%s) returned no new tokens", api)
				}
				if life := got.ExpiresAt.Sub(got.IssuedAt); life.Hours() != 1 {
					t.Errorf("Renew(%s) = life of %s, want an hour", api, life)
				}
				if !slices.Contains(got.Scopes, p.permission(api)) {
					t.Errorf("Renew(%s) = scopes %v, want %s among them", api, got.Scopes, p.permission(api))
				}
			}
			_, err = p.renew(client, spent, token.Graph)
			p.refused("Renew() of the first value", err, failure.SignInRequired, failure.SignIn)
		})
	}
}

func (p *oidcProvider) permission(api token.API) string {
	return p.origin + map[token.API]string{
		token.PartnerCenter: "/pc/user_impersonation", token.Graph: "/graph/User.Read", token.ARM: "/arm/user_impersonation",
	}[api]
}

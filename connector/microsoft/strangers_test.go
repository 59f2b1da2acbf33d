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

func (s *stranger) redeem(client tenant.Client, code token.AuthorizationCode) (token.Redemption, error) {
	return s.client.Redeem(context.Background(), client, code)
}

func (s *stranger) renew(client tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	return s.client.Renew(context.Background(), client, refreshToken, api)
}

// grant returns what a new consent brings.
func (s *stranger) grant(client tenant.Client) (attempt, token.Redemption) {
	s.Helper()
	a := s.authorize(client, "accept")
	got, err := s.redeem(client, a.code())
	if err != nil {
		s.Fatalf("Redeem() = %v, want nil", err)
	}
	return a, got
}

// refused checks that err is the failure want, of the kind that calls for the right person.
func (s *stranger) refused(what string, err error, want failure.Code, kind failure.Kind) {
	s.Helper()
	if f := failure.From(err); err == nil || f.Code != want || f.Kind() != kind {
		s.Errorf("%s = %v, want %s of kind %s", what, err, want, kind)
	}
}

func TestAStrangersRefusalsAreUnderstood(t *testing.T) {
	s := newStranger(t)
	client := s.as(application)
	with := func(change func(*token.AuthorizationCode)) token.AuthorizationCode {
		code := s.authorize(client, "accept").code()
		change(&code)
		return code
	}

	declined := s.authorize(client, "abort").answer
	f := s.client.CallbackError(consent.CallbackError{Error: declined.Get("error"), Description: declined.Get("error_description")})
	s.refused("CallbackError() of a declined consent", f, failure.ConsentDeclined, failure.SignIn)

	_, err := s.redeem(client, with(func(c *token.AuthorizationCode) { c.Verifier = secret.New(verifier + "x") }))
	s.refused("Redeem() with another verifier", err, failure.CodeInvalid, failure.SignIn)
	_, err = s.redeem(client, with(func(c *token.AuthorizationCode) { c.RedirectURI += "/other" }))
	s.refused("Redeem() with another redirect address", err, failure.CodeInvalid, failure.SignIn)
	_, err = s.redeem(client, with(func(c *token.AuthorizationCode) { c.Code = secret.New("invented") }))
	s.refused("Redeem() of an invented code", err, failure.CodeInvalid, failure.SignIn)
	_, err = s.redeem(s.as(certified), with(func(*token.AuthorizationCode) {}))
	s.refused("Redeem() of another application's code", err, failure.CodeInvalid, failure.SignIn)

	wrong := client
	wrong.Application.Secret = clientSecretOf("canary-wrong")
	_, err = s.redeem(wrong, with(func(*token.AuthorizationCode) {}))
	s.refused("Redeem() with a wrong secret", err, failure.ClientCredential, failure.Configuration)
	_, stolen := newCertificate(t, noon)
	forged := s.as(certified)
	forged.Application.Certificate = stolen
	_, err = s.redeem(forged, s.authorize(forged, "accept").code())
	s.refused("Redeem() with another certificate", err, failure.ClientCredential, failure.Configuration)
	unknown := client
	unknown.Application.ID = foreign
	_, err = s.renew(unknown, secret.New("anything"), token.Graph)
	s.refused("Renew() by an unknown application", err, failure.ClientCredential, failure.Configuration)

	_, err = s.renew(client, secret.New("invented"), token.Graph)
	s.refused("Renew() of an invented token", err, failure.SignInRequired, failure.SignIn)
	_, got := s.grant(client)
	_, err = s.renew(wrong, got.RefreshToken, token.Graph)
	s.refused("Renew() with a wrong secret", err, failure.ClientCredential, failure.Configuration)

	a, got := s.grant(client)
	for what, nonce := range map[string]string{"another nonce": "another", "no nonce": ""} {
		_, err := s.client.Identity(t.Context(), client, got.IDToken, nonce)
		s.refused("Identity() with "+what, err, failure.IDTokenInvalid, failure.Internal)
	}
	_, err = s.client.Identity(t.Context(), s.as(certified), got.IDToken, a.request.Nonce)
	s.refused("Identity() for another application", err, failure.IDTokenInvalid, failure.Internal)
}

// A code that comes twice takes back what it brought, as the standard recommends and Microsoft does not.
func TestAStrangerGivesACodeOnce(t *testing.T) {
	s := newStranger(t)
	client := s.as(application)
	a, got := s.grant(client)
	_, err := s.redeem(client, a.code())
	s.refused("Redeem() once more", err, failure.CodeInvalid, failure.SignIn)
	_, err = s.renew(client, got.RefreshToken, token.Graph)
	s.refused("Renew() of what the code had brought", err, failure.SignInRequired, failure.SignIn)
}

// The whole way with either credential: code, PKCE, id_token, then one renewal after the other, each with the value
// that the one before brought. This provider spends a refresh token at once, unlike Microsoft: whoever kept an old value
// would fail here.
func TestAStrangerGrantsAndRenews(t *testing.T) {
	s := newStranger(t)
	for name, id := range map[string]string{"by secret": application, "by certificate": certified} {
		t.Run(name, func(t *testing.T) {
			client := s.as(id)
			a, got := s.grant(client)
			identity, err := s.client.Identity(t.Context(), client, got.IDToken, a.request.Nonce)
			want := token.Identity{DirectoryID: directory, Person: token.Person{ObjectID: "object-of-int", Username: "int@contoso.example", Name: "Integration"}}
			if err != nil || identity != want {
				t.Errorf("Identity() = %+v, %v, want %+v", identity, err, want)
			}
			if claims := s.client.Claims(got.AccessToken); claims.Readable || claims.MFA != token.Unknown {
				t.Errorf("Claims() = %+v, want nothing of a token that is no JWT", claims)
			}
			spent := got.RefreshToken
			for _, api := range []token.API{token.PartnerCenter, token.Graph, token.ARM, token.PartnerCenter} {
				before := got
				if got, err = s.renew(client, before.RefreshToken, api); err != nil {
					t.Fatalf("Renew(%s) = %v, want nil", api, err)
				}
				if got.RefreshToken.Empty() || got.RefreshToken == before.RefreshToken || got.AccessToken == before.AccessToken || got.AccessToken.Empty() {
					t.Errorf("Renew(%s) brought no new tokens", api)
				}
				if life := got.ExpiresAt.Sub(got.IssuedAt); life.Hours() != 1 {
					t.Errorf("Renew(%s) = life of %s, want an hour", api, life)
				}
				if !slices.Contains(got.Scopes, s.permission(api)) {
					t.Errorf("Renew(%s) = scopes %v, want %s among them", api, got.Scopes, s.permission(api))
				}
			}
			_, err = s.renew(client, spent, token.Graph)
			s.refused("Renew() of the first value", err, failure.SignInRequired, failure.SignIn)
		})
	}
}

func (s *stranger) permission(api token.API) string {
	return s.origin + map[token.API]string{
		token.PartnerCenter: "/pc/user_impersonation", token.Graph: "/graph/User.Read", token.ARM: "/arm/user_impersonation",
	}[api]
}

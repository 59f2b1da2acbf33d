package microsoft_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"slices"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

// noon is when the clocks of the harness and of the simulator begin.
var noon = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// newCertificate returns a self-signed certificate, and the credential with the certificate and its key.
func newCertificate(t testing.TB, since time.Time) (*x509.Certificate, tenant.Credential) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatalf("rsa.GenerateKey() = %v, want nil", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "canary"}, NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatalf("x509.CreateCertificate() = %v, want nil", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("x509.ParseCertificate() = %v, want nil", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("x509.MarshalPKCS8PrivateKey() = %v, want nil", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	return leaf, tenant.Credential{Value: secret.New(string(text)), Ends: leaf.NotAfter, Since: since}
}

func clientSecretOf(value string) tenant.Credential {
	return tenant.Credential{Value: secret.New(value), Since: noon.AddDate(0, -1, 0)}
}

// with returns the client of the harness with other credentials.
func with(cloud string, a tenant.Application) tenant.Client {
	client := testClient()
	a.ID = client.Application.ID
	client.Cloud, client.Application = cloud, a
	return client
}

func TestRenew_TriesCredentials(t *testing.T) {
	leaf, certificate := newCertificate(t, noon.AddDate(0, -1, 0))
	_, unknown := newCertificate(t, noon.AddDate(0, -1, 0))
	_, fresh := newCertificate(t, noon.Add(-9*time.Minute))
	correct, wrong := clientSecretOf(clientSecret), clientSecretOf("canary-wrong")
	expired := clientSecretOf("canary-expired")
	spoiled := tenant.Credential{Value: secret.New("canary, not PEM")}
	newest := func(c tenant.Credential) tenant.Credential {
		c.Since = noon
		return c
	}
	for name, tc := range map[string]struct {
		application tenant.Application
		want        failure.Code // "" if the renewal works
		posts       int
	}{
		"none":                               {tenant.Application{}, failure.ApplicationMissing, 0},
		"invalid certificate":                {tenant.Application{Certificate: spoiled}, failure.ApplicationMissing, 0},
		"certificate unknown":                {tenant.Application{Certificate: unknown}, failure.ClientCredential, 1},
		"unknown certificate, new":           {tenant.Application{Certificate: fresh}, failure.CertificateNew, 1},
		"both secrets wrong":                 {tenant.Application{Secret: wrong, NextSecret: clientSecretOf("canary-wrong-too")}, failure.ClientSecretWrong, 2},
		"all refused, last entered reported": {tenant.Application{Certificate: unknown, Secret: wrong, NextSecret: newest(expired)}, failure.ClientSecretExpired, 3},
		"certificate":                        {tenant.Application{Certificate: certificate}, "", 1},
		"certificate before secrets":         {tenant.Application{Certificate: certificate, Secret: wrong, NextSecret: wrong}, "", 1},
		"next secret after a wrong one":      {tenant.Application{Secret: wrong, NextSecret: correct}, "", 2},
		"next secret after an expired one":   {tenant.Application{Secret: expired, NextSecret: correct}, "", 2},
		"last entered first":                 {tenant.Application{Certificate: unknown, Secret: wrong, NextSecret: newest(correct)}, "", 1},
		"expired last":                       {tenant.Application{Secret: tenant.Credential{Value: expired.Value, Ends: noon}, NextSecret: correct}, "", 1},
		"secret with a new certificate":      {tenant.Application{Certificate: fresh, Secret: correct}, "", 2},
		"secret with an invalid certificate": {tenant.Application{Certificate: spoiled, Secret: correct}, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newSimulation(t, "global", simulated.Global())
			c.consent()
			c.must(c.sim.SetSecrets(application, simulated.Secret{Value: clientSecret}, simulated.Secret{Value: "canary-expired", Ends: noon}))
			c.must(c.sim.SetCertificates(application, leaf))
			refreshToken := c.refreshToken(admin)
			c.sim.ForgetRequests()
			_, err := c.client.Renew(context.Background(), with("global", tc.application), refreshToken, token.Graph)
			if codeOf(err) != tc.want {
				t.Errorf("Renew() = %v, want %q", err, tc.want)
			}
			if got := len(c.sim.Requests()); got != tc.posts {
				t.Errorf("Renew() sent %d requests, want %d", got, tc.posts)
			}
		})
	}
}

// TestRenew_RotatesCredentials goes through a rotation: add the new one, switch, remove the old one.
func TestRenew_RotatesCredentials(t *testing.T) {
	c := newSimulation(t, "global", simulated.Global())
	c.consent()
	refreshToken := c.refreshToken(admin)
	renew := func(a tenant.Application, posts int) {
		t.Helper()
		c.sim.ForgetRequests()
		got, err := c.client.Renew(context.Background(), with("global", a), refreshToken, token.Graph)
		if sent := len(c.sim.Requests()); err != nil || sent != posts {
			t.Fatalf("Renew() = _, %v after %d requests, want nil after %d", err, sent, posts)
		}
		refreshToken = got.RefreshToken
	}
	old := tenant.Application{Secret: clientSecretOf(clientSecret)}
	renew(old, 1)
	both := old
	both.NextSecret = tenant.Credential{Value: secret.New("canary-next"), Since: noon}
	renew(both, 2) // Microsoft does not know it yet
	renew(both, 1)
	c.must(c.sim.SetSecrets(application, simulated.Secret{Value: "canary-next"}))
	renew(both, 2) // the old one is gone
	renew(both, 1)

	leaf, certificate := newCertificate(t, noon)
	c.must(c.sim.SetCertificates(application, leaf))
	both.Certificate = certificate
	renew(both, 1) // works at once
	c.must(c.sim.SetSecrets(application))
	renew(both, 1)
}

func TestRedeem_UsesTheCredentialThatWorked(t *testing.T) {
	h := newHarness(t)
	refusal := respond(http.StatusUnauthorized, `{"error":"invalid_client","error_codes":[7000215]}`)
	grant := respond(http.StatusOK, `{"token_type":"Bearer","access_token":"canary-access-token","refresh_token":"canary-refresh-token","expires_in":3600}`)
	accepted := "old"
	h.route(tokenPath, func(w http.ResponseWriter, r *http.Request) {
		seen := h.seen(tokenPath)
		if seen[len(seen)-1].form.Get("client_secret") == accepted {
			grant(w, r)
			return
		}
		refusal(w, r)
	})
	client := with("test", tenant.Application{Secret: clientSecretOf("old"), NextSecret: tenant.Credential{Value: secret.New("new"), Since: noon}})
	redeem := func(want failure.Code, presented ...string) {
		t.Helper()
		before := len(h.seen(tokenPath))
		_, err := h.client.Redeem(context.Background(), client, token.AuthorizationCode{
			Code: secret.New(canaryCode), Verifier: secret.New(verifier), RedirectURI: "https://connector.example/callback",
		})
		var secrets []string
		codes := 0
		for _, r := range h.seen(tokenPath)[before:] {
			secrets = append(secrets, r.form.Get("client_secret"))
			if r.form.Has("code") {
				codes++
			}
		}
		if codeOf(err) != want || codes != 1 || !slices.Equal(secrets, presented) {
			t.Fatalf("Redeem() = %v, the code sent %d times, with the secrets %q, want %q, once, with %q", err, codes, secrets, want, presented)
		}
	}
	redeem("", "new", "old", "old") // no outcome yet: the one that was entered last is tried first, without the code
	redeem("", "old")
	accepted = "new"
	redeem(failure.ClientSecretWrong, "old")
	redeem("", "new", "new")

	// A failure of another kind says nothing about the credential.
	accepted = ""
	h.route(tokenPath, respond(http.StatusServiceUnavailable, ""))
	redeem(failure.MicrosoftUnavailable, "new")
	redeem(failure.MicrosoftUnavailable, "new")
	h.checkRedacted(nil)
}

func TestClientAssertion_IsSignedAnewForEachRequest(t *testing.T) {
	h := newHarness(t)
	h.route(tokenPath, inTurn(
		respond(http.StatusServiceUnavailable, ""),
		respond(http.StatusOK, `{"token_type":"Bearer","access_token":"canary-access-token","expires_in":3600}`),
	))
	leaf, certificate := newCertificate(t, noon)
	if _, err := h.client.Renew(context.Background(), with("test", tenant.Application{Certificate: certificate}), secret.New(canaryRefresh), token.Graph); err != nil {
		t.Fatalf("Renew() = %v, want nil", err)
	}
	thumbprint := sha256.Sum256(leaf.Raw)
	ids := map[any]bool{}
	for _, r := range h.seen(tokenPath) {
		if got := r.form.Get("client_assertion_type"); got != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || r.form.Has("client_secret") || r.header.Get("Authorization") != "" {
			t.Errorf("Renew() sent the assertion type %q, want jwt-bearer and no secret", got)
		}
		signed, err := jose.ParseSignedCompact(r.form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.PS256})
		if err != nil {
			t.Fatalf("ParseSignedCompact() = %v, want nil", err)
		}
		header := signed.Signatures[0].Protected
		if got, want := header.ExtraHeaders["x5t#S256"], base64.RawURLEncoding.EncodeToString(thumbprint[:]); got != want || header.ExtraHeaders["typ"] != "JWT" || header.KeyID != "" {
			t.Errorf("header of the assertion = %+v, want a JWT with x5t#S256 %q", header, want)
		}
		payload, err := signed.Verify(leaf.PublicKey)
		if err != nil {
			t.Fatalf("Verify() = %v, want nil", err)
		}
		var claims map[string]any
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatalf("json.Unmarshal(claims) = %v, want nil", err)
		}
		ids[claims["jti"]] = true
		delete(claims, "jti")
		at := float64(noon.Unix())
		if len(ids) > 1 {
			at += 5 // seconds, the first pause
		}
		want := map[string]any{"aud": h.server.URL + tokenPath, "iss": application, "sub": application, "nbf": at, "iat": at, "exp": at + 600}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Errorf("claims of the assertion (-want +got):\n%s", diff)
		}
	}
	if len(ids) != 2 {
		t.Errorf("two requests had %d ids in their assertions, want one each", len(ids))
	}
	h.checkRedacted(nil)
}

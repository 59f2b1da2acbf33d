package microsoft_test

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS1_UnknownDirectoryIsInvalidTenant(t *testing.T) {
	w := newWorld(t)
	for _, tenant := range []string{"99999999-9999-4999-8999-999999999999", "nobody.example", "consumers"} {
		got := w.get(w.LoginURL() + "/" + tenant + "/v2.0/.well-known/openid-configuration")
		w.checkRefused("discovery of "+tenant, got, http.StatusBadRequest, "invalid_tenant", 90002)
		w.checkRefused("keys of "+tenant, w.get(w.LoginURL()+"/"+tenant+"/discovery/v2.0/keys"), http.StatusBadRequest, "invalid_tenant", 90002)
	}
}

func TestS1_SharedEndpointsHaveAnIssuerTemplate(t *testing.T) {
	w := newWorld(t)
	for _, tenant := range []string{"common", "organizations"} {
		got := w.get(w.LoginURL() + "/" + tenant + "/v2.0/.well-known/openid-configuration")
		if want := w.LoginURL() + "/{tenantid}/v2.0"; got.text("issuer") != want {
			t.Errorf("issuer of %s = %q, want %q", tenant, got.text("issuer"), want)
		}
	}
}

func TestS1_DiscoveryOfADirectoryByIDAndByDomain(t *testing.T) {
	w := newWorld(t)
	for _, tenant := range []string{contoso, "contoso.example", "CONTOSO.example"} {
		got := w.get(w.LoginURL() + "/" + tenant + "/v2.0/.well-known/openid-configuration")
		if want := w.LoginURL() + "/" + contoso + "/v2.0"; got.text("issuer") != want {
			t.Errorf("issuer of %s = %q, want %q", tenant, got.text("issuer"), want)
		}
		for _, absent := range []string{"code_challenge_methods_supported", "revocation_endpoint", "introspection_endpoint"} {
			if _, there := got.body[absent]; there {
				t.Errorf("discovery of %s has %s, which Microsoft's has not", tenant, absent)
			}
		}
		claims, _ := got.body["claims_supported"].([]any)
		if slices.Contains(claims, any("amr")) {
			t.Errorf("claims_supported of version 2 = %v, want no amr", claims)
		}
	}
	first := w.get(w.LoginURL() + "/" + contoso + "/.well-known/openid-configuration")
	if want := "https://sts.windows.net/" + contoso + "/"; first.text("issuer") != want {
		t.Errorf("issuer of version 1 = %q, want %q", first.text("issuer"), want)
	}
}

func TestS1_GoOIDCAcceptsADirectoryAndRejectsCommon(t *testing.T) {
	w := newWorld(t)
	ctx := oidc.ClientContext(t.Context(), w.Client())
	for _, tenant := range []string{"common", "organizations"} {
		if _, err := oidc.NewProvider(ctx, w.LoginURL()+"/"+tenant+"/v2.0"); err == nil {
			t.Errorf("oidc.NewProvider(%s) = nil, want an issuer mismatch", tenant)
		}
	}
	provider, err := oidc.NewProvider(ctx, w.LoginURL()+"/"+contoso+"/v2.0")
	if err != nil {
		t.Fatalf("oidc.NewProvider(contoso) = %v", err)
	}
	raw := w.grant().text("id_token")
	verifier := provider.Verifier(&oidc.Config{ClientID: appID, Now: w.Now})
	token, err := verifier.Verify(ctx, raw)
	if err != nil {
		t.Fatalf("Verify(id_token) = %v", err)
	}
	if token.Nonce != "nonce-1" {
		t.Errorf("Verify(id_token).Nonce = %q, want nonce-1", token.Nonce)
	}
	for name, odd := range map[string]microsoft.Oddities{
		"signed with a foreign key": {IDTokenSignature: microsoft.SignedWithForeignKey},
		"signed by nobody":          {IDTokenSignature: microsoft.Unsigned},
		"unknown key":               {IDTokenSignature: microsoft.UnknownKey},
		"other audience":            {IDTokenClaims: map[string]any{"aud": fabrikam}},
		"other issuer":              {IDTokenClaims: map[string]any{"iss": w.LoginURL() + "/" + fabrikam + "/v2.0"}},
		"expired":                   {IDTokenClaims: map[string]any{"exp": epoch.Add(-time.Hour).Unix()}},
	} {
		t.Run(name, func(t *testing.T) {
			w.SetOddities(odd)
			defer w.SetOddities(microsoft.Oddities{})
			if _, err := verifier.Verify(ctx, w.grant().text("id_token")); err == nil {
				t.Errorf("Verify(id_token %s) = nil, want an error", name)
			}
		})
	}
}

// kids returns the IDs of the published keys.
func (w *world) kids() []string {
	w.t.Helper()
	got := w.get(w.LoginURL() + "/" + contoso + "/discovery/v2.0/keys")
	entries, _ := got.body["keys"].([]any)
	var kids []string
	for _, entry := range entries {
		fields, _ := entry.(map[string]any)
		kid, _ := fields["kid"].(string)
		kids = append(kids, kid)
	}
	return kids
}

func TestS2_SeveralKeysWithIssuerAndCertificate(t *testing.T) {
	w := newWorld(t)
	got := w.get(w.LoginURL() + "/" + contoso + "/discovery/v2.0/keys")
	entries, _ := got.body["keys"].([]any)
	if len(entries) < 2 {
		t.Fatalf("keys = %d, want at least 2", len(entries))
	}
	for _, entry := range entries {
		key, _ := entry.(map[string]any)
		if want := w.LoginURL() + "/{tenantid}/v2.0"; key["issuer"] != want {
			t.Errorf("issuer of a key = %v, want %s", key["issuer"], want)
		}
		chain, _ := key["x5c"].([]any)
		text, _ := chain[0].(string)
		der, err := base64.StdEncoding.DecodeString(text)
		w.must(err)
		if _, err := x509.ParseCertificate(der); err != nil {
			t.Errorf("x5c = %v, want a certificate", err)
		}
		sum := sha1.Sum(der)
		if want := base64.RawURLEncoding.EncodeToString(sum[:]); key["x5t"] != want || key["kid"] != want {
			t.Errorf("x5t, kid = %v, %v, want both %s", key["x5t"], key["kid"], want)
		}
	}
}

func TestS2_RotationPublishesSignsAndDrops(t *testing.T) {
	w := newWorld(t)
	ctx := oidc.ClientContext(t.Context(), w.Client())
	provider, err := oidc.NewProvider(ctx, w.LoginURL()+"/"+contoso+"/v2.0")
	w.must(err)
	verifier := provider.Verifier(&oidc.Config{ClientID: appID, Now: w.Now})
	verifies := func(when, raw string) {
		t.Helper()
		if _, err := verifier.Verify(ctx, raw); err != nil {
			t.Errorf("Verify(id_token) %s = %v", when, err)
		}
	}
	before := w.grant()
	verifies("before the rotation", before.text("id_token"))

	kid, err := w.PublishKey()
	w.must(err)
	if !slices.Contains(w.kids(), kid) || len(w.kids()) != 3 {
		t.Errorf("keys after PublishKey() = %v, want the two and %s", w.kids(), kid)
	}
	w.must(w.SignWith(kid))
	verifies("with the new key", w.grant().text("id_token"))
	w.DropOldKeys()
	if got := w.kids(); len(got) != 1 || got[0] != kid {
		t.Errorf("keys after DropOldKeys() = %v, want only %s", got, kid)
	}
	profile := w.get(w.PartnerCenterURL()+"/v1/profiles/organization", "Authorization", "Bearer "+before.text("access_token"))
	if profile.status != http.StatusUnauthorized {
		t.Errorf("Partner Center with a token of a dropped key = %d, want 401", profile.status)
	}
	w.must(w.RotateKeys())
	if got := w.kids(); slices.Contains(got, kid) || len(got) != 1 {
		t.Errorf("keys after RotateKeys() = %v, want one, and not %s", got, kid)
	}
	verifies("after an emergency", w.grant().text("id_token"))
	if err := w.SignWith(kid); err == nil {
		t.Errorf("SignWith(%q) = nil, want an error: it is not published", kid)
	}
}

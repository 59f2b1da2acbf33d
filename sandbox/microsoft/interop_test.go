package microsoft_test

import (
	"context"
	"crypto/x509"
	"slices"
	"testing"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"

	"azure-partner-connector/sandbox/microsoft"
)

// TestInterop_MSALRedeemsAndRenews uses MSAL for Go, Microsoft's own client, to check that the simulator behaves like
// Microsoft.
func TestInterop_MSALRedeemsAndRenews(t *testing.T) {
	w := newWorld(t, func(cfg *microsoft.Config) {
		cfg.TLS = true
		cfg.Now = time.Now // MSAL uses the real clock
	})
	for name, credential := range map[string]func() (confidential.Credential, error){
		"by secret": func() (confidential.Credential, error) { return confidential.NewCredFromSecret(appValue) },
		"by certificate": func() (confidential.Credential, error) {
			key, cert := certificate(t)
			app := w.application()
			app.Certificates = append(app.Certificates, cert)
			w.must(w.AddApplication(app))
			return confidential.NewCredFromCert([]*x509.Certificate{cert}, key)
		},
		"by federated token": func() (confidential.Credential, error) {
			issuer := startIssuer(t)
			w.must(w.SetFederated(appID, microsoft.FederatedCredential{Issuer: issuer.URL, Subject: workload}))
			return confidential.NewCredFromAssertionCallback(func(context.Context, confidential.AssertionRequestOptions) (string, error) {
				return issuer.Token(workload, microsoft.FederatedAudience, time.Now(), time.Hour)
			}), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			cred, err := credential()
			w.must(err)
			client, err := confidential.New(w.LoginURL()+"/"+contoso, appID, cred, confidential.WithHTTPClient(w.Client()), confidential.WithInstanceDiscovery(false))
			if err != nil {
				t.Fatalf("confidential.New() = %v", err)
			}
			verifier, challenge := pkce()
			code := w.code(willing(admin), "code_challenge="+challenge, "code_challenge_method=S256")
			got, err := client.AcquireTokenByAuthCode(t.Context(), code, callback, []string{partnerCenterScope}, confidential.WithChallenge(verifier))
			if err != nil {
				t.Fatalf("AcquireTokenByAuthCode() = %v", err)
			}
			if got.IDToken.PreferredUsername != admin || got.Account.Realm != contoso || !slices.Contains(got.GrantedScopes, partnerCenterScope) {
				t.Errorf("AcquireTokenByAuthCode() = %+v, want admin of contoso and the scope", got)
			}
			w.checkOK("Partner Center with MSAL's token", w.profile(got.AccessToken))
			for _, scope := range []string{armScope, "https://graph.microsoft.com/.default"} {
				renewed, err := client.AcquireTokenSilent(t.Context(), []string{scope}, confidential.WithSilentAccount(got.Account))
				if err != nil {
					t.Fatalf("AcquireTokenSilent(%s) = %v", scope, err)
				}
				if renewed.AccessToken == got.AccessToken || !slices.Contains(renewed.GrantedScopes, scope) {
					t.Errorf("AcquireTokenSilent(%s) = scopes %v, want another token with that scope", scope, renewed.GrantedScopes)
				}
			}
		})
	}
}

func TestInterop_MSALIsRefusedWithoutPKCEOrWithAUsedCode(t *testing.T) {
	w := newWorld(t, func(cfg *microsoft.Config) {
		cfg.TLS = true
		cfg.Now = time.Now
	})
	cred, err := confidential.NewCredFromSecret(appValue)
	w.must(err)
	client, err := confidential.New(w.LoginURL()+"/"+contoso, appID, cred, confidential.WithHTTPClient(w.Client()), confidential.WithInstanceDiscovery(false))
	w.must(err)
	_, challenge := pkce()
	code := w.code(willing(admin), "code_challenge="+challenge, "code_challenge_method=S256")
	for _, why := range []string{"without its verifier", "again"} {
		if _, err := client.AcquireTokenByAuthCode(t.Context(), code, callback, []string{partnerCenterScope}); err == nil {
			t.Errorf("AcquireTokenByAuthCode(code %s) = nil, want an error", why)
		}
	}
	plain := w.code(willing(admin)) // MSAL then posts an empty code_verifier
	if _, err := client.AcquireTokenByAuthCode(t.Context(), plain, callback, []string{partnerCenterScope}); err != nil {
		t.Errorf("AcquireTokenByAuthCode(code without PKCE) = %v", err)
	}
}

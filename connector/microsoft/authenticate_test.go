package microsoft_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	simulated "azure-partner-connector/sandbox/microsoft"
)

func TestAuthenticate_Sends(t *testing.T) {
	h := newHarness(t)
	h.route(tokenPath, respond(200, tokens(`,"expires_in":3599`)))
	if err := h.client.Authenticate(t.Context(), testClient(), tenant.SecretName); err != nil {
		t.Fatalf("Authenticate() = %v, want nil", err)
	}
	sent := h.seen(tokenPath)
	if len(sent) != 1 {
		t.Fatalf("Authenticate() posted %d times, want once", len(sent))
	}
	want := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {application}, "client_secret": {clientSecret}, "scope": {h.server.URL + "/graph/.default"},
	}
	if diff := cmp.Diff(want, sent[0].form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	h.checkRedacted(nil)
	if err := h.client.Authenticate(t.Context(), testClient(), tenant.CertificateName); !failure.Is(err, failure.ApplicationMissing) {
		t.Errorf("Authenticate() with a certificate that is not set = %v, want application_missing", err)
	}
}

// TestAuthenticate_TellsWhatMicrosoftRefuses tries each credential of its own, against the simulator.
func TestAuthenticate_TellsWhatMicrosoftRefuses(t *testing.T) {
	const good, old = "good-canary", "old-canary"
	leaf, certificate := newCertificate(t, noon.AddDate(0, -1, 0))
	_, unknown := newCertificate(t, noon.AddDate(0, -1, 0))
	_, fresh := newCertificate(t, noon)
	c := newSimulation(t, "global", simulated.Global())
	c.must(c.sim.SetSecrets(application, simulated.Secret{Value: good}, simulated.Secret{Value: old, Ends: noon.AddDate(0, 0, -1)}))
	c.must(c.sim.SetCertificates(application, leaf))
	all := tenant.Application{Secret: clientSecretOf(good), NextSecret: clientSecretOf(old), Certificate: certificate, NextCertificate: unknown}
	for name, tc := range map[string]struct {
		credential string
		change     func(*tenant.Client)
		want       failure.Code
	}{
		"a client secret":        {credential: tenant.SecretName},
		"an expired secret":      {credential: tenant.NextSecretName, want: failure.ClientSecretExpired},
		"a wrong secret":         {tenant.SecretName, func(c *tenant.Client) { c.Application.Secret = clientSecretOf("wrong-canary") }, failure.ClientSecretWrong},
		"a certificate":          {credential: tenant.CertificateName},
		"an unknown certificate": {credential: tenant.NextCertificateName, want: failure.ClientCredential},
		"a new certificate":      {tenant.NextCertificateName, func(c *tenant.Client) { c.Application.NextCertificate = fresh }, failure.CertificateNew},
		"another application":    {tenant.SecretName, func(c *tenant.Client) { c.Application.ID = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee" }, failure.ApplicationUnknown},
		"another directory":      {tenant.SecretName, func(c *tenant.Client) { c.DirectoryID = foreign }, failure.WrongCloud},
	} {
		t.Run(name, func(t *testing.T) {
			client := with("global", all)
			if tc.change != nil {
				tc.change(&client)
			}
			err := c.client.Authenticate(t.Context(), client, tc.credential)
			if f := failure.From(err); tc.want == "" && err != nil || tc.want != "" && (f == nil || f.Code != tc.want) {
				t.Errorf("Authenticate(%s) = %v, want %q", tc.credential, err, tc.want)
			}
		})
	}
}

package microsoft_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"
)

const workload = "system:serviceaccount:azure:connector"

// A federation is a simulation whose application trusts an issuer, and the file in which its token is.
type federation struct {
	*simulation
	issuer *simulated.Issuer
	file   string
	log    *bytes.Buffer
}

func newFederation(t *testing.T) *federation {
	t.Helper()
	issuer, err := simulated.StartIssuer()
	if err != nil {
		t.Fatalf("StartIssuer() = %v, want nil", err)
	}
	t.Cleanup(func() { issuer.Close() })
	f := &federation{issuer: issuer, file: filepath.Join(t.TempDir(), "token"), log: &bytes.Buffer{}}
	f.simulation = newSimulation(t, "global", simulated.Global(), func(cfg *microsoft.Config) {
		cfg.FederatedTokenFile, cfg.Log = f.file, slog.New(slog.NewTextHandler(f.log, nil))
	})
	f.consent()
	f.must(f.sim.SetFederated(application, simulated.FederatedCredential{Issuer: issuer.URL, Subject: workload}))
	return f
}

// place writes a token of the issuer to the file.
func (f *federation) place(subject, audience string, at time.Time) string {
	f.Helper()
	text, err := f.issuer.Token(subject, audience, at, time.Hour)
	f.must(err)
	f.must(os.WriteFile(f.file, []byte(text+"\n"), 0o600))
	return text
}

func (f *federation) renewWith(a tenant.Application) error {
	_, err := f.client.Renew(context.Background(), with("global", a), f.refreshToken(admin), token.Graph)
	return err
}

func TestRenew_WithTheFederatedToken(t *testing.T) {
	federated, wrong, correct := tenant.Application{Federated: true}, clientSecretOf("canary-wrong"), clientSecretOf(clientSecret)
	good := func(f *federation) { f.place(workload, simulated.FederatedAudience, noon) }
	for name, tc := range map[string]struct {
		application tenant.Application
		prepare     func(f *federation)
		want        failure.Code
		posts       int
	}{
		"accepted": {federated, good, "", 1},
		"behind a byte order mark": {federated, func(f *federation) {
			good(f)
			text, err := os.ReadFile(f.file)
			f.must(err)
			f.must(os.WriteFile(f.file, append([]byte("\ufeff"), text...), 0o600))
		}, "", 1},
		"before a secret":                {tenant.Application{Federated: true, Secret: wrong}, good, "", 1},
		"refused, then the secret":       {tenant.Application{Federated: true, Secret: correct}, func(f *federation) { f.place("another", simulated.FederatedAudience, noon) }, "", 2},
		"unusable, then the secret":      {tenant.Application{Federated: true, Secret: correct}, func(*federation) {}, "", 1},
		"all refused":                    {tenant.Application{Federated: true, Secret: wrong}, func(f *federation) { f.place("another", simulated.FederatedAudience, noon) }, failure.FederatedRefused, 2},
		"another subject":                {federated, func(f *federation) { f.place("another", simulated.FederatedAudience, noon) }, failure.FederatedRefused, 1},
		"another audience":               {federated, func(f *federation) { f.place(workload, "https://kubernetes.default.svc", noon) }, failure.FederatedRefused, 1},
		"another issuer":                 {federated, func(f *federation) { good(f); f.must(f.sim.SetFederated(application)) }, failure.FederatedRefused, 1},
		"not its key":                    {federated, func(f *federation) { good(f); f.must(f.issuer.RotateKey()) }, failure.FederatedRefused, 1},
		"expired a moment ago":           {federated, func(f *federation) { f.place(workload, simulated.FederatedAudience, noon.Add(-time.Hour-time.Minute)) }, failure.FederatedRefused, 1},
		"expired long ago":               {federated, func(f *federation) { f.place(workload, simulated.FederatedAudience, noon.Add(-2*time.Hour)) }, failure.FederatedTokenUnusable, 0},
		"no file":                        {federated, func(*federation) {}, failure.FederatedTokenUnusable, 0},
		"empty":                          {federated, func(f *federation) { f.must(os.WriteFile(f.file, nil, 0o600)) }, failure.FederatedTokenUnusable, 0},
		"not a token":                    {federated, func(f *federation) { f.must(os.WriteFile(f.file, []byte("canary"), 0o600)) }, failure.FederatedTokenUnusable, 0},
		"too long":                       {federated, func(f *federation) { f.must(os.WriteFile(f.file, bytes.Repeat([]byte("x"), 70<<10), 0o600)) }, failure.FederatedTokenUnusable, 0},
		"a folder":                       {federated, func(f *federation) { f.must(os.Mkdir(f.file, 0o700)) }, failure.FederatedTokenUnusable, 0},
		"of an application that may not": {tenant.Application{}, good, failure.ApplicationMissing, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFederation(t)
			tc.prepare(f)
			f.sim.ForgetRequests()
			err := f.renewWith(tc.application)
			if codeOf(err) != tc.want {
				t.Errorf("Renew() = %v, want %q", err, tc.want)
			}
			if got := len(f.sim.Requests()); got != tc.posts {
				t.Errorf("Renew() sent %d requests, want %d", got, tc.posts)
			}
			if file, readErr := os.ReadFile(f.file); readErr == nil && len(file) > 0 && strings.Contains(f.log.String(), strings.TrimSpace(string(file))) {
				t.Error("the log contains the token")
			}
		})
	}
}

// TestRenew_ReadsTheFederatedTokenAgain lets the provider replace its key and the token, as clusters do every hour.
func TestRenew_ReadsTheFederatedTokenAgain(t *testing.T) {
	f := newFederation(t)
	federated := tenant.Application{Federated: true}
	first := f.place(workload, simulated.FederatedAudience, noon)
	f.must(f.renewWith(federated))
	f.must(f.issuer.RotateKey())
	if err := f.renewWith(federated); codeOf(err) != failure.FederatedRefused {
		t.Fatalf("Renew() with the old token = %v, want %s", err, failure.FederatedRefused)
	}
	if second := f.place(workload, simulated.FederatedAudience, noon); second == first {
		t.Fatal("the issuer gave the same token twice")
	}
	f.must(f.renewWith(federated))
	if got, err := f.client.FederatedToken(); err != nil || got.Issuer != f.issuer.URL || got.Subject != workload || !got.Ends.Equal(noon.Add(time.Hour)) {
		t.Errorf("FederatedToken() = %+v, %v, want that of the file", got, err)
	}
}

// TestRedeem_WithTheFederatedToken redeems codes, which can be sent once: with a secret that is known to work, until the token
// has worked.
func TestRedeem_WithTheFederatedToken(t *testing.T) {
	f := newFederation(t)
	redeem := func(a tenant.Application) error {
		_, err := f.client.Redeem(context.Background(), with("global", a), f.consented())
		return err
	}
	f.must(os.WriteFile(f.file, []byte("canary"), 0o600))
	if err := redeem(tenant.Application{Federated: true}); codeOf(err) != failure.FederatedTokenUnusable {
		t.Errorf("Redeem() with an unusable token = %v, want %s", err, failure.FederatedTokenUnusable)
	}
	f.place("another", simulated.FederatedAudience, noon)
	both := tenant.Application{Federated: true, Secret: clientSecretOf(clientSecret)}
	f.must(redeem(both)) // the untried token is not used
	f.place(workload, simulated.FederatedAudience, noon)
	f.must(f.renewWith(both))
	f.must(f.sim.SetSecrets(application, simulated.Secret{Value: "another"}))
	f.must(redeem(both)) // the token has worked, and comes first
	f.must(redeem(tenant.Application{Federated: true}))
}

// TestClient_FederatedTokenIsTheInstances proves that no setting of a reseller leads to the token of the deployment.
func TestClient_FederatedTokenIsTheInstances(t *testing.T) {
	r := tenant.Resolved{
		Instance: tenant.Instance{
			Settings:   tenant.Settings{Application: tenant.Application{ID: application}, TenantApplication: true},
			Deployment: tenant.Deployment{Federated: true},
		},
		Tenant: tenant.Tenant{DirectoryID: directory},
	}
	if err := r.Instance.Settings.Application.Usable(); !failure.Is(err, failure.ApplicationMissing) {
		t.Errorf("Usable() of the stored settings = %v, want %s", err, failure.ApplicationMissing)
	}
	if client := r.Client(); client.Application.Usable() != nil || !client.Application.Federated {
		t.Error("the instance's application does not use the federated token")
	}
	r.Tenant.Application.ID = application // even that of the provider's application
	if client := r.Client(); client.Application.Federated || !failure.Is(client.Application.Usable(), failure.ApplicationMissing) {
		t.Error("an application that a reseller entered uses the federated token")
	}
}

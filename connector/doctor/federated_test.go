package doctor_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// TestExamine_FederatedToken examines an instance whose application has no stored credential.
func TestExamine_FederatedToken(t *testing.T) {
	h := newHarness(t)
	h.consent()
	h.changeSettings(func(s *tenant.Settings) { s.Application = tenant.Application{ID: s.Application.ID} })
	issuer, err := microsoft.StartIssuer()
	h.must(err)
	t.Cleanup(func() { issuer.Close() })
	const subject = "system:serviceaccount:azure:connector"
	h.must(h.Microsoft.SetFederated(world.ApplicationID, microsoft.FederatedCredential{Issuer: issuer.URL, Subject: subject}))
	t.Cleanup(func() { h.must(h.Microsoft.SetFederated(world.ApplicationID)) })
	file := filepath.Join(t.TempDir(), "token")
	federated := func(cfg *doctor.Config) {
		cfg.Load = func() (config.Config, error) {
			loaded, err := h.load()
			loaded.Federated.TokenFile = file
			for i := range loaded.Instances {
				loaded.Instances[i].Federated = true
			}
			return loaded, err
		}
	}
	text, err := issuer.Token(subject, microsoft.FederatedAudience, time.Now(), time.Hour)
	h.must(err)
	h.must(os.WriteFile(file, []byte(text), 0o600))
	report := h.examine(h.tenantID(), federated)
	checkFinding(t, report, doctor.OK, "federated token", issuer.URL, subject, microsoft.FederatedAudience)
	checkFinding(t, report, doctor.OK, "renewal", "Microsoft issued a successor")
	checkFinding(t, report, doctor.OK, "credentials", "the federated token of the deployment")
	h.must(os.Remove(file))
	report = h.examine(h.tenantID(), federated)
	checkFinding(t, report, doctor.Failed, "federated token", "no such file", "code=federated_token_unusable")
	checkFinding(t, report, doctor.Failed, "renewal", "code=federated_token_unusable")
}

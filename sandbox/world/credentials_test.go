package world_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// root returns the ID of the root resource.
func (s scenario) root() string {
	s.Helper()
	done, err := s.Register(s.Context(), nil)
	if err != nil {
		s.Fatalf("Register() = %v", err)
	}
	return done.RootID
}

// configure changes properties of the root resource, and checks that the platform keeps no copy of a credential.
func (s scenario) configure(root string, changed map[string]any) map[string]any {
	s.Helper()
	if err := s.Platform.Configure(s.Context(), "", root, changed); err != nil {
		s.Fatalf("Configure() = %v", err)
	}
	kept, _ := s.Platform.Resource(root)
	for _, name := range []string{"applicationSecret", "nextApplicationSecret", "applicationCertificate", "nextApplicationCertificate"} {
		if kept[name] != "" {
			s.Errorf("the platform keeps a value of %s, want none", name)
		}
	}
	return kept
}

// renew renews as Rita and returns how many token requests Microsoft refused during that, and when the credential expires.
func (s scenario) renew() (refused int, ends time.Time) {
	s.Helper()
	s.Microsoft.ForgetRequests()
	var status struct {
		State        string
		SecretEndsAt time.Time
	}
	s.call(http.MethodPost, "renew", "", &status)
	if status.State != "active" {
		s.Errorf("the state after a renewal is %s, want active", status.State)
	}
	for _, r := range s.Microsoft.Requests() {
		if r.GrantType != "" && r.Status != http.StatusOK {
			refused++
		}
	}
	return refused, status.SecretEndsAt
}

// newCertificate returns a certificate that expires in a year, and the PEM text of the certificate and its key.
func newCertificate(t *testing.T, now time.Time) (*x509.Certificate, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "connector"}, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	leaf, err := x509.ParseCertificate(der)
	check(t, err)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})...)
	return leaf, string(text)
}

// TestCredentials_Rotation replaces a client secret by another one and that by a certificate: it adds the new credential,
// switches, and removes the old one, through the platform and with a restart.
func TestCredentials_Rotation(t *testing.T) {
	s := newScenario(t)
	root, browser := s.root(), world.NewBrowser()
	s.visit(browser, s.signIn(browser, s.begin(browser), right()))
	s.checkState("active")

	// Microsoft tells when the secret ends, whatever was entered.
	ends := time.Date(2029, 5, 6, 7, 8, 9, 0, time.UTC)
	check(t, s.Microsoft.SetSecrets(world.ApplicationID, microsoft.Secret{Value: "first~secret", Ends: ends}))
	s.configure(root, map[string]any{"applicationSecret": "first~secret", "applicationSecretEnd": "2028-01-01"})
	s.renew()
	if _, got := s.renew(); !got.Equal(ends) {
		t.Errorf("the secret ends on %s, want %s, as Microsoft tells", got, ends)
	}
	check(t, s.Platform.Refresh(t.Context(), root))
	if kept, _ := s.Platform.Resource(root); kept["applicationSecretEnd"] != ends.Format(time.DateOnly) {
		t.Errorf("the platform keeps the secret's end %v, want %s", kept["applicationSecretEnd"], ends.Format(time.DateOnly))
	}

	s.configure(root, map[string]any{"nextApplicationSecret": "next~secret", "nextApplicationSecretEnd": "2030-01-31"})
	check(t, s.Microsoft.SetSecrets(world.ApplicationID, microsoft.Secret{Value: "next~secret"}))
	if refused, ends := s.renew(); refused != 0 || ends.Format(time.DateOnly) != "2030-01-31" {
		t.Errorf("a renewal after the first secret was removed was refused %d times and reports the expiry %s, want 0 and 2030-01-31", refused, ends)
	}
	check(t, s.Restart(context.WithoutCancel(t.Context())))
	s.renew()

	leaf, text := newCertificate(t, s.Clock.Now())
	check(t, s.Microsoft.SetCertificates(world.ApplicationID, leaf))
	check(t, s.Microsoft.SetSecrets(world.ApplicationID))
	s.configure(root, map[string]any{"applicationCertificate": text})
	for _, name := range []string{"applicationSecret", "nextApplicationSecret"} {
		if answer := s.As(t.Context(), world.Petra, http.MethodPost, root, "removeCredential", []byte(`{"credential":"`+name+`"}`)); answer.Status != http.StatusOK {
			t.Fatalf("removeCredential of %s = %d %s", name, answer.Status, answer.Body)
		}
	}
	check(t, s.Platform.Refresh(t.Context(), root))
	kept, _ := s.Platform.Resource(root)
	if got, want := kept["applicationCertificateEnd"], leaf.NotAfter.Format(time.DateOnly); got != want || kept["nextApplicationSecretEnd"] != "" {
		t.Errorf("the platform keeps the certificate's end %v and the secret's end %v, want %s and none", got, kept["nextApplicationSecretEnd"], want)
	}
	next, text := newCertificate(t, s.Clock.Now().AddDate(0, 1, 0))
	s.configure(root, map[string]any{"nextApplicationCertificate": text})
	s.Clock.Advance(2 * time.Minute) // so many renewals in a minute are refused
	s.renew()                        // Microsoft does not know the next one yet
	check(t, s.Microsoft.SetCertificates(world.ApplicationID, next))
	if refused, ends := s.renew(); refused != 1 || !ends.Equal(next.NotAfter) {
		t.Errorf("a renewal with the next certificate alone was refused %d times and reports the expiry %s, want once, for the first one, and %s", refused, ends, next.NotAfter)
	}
	check(t, s.Microsoft.SetCertificates(world.ApplicationID, leaf))
	if answer := s.As(t.Context(), world.Petra, http.MethodPost, root, "removeCredential", []byte(`{"credential":"nextApplicationCertificate"}`)); answer.Status != http.StatusOK {
		t.Fatalf("removeCredential of the next certificate = %d %s", answer.Status, answer.Body)
	}
	if refused, ends := s.renew(); refused != 0 || !ends.Equal(leaf.NotAfter) {
		t.Errorf("a renewal with the certificate was refused %d times and reports the expiry %s, want 0 and %s", refused, ends, leaf.NotAfter)
	}
	browser = world.NewBrowser()
	if page := s.visit(browser, s.signIn(browser, s.begin(browser), right())); page.Status != http.StatusOK {
		t.Errorf("a consent with the certificate shows %d %s, want 200", page.Status, page.Text)
	}
}

func TestCredentials_RefusesAnInvalidCertificate(t *testing.T) {
	s := newScenario(t)
	root := s.root()
	if err := s.Platform.Configure(t.Context(), "", root, map[string]any{"applicationCertificate": "-----BEGIN CERTIFICATE-----"}); err == nil {
		t.Error("Configure() with half a certificate = nil, want a refusal")
	}
}

// TestConsent_ContinuesWithoutARefusedClaimsRequest makes Microsoft refuse the undocumented claims request for MFA.
func TestConsent_ContinuesWithoutARefusedClaimsRequest(t *testing.T) {
	s := newScenario(t)
	check(t, s.Microsoft.SetPolicy(world.AlpineDirectory, microsoft.Policy{RefuseClaims: true}))
	browser := world.NewBrowser()
	a := s.begin(browser)
	refused := s.signIn(browser, a, right())
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, refused, nil)
	check(t, err)
	answer, err := browser.Do(request)
	check(t, err)
	check(t, answer.Body.Close())
	again := answer.Header.Get("Location")
	callback, err := microsoft.SignIn(t.Context(), browser, again, right())
	if err != nil {
		t.Fatalf("SignIn(%s) = %v, want the callback", again, err)
	}
	if page := s.visit(browser, callback.String()); page.Status != http.StatusOK {
		t.Errorf("the page shows %d %s, want 200", page.Status, page.Text)
	}
	s.checkState("active")
}

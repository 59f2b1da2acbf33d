package tenant_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

func credential(value string, ends time.Time) tenant.Credential {
	return tenant.Credential{Value: secret.New(value), Ends: ends}
}

func TestApplication_Ends(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	past, earlier, later, unknown := now.AddDate(0, -1, 0), now.AddDate(0, 1, 0), now.AddDate(1, 0, 0), time.Time{}
	for name, tc := range map[string]struct {
		application tenant.Application
		want        time.Time
	}{
		"no credential":             {tenant.Application{ID: appID}, unknown},
		"an end without credential": {tenant.Application{Secret: tenant.Credential{Ends: later}}, unknown},
		"one":                       {tenant.Application{Secret: credential("a", later)}, later},
		"one of unknown end":        {tenant.Application{Secret: credential("a", unknown)}, unknown},
		"the later of two":          {tenant.Application{Secret: credential("a", later), NextSecret: credential("b", earlier)}, later},
		"known beside unknown":      {tenant.Application{Secret: credential("a", unknown), NextSecret: credential("b", earlier)}, earlier},
		"expired beside unknown":    {tenant.Application{Secret: credential("a", past), NextSecret: credential("b", unknown)}, unknown},
		"expired":                   {tenant.Application{Secret: credential("a", past)}, past},
		"certificate is the last":   {tenant.Application{Secret: credential("a", earlier), Certificate: credential("c", later)}, later},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.application.Ends(now); !got.Equal(tc.want) {
				t.Errorf("Ends() = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestInstall_ChecksCertificates(t *testing.T) {
	h := newHarness(t)
	private := rsaKey(t, 2048)
	over := certificate(t, private, h.clock) + pkcs8(t, private)
	for name, tc := range map[string]struct {
		value string
		want  failure.Code
	}{
		"no certificate": {"nonsense", failure.CertificateUnreadable},
		"no key":         {certificate(t, private, h.clock.AddDate(1, 0, 0)), failure.CertificateKey},
		"key of another": {certificate(t, private, h.clock.AddDate(1, 0, 0)) + pkcs8(t, rsaKey(t, 2048)), failure.CertificateMismatch},
		"expired":        {over, failure.CertificateExpired},
	} {
		t.Run(name, func(t *testing.T) {
			broken := tenant.Application{ID: appID, Certificate: credential(tc.value, time.Time{})}
			in := instance(key, rootID)
			in.Settings.Application = broken
			_, err := h.Install(t.Context(), in, platform())
			h.checkFailure("Install()", err, tc.want)
		})
	}
	in := instance(key, rootID)
	in.Settings.Application.NextSecret = credential(otherAppID, time.Time{})
	_, err := h.Install(t.Context(), in, platform())
	h.checkFailure("Install() with the id of the next secret", err, failure.SecretIsID)

	ends := h.clock.AddDate(1, 0, 0)
	in = instance(key, rootID)
	in.Settings.Application.Certificate = credential(certificate(t, private, ends)+pkcs8(t, private), time.Time{})
	h.install(in)
	if got := h.stored(key).Settings.Application.Certificate; !got.Ends.Equal(ends) || !got.Since.Equal(h.clock) {
		t.Errorf("Install() stored a certificate that ends %v and was entered %v, want %v and %v", got.Ends, got.Since, ends, h.clock)
	}
}

func TestConfigure_KeepsReplacesAndRemovesEachCredential(t *testing.T) {
	h := newHarness(t)
	private := rsaKey(t, 2048)
	ends := h.clock.AddDate(1, 0, 0)
	in := instance(key, rootID)
	in.Settings.Application = tenant.Application{
		ID: appID, Secret: credential("old", ends), NextSecret: credential("next", ends),
		Certificate: credential(certificate(t, private, ends)+pkcs8(t, private), time.Time{}),
	}
	before := h.install(in).Settings.Application

	// configure changes the stored application as the handlers do: an unchanged credential is sent without its value.
	configure := func(change func(*tenant.Application)) tenant.Application {
		t.Helper()
		sent := h.stored(key).Settings
		sent.Application = sent.Application.WithoutValues()
		change(&sent.Application)
		_, err := h.Configure(t.Context(), key, sent, platform())
		h.must(err)
		return h.stored(key).Settings.Application
	}
	h.clock = h.clock.Add(time.Hour)
	want := before
	h.checkSame("the application after an empty change", configure(func(*tenant.Application) {}), want)

	want.Secret.Ends = ends.AddDate(1, 0, 0)
	h.checkSame("the application with another end", configure(func(a *tenant.Application) { a.Secret.Ends = want.Secret.Ends }), want)

	want.NextSecret = tenant.Credential{Value: secret.New("newer"), Since: h.clock}
	h.checkSame("the application with a new value", configure(func(a *tenant.Application) { a.NextSecret = credential("newer", time.Time{}) }), want)

	want.Secret = tenant.Credential{}
	h.checkSame("the application without the secret", configure(func(a *tenant.Application) { a.Secret.Remove = true }), want)

	want.Certificate = tenant.Credential{}
	h.checkSame("the application without the certificate", configure(func(a *tenant.Application) { a.Certificate.Remove = true }), want)

	if got := configure(func(a *tenant.Application) { a.ID = otherAppID }); got != (tenant.Application{ID: otherAppID}) {
		t.Errorf("Configure() of another application kept %d credentials, want none", len(got.Credentials()))
	}
}

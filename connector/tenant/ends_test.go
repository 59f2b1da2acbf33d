package tenant_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/tenant"
)

// TestRecordEnds_StoresThoseOfCredentialsInUse stores what Microsoft tells of the credentials in use, and of no others.
func TestRecordEnds_StoresThoseOfCredentialsInUse(t *testing.T) {
	h := newHarness(t)
	in := instance(key, rootID)
	in.Settings.Application = tenant.Application{ID: appID, Secret: credential("secret", time.Time{})}
	h.install(in)
	read := func() tenant.Resolved { return tenant.Resolved{Instance: h.stored(key)} }
	record := func(r tenant.Resolved, ends map[string]time.Time) {
		t.Helper()
		if err := h.RecordEnds(t.Context(), r, ends, audit.Actor{Kind: audit.Scheduler}); err != nil {
			t.Fatalf("RecordEnds() = %v, want nil", err)
		}
	}
	ends := h.clock.AddDate(1, 2, 3).Truncate(time.Second)
	told := map[string]time.Time{tenant.SecretName: ends, tenant.NextSecretName: ends, "unknown": ends}
	before := read()
	record(before, told)
	got := read()
	if a := got.Instance.Settings.Application; !a.Secret.Ends.Equal(ends) || !a.NextSecret.Value.Empty() {
		t.Errorf("the secret ends %s, want %s", a.Secret.Ends, ends)
	}
	record(got, told)
	if again := read(); again.Instance.Version != got.Instance.Version {
		t.Error("RecordEnds() of what is stored changed the instance")
	}
	record(before, map[string]time.Time{tenant.SecretName: {}})
	if again := read(); again.Instance.Version != got.Instance.Version {
		t.Error("RecordEnds() of an unknown end changed the instance")
	}

	// A person enters another secret while the ends are being read.
	changed := read().Instance.Settings
	changed.Application = tenant.Application{ID: appID, Secret: credential("another", time.Time{})}
	if _, err := h.Configure(t.Context(), key, changed, platform()); err != nil {
		t.Fatalf("Configure() = %v, want nil", err)
	}
	record(before, map[string]time.Time{tenant.SecretName: ends.AddDate(1, 0, 0)})
	if a := read().Instance.Settings.Application; !a.Secret.Ends.IsZero() {
		t.Errorf("the other secret ends %s, want unknown", a.Secret.Ends)
	}
}

// TestConfigure_KeepsTheEndThatMicrosoftTold sends back the day that the platform stores.
func TestConfigure_KeepsTheEndThatMicrosoftTold(t *testing.T) {
	h := newHarness(t)
	ends := time.Date(2027, 11, 23, 10, 11, 12, 0, time.UTC)
	in := instance(key, rootID)
	in.Settings.Application = tenant.Application{ID: appID, Secret: credential("secret", ends)}
	h.install(in)
	for day, want := range map[string]time.Time{"2027-11-23": ends, "2027-11-24": time.Date(2027, 11, 24, 0, 0, 0, 0, time.UTC)} {
		settings := h.stored(key).Settings
		settings.Application = tenant.Application{ID: appID, Secret: credential("secret", ends)}
		if _, err := h.Configure(t.Context(), key, settings, platform()); err != nil {
			t.Fatalf("Configure() = %v, want nil", err)
		}
		entered, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		settings.Application = tenant.Application{ID: appID, Secret: tenant.Credential{Ends: entered}}
		if _, err := h.Configure(t.Context(), key, settings, platform()); err != nil {
			t.Fatalf("Configure() = %v, want nil", err)
		}
		if got := h.stored(key).Settings.Application.Secret.Ends; !got.Equal(want) {
			t.Errorf("after %s was entered, the secret ends %s, want %s", day, got, want)
		}
	}
}

package tenant_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/recent"
	"azure-partner-connector/connector/tenant"
)

// TestFindRecent_ForgetsWhatWasChanged changes a tenant and its instance, which two processes have just read.
func TestFindRecent_ForgetsWhatWasChanged(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	h.provision(reseller(tenantID, ""))
	other := h.replica()
	suspendedAt := func(s *tenant.Service) bool {
		t.Helper()
		r, err := s.FindRecent(t.Context(), tenantID)
		h.must(err)
		return !r.Tenant.SuspendedAt.IsZero()
	}
	for _, suspended := range []bool{true, false} {
		suspendedAt(h.Service)
		suspendedAt(other)
		_, err := h.Suspend(t.Context(), key, tenantID, suspended, platform())
		h.must(err)
		if suspendedAt(h.Service) != suspended {
			t.Errorf("FindRecent() where it was changed does not show suspended = %t", suspended)
		}
		if suspendedAt(other) == suspended {
			t.Error("FindRecent() elsewhere reads every time")
		}
		h.clock = h.clock.Add(recent.Life)
		if suspendedAt(other) != suspended {
			t.Errorf("FindRecent() elsewhere does not show suspended = %t a second later", suspended)
		}
	}
	suspendedAt(h.Service)
	settings := h.stored(key).Settings
	settings.MFARequest = "off"
	_, err := h.Configure(t.Context(), key, settings, platform())
	h.must(err)
	if r, err := h.FindRecent(t.Context(), tenantID); err != nil || r.Instance.Settings.MFARequest != "off" {
		t.Errorf("FindRecent() after Configure() = %q, %v, want the new settings", r.Instance.Settings.MFARequest, err)
	}
	h.must(h.Unprovision(t.Context(), key, tenantID, platform()))
	_, err = h.FindRecent(t.Context(), tenantID)
	h.checkFailure("FindRecent() of a removed tenant", err, failure.NotFound)
	if advice := failure.From(err).Advice(); !strings.Contains(advice, "connector tenants list") {
		t.Errorf("the advice for a removed tenant = %q, want the command that lists tenants", advice)
	}
}

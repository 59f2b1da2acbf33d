package tenant_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
)

func TestRename_StoresOtherNamesOnly(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	before := h.provision(reseller(tenantID, alpine))
	h.clock = h.clock.Add(time.Hour)

	h.checkFailure("Rename() of an unknown tenant", h.Rename(t.Context(), key, otherID, "Alpine Group", "", platform()), failure.NotFound)
	h.checkFailure("Rename() for another instance", h.Rename(t.Context(), otherKey, tenantID, "Alpine Group", "", platform()), failure.NotFound)
	h.must(h.Rename(t.Context(), key, tenantID, before.Name, "", platform()))
	h.checkSame("the tenant after the same name", h.storedTenant(tenantID), before)

	h.must(h.Rename(t.Context(), key, tenantID, "Alpine Group", "Larkfield", platform()))
	want := before
	want.Name, want.Marketplace, want.UpdatedAt, want.Version = "Alpine Group", "Larkfield", h.clock, before.Version+1
	h.checkSame("the tenant after another name", h.storedTenant(tenantID), want)
	h.must(h.Rename(t.Context(), key, tenantID, "", "", platform()))
	h.checkSame("the tenant after empty names", h.storedTenant(tenantID), want)
	h.checkActions(tenantID, audit.TenantProvisioned, audit.TenantConfigured)
}

package hooks_test

import (
	"fmt"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
)

// TestIntegrity_OfOperations says what is left of each operation when its instance or its tenant was altered: reading by
// those whose role does not come from what was altered, and removal.
func TestIntegrity_OfOperations(t *testing.T) {
	t.Parallel()
	tenantPath := "/tenant/" + tenantA
	for _, tc := range []struct {
		method, path, body string
		by                 string
		instance, tenant   bool // whether it works when the instance, or the tenant, was altered
	}{
		{"GET", "/app/" + rootA, "", "platform", true, true},
		{"PUT", "/app/" + rootA, appResource(""), "platform", false, true},
		{"POST", "/app/" + rootA + "/upgrade?version=1-1", "", "platform", false, true},
		{"DELETE", "/app/" + rootA, "", "platform", true, true},
		{"GET", "/app/" + rootA + "/tenants", "", "provider", true, true},
		{"GET", "/app/" + rootA + "/healthCheck", "", "platform", true, true},
		{"POST", "/app/" + rootA + "/onAccountChange", `{}`, "platform", true, true},

		{"POST", "/tenant", tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`), "platform", false, true},
		{"GET", tenantPath, "", "provider", true, true},
		{"GET", tenantPath, "", "owner", true, false},
		{"PUT", tenantPath, tenantResource(tenantA, ""), "platform", false, false},
		{"DELETE", tenantPath, "", "platform", true, true},
		{"POST", tenantPath + "/consents", "", "owner", false, false},
		{"GET", tenantPath + "/consents/" + unknownID, "", "owner", true, false},
		{"POST", tenantPath + "/consentLink", "", "owner", false, false},
		{"POST", tenantPath + "/redeem", `{"code":"7K3M-Q2ZD-9XAB"}`, "owner", false, false},
		{"POST", tenantPath + "/forget", "", "owner", false, false},
		{"GET", tenantPath + "/tokenStatus", "", "owner", true, false},
		{"GET", tenantPath + "/tokenStatus", "", "parent", true, false},
		{"GET", tenantPath + "/tokenStatus", "", "provider", true, true},
		{"GET", tenantPath + "/tokenStatus", "", "borrower", false, true},
		{"POST", tenantPath + "/renew", "", "owner", false, false},
		{"POST", tenantPath + "/check", "", "provider", false, false},
		{"GET", tenantPath + "/history", "", "provider", true, true},
		{"POST", tenantPath + "/accessToken", `{"api":"graph"}`, "borrower", false, false},
	} {
		for _, altered := range []string{"instance", "tenant"} {
			t.Run(fmt.Sprintf("%s %s by %s, %s altered", tc.method, tc.path, tc.by, altered), func(t *testing.T) {
				t.Parallel()
				h := installed(t)
				h.consents.stored.ID, h.consents.stored.TenantID = unknownID, tenantA
				works := tc.instance
				if altered == "instance" {
					in := h.tenants.instances[keyA]
					in.Altered = true
					h.tenants.instances[keyA] = in
				} else {
					stored := h.tenants.tenants[tenantA]
					stored.Altered = true
					h.tenants.tenants[tenantA] = stored
					works = tc.tenant
				}
				r := request{method: tc.method, path: tc.path, body: tc.body}
				for _, c := range callers() {
					if c.name == tc.by {
						r = c.by(r)
					}
				}
				before := len(h.tenants.changes())
				if !works {
					h.refused(r, failure.Integrity)
					if after := h.tenants.changes(); len(after) != before {
						t.Errorf("changes = %s, want none", strings.Join(after[before:], ", "))
					}
					return
				}
				if a := h.send(r); a.status >= 300 {
					t.Errorf("answer = %d %s, want success", a.status, a.text)
				}
			})
		}
	}
}

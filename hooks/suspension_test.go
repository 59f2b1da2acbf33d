package hooks_test

import (
	"net/http"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

func TestSuspension_DisableAndEnable(t *testing.T) {
	for name, h := range map[string]*harness{"at package 2": installed(t), "at package 1": atVersion1(t)} {
		t.Run(name, func(t *testing.T) {
			aps := func(a answer) any { return a.json(t)["aps"].(map[string]any)["status"] }
			get := request{method: http.MethodGet, path: "/tenant/" + tenantA}
			body := tenantResource(tenantA, `"directory":"another.example.com"`)
			if name == "at package 1" {
				body = ofVersion1(body)
			}
			for range 2 { // the platform repeats it
				if got := aps(h.accepted(request{method: http.MethodPut, path: "/tenant/" + tenantA + "/disable", body: body}, http.StatusOK)); got != "aps:disabled" {
					t.Errorf("status after disable = %v, want aps:disabled", got)
				}
			}
			if got := h.tenants.tenants[tenantA]; got.SuspendedAt.IsZero() || got.Directory != "fabrikam.onmicrosoft.com" {
				t.Errorf("tenant = %+v, want a suspended one that is otherwise unchanged", got)
			}
			if got := aps(h.accepted(get, http.StatusOK)); got != "aps:disabled" {
				t.Errorf("status while suspended = %v, want aps:disabled", got)
			}
			if got := aps(h.accepted(request{method: http.MethodPut, path: "/tenant/" + tenantA + "/enable"}, http.StatusOK)); got != "aps:ready" {
				t.Errorf("status after enable = %v, want aps:ready", got)
			}
			if got := aps(h.accepted(get, http.StatusOK)); got != nil || !h.tenants.tenants[tenantA].SuspendedAt.IsZero() {
				t.Errorf("status after that = %v, want none of ours", got)
			}
		})
	}
}

func TestSuspension_Refuses(t *testing.T) {
	h := installed(t)
	for _, operation := range []string{"disable", "enable"} {
		h.refused(request{method: http.MethodPut, path: "/tenant/" + unknownID + "/" + operation}, failure.NotFound)
		h.refused(request{method: http.MethodPut, path: "/tenant/" + tenantB + "/" + operation}, failure.NotFound)
		h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/" + operation}, failure.MethodNotAllowed)
		h.refused(request{method: http.MethodPut, path: "/tenant/" + tenantA + "/" + operation, body: tenantResource(tenantB, "")}, failure.BadRequest)
	}
	h.tenants.tenants[tenantA] = tenant.Tenant{ID: tenantA, InstanceKey: keyA, Altered: true}
	h.refused(request{method: http.MethodPut, path: "/tenant/" + tenantA + "/enable"}, failure.Integrity)
}

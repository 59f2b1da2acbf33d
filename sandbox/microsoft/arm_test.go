package microsoft_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

func (w *world) arm(token, path string) answer {
	w.t.Helper()
	return w.get(w.ARMURL()+path, "Authorization", "Bearer "+token)
}

func TestS21_ARMRefuses(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant().text("refresh_token")
	token := w.access(refresh, armScope)
	const tenants = "/tenants?api-version=2022-12-01"
	for name, tc := range map[string]struct {
		got    answer
		status int
		code   string
	}{
		"no version":                  {w.arm(token, "/tenants"), 400, "MissingApiVersionParameter"},
		"no token":                    {w.get(w.ARMURL() + tenants), 401, "AuthenticationFailed"},
		"a forged token":              {w.arm("x.y.z", tenants), 401, "InvalidAuthenticationToken"},
		"a token for Partner Center":  {w.arm(w.access(refresh, partnerCenterScope), tenants), 401, "InvalidAuthenticationTokenAudience"},
		"the legacy id without slash": {w.arm(w.access(refresh, "https://management.core.windows.net/.default"), tenants), 401, "InvalidAuthenticationTokenAudience"},
	} {
		if tc.got.status != tc.status || tc.got.errorCode() != tc.code {
			t.Errorf("ARM with %s = %d %s, want %d %s", name, tc.got.status, tc.got.errorCode(), tc.status, tc.code)
		}
	}
	w.checkOK("ARM with the legacy id", w.arm(w.access(refresh, "https://management.core.windows.net//.default"), tenants))
	w.Advance(2 * time.Hour)
	if got := w.arm(token, tenants); got.errorCode() != "ExpiredAuthenticationToken" {
		t.Errorf("ARM with an expired token = %s, want ExpiredAuthenticationToken", got.errorCode())
	}
}

func TestS21_ARMListsTenantsAndSubscriptions(t *testing.T) {
	w := newWorld(t)
	token := w.access(w.grant().text("refresh_token"), armScope)
	got := w.arm(token, "/tenants?api-version=2022-12-01")
	list, _ := got.body["value"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["tenantId"] != contoso {
		t.Errorf("/tenants = %s, want contoso", got.raw)
	}
	if got := w.arm(token, "/subscriptions?api-version=2022-12-01"); got.status != 200 || !strings.Contains(got.raw, `"value":[]`) {
		t.Errorf("/subscriptions = %d %s, want an empty list", got.status, got.raw)
	}
	w.must(w.AddDirectory(microsoft.Directory{ID: contoso, Domain: "contoso.example", Name: "Contoso", Subscriptions: []string{"s-1"}}))
	if got := w.arm(token, "/subscriptions?api-version=2022-12-01"); !strings.Contains(got.raw, "/subscriptions/s-1") {
		t.Errorf("/subscriptions = %s, want s-1", got.raw)
	}
}

func TestS21_ARMRequiresMFAForWritesOnly(t *testing.T) {
	w := newWorld(t)
	strong := w.access(w.grant().text("refresh_token"), armScope)
	weak := w.access(w.weak(), armScope)
	write := func(token string) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, w.ARMURL()+"/subscriptions/s-1/resourcegroups/g?api-version=2021-04-01", strings.NewReader("{}"))
		w.must(err)
		r.Header.Set("Authorization", "Bearer "+token)
		return w.do(r)
	}
	w.checkOK("reading without MFA", w.arm(weak, "/tenants?api-version=2022-12-01"))
	got := write(weak)
	if got.status != http.StatusUnauthorized || !strings.Contains(challengeOf(t, got), `"p1"`) {
		t.Errorf("writing without MFA = %d %q, want 401 with the p1 challenge", got.status, got.header.Get("WWW-Authenticate"))
	}
	w.SetOddities(microsoft.Oddities{ARMPolicyDenies: true})
	if got := write(weak); got.status != http.StatusForbidden || got.errorCode() != "RequestDisallowedByPolicy" {
		t.Errorf("writing without MFA = %d %s, want 403 RequestDisallowedByPolicy", got.status, got.errorCode())
	}
	if got := write(strong); got.status != http.StatusCreated {
		t.Errorf("writing with MFA = %d, want 201", got.status)
	}
}

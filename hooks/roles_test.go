package hooks_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/hooks"
)

// A caller is one kind of sender of requests.
type caller struct {
	name                  string
	identity, application string
}

func callers() []caller {
	return []caller{
		{"owner", userR2, ""},
		{"owner's account", accountR2, ""},
		{"parent", userR1, ""},
		{"provider", userP, ""},
		{"platform", "", ""},
		{"borrower", "", borrower},
		{"other application", "", otherBorrower},
		{"sibling", userR3, ""},
		{"customer", userC, ""},
		{"unknown user", unknownID, ""},
		{"borrower for the owner", userR2, borrower},
		{"ourselves for the owner", userR2, instanceA},
	}
}

// The table repeats operations() on purpose.
func TestAuthorize_RolesOfOperations(t *testing.T) {
	const owners = "owner, owner's account, ourselves for the owner"
	all := func() string {
		var names []string
		for _, c := range callers() {
			names = append(names, c.name)
		}
		return strings.Join(names, ", ")
	}()
	tenantPath := "/tenant/" + tenantA
	for _, tc := range []struct {
		method, path, body string
		allowed            string
	}{
		{"POST", "/app", appResource(""), all},
		{"GET", "/app/" + rootA, "", all},
		{"PUT", "/app/" + rootA, appResource(""), "provider, platform"},
		{"POST", "/app/" + rootA + "/upgrade?version=1-1", "", "provider, platform"},
		{"DELETE", "/app/" + rootA, "", all},
		{"GET", "/app/" + rootA + "/tenants", "", "provider"},
		{"GET", "/app/" + rootA + "/healthCheck", "", "provider, platform"},
		{"GET", "/app/" + rootA + "/renewTokens", "", "provider, platform"},
		{"POST", "/app/" + rootA + "/onAccountChange", `{}`, all},
		{"POST", "/app/" + rootA + "/removeCredential", `{"credential":"nextApplicationSecret"}`, "provider"},

		{"POST", "/tenant", tenantResource(tenantA, ""), owners + ", parent, provider, platform"},
		{"POST", "/tenant", tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`), owners + ", parent, provider, platform"},
		{"GET", tenantPath, "", owners + ", parent, provider, platform"},
		{"PUT", tenantPath, tenantResource(tenantA, ""), owners + ", provider, platform"},
		{"DELETE", tenantPath, "", owners + ", parent, provider, platform"},

		{"POST", tenantPath + "/consents", "", owners},
		{"GET", tenantPath + "/consents/" + unknownID, "", owners},
		{"POST", tenantPath + "/consentLink", "", owners},
		{"POST", tenantPath + "/redeem", `{"code":"7K3M-Q2ZD-9XAB"}`, owners},
		{"POST", tenantPath + "/forget", "", owners},
		{"POST", tenantPath + "/removeCredential", `{"credential":"applicationSecret"}`, owners},
		{"GET", tenantPath + "/tokenStatus", "", owners + ", parent, provider, borrower, borrower for the owner"},
		{"POST", tenantPath + "/renew", "", owners + ", provider"},
		{"POST", tenantPath + "/check", "", owners + ", provider"},
		{"GET", tenantPath + "/history", "", owners + ", provider"},
		{"POST", tenantPath + "/accessToken", `{"api":"graph"}`, "borrower, borrower for the owner"},
	} {
		allowed := strings.Split(tc.allowed, ", ")
		for _, c := range callers() {
			t.Run(fmt.Sprintf("%s %s by %s", tc.method, tc.path, c.name), func(t *testing.T) {
				h := installed(t)
				h.consents.stored.ID, h.consents.stored.TenantID = unknownID, tenantA
				r := request{method: tc.method, path: tc.path, body: tc.body, identity: c.identity, application: c.application}
				switch {
				case slices.Contains(allowed, c.name):
					if a := h.send(r); a.status >= 300 {
						t.Errorf("answer = %d %s, want success", a.status, a.text)
					}
				case strings.HasSuffix(tc.path, "/accessToken") && c.application == otherBorrower,
					strings.HasSuffix(tc.path, "/tokenStatus") && c.application == otherBorrower:
					h.refused(r, failure.BorrowerNotAllowed)
				default:
					h.refused(r, failure.Forbidden)
				}
			})
		}
	}
}

func TestAuthorize_RefusesWhilePlatformFails(t *testing.T) {
	for name, r := range map[string]request{
		"owner":     {method: http.MethodPost, path: "/tenant/" + tenantA + "/consents", identity: userR2},
		"unrelated": {method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR3},
		"provider":  {method: http.MethodGet, path: "/app/" + rootA + "/tenants", identity: userP},
		"renewal":   {method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			h.accounts.err = failure.Wrap(errors.New("connection refused"), failure.PlatformUnavailable)
			h.refused(r, failure.PlatformUnavailable)
		})
	}
	t.Run("while walking up", func(t *testing.T) {
		h := installed(t)
		status := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR1}
		known := status
		known.header = map[string]string{"APS-Account-Hierarchy": accountP + "," + accountR1 + "," + accountR2}
		h.accepted(known, http.StatusOK) // the caller's own account is cached
		h.accounts.err = failure.New(failure.PlatformUnavailable)
		h.refused(status, failure.PlatformUnavailable)
	})
}

func TestAccountCache_ExpiresAfterFiveMinutes(t *testing.T) {
	h := installed(t)
	status := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2}
	for range 3 {
		h.accepted(status, http.StatusOK)
	}
	if h.accounts.calls != 1 {
		t.Errorf("the platform was called %d times, want once", h.accounts.calls)
	}
	// The user moves to another account.
	h.accounts.users[userR2] = accountR3
	h.advance(4 * time.Minute)
	h.accepted(status, http.StatusOK)
	h.advance(time.Minute)
	h.refused(status, failure.Forbidden)
}

func TestAccountCache_DoesNotCacheUnknownUsers(t *testing.T) {
	h := installed(t)
	status := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: unknownID}
	h.refused(status, failure.Forbidden)
	h.accounts.users[unknownID] = accountR2
	h.accepted(status, http.StatusOK)
}

func TestAccountCache_SeparatesInstances(t *testing.T) {
	h := installed(t)
	h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2}, http.StatusOK)
	h.accounts.users[userR2] = accountR3
	h.refused(request{method: http.MethodGet, path: "/tenant/" + tenantB + "/tokenStatus", identity: userR2, key: keyB, secret: secretB}, failure.Forbidden)
}

func TestAuthorize_FindsParentByHierarchyOrByLookup(t *testing.T) {
	hierarchy := func(ids ...string) map[string]string {
		return map[string]string{"APS-Account-Hierarchy": strings.Join(ids, ", ")}
	}
	for name, tc := range map[string]struct {
		header map[string]string
		edit   func(*harness)
		want   bool
	}{
		"hierarchy":              {hierarchy(accountP, accountR1, accountR2), nil, true},
		"hierarchy without it":   {hierarchy(accountP, accountR3, accountR2), nil, false},
		"hierarchy of another":   {hierarchy(accountP, accountR1, accountR3), nil, true}, // so the platform is called
		"hierarchy not readable": {hierarchy("provider", accountR2), nil, true},
		"hierarchy too long":     {hierarchy(append(slices.Repeat([]string{accountR1}, 40), accountR2)...), nil, true},
		"two levels":             {nil, func(h *harness) { h.move(accountR2, accountR3) }, true},
		"not above":              {nil, func(h *harness) { h.move(accountR2, accountP) }, false},
		"missing account":        {nil, func(h *harness) { h.move(accountR2, unknownID) }, false},
		"a cycle":                {nil, func(h *harness) { h.move(accountR2, accountR3); h.move(accountR3, accountR2) }, false},
		"too far above": {nil, func(h *harness) {
			for i := range 6 {
				h.accounts.accounts[far(i)] = tenant.Account{ID: far(i), Type: tenant.ResellerAccount, ParentID: far(i + 1)}
			}
			h.move(accountR2, far(0))
			h.move(far(5), accountR1)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			if tc.edit != nil {
				tc.edit(h)
			}
			r := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR1, header: tc.header}
			if tc.want {
				h.accepted(r, http.StatusOK)
			} else {
				h.refused(r, failure.Forbidden)
			}
		})
	}
}

func (h *harness) move(account, parent string) {
	a := h.accounts.accounts[account]
	a.ParentID = parent
	h.accounts.accounts[account] = a
}

func far(i int) string { return fmt.Sprintf("f0000000-0000-4000-8000-%012d", i) }

func TestParent_SeesStateOnly(t *testing.T) {
	h := installed(t)
	a := h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR1}, http.StatusOK)
	if want := `{"state":"active","now":"2026-11-23T08:20:00Z"}`; strings.TrimSpace(a.text) != want {
		t.Errorf("tokenStatus for a parent = %s, want %s", a.text, want)
	}
	a = h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA, identity: userR1}, http.StatusOK)
	if want := `{"aps":{"id":"` + tenantA + `","type":"` + tenantType + `"},"tokenStatus":"active"}`; strings.TrimSpace(a.text) != want {
		t.Errorf("tenant for a parent = %s, want %s", a.text, want)
	}
}

func TestAuthorize_ProviderOwnsTenant(t *testing.T) {
	h := installed(t)
	owned := h.tenants.tenants[tenantA]
	owned.AccountID = accountP
	h.tenants.tenants[tenantA] = owned
	h.accepted(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/consents", identity: userP}, http.StatusOK)
	h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/consents", identity: userR2}, failure.Forbidden)
}

func TestAuthorize_CustomerIsNoOwner(t *testing.T) {
	h := installed(t)
	owned := h.tenants.tenants[tenantA]
	owned.AccountID = accountC
	h.tenants.tenants[tenantA] = owned
	h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/consents", identity: userC}, failure.Forbidden)
}

func TestAuthorize_TenantWithoutAccount(t *testing.T) {
	h := installed(t)
	h.tenants.tenants[tenantA] = tenant.Tenant{ID: tenantA, InstanceKey: keyA}
	for _, identity := range []string{userR2, userR1, userC} {
		h.refused(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: identity}, failure.Forbidden)
	}
	h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userP}, http.StatusOK)
}

func TestAuthorize_ActorInAudit(t *testing.T) {
	h := installed(t)
	h.accepted(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2, header: map[string]string{"APS-Original-Identity-ID": userP}}, http.StatusOK)
	if got, want := h.tokens.lastActor(), (audit.Actor{Kind: audit.User, ID: userR2, Name: "Fabrikam", AccountID: accountR2, OriginalID: userP}); got != want {
		t.Errorf("actor = %+v, want %+v", got, want)
	}
	h.accepted(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/accessToken", application: strings.ToUpper(borrower), body: `{"api":"arm"}`}, http.StatusOK)
	if got, want := h.tokens.lastActor(), (audit.Actor{Kind: audit.Application, ID: borrower}); got != want {
		t.Errorf("actor = %+v, want %+v", got, want)
	}
	h.accepted(request{method: http.MethodPut, path: "/tenant/" + tenantA, body: tenantResource(tenantA, "")}, http.StatusOK)
	if got, want := h.tenants.lastActor(), (audit.Actor{Kind: audit.Platform}); got != want {
		t.Errorf("actor = %+v, want %+v", got, want)
	}
}

func TestOperations_AreAllTested(t *testing.T) {
	if got := len(hooks.Operations()); got != 16 {
		t.Errorf("Operations() = %d operations, want the 16 of TestAuthorize_RolesOfOperations", got)
	}
}

package hooks_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

func linkBody(id string) string { return `{"aps":{"id":"` + id + `"}}` }

// linkForms returns every form in which the platform links a tenant with an account.
func linkForms(account string) map[string]request {
	path := "/tenant/" + tenantA
	inBody := `"account":` + linkBody(account)
	return map[string]request{
		"link":                       {method: "POST", path: path + "/account", body: linkBody(account)},
		"link behind a slash":        {method: "POST", path: path + "/account/", body: linkBody(account)},
		"link with an address":       {method: "POST", path: path + "/account", body: `{"aps":{"link":"strong","href":"/aps/2/resources/` + account + `"}}`},
		"link by the path":           {method: "POST", path: path + "/account/" + account},
		"link by both":               {method: "POST", path: path + "/account/" + account, body: linkBody(account)},
		"configuration":              {method: "PUT", path: path, body: tenantResource(tenantA, inBody)},
		"creation, repeated":         {method: "POST", path: "/tenant", body: tenantResource(tenantA, inBody)},
		"after the link was removed": {method: "POST", path: path + "/account", body: linkBody(account)},
	}
}

// TestMove_EveryFormMovesOrIsRefused: no form leaves a tenant with its old owner and says that all is well.
func TestMove_EveryFormMovesOrIsRefused(t *testing.T) {
	start := func(t *testing.T, name string) *harness {
		h := installed(t)
		if name == "after the link was removed" {
			h.accepted(request{method: "DELETE", path: "/tenant/" + tenantA + "/account/" + accountR2}, http.StatusNoContent)
		}
		return h
	}
	for name, r := range linkForms(accountR3) {
		t.Run(name, func(t *testing.T) {
			h := start(t, name)
			if a := h.send(r); a.status != http.StatusOK && a.status != http.StatusCreated {
				t.Fatalf("answer = %d %s, want success", a.status, a.text)
			}
			if got := h.tenants.tenants[tenantA]; got.AccountID != accountR3 || got.Name != "Contoso" && name != "creation, repeated" && name != "configuration" || !got.UnlinkedAt.IsZero() {
				t.Errorf("tenant = %+v, want one of the new account", got)
			}
			h.accepted(request{method: "GET", path: "/tenant/" + tenantA + "/tokenStatus", identity: userR3}, http.StatusOK)
			h.refused(request{method: "GET", path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2}, failure.Forbidden)

			h = start(t, name)
			h.tenants.refuse = failure.New(failure.MoveRefused)
			h.refused(r, failure.MoveRefused)
			for _, identity := range []string{userR2, userR3, userC, unknownID} { // neither owner moves it, nor anybody else
				r := r
				r.identity = identity
				h.refused(r, failure.Forbidden)
			}
		})
	}
}

// TestMove_RepetitionIsNone: what repeats the stored account changes no owner, whoever is named.
func TestMove_RepetitionIsNone(t *testing.T) {
	for name, r := range linkForms(accountR2) {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			h.tenants.refuse = failure.New(failure.MoveRefused)
			r.identity = userR2
			if a := h.send(r); a.status != http.StatusOK && a.status != http.StatusCreated {
				t.Fatalf("answer = %d %s, want success", a.status, a.text)
			}
			if slices.ContainsFunc(h.tenants.changes(), func(s string) bool { return s == "link "+tenantA+" with "+accountR2 }) {
				t.Errorf("changes = %s, want no new link", h.changes())
			}
		})
	}
}

// TestUnlink_UntilLinkedAgain: a tenant without its link is kept, can be deleted, and is linked again by the platform in any
// form.
func TestUnlink_UntilLinkedAgain(t *testing.T) {
	for name, r := range linkForms(accountR2) {
		h := installed(t)
		for range 2 {
			h.accepted(request{method: "DELETE", path: "/tenant/" + tenantA + "/account"}, http.StatusNoContent)
		}
		if h.tenants.tenants[tenantA].UnlinkedAt.IsZero() {
			t.Errorf("%s: the tenant is linked, want not", name)
		}
		owner := r
		owner.identity = userR2 // what an owner configures is no link
		h.send(owner)
		if h.tenants.tenants[tenantA].UnlinkedAt.IsZero() {
			t.Errorf("%s: the owner linked the tenant again", name)
		}
		h.send(r)
		if got := h.tenants.tenants[tenantA]; !got.UnlinkedAt.IsZero() || got.AccountID != accountR2 {
			t.Errorf("%s: tenant = %+v, want it linked again", name, got)
		}
	}
	h := installed(t)
	h.accepted(request{method: "DELETE", path: "/tenant/" + unknownID + "/account/" + accountR2}, http.StatusNoContent)
	h.refused(request{method: "DELETE", path: "/tenant/" + tenantA + "/account", identity: userR2}, failure.Forbidden)
	h.accepted(request{method: "DELETE", path: "/tenant/" + tenantA + "/account"}, http.StatusNoContent)
	h.accepted(request{method: "DELETE", path: "/tenant/" + tenantA}, http.StatusNoContent)
}

// TestLink_Repairs a tenant that was provisioned without its account: the first account that a hook names owns it, whoever
// caused the hook.
func TestLink_Repairs(t *testing.T) {
	for name, r := range linkForms(accountR3) {
		for _, identity := range []string{"", userR3, unknownID} {
			if name == "configuration" && identity != "" {
				continue // whose account is not known may not configure
			}
			h := installed(t)
			h.tenants.tenants[tenantA] = tenant.Tenant{ID: tenantA, InstanceKey: keyA}
			h.tenants.refuse = failure.New(failure.MoveRefused)
			r.identity = identity
			h.send(r)
			if got := h.tenants.tenants[tenantA]; got.AccountID != accountR3 || got.Name != "Contoso" {
				t.Errorf("%s by %q: tenant = %+v, want one of the account", name, identity, got)
			}
		}
	}
}

// TestLinks_NeverSucceedWithoutEffect: the other links, and what names nothing or two things.
func TestLinks_NeverSucceedWithoutEffect(t *testing.T) {
	path := "/tenant/" + tenantA
	for name, tc := range map[string]struct {
		r    request
		want failure.Code
	}{
		"nothing linked":       {request{method: "POST", path: path + "/account"}, failure.BadRequest},
		"an empty object":      {request{method: "POST", path: path + "/account", body: "{}"}, failure.BadRequest},
		"no JSON":              {request{method: "POST", path: path + "/account", body: "{"}, failure.BadRequest},
		"no id":                {request{method: "POST", path: path + "/account/1"}, failure.BadRequest},
		"two accounts":         {request{method: "POST", path: path + "/account/" + accountR2, body: linkBody(accountR3)}, failure.BadRequest},
		"no subscription":      {request{method: "POST", path: path + "/subscription", body: "[]"}, failure.BadRequest},
		"unlink of nothing":    {request{method: "DELETE", path: path + "/account/1"}, failure.BadRequest},
		"another root":         {request{method: "POST", path: path + "/app", body: linkBody(rootB)}, failure.Conflict},
		"another root, by PUT": {request{method: "PUT", path: path, body: tenantResource(tenantA, `"app":`+linkBody(rootB))}, failure.Conflict},
		"another root, again":  {request{method: "POST", path: "/tenant", body: tenantResource(tenantA, `"app":`+linkBody(rootB))}, failure.Conflict},
		"another root, new":    {request{method: "POST", path: "/tenant", body: tenantResource(unknownID, `"app":`+linkBody(rootB))}, failure.Conflict},
		"another tenant":       {request{method: "POST", path: "/tenant/" + tenantB + "/account", body: linkBody(accountR2)}, failure.NotFound},
		"configuring the link": {request{method: "PUT", path: path + "/account", body: linkBody(accountR3)}, failure.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			if a := h.send(tc.r); a.status < 400 || h.changes() != "" {
				t.Errorf("answer = %d %s after %q, want a refusal without a change", a.status, a.text, h.changes())
			} else if tc.want != failure.NotFound {
				h.refusal(a, name, tc.want)
			}
		})
	}
	h := installed(t)
	h.accepted(request{method: "POST", path: path + "/app/" + rootA}, http.StatusOK)
	h.accepted(request{method: "POST", path: path + "/subscription", body: linkBody(unknownID)}, http.StatusOK)
	h.accepted(request{method: "DELETE", path: path + "/subscription/" + rootB}, http.StatusNoContent) // another one
	if got := h.tenants.tenants[tenantA].SubscriptionID; got != unknownID {
		t.Errorf("subscription = %q, want the linked one", got)
	}
	h.accepted(request{method: "DELETE", path: path + "/subscription"}, http.StatusNoContent)
	if got := h.tenants.tenants[tenantA].SubscriptionID; got != "" {
		t.Errorf("subscription = %q, want none", got)
	}
	// The platform may send the links with the whole tenant.
	whole := tenantResource(tenantA, `"app":`+linkBody(rootA)+`,"subscription":`+linkBody(unknownID))
	for _, r := range []request{{method: "PUT", path: path, body: whole}, {method: "POST", path: "/tenant", body: whole}} {
		h := installed(t)
		h.send(r)
		if got := h.tenants.tenants[tenantA].SubscriptionID; got != unknownID {
			t.Errorf("subscription after %s = %q, want the linked one", r.method, got)
		}
	}
}

func TestMigrationPreCheck_TellsWhatAMoveWouldDo(t *testing.T) {
	h := installed(t)
	check := request{method: "POST", path: "/tenant/" + tenantA + "/migrationPreCheck"}
	same(t, h.accepted(check, http.StatusOK), `{"canMigrate":true}`)
	h.tenants.refuse = failure.New(failure.MoveRefused)
	same(t, h.accepted(check, http.StatusOK), `{"canMigrate":false}`)
	h.tenants.refuse = failure.New(failure.DatabaseUnavailable)
	h.refused(check, failure.DatabaseUnavailable)
}

// TestRecognize_ByAnyHookOfTheTenant: the platform calls hooks only of what it has. Its removal is no such proof.
func TestRecognize_ByAnyHookOfTheTenant(t *testing.T) {
	for name, r := range requests() {
		if len(name) < 7 || name[:7] != "tenant " || name == "tenant provision" {
			continue
		}
		h := installed(t)
		doubted := h.tenants.tenants[tenantA]
		doubted.UnknownAt = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
		h.tenants.tenants[tenantA] = doubted
		h.send(r)
		if got := h.tenants.tenants[tenantA]; r.method != http.MethodDelete && !got.UnknownAt.IsZero() {
			t.Errorf("%s: the tenant is doubted still", name)
		} else if r.method == http.MethodDelete && slices.Contains(h.tenants.changes(), "recognize "+tenantA) {
			t.Errorf("%s recognizes the tenant", name)
		}
	}
}

// TestInstall_TakesThePlaceOfAForgottenRoot: the settings stay, also when only the new root can look up who calls.
func TestInstall_TakesThePlaceOfAForgottenRoot(t *testing.T) {
	for i, identity := range []string{"", userP, "", userP} {
		h := installed(t)
		h.tenants.forgotten = true
		h.accounts.forgotten = rootA
		before := h.tenants.instances[keyA].Settings
		r := request{method: "POST", path: "/app", identity: identity, body: resourceOf(appType, unknownID, `"skipLanding":true`)}
		if i > 1 { // the new instance has an ID of its own, and names itself
			r.application, r.header = rootB, map[string]string{"APS-Instance-ID": rootB}
		}
		h.accepted(r, http.StatusCreated)
		got := h.tenants.instances[keyA]
		if got.RootID != unknownID || got.Settings.Application.ID != before.Application.ID || !got.Settings.SkipLanding {
			t.Errorf("instance = %+v, want the new root with the stored settings", got)
		}
	}
}

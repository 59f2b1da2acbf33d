package token_test

import (
	"slices"
	"testing"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// furtherAPI is one that the operator added to the instance, without a probe.
const furtherAPI token.API = "partner"

// newExtended returns a harness whose instance has a further permission of Graph and a further api. missing are the permissions
// that the consent lacks, by api.
func newExtended(t *testing.T, missing map[token.API][]string) *harness {
	deployment := tenant.Deployment{
		Scopes: map[string][]string{"graph": {"PartnerBilling.Read.All"}},
		APIs:   []tenant.API{{Name: string(furtherAPI), Resource: "https://api.partner.microsoft.com", Scopes: []string{"user_impersonation"}, Host: "api.partner.microsoft.com"}},
	}
	h := newHarness(t, storetest.SQLite(t).Open(t, func(cfg *store.Config) {
		cfg.Deployment = func(key string) tenant.Deployment {
			if key == instanceKey {
				return deployment
			}
			return tenant.Deployment{}
		}
	}))
	h.microsoft.answer = func(redeemed *token.Redemption) { redeemed.Missing = missing[redeemed.API] }
	h.microsoft.probe = func(api token.API) token.Probe {
		if api == furtherAPI {
			return token.Probe{Works: token.Unknown, At: h.now(), MFA: token.Unknown}
		}
		return token.Probe{Works: token.Yes, At: h.now(), MFA: token.Yes}
	}
	return h
}

// permissionEvents returns the permissions of the events about them, oldest first.
func (h *harness) permissionEvents() []string {
	h.Helper()
	events, err := h.store.EventsOf(h.Context(), tenantID, []audit.Action{audit.PermissionsChanged}, 100)
	h.must(err)
	all := []string{}
	for _, e := range events {
		all = append(all, e.Result+": "+e.Details["permissions"])
	}
	slices.Reverse(all)
	return all
}

func (h *harness) checkPermissions(when string, want map[token.API][]string, events ...string) {
	h.Helper()
	status := h.status()
	for _, api := range status.APIs() {
		probe := status.Checks.APIs[api]
		if !slices.Equal(probe.Missing, want[api]) {
			h.Errorf("%s: %s lacks %v, want %v", when, api, probe.Missing, want[api])
		}
		if named := probe.Failure.Is(failure.PermissionsMissing); named != (len(want[api]) > 0) && probe.Works == token.Yes {
			h.Errorf("%s: the failure of %s is %+v, want that it lacks %v", when, api, probe.Failure, want[api])
		}
	}
	if got := h.permissionEvents(); !slices.Equal(got, events) {
		h.Errorf("%s: the events are %q, want %q", when, got, events)
	}
}

// TestPermissions_AreToldByName consents without a permission, grants it, withdraws two, and lets Graph be out of order.
func TestPermissions_AreToldByName(t *testing.T) {
	missing := map[token.API][]string{token.Graph: {"PartnerBilling.Read.All"}}
	h := newExtended(t, missing)
	check := func() {
		t.Helper()
		h.advance(day)
		_, err := h.tokens.Check(t.Context(), tenantID, owner)
		h.must(err)
	}
	h.consent(tenantID)
	events := []string{"permissions_missing: graph PartnerBilling.Read.All"}
	h.checkPermissions("after the consent", missing, events...)
	if probe := h.status().Checks.APIs[token.Graph]; probe.Works != token.Yes || probe.Failure.Params["permissions"] != "PartnerBilling.Read.All" {
		t.Errorf("Graph = %+v, want that it works, and the permission", probe)
	}
	check()
	h.checkPermissions("after a check without news", missing, events...)

	delete(missing, token.Graph)
	check()
	events = append(events, "ok: ")
	h.checkPermissions("once it is granted", missing, events...)

	missing[token.Graph], missing[furtherAPI] = []string{"Directory.Read.All"}, []string{"user_impersonation"}
	check()
	withdrawn := "permissions_missing: graph Directory.Read.All, partner user_impersonation"
	events = append(events, withdrawn)
	h.checkPermissions("after a withdrawal", missing, events...)

	h.microsoft.renew = func(_ string, api token.API) error {
		if api == token.Graph {
			return transient()
		}
		return nil
	}
	check()
	h.checkPermissions("while Graph cannot be asked", missing, events...)
	h.microsoft.renew = func(_ string, api token.API) error {
		if api == furtherAPI {
			return failure.New(failure.ConsentMissing, "permissions", "user_impersonation")
		}
		return nil
	}
	check()
	h.checkPermissions("without any consent for the further api", missing, events...)
	if probe := h.status().Checks.APIs[furtherAPI]; probe.Works != token.No || !probe.Failure.Is(failure.PermissionsMissing) {
		t.Errorf("the further api = %+v, want no, and the permission", probe)
	}
	h.checkState(token.StateActive, "")
}

func TestStatus_OfAFurtherAPIWithoutProbe(t *testing.T) {
	h := newExtended(t, nil)
	h.consent(tenantID)
	status := h.status()
	if got, want := status.APIs(), []token.API{token.PartnerCenter, token.Graph, token.ARM, furtherAPI}; !slices.Equal(got, want) {
		t.Errorf("APIs() = %v, want %v", got, want)
	}
	if probe := status.Checks.APIs[furtherAPI]; probe.Works != token.Unknown || probe.Failure != nil || probe.At.IsZero() {
		t.Errorf("the further api = %+v, want unknown without a failure", probe)
	}
}

func TestLend_ForAFurtherAPI(t *testing.T) {
	h := newExtended(t, nil)
	h.consent(tenantID)
	_, err := h.lend(t.Context(), tenantID, furtherAPI, borrower)
	h.checkFailure("Lend to a borrower without it", err, failure.BorrowerNotAllowed)
	in, err := h.store.Instance(t.Context(), instanceKey)
	h.must(err)
	in.Settings.Borrowers = []tenant.Borrower{{ID: borrowerID, APIs: []string{string(furtherAPI)}, Directories: []string{tenant.PartnerDirectory}}}
	h.must(h.store.SaveInstance(t.Context(), &in))
	if loan, err := h.lend(t.Context(), tenantID, furtherAPI, borrower); err != nil || loan.API != furtherAPI {
		t.Errorf("Lend = %v, want a token of %s", err, furtherAPI)
	}
	_, err = h.tokens.Forget(t.Context(), tenantID, owner)
	h.must(err)
	if n := h.tokens.CachedLoans(tenantID); n > 0 {
		t.Errorf("%d access tokens are in memory after the refresh token was deleted, want none", n)
	}
	plain := newHarness(t, openStore(t))
	plain.consent(tenantID)
	_, err = plain.lend(t.Context(), tenantID, furtherAPI, borrower)
	plain.checkFailure("Lend of an instance without it", err, failure.BadRequest)
}

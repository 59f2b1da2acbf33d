package hooks_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/hooks"
)

// A caller is one sender of requests, and the kind that the table of operations calls it.
type caller struct {
	name                         string
	identity, application, actor string
	kind                         string
}

func callers() []caller {
	return []caller{
		{"owner", userR2, "", "", "owner"},
		{"owner's account", accountR2, "", "", "owner"},
		{"ourselves for the owner", userR2, instanceA, "", "owner"},
		{"owner by actor", "", "", accountR2, "owner"},
		{"unknown user for the owner's account", unknownID, "", accountR2, "owner"},
		{"parent", userR1, "", "", "parent"},
		{"parent by actor", "", "", accountR1, "parent"},
		{"provider", userP, "", "", "provider"},
		{"provider by actor", "", "", accountP, "provider"},
		{"platform", "", "", "", "platform"},
		{"ourselves", "", instanceA, "", "platform"},
		{"borrower", "", borrower, "", "application"},
		{"other application", "", otherBorrower, "", "application"},
		{"borrower for the owner", userR2, borrower, "", "application"},
		{"borrower for the owner by actor", "", borrower, accountR2, "application"},
		{"sibling", userR3, "", "", "other"},
		{"sibling by actor", "", "", accountR3, "other"},
		{"customer", userC, "", "", "other"},
		{"unknown user", unknownID, "", "", "other"},
		{"unknown actor", "", "", unknownID, "other"},
		{"customer for another account", userC, "", accountR3, "other"},
		{"customer for the owner's account", userC, "", accountR2, "other"},
	}
}

// by returns r as c sends it.
func (c caller) by(r request) request {
	r.identity, r.application = c.identity, c.application
	if c.actor != "" {
		r.header = map[string]string{"APS-Actor-ID": c.actor}
	}
	return r
}

// What becomes of the calls of each kind of caller, by operation. The table repeats that of the handler on purpose; both
// must change together.
func verdicts() map[string]map[string]string {
	row := func(performed, confirmed string) map[string]string {
		m := map[string]string{}
		for _, kind := range []string{"owner", "parent", "provider", "platform", "application", "other"} {
			m[kind] = "refused"
		}
		for kind := range strings.FieldsSeq(performed) {
			m[kind] = "performed"
		}
		for kind := range strings.FieldsSeq(confirmed) {
			m[kind] = "confirmed"
		}
		return m
	}
	const everyone = "owner parent provider platform application other"
	return map[string]map[string]string{
		"app provision":             row("provider platform", ""),
		"app provision again":       row("provider platform", "owner parent application other"),
		"app retrieve":              row(everyone, ""),
		"app configure":             row("provider platform", ""),
		"app unprovision":           row("provider platform", ""),
		"app upgrade":               row("provider platform", ""),
		"app tenants":               row("provider", ""),
		"app healthCheck":           row("provider platform application", ""),
		"app renewTokens":           row("provider platform application", ""),
		"app removeCredential":      row("provider", ""),
		"app onAccountChange":       row(everyone, ""),
		"tenant provision":          row(everyone, ""),
		"tenant provision again":    row("owner provider platform", "parent application other"),
		"tenant retrieve":           row("owner parent provider platform application", ""),
		"tenant configure":          row("owner provider platform", ""),
		"tenant unprovision":        row(everyone, ""),
		"tenant disable":            row("parent provider platform application", ""),
		"tenant enable":             row("parent provider platform application", ""),
		"tenant linkAccount":        row(everyone, ""),
		"tenant unlinkAccount":      row("parent provider platform application", ""),
		"tenant linkSubscription":   row(everyone, ""),
		"tenant unlinkSubscription": row(everyone, ""),
		"tenant linkApp":            row(everyone, ""),
		"tenant migrationPreCheck":  row("parent provider platform application", ""),
		"tenant beginConsent":       row("owner", ""),
		"tenant findConsent":        row("owner", ""),
		"tenant consentLink":        row("owner", ""),
		"tenant redeem":             row("owner", ""),
		"tenant tokenStatus":        row("owner parent provider application", ""),
		"tenant renew":              row("owner provider", ""),
		"tenant check":              row("owner provider", ""),
		"tenant removeCredential":   row("owner", ""),
		"tenant forget":             row("owner", ""),
		"tenant history":            row("owner provider", ""),
		"tenant customers":          row("owner provider", ""),
		"tenant consentCustomer":    row("owner", ""),
		"tenant withdrawCustomer":   row("owner", ""),
		"tenant remind":             row("provider", ""),
		"tenant testCredentials":    row("owner", ""),
		"tenant accessToken":        row("application", ""),
	}
}

// requests returns one request for each operation, by its service and name; a repeated creation has "again" behind it.
func requests() map[string]request {
	app, tenantPath := "/app/"+rootA, "/tenant/"+tenantA
	otherSettings, otherDirectory := `"borrowers":["`+otherBorrower+`"]`, `"directory":"evil.example.com"`
	return map[string]request{
		"app provision":             {method: "POST", path: "/app", body: appResource("")},
		"app provision again":       {method: "POST", path: "/app", body: appResource(otherSettings)},
		"app retrieve":              {method: "GET", path: app},
		"app configure":             {method: "PUT", path: app, body: appResource(otherSettings)},
		"app unprovision":           {method: "DELETE", path: app},
		"app upgrade":               {method: "POST", path: app + "/upgrade?version=1-1"},
		"app tenants":               {method: "GET", path: app + "/tenants"},
		"app healthCheck":           {method: "GET", path: app + "/healthCheck"},
		"app renewTokens":           {method: "GET", path: app + "/renewTokens"},
		"app removeCredential":      {method: "POST", path: app + "/removeCredential", body: `{"credential":"nextApplicationSecret"}`},
		"app onAccountChange":       {method: "POST", path: app + "/onAccountChange", body: `{}`},
		"tenant provision":          {method: "POST", path: "/tenant", body: tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`)},
		"tenant provision again":    {method: "POST", path: "/tenant", body: tenantResource(tenantA, otherDirectory)},
		"tenant retrieve":           {method: "GET", path: tenantPath},
		"tenant configure":          {method: "PUT", path: tenantPath, body: tenantResource(tenantA, otherDirectory)},
		"tenant unprovision":        {method: "DELETE", path: tenantPath},
		"tenant disable":            {method: "PUT", path: tenantPath + "/disable", body: tenantResource(tenantA, otherDirectory)},
		"tenant enable":             {method: "PUT", path: tenantPath + "/enable"},
		"tenant linkAccount":        {method: "POST", path: tenantPath + "/account", body: `{"aps":{"id":"` + accountR2 + `"}}`},
		"tenant unlinkAccount":      {method: "DELETE", path: tenantPath + "/account/" + accountR2},
		"tenant linkSubscription":   {method: "POST", path: tenantPath + "/subscription", body: `{"aps":{"id":"` + unknownID + `"}}`},
		"tenant unlinkSubscription": {method: "DELETE", path: tenantPath + "/subscription/" + unknownID},
		"tenant linkApp":            {method: "POST", path: tenantPath + "/app/" + rootA},
		"tenant migrationPreCheck":  {method: "POST", path: tenantPath + "/migrationPreCheck"},
		"tenant beginConsent":       {method: "POST", path: tenantPath + "/consents"},
		"tenant findConsent":        {method: "GET", path: tenantPath + "/consents/" + unknownID},
		"tenant consentLink":        {method: "POST", path: tenantPath + "/consentLink"},
		"tenant redeem":             {method: "POST", path: tenantPath + "/redeem", body: `{"code":"7K3M-Q2ZD-9XAB"}`},
		"tenant tokenStatus":        {method: "GET", path: tenantPath + "/tokenStatus"},
		"tenant renew":              {method: "POST", path: tenantPath + "/renew"},
		"tenant check":              {method: "POST", path: tenantPath + "/check"},
		"tenant removeCredential":   {method: "POST", path: tenantPath + "/removeCredential", body: `{"credential":"applicationSecret"}`},
		"tenant forget":             {method: "POST", path: tenantPath + "/forget"},
		"tenant history":            {method: "GET", path: tenantPath + "/history"},
		"tenant customers":          {method: "GET", path: tenantPath + "/customers"},
		"tenant consentCustomer":    {method: "POST", path: tenantPath + "/customers/" + unknownID + "/consent"},
		"tenant withdrawCustomer":   {method: "DELETE", path: tenantPath + "/customers/" + unknownID + "/consent"},
		"tenant remind":             {method: "POST", path: tenantPath + "/remind"},
		"tenant testCredentials":    {method: "POST", path: tenantPath + "/testCredentials", body: `{"applicationSecret":"new"}`},
		"tenant accessToken":        {method: "POST", path: tenantPath + "/accessToken", body: `{"api":"graph"}`},
	}
}

func TestOperations_AreAllTested(t *testing.T) {
	want := map[string]map[string]string{}
	for _, r := range hooks.Rules() {
		for name, verdict := range map[string]hooks.Verdict{r.Service + " " + r.Name: r.First, r.Service + " " + r.Name + " again": r.Repeat} {
			if strings.HasSuffix(name, " again") && r.Name != "provision" {
				if r.First != r.Repeat {
					t.Errorf("%s by %s is %s at first and %s when repeated, want the same", name, r.Caller, r.First, r.Repeat)
				}
				continue
			}
			if want[name] == nil {
				want[name] = map[string]string{}
			}
			want[name][r.Caller] = string(verdict)
		}
	}
	if diff := cmp.Diff(want, verdicts()); diff != "" {
		t.Errorf("what the tests expect (-the handler's table +the tests'):\n%s", diff)
	}
	for name := range want {
		if _, ok := requests()[name]; !ok {
			t.Errorf("no request calls %s", name)
		}
	}
}

// TestAuthorize_RolesOfOperations makes every call of the table by every caller, the first time and again.
func TestAuthorize_RolesOfOperations(t *testing.T) {
	for name, r := range requests() {
		for _, c := range callers() {
			t.Run(name+" by "+c.name, func(t *testing.T) {
				h := installed(t)
				if name == "app provision" {
					h = newHarness(t)
				}
				h.consents.stored.ID, h.consents.stored.TenantID = unknownID, tenantA
				sent := c.by(r)
				borrowing := (name == "tenant tokenStatus" || name == "tenant accessToken") && c.application == otherBorrower
				switch verdict := verdicts()[name][c.kind]; {
				case borrowing:
					h.refused(sent, failure.BorrowerNotAllowed)
				case verdict == "refused":
					h.refused(sent, failure.Forbidden)
				case verdict == "performed":
					if a := h.send(sent); a.status >= 300 {
						t.Errorf("answer = %d %s, want success", a.status, a.text)
					}
				default:
					h.confirmed(sent, c)
				}
			})
		}
	}
}

// confirmed checks that a repeated creation is answered as one, changes nothing, and shows nothing that the caller may not
// see.
func (h *harness) confirmed(r request, c caller) {
	h.t.Helper()
	a := h.accepted(r, http.StatusCreated)
	if h.changes() != "" {
		h.t.Errorf("changes = %s, want none", h.changes())
	}
	allowed := []string{"aps"}
	if c.kind == "parent" && r.path == "/tenant" {
		allowed = append(allowed, "tokenStatus")
	}
	for name := range a.json(h.t) {
		if !slices.Contains(allowed, name) {
			h.t.Errorf("answer = %s, want no %s in it", a.text, name)
		}
	}
}

// TestAuthorize_RecordsRefusals: who is named and may not change something is in the audit trail, once in ten minutes.
func TestAuthorize_RecordsRefusals(t *testing.T) {
	h := installed(t)
	remove := request{method: http.MethodDelete, path: "/app/" + rootA, identity: userR2}
	begin := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/consents", application: borrower}
	for range 3 {
		h.refused(remove, failure.Forbidden)
		h.refused(begin, failure.Forbidden)
		h.refused(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/history", identity: userR3}, failure.Forbidden) // changes nothing
		h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew"}, failure.Forbidden)                    // names nobody
	}
	want := []string{keyA + "  app unprovision user " + userR2, keyA + " " + tenantA + " tenant beginConsent application " + borrower}
	if !slices.Equal(h.tenants.refused, want) {
		t.Errorf("recorded %q, want %q", h.tenants.refused, want)
	}
	h.advance(10 * time.Minute)
	h.refused(remove, failure.Forbidden)
	if len(h.tenants.refused) != 3 {
		t.Errorf("recorded %q after ten minutes, want the refusal again", h.tenants.refused)
	}
}

// TestAuthorize_NobodyIsNoScreen: a request that names nobody may do what the platform does by itself, and nothing that
// screens do.
func TestAuthorize_NobodyIsNoScreen(t *testing.T) {
	for name, r := range requests() {
		if v := verdicts()[name]["platform"]; v != "performed" {
			installed(t).refused(r, failure.Forbidden)
		}
	}
	schemasOperations := []string{"beginConsent", "findConsent", "consentLink", "redeem", "tokenStatus", "renew", "check", "removeCredential", "testCredentials", "forget", "history", "customers", "consentCustomer", "withdrawCustomer", "remind", "accessToken"}
	for _, name := range schemasOperations {
		if v := verdicts()["tenant "+name]["platform"]; v != "refused" {
			t.Errorf("%s by nobody is %s, want refused", name, v)
		}
	}
}

// TestInstall_AnotherRootIsNoRepeat: only those who may install may try, and find that the key is in use.
func TestInstall_AnotherRootIsNoRepeat(t *testing.T) {
	for _, c := range callers() {
		want := failure.Forbidden
		if c.kind == "provider" || c.kind == "platform" {
			want = failure.RootExists
		}
		installed(t).refused(c.by(request{method: http.MethodPost, path: "/app", body: resourceOf(appType, unknownID, "")}), want)
	}
}

// TestInstall_RepeatKeepsWhatIsNotSent: a repeated creation by the platform changes what it sends only.
func TestInstall_RepeatKeepsWhatIsNotSent(t *testing.T) {
	h := installed(t)
	before := h.tenants.instances[keyA].Settings
	h.accepted(request{method: http.MethodPost, path: "/app", body: appResource(`"skipLanding":true`)}, http.StatusCreated)
	got := h.tenants.instances[keyA].Settings
	if got.Application.ID != before.Application.ID || !cmp.Equal(got.Borrowers, before.Borrowers) || !got.SkipLanding {
		t.Errorf("settings = %+v, want those of before with skipLanding", got)
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
		h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR1}, failure.Forbidden) // caches the caller's own account
		h.accounts.err = failure.New(failure.PlatformUnavailable)
		h.refused(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR1}, failure.PlatformUnavailable)
	})
}

// TestAuthorize_ActorIsEnoughWhilePlatformFails: the platform says that the tenant's account acts. A controller that is down,
// or refuses impersonation, keeps nobody from the screens then.
func TestAuthorize_ActorIsEnoughWhilePlatformFails(t *testing.T) {
	for _, code := range []failure.Code{failure.PlatformUnavailable, failure.PlatformRefused} {
		h := installed(t)
		h.accounts.err = failure.New(code, "reason", "HTTP status 403")
		actor := map[string]string{"APS-Actor-ID": strings.ToUpper(accountR2), "APS-Original-Identity-ID": userP}
		for range 3 {
			h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2, header: actor}, http.StatusOK)
		}
		h.accepted(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2, header: actor}, http.StatusOK)
		if h.accounts.calls != 1 {
			t.Errorf("the platform was called %d times, want once in half a minute", h.accounts.calls)
		}
		want := audit.Actor{Kind: audit.User, ID: userR2, Name: "Fabrikam", AccountID: accountR2, OriginalID: userP}
		if got := h.tokens.lastActor(); got != want {
			t.Errorf("actor = %+v, want %+v", got, want)
		}
		h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR3, header: map[string]string{"APS-Actor-ID": accountR3}}, code)
		h.accounts.err = nil
		h.advance(31 * time.Second)
		h.accepted(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2, header: actor}, http.StatusOK)
		if h.accounts.calls != 3 {
			t.Errorf("the platform was called %d times, want again", h.accounts.calls)
		}
	}
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

func TestAuthorize_FindsParentByLookup(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*harness)
		want bool
	}{
		"one level":       {nil, true},
		"two levels":      {func(h *harness) { h.move(accountR2, accountR3) }, true},
		"not above":       {func(h *harness) { h.move(accountR2, accountP) }, false},
		"missing account": {func(h *harness) { h.move(accountR2, unknownID) }, false},
		"a cycle":         {func(h *harness) { h.move(accountR2, accountR3); h.move(accountR3, accountR2) }, false},
		"too far above": {func(h *harness) {
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
			// What the header says about the accounts above makes no difference: nothing signs it.
			for _, hierarchy := range []string{"", accountP + "," + accountR1 + "," + accountR2, accountP + "," + accountR3 + "," + accountR2} {
				r := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR1, header: map[string]string{"APS-Account-Hierarchy": hierarchy}}
				if tc.want {
					h.accepted(r, http.StatusOK)
				} else {
					h.refused(r, failure.Forbidden)
				}
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
	byActor := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/consents", header: map[string]string{"APS-Actor-ID": accountC}}
	h.refused(byActor, failure.Forbidden)
	byActor.identity = userC
	h.refused(byActor, failure.Forbidden)
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

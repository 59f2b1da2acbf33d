package microsoft_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

func (w *world) profile(token string) answer {
	w.t.Helper()
	return w.get(w.PartnerCenterURL()+"/v1/profiles/organization", "Authorization", "Bearer "+token, "ValidateMfa", "true", "MS-RequestId", "r-1")
}

func (w *world) graph(token, path string) answer {
	w.t.Helper()
	return w.get(w.GraphURL()+"/v1.0"+path, "Authorization", "Bearer "+token)
}

func (w *world) arm(token, path string) answer {
	w.t.Helper()
	return w.get(w.ARMURL()+path, "Authorization", "Bearer "+token)
}

// weak is a refresh token of admin without MFA, with every API consented to.
func (w *world) weak() string {
	w.t.Helper()
	w.must(w.SetMFA(admin, microsoft.MFARegistered))
	w.must(w.GrantConsent(contoso, appID, admin, partnerCenterScope, graphScope, armScope))
	token, err := w.IssueRefreshToken(microsoft.RefreshToken{UPN: admin, ApplicationID: appID, AMR: []string{"pwd"}})
	w.must(err)
	return token
}

// code is the error code of Graph or ARM.
func (a answer) errorCode() string {
	inner, _ := a.body["error"].(map[string]any)
	code, _ := inner["code"].(string)
	return code
}

func TestS17_AccessTokensAreVersionOneWithAMR(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	lives := make(map[float64]bool)
	for i, scope := range []string{partnerCenterScope, graphScope, armScope, partnerCenterScope, armScope} {
		claims := w.claims(w.access(token, scope))
		if claims["ver"] != "1.0" || claims["iss"] != "https://sts.windows.net/"+contoso+"/" || claims["appid"] != appID || claims["tid"] != contoso {
			t.Errorf("access token for %s = %v, want version 1.0 of this directory and application", scope, claims)
		}
		if amr, _ := claims["amr"].([]any); !slices.Contains(amr, any("mfa")) {
			t.Errorf("amr for %s = %v, want mfa", scope, claims["amr"])
		}
		life := claims["exp"].(float64) - claims["iat"].(float64)
		if lives[life] = true; life < 3600 || life >= 5400 {
			t.Errorf("life of access token %d = %v s, want 60 to 90 minutes", i, life)
		}
	}
	if len(lives) < 2 {
		t.Errorf("lives = %v, want them to differ", lives)
	}
}

func TestS17_RefreshTokenCarriesHowItWasMade(t *testing.T) {
	w := newWorld(t)
	token := w.weak()
	for range 3 {
		got := w.renew(token)
		if amr := fmt.Sprint(w.claims(got.text("access_token"))["amr"]); amr != "[pwd]" {
			t.Errorf("amr of a token obtained without MFA = %s, want [pwd]", amr)
		}
		token = got.text("refresh_token")
	}
}

func TestS17_OpaqueAccessTokensWorkAndTellNothing(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	w.SetOddities(microsoft.Oddities{OpaqueAccessTokens: true})
	access := w.access(token, partnerCenterScope)
	if strings.Contains(access, ".") {
		t.Errorf("opaque access token = %q, want no JWT", access)
	}
	got := w.profile(access)
	if got.status != http.StatusOK || got.header.Get("isMfaCompliant") != "true" {
		t.Errorf("Partner Center with an opaque token = %d, isMfaCompliant %q, want 200, true", got.status, got.header.Get("isMfaCompliant"))
	}
	w.Advance(2 * time.Hour)
	if got := w.profile(access); got.status != http.StatusUnauthorized {
		t.Errorf("Partner Center with an opaque token after two hours = %d, want 401", got.status)
	}
}

func TestS18_IDTokenHasAMRInVersionOneOnly(t *testing.T) {
	w := newWorld(t)
	got := w.grant()
	second := w.claims(got.text("id_token"))
	if second["amr"] != nil || second["acr"] != nil || second["nonce"] != "nonce-1" || second["ver"] != "2.0" || second["idp"] != nil {
		t.Errorf("id_token of version 2 = %v, want the nonce, and neither amr nor acr nor idp", second)
	}
	if want := w.LoginURL() + "/" + contoso + "/v2.0"; second["iss"] != want || second["preferred_username"] != admin {
		t.Errorf("id_token of version 2 = %v, want issuer %s", second, want)
	}
	first := w.claims(w.renew(got.text("refresh_token"), "v1", "scope").text("id_token"))
	if first["amr"] == nil || first["upn"] != admin || first["nonce"] != nil {
		t.Errorf("id_token of version 1 = %v, want amr and upn, and no nonce of the sign-in", first)
	}
}

func TestS18_GuestsAndOddClaims(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.OptionalClaims = []string{"acct"}
	w.must(w.AddApplication(app))
	const guest = "guest@elsewhere.example"
	w.must(w.AddUser(microsoft.User{UPN: guest, Password: password, DirectoryID: contoso, Guest: true, GlobalAdmin: true, MFA: microsoft.MFARegistered}))
	claims := w.claims(w.redeem(w.code(willing(guest))).text("id_token"))
	if idp, _ := claims["idp"].(string); idp == "" || idp == claims["iss"] || claims["acct"] != float64(1) {
		t.Errorf("id_token of a guest = %v, want another idp, acct 1", claims)
	}
	w.SetOddities(microsoft.Oddities{
		IDTokenClaims: map[string]any{"nonce": "another", "tid": fabrikam, "aud": nil}, AccessTokenClaims: map[string]any{"appid": fabrikam},
	})
	got := w.grant()
	claims = w.claims(got.text("id_token"))
	if claims["nonce"] != "another" || claims["tid"] != fabrikam || claims["aud"] != nil || claims["acct"] != float64(0) {
		t.Errorf("odd id_token = %v, want the claims replaced and aud gone", claims)
	}
	if appid := w.claims(got.text("access_token"))["appid"]; appid != fabrikam {
		t.Errorf("appid of an odd access token = %v, want %s", appid, fabrikam)
	}
}

func TestS19_PartnerCenterProfiles(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("access_token")
	got := w.profile(token)
	if got.status != http.StatusOK || got.text("tenantId") != contoso || got.text("profileType") != "OrganizationProfile" {
		t.Errorf("organization profile = %d %s, want that of contoso", got.status, got.raw)
	}
	if got.header.Get("isMfaCompliant") != "true" || got.header.Get("MS-RequestId") != "r-1" || got.header.Get("MS-CorrelationId") == "" {
		t.Errorf("headers = %v, want isMfaCompliant true and the ids", got.header)
	}
	got = w.get(w.PartnerCenterURL()+"/v1/profiles/legalbusiness?vettingVersion=Current", "Authorization", "Bearer "+token)
	if got.text("vettingStatus") == "" || got.header.Get("isMfaCompliant") != "" {
		t.Errorf("legal business profile = %s, header %q, want a status, and no unasked header", got.raw, got.header.Get("isMfaCompliant"))
	}
	w.must(w.SetPartnerCenter(contoso, microsoft.PartnerCenterMode{TellsDirectory: fabrikam}))
	if got := w.profile(token); got.text("tenantId") != fabrikam {
		t.Errorf("tenantId told = %q, want %s", got.text("tenantId"), fabrikam)
	}
}

func TestS19_PartnerCenterRefuses(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant().text("refresh_token")
	token := w.access(refresh, partnerCenterScope)
	for name, tc := range map[string]struct {
		got    answer
		status int
		code   string
	}{
		"no token":      {w.get(w.PartnerCenterURL() + "/v1/profiles/organization"), 401, "900401"},
		"a forged one":  {w.profile(token[:len(token)-8] + "AAAAAAAA"), 401, "900401"},
		"one for Graph": {w.profile(w.access(refresh, graphScope)), 401, "900420"},
	} {
		if tc.got.status != tc.status || tc.got.text("code") != tc.code {
			t.Errorf("Partner Center with %s = %d %s, want %d %s", name, tc.got.status, tc.got.raw, tc.status, tc.code)
		}
	}
	w.must(w.SetRoles(admin, false, false))
	if got := w.profile(token); got.status != http.StatusForbidden {
		t.Errorf("Partner Center without a role = %d, want 403", got.status)
	}
	w.must(w.SetRoles(admin, false, true))
	w.checkOK("Partner Center as admin agent", w.profile(token))
	w.must(w.AddDirectory(microsoft.Directory{ID: contoso, Domain: "contoso.example", Name: "Contoso", NotPartner: true}))
	if got := w.profile(token); got.status != http.StatusForbidden {
		t.Errorf("Partner Center for no partner = %d, want 403", got.status)
	}
	w.Advance(2 * time.Hour)
	if got := w.profile(token); got.status != http.StatusUnauthorized {
		t.Errorf("Partner Center with an expired token = %d, want 401", got.status)
	}
}

func TestS19_WithoutMFAThereAreManyAnswers(t *testing.T) {
	w := newWorld(t)
	token := w.access(w.weak(), partnerCenterScope)
	for mode, want := range map[microsoft.MFAAnswer]string{
		microsoft.MFACodeText: `"code":"900421"`, microsoft.MFACodeNumber: `"code":900421`, microsoft.MFACodeNested: `"error":{"code":"900421"`,
		microsoft.MFABodyEmpty: "", microsoft.MFAReasonOnly: "MFA", microsoft.MFACodeClassic: `"code":"10001"`,
	} {
		w.must(w.SetPartnerCenter(contoso, microsoft.PartnerCenterMode{Answer: mode}))
		got := w.profile(token)
		if got.status != http.StatusUnauthorized || !strings.Contains(got.raw, want) || (want == "") != (got.raw == "") {
			t.Errorf("answer %q = %d %s, want 401 with %s", mode, got.status, got.raw, want)
		}
		if got.header.Get("isMfaCompliant") != "false" || got.header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
			t.Errorf("headers of answer %q = %v, want isMfaCompliant false and a challenge", mode, got.header)
		}
	}
}

func TestS19_MFAHeaderMayBeWrittenOtherwiseOrAbsent(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("access_token")
	for value, want := range map[string]string{"": "true", "True": "True", "-": "", "no idea": "no idea", "%v ": "true"} {
		w.must(w.SetPartnerCenter(contoso, microsoft.PartnerCenterMode{MFAHeader: value}))
		if got := w.profile(token).header.Get("isMfaCompliant"); got != want {
			t.Errorf("isMfaCompliant with %q = %q, want %q", value, got, want)
		}
	}
}

func TestS19_GradualEnforcementTakesTurns(t *testing.T) {
	w := newWorld(t)
	token := w.access(w.weak(), partnerCenterScope)
	for unenforced, want := range map[int]int{0: 0, 25: 2, 50: 4, 100: 8} {
		w.must(w.SetPartnerCenter(contoso, microsoft.PartnerCenterMode{Unenforced: unenforced}))
		good := 0
		for range 8 {
			got := w.profile(token)
			if got.status == http.StatusOK {
				good++
			}
			if got.header.Get("isMfaCompliant") != "false" {
				t.Errorf("isMfaCompliant of an unenforced call = %q, want false", got.header.Get("isMfaCompliant"))
			}
		}
		if good != want {
			t.Errorf("calls that pass with %d%% unenforced = %d of 8, want %d", unenforced, good, want)
		}
	}
}

func TestS20_GraphWantsItsScopes(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant().text("refresh_token")
	if got := w.graph(w.access(refresh, armScope), "/me"); got.status != 401 || got.errorCode() != "InvalidAuthenticationToken" {
		t.Errorf("Graph with a token of ARM = %d %s, want 401 InvalidAuthenticationToken", got.status, got.errorCode())
	}
	w.must(w.RemoveConsent(contoso, appID, microsoft.Graph))
	w.must(w.GrantConsent(contoso, appID, "", "https://graph.microsoft.com/User.RevokeSessions.All"))
	poor := w.access(refresh, "https://graph.microsoft.com/.default")
	for _, path := range []string{"/me", "/organization", "/me/memberOf", "/me/transitiveMemberOf"} {
		if got := w.graph(poor, path); got.status != http.StatusForbidden || got.errorCode() != "Authorization_RequestDenied" {
			t.Errorf("Graph %s without scopes = %d %s, want 403 Authorization_RequestDenied", path, got.status, got.errorCode())
		}
	}
}

func TestS20_GraphTellsWhoAndWhere(t *testing.T) {
	w := newWorld(t)
	token := w.access(w.grant().text("refresh_token"), "https://graph.microsoft.com/.default")
	if got := w.graph(token, "/me"); got.text("userPrincipalName") != admin || got.text("id") != w.claims(token)["oid"] {
		t.Errorf("/me = %s, want admin with the token's oid", got.raw)
	}
	got := w.graph(token, "/organization?$select=id,displayName,verifiedDomains")
	list, _ := got.body["value"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["id"] != contoso {
		t.Errorf("/organization = %s, want contoso", got.raw)
	}
}

// memberOf reads all pages of a membership list.
func (w *world) memberOf(token, path string) (entries []map[string]any, pages int) {
	w.t.Helper()
	for next := w.GraphURL() + "/v1.0" + path; next != ""; pages++ {
		got := w.get(next, "Authorization", "Bearer "+token)
		w.checkOK("reading "+next, got)
		for _, entry := range got.body["value"].([]any) {
			entries = append(entries, entry.(map[string]any))
		}
		next = got.text("@odata.nextLink")
	}
	return entries, pages
}

func hasEntry(entries []map[string]any, name string, value any) bool {
	return slices.ContainsFunc(entries, func(e map[string]any) bool { return e[name] == value })
}

func TestS20_MembershipsComeInPagesAndWithNamesOnlyForWhoMaySeeThem(t *testing.T) {
	w := newWorld(t)
	const globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
	w.must(w.AddUser(microsoft.User{
		UPN: admin, Password: password, DirectoryID: contoso, MFA: microsoft.MFARequired, GlobalAdmin: true, NestedAdminAgent: true,
		Groups: []string{"Everybody", "Finance", "Chess"},
	}))
	refresh := w.grant().text("refresh_token")
	token := w.access(refresh, "https://graph.microsoft.com/.default")
	direct, pages := w.memberOf(token, "/me/memberOf")
	if pages != 1 || !hasEntry(direct, "roleTemplateId", globalAdministrator) || hasEntry(direct, "displayName", "AdminAgents") {
		t.Errorf("memberOf = %v in %d pages, want the role and no AdminAgents in one", direct, pages)
	}
	w.SetOddities(microsoft.Oddities{GraphPage: 2})
	all, pages := w.memberOf(token, "/me/transitiveMemberOf")
	if pages != 3 || len(all) != 6 || !hasEntry(all, "displayName", "AdminAgents") {
		t.Errorf("transitiveMemberOf = %v in %d pages, want six with AdminAgents in three", all, pages)
	}
	if _, pages := w.memberOf(token, "/me/memberOf?$top=1"); pages != 5 {
		t.Errorf("memberOf with $top=1 has %d pages, want 5", pages)
	}
	if got := w.graph(token, "/me/memberOf?$top=0"); got.status != http.StatusBadRequest {
		t.Errorf("memberOf with $top=0 = %d, want 400", got.status)
	}
	w.must(w.RemoveConsent(contoso, appID, microsoft.Graph))
	w.must(w.GrantConsent(contoso, appID, admin, graphScope))
	veiled, _ := w.memberOf(w.access(refresh, graphScope), "/me/memberOf")
	if len(veiled) != 5 || hasEntry(veiled, "roleTemplateId", globalAdministrator) || hasEntry(veiled, "displayName", "Everybody") {
		t.Errorf("memberOf with User.Read alone = %v, want five entries without names", veiled)
	}
}

func TestS20_RevokingByGraphEndsTheRefreshTokens(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant().text("refresh_token")
	revoke := func() answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.GraphURL()+"/v1.0/me/revokeSignInSessions", nil)
		w.must(err)
		r.Header.Set("Authorization", "Bearer "+w.access(refresh, "https://graph.microsoft.com/.default"))
		return w.do(r)
	}
	if got := revoke(); got.status != http.StatusForbidden {
		t.Errorf("revokeSignInSessions without its scope = %d, want 403", got.status)
	}
	w.must(w.GrantConsent(contoso, appID, "", "https://graph.microsoft.com/User.RevokeSessions.All"))
	if got := revoke(); got.status != http.StatusOK || got.body["value"] != true {
		t.Errorf("revokeSignInSessions = %d %s, want true", got.status, got.raw)
	}
	w.checkRefused("renewing afterwards", w.renew(refresh), 400, "invalid_grant", 50173)
}

func TestS20_ContinuousAccessChallenge(t *testing.T) {
	w := newWorld(t)
	token := w.access(w.grant().text("refresh_token"), graphScope)
	const want = `{"access_token":{"nbf":{"essential":true,"value":"1795428902"}}}`
	w.AddFault(microsoft.Challenged(microsoft.Graph, want))
	got := w.graph(token, "/me")
	if got.status != http.StatusUnauthorized || challengeOf(t, got) != want {
		t.Errorf("challenged call = %d %q, want 401 with the claims", got.status, got.header.Get("WWW-Authenticate"))
	}
}

// challengeOf decodes the claims of a WWW-Authenticate header.
func challengeOf(t *testing.T, got answer) string {
	t.Helper()
	_, after, _ := strings.Cut(got.header.Get("WWW-Authenticate"), `error="insufficient_claims", claims="`)
	encoded, _, _ := strings.Cut(after, `"`)
	claims, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || !json.Valid(claims) {
		t.Errorf("challenge %q = %v, want base64 of JSON", got.header.Get("WWW-Authenticate"), err)
	}
	return string(claims)
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

func TestS21_ARMListsTenantsAndPerhapsNoSubscription(t *testing.T) {
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

func TestS21_ARMWritesNeedMFAAndReadsDoNot(t *testing.T) {
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

func TestS22_ApplicationConsentsOpenACustomersDirectory(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.MultiTenant = true
	w.must(w.AddApplication(app))
	granted := w.grant()
	send := func(method, path, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, w.PartnerCenterURL()+"/v1/customers/"+path, strings.NewReader(body))
		w.must(err)
		r.Header.Set("Authorization", "Bearer "+granted.text("access_token"))
		return w.do(r).status
	}
	good := `{"applicationId":"` + appID + `","displayName":"Azure CSP application","applicationGrants":[{"enterpriseApplicationId":"00000003-0000-0000-c000-000000000000","scope":"User.Read, Directory.Read.All"}]}`
	for name, tc := range map[string]struct {
		method, path, body string
		want               int
	}{
		"a stranger's directory": {http.MethodPost, fabrikam + "/applicationconsents", good, 404},
		"no body":                {http.MethodPost, customer + "/applicationconsents", "", 400},
		"another application":    {http.MethodPost, customer + "/applicationconsents", strings.Replace(good, appID, fabrikam, 1), 400},
		"an unknown permission":  {http.MethodPost, customer + "/applicationconsents", strings.Replace(good, "User.Read,", "Mind.Read,", 1), 400},
		"nothing to remove":      {http.MethodDelete, customer + "/applicationconsents/" + appID, "", 404},
	} {
		if got := send(tc.method, tc.path, tc.body); got != tc.want {
			t.Errorf("application consent with %s = %d, want %d", name, got, tc.want)
		}
	}
	renew := func() answer {
		return w.renew(granted.text("refresh_token"), "tenant="+customer, "scope=offline_access "+graphScope)
	}
	w.checkRefused("renewing before the consent", renew(), 400, "interaction_required", 90099)
	if got := send(http.MethodPost, customer+"/applicationconsents", good); got != http.StatusCreated {
		t.Errorf("application consent = %d, want 201", got)
	}
	w.checkOK("renewing after the consent", renew())
	if got := send(http.MethodPost, customer+"/applicationconsents", good); got != http.StatusConflict {
		t.Errorf("the same application consent = %d, want 409", got)
	}
	if got := send(http.MethodDelete, customer+"/applicationconsents/"+appID, ""); got != http.StatusNoContent {
		t.Errorf("removing the application consent = %d, want 204", got)
	}
	w.checkRefused("renewing after the removal", renew(), 400, "interaction_required", 90099)
}

func TestS24_RequestLogHasTheFactsAndNoSecret(t *testing.T) {
	w := newWorld(t)
	got := w.grant()
	token := got.text("refresh_token")
	w.ForgetRequests()
	r := w.tokenRequest(refreshForm(token))
	r.Header.Set("client-request-id", "id-1")
	r.Header.Set("User-Agent", "tester/1")
	w.do(r)
	bad := w.tokenRequest(refreshForm(token), "scope")
	bad.URL.RawQuery = url.Values{"refresh_token": {token}}.Encode()
	w.do(bad)
	w.profile(got.text("access_token"))
	log := w.Requests()
	if len(log) != 3 {
		t.Fatalf("Requests() = %+v, want three", log)
	}
	want := microsoft.Request{
		At: epoch, Host: microsoft.Login, Method: http.MethodPost, Path: "/" + contoso + "/oauth2/v2.0/token", Directory: contoso,
		GrantType: "refresh_token", Scope: "openid offline_access " + partnerCenterScope, ClientID: appID, ClientRequestID: "id-1",
		UserAgent: "tester/1", Status: 200,
	}
	if log[0] != want {
		t.Errorf("Requests()[0] = %+v, want %+v", log[0], want)
	}
	if !log[1].SecretInURL || log[1].Scope != "" || log[1].ErrorCode != 90009 || log[1].Status != 400 {
		t.Errorf("Requests()[1] = %+v, want a secret in the URL, no scope, 90009", log[1])
	}
	w.AddFault(microsoft.Unavailable(microsoft.Login))
	w.renew(token)
	if last := w.Requests()[3]; last.Status != 503 || !last.Faulty || last.GrantType != "refresh_token" || last.Scope == "" {
		t.Errorf("Requests()[3] = %+v, want the facts of a request that a fault answered", last)
	}
	if log[2].Host != microsoft.PartnerCenter || !log[2].ValidateMFA || log[2].RequestID != "r-1" {
		t.Errorf("Requests()[2] = %+v, want Partner Center with its headers", log[2])
	}
	text := fmt.Sprintf("%+v", log)
	for _, secret := range []string{token, appValue, got.text("access_token"), password} {
		if strings.Contains(text, secret) {
			t.Error("Requests() holds a secret")
		}
	}
}

func TestS25_CloudsHaveTheirOwnAudiencesAndTokens(t *testing.T) {
	global := newWorld(t)
	foreign := global.access(global.grant().text("refresh_token"), partnerCenterScope)
	for _, cloud := range []microsoft.Cloud{microsoft.USGovernment(), microsoft.China()} {
		t.Run(cloud.Name, func(t *testing.T) {
			w := newWorld(t, func(cfg *microsoft.Config) { cfg.Cloud = cloud })
			scope := cloud.PartnerCenter.Audiences[0] + "/user_impersonation"
			armScope := cloud.ARM.Audiences[0] + "/user_impersonation"
			graphScope := cloud.Graph.Audiences[0] + "/User.Read"
			code := w.code(willing(admin), "scope="+strings.Join([]string{oidcScopes, scope, armScope, graphScope}, " "))
			got := w.redeem(code, "scope=offline_access "+scope)
			w.checkOK("redeeming in "+cloud.Name, got)
			claims := w.claims(got.text("access_token"))
			if claims["aud"] != cloud.PartnerCenter.Audiences[0] || claims["iss"] != cloud.Issuer+"/"+contoso+"/" {
				t.Errorf("access token in %s = %v, want its audience and issuer", cloud.Name, claims)
			}
			w.checkOK("Partner Center of "+cloud.Name, w.profile(got.text("access_token")))
			token := got.text("refresh_token")
			w.checkOK("ARM of "+cloud.Name, w.arm(w.access(token, armScope), "/tenants?api-version=2022-12-01"))
			w.checkOK("Graph of "+cloud.Name, w.graph(w.access(token, graphScope), "/me"))
			w.checkRefused("a scope of the global cloud", w.renew(token, "scope=https://management.azure.com/user_impersonation"), 400, "invalid_resource", 500011)
			if got := w.profile(foreign); got.status != http.StatusUnauthorized {
				t.Errorf("Partner Center of %s with a token of the global cloud = %d, want 401", cloud.Name, got.status)
			}
		})
	}
}

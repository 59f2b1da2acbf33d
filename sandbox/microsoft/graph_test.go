package microsoft_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

func (w *world) graph(token, path string) answer {
	w.t.Helper()
	return w.get(w.GraphURL()+"/v1.0"+path, "Authorization", "Bearer "+token)
}

// errorCode returns the error code of Graph or ARM.
func (a answer) errorCode() string {
	inner, _ := a.body["error"].(map[string]any)
	code, _ := inner["code"].(string)
	return code
}

func TestS20_GraphRequiresItsScopes(t *testing.T) {
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

func TestS20_GraphReturnsUserAndOrganization(t *testing.T) {
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

func TestS20_MembershipsHavePagesAndNeedPermissionForNames(t *testing.T) {
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

func TestS20_GraphRevokesRefreshTokens(t *testing.T) {
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

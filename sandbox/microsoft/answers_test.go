package microsoft_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS26_APasskeyProvesMFAWithoutSayingSo(t *testing.T) {
	w := newWorld(t)
	w.must(w.AddUser(microsoft.User{UPN: clerk, Password: password, DirectoryID: contoso, MFA: microsoft.MFAPasskey, GlobalAdmin: true, AdminAgent: true}))
	w.must(w.SetPolicy(contoso, microsoft.Policy{RequireMFA: true}))
	got := w.redeem(w.code(willing(clerk)))
	w.checkOK("redeeming a code", got)
	profile := w.get(w.PartnerCenterURL()+"/v1/profiles/organization", "Authorization", "Bearer "+got.text("access_token"), "ValidateMfa", "true")
	if profile.status != http.StatusOK || profile.header.Get("isMfaCompliant") != "true" {
		t.Errorf("Partner Center = %d, isMfaCompliant %q, want 200 and true", profile.status, profile.header.Get("isMfaCompliant"))
	}
}

func TestS27_AnswersWithAByteOrderMark(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant().text("refresh_token")
	w.SetOddities(microsoft.Oddities{ByteOrderMarks: []microsoft.Host{microsoft.Graph}})
	got := w.graph(w.access(refresh, "https://graph.microsoft.com/.default"), "/me")
	if got.status != http.StatusOK || got.body != nil || !strings.HasPrefix(got.raw, "\ufeff{") {
		t.Errorf("Graph = %d %q, want 200 and a byte order mark that the decoder does not read", got.status, got.raw)
	}
	w.SetOddities(microsoft.Oddities{GraphWantsMFA: true})
	if got := w.graph(w.access(refresh, "https://graph.microsoft.com/.default"), "/me"); got.status != http.StatusForbidden || got.errorCode() != "Unauthorized_MissingMFA" {
		t.Errorf("Graph = %d %s, want 403 Unauthorized_MissingMFA", got.status, got.errorCode())
	}
}

func TestS28_AGroupThatCarriesRoles(t *testing.T) {
	w := newWorld(t)
	w.must(w.AddUser(microsoft.User{UPN: clerk, Password: password, DirectoryID: contoso, MFA: microsoft.MFARequired, AdminAgent: true, RoleGroup: true}))
	w.must(w.GrantConsent(contoso, appID, "", "https://graph.microsoft.com/.default"))
	got := w.redeem(w.code(willing(clerk)))
	w.checkOK("redeeming a code", got)
	entries, _ := w.memberOf(w.access(got.text("refresh_token"), "https://graph.microsoft.com/.default"), "/me/transitiveMemberOf")
	groups, roles := 0, 0
	for _, entry := range entries {
		if entry["isAssignableToRole"] == true {
			groups++
		}
		if entry["@odata.type"] == "#microsoft.graph.directoryRole" {
			roles++
		}
	}
	if groups != 1 || roles != 0 {
		t.Errorf("the list has %d groups with roles and %d roles, want one group and no role", groups, roles)
	}
}

func TestS29_RefusalsByNumber(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant().text("refresh_token")
	for _, code := range []int{70044, 50005, 50131, 53000, 53004, 530002, 530003, 530031, 530084, 500213, 135011, 700003, 700038, 500014, 650052} {
		w.must(w.RefuseUser(admin, code))
		w.Advance(time.Minute) // not a loop of requests
		if got := w.renew(refresh); got.refusedWith() != code {
			t.Errorf("redeeming = %s, want AADSTS%d", got.raw, code)
		}
	}
	w.must(w.RefuseUser(admin, 0))
	w.checkOK("redeeming again", w.renew(refresh))
}

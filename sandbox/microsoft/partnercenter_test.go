package microsoft_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

func (w *world) profile(token string) answer {
	w.t.Helper()
	return w.get(w.PartnerCenterURL()+"/v1/profiles/organization", "Authorization", "Bearer "+token, "ValidateMfa", "true", "MS-RequestId", "r-1")
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
	w.must(w.SetPartnerCenter(contoso, microsoft.PartnerCenterMode{ReportedDirectory: fabrikam}))
	if got := w.profile(token); got.text("tenantId") != fabrikam {
		t.Errorf("tenantId = %q, want %s", got.text("tenantId"), fabrikam)
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

func TestS19_FormsOfTheAnswerWithoutMFA(t *testing.T) {
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

func TestS19_FormsOfTheMFAHeader(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("access_token")
	for value, want := range map[string]string{"": "true", "True": "True", "-": "", "no idea": "no idea", "%v ": "true"} {
		w.must(w.SetPartnerCenter(contoso, microsoft.PartnerCenterMode{MFAHeader: value}))
		if got := w.profile(token).header.Get("isMfaCompliant"); got != want {
			t.Errorf("isMfaCompliant with %q = %q, want %q", value, got, want)
		}
	}
}

func TestS19_GradualEnforcementIsRegular(t *testing.T) {
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

func TestS22_ApplicationConsentInACustomerDirectory(t *testing.T) {
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
		"an unrelated directory": {http.MethodPost, fabrikam + "/applicationconsents", good, 404},
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

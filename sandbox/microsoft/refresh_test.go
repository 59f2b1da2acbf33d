package microsoft_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS10_RefreshRequiresOneConsentedAPI(t *testing.T) {
	w := newWorld(t)
	token := w.grant("scope=" + oidcScopes + " " + partnerCenterScope + " " + armScope).text("refresh_token")
	for name, tc := range map[string]struct {
		edits     []string
		wantError string
		code      int
	}{
		"no scope":                  {[]string{"scope"}, "invalid_request", 90009},
		"empty scope":               {[]string{"scope= "}, "invalid_request", 90009},
		"two APIs":                  {[]string{"scope=" + partnerCenterScope + " " + armScope}, "invalid_scope", 28000},
		"default beside single":     {[]string{"scope=https://management.azure.com/.default User.Read"}, "invalid_scope", 70011},
		"unknown permission":        {[]string{"scope=opened"}, "invalid_scope", 70011},
		"unknown API":               {[]string{"scope=https://api.unknown.microsoft.com/.default"}, "invalid_resource", 500011},
		"API without consent":       {[]string{"scope=" + graphScope}, "invalid_grant", 65001},
		"default without consent":   {[]string{"scope=https://graph.microsoft.com/.default"}, "invalid_grant", 65001},
		"no token":                  {[]string{"refresh_token"}, "invalid_request", 900144},
		"token that nobody issued":  {[]string{"refresh_token=0.AAA"}, "invalid_grant", 70000},
		"access token in its place": {[]string{"refresh_token=eyJ0eXAi"}, "invalid_grant", 70000},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.renew(token, tc.edits...)
			w.checkRefused("renewing with "+name, got, http.StatusBadRequest, tc.wantError, tc.code)
			if tc.code == 65001 && got.text("suberror") != "consent_required" {
				t.Errorf("suberror of 65001 = %q, want consent_required", got.text("suberror"))
			}
		})
	}
}

func TestS10_OneRefreshTokenWorksForEveryAPI(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	for _, tc := range []struct{ scope, audience string }{
		{partnerCenterScope, "https://api.partnercenter.microsoft.com"},
		{"https://api.partnercenter.microsoft.com/.default", "https://api.partnercenter.microsoft.com"},
		{"fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd/.default", "fa3d9a0c-3fb0-42cc-9193-47c7ecd2edbd"},
		{graphScope, "https://graph.microsoft.com"},
		{"User.Read", "https://graph.microsoft.com"},
		{"openid", "https://graph.microsoft.com"},
		{armScope, "https://management.azure.com"},
		{"https://management.core.windows.net//.default", "https://management.core.windows.net/"},
		{"https://management.core.windows.net/.default", "https://management.core.windows.net"}, // which ARM refuses
	} {
		got := w.renew(token, "scope=offline_access "+tc.scope)
		w.checkOK("renewing for "+tc.scope, got)
		if audience := w.claims(got.text("access_token"))["aud"]; audience != tc.audience {
			t.Errorf("aud for %s = %v, want %s", tc.scope, audience, tc.audience)
		}
		if strings.Contains(tc.scope, ".default") && !slices.Contains(strings.Fields(got.text("scope")), tc.scope) {
			t.Errorf("scope for %s = %q, want it back", tc.scope, got.text("scope"))
		}
	}
}

func TestS10_RegistrationAndPrincipalMustIncludeTheAPI(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.Permissions = []string{partnerCenterScope}
	w.must(w.AddApplication(app))
	token := w.grant("scope=" + oidcScopes + " " + partnerCenterScope).text("refresh_token")
	w.checkRefused("default of an API that is not registered", w.renew(token, "scope=https://management.azure.com/.default"), 400, "invalid_resource", 650057)
	w.must(w.AddDirectory(microsoft.Directory{ID: contoso, Domain: "contoso.example", Name: "Contoso", Without: []microsoft.Host{microsoft.PartnerCenter}}))
	w.checkRefused("an API without its principal", w.renew(token), 400, "invalid_resource", 500011)
}

func TestS10_NoSuccessorWithoutOfflineAccess(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	got := w.renew(token, "scope="+partnerCenterScope)
	w.checkOK("renewing without offline_access", got)
	if got.text("refresh_token") != "" || got.text("id_token") != "" {
		t.Errorf("renewing without offline_access and openid = %s, want neither token", got.raw)
	}
	w.SetOddities(microsoft.Oddities{KeepRefreshToken: true})
	if got := w.renew(token); got.text("refresh_token") != "" {
		t.Errorf("renewing with KeepRefreshToken = %s, want no refresh token", got.raw)
	}
}

func TestS10_SinglePageTokensLiveOneDay(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.RedirectURIs = []microsoft.RedirectURI{{URI: callback, Type: microsoft.SPA}}
	w.must(w.AddApplication(app))
	token := w.grant().text("refresh_token")
	w.Advance(days(1) - time.Second)
	renewed := w.renew(token)
	w.checkOK("renewing within the day", renewed)
	w.Advance(time.Second)
	w.checkRefused("renewing after the day", w.renew(token), 400, "invalid_grant", 700084)
	w.checkRefused("renewing the successor after the day", w.renew(renewed.text("refresh_token")), 400, "invalid_grant", 700084)
}

func TestS10_RefreshTokenIsBoundToItsApplication(t *testing.T) {
	w := newWorld(t)
	other := w.application()
	other.ID = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
	w.must(w.AddApplication(other))
	got := w.renew(w.grant().text("refresh_token"), "client_id="+other.ID)
	w.checkRefused("renewing with another application", got, 400, "invalid_grant", 700007)
	if got.text("suberror") != "client_mismatch" {
		t.Errorf("suberror = %q, want client_mismatch", got.text("suberror"))
	}
}

func TestS10_CustomerDirectoryRequiresItsOwnConsent(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.MultiTenant = true
	w.must(w.AddApplication(app))
	token := w.grant().text("refresh_token")
	w.checkRefused("renewing in another directory", w.renew(token, "tenant="+fabrikam), 400, "invalid_grant", 50020)
	w.checkRefused("renewing in a customer's directory", w.renew(token, "tenant="+customer, "scope="+graphScope), 400, "interaction_required", 90099)
	w.must(w.GrantConsent(customer, appID, "", armScope))
	w.checkRefused("renewing for another API there", w.renew(token, "tenant="+customer, "scope="+graphScope), 400, "invalid_grant", 65001)
	got := w.renew(token, "tenant="+customer, "scope="+armScope)
	w.checkOK("renewing for the API consented to", got)
	w.must(w.RemoveConsent(contoso, appID))
	w.checkRefused("renewing at home without any consent", w.renew(token), 400, "invalid_grant", 65001)
	if tid := w.claims(got.text("access_token"))["tid"]; tid != customer {
		t.Errorf("tid = %v, want the customer's", tid)
	}
}

func TestS11_RefreshTokensLive90DaysFromTheirOwnIssue(t *testing.T) {
	w := newWorld(t)
	first := w.grant().text("refresh_token")
	w.Advance(days(89))
	second := w.renew(first).text("refresh_token")
	if second == "" || second == first {
		t.Fatalf("renewing = %q, want another value", second)
	}
	w.checkOK("renewing the old value at day 89", w.renew(first))
	w.Advance(days(1))
	got := w.renew(first)
	w.checkRefused("renewing the old value at day 90", got, http.StatusBadRequest, "invalid_grant", 700082)
	if got.text("suberror") != "bad_token" {
		t.Errorf("suberror of 700082 = %q, want bad_token", got.text("suberror"))
	}
	if w.WouldAccept(first) || !w.WouldAccept(second) {
		t.Errorf("WouldAccept at day 90 = %v, %v, want false for the first and true for the second", w.WouldAccept(first), w.WouldAccept(second))
	}
	w.Advance(days(89) - time.Second)
	w.checkOK("renewing the second value just before its end", w.renew(second))
	w.Advance(time.Second)
	w.checkRefused("renewing the second value 90 days after its issue", w.renew(second), 400, "invalid_grant", 700082)
}

func TestS11_FirstRefreshTokenExpiresDespiteRedemptions(t *testing.T) {
	w := newWorld(t)
	kept := w.grant().text("refresh_token")
	for range 8 {
		w.Advance(days(10))
		w.checkOK("renewing with the kept value", w.renew(kept))
	}
	w.Advance(days(10))
	w.checkRefused("renewing with the kept value at day 90", w.renew(kept), 400, "invalid_grant", 700082)
}

func TestS12_WhatRevokesARefreshToken(t *testing.T) {
	for name, tc := range map[string]struct {
		happens   func(w *world) error
		status    int
		wantError string
		code      int
	}{
		"sessions revoked":     {func(w *world) error { return w.RevokeSessions(admin) }, 400, "invalid_grant", 50173},
		"account disabled":     {func(w *world) error { return w.Disable(admin) }, 400, "invalid_grant", 50057},
		"account deleted":      {func(w *world) error { return w.RemoveUser(admin) }, 400, "invalid_grant", 50034},
		"password expired":     {func(w *world) error { return w.RefuseUser(admin, 50055) }, 400, "invalid_grant", 50055},
		"consent withdrawn":    {func(w *world) error { return w.RemoveConsent(contoso, appID, microsoft.PartnerCenter) }, 400, "invalid_grant", 65001},
		"application disabled": {func(w *world) error { return w.DisableApplication(appID) }, 400, "unauthorized_client", 7000112},
		"application deleted":  {func(w *world) error { return w.RemoveApplication(appID) }, 400, "unauthorized_client", 700016},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := w.grant().text("refresh_token")
			if !w.WouldAccept(token) || w.WouldAccept("nonsense") {
				t.Fatal("WouldAccept(new token) = false, want true")
			}
			w.must(tc.happens(w))
			got := w.renew(token)
			w.checkRefused("renewing with "+name, got, tc.status, tc.wantError, tc.code)
			if w.WouldAccept(token) {
				t.Errorf("WouldAccept with %s = true, want false", name)
			}
			if tc.code == 50173 && !strings.Contains(got.text("error_description"), "TokensValidFrom") {
				t.Errorf("error_description of 50173 = %q, want TokensValidFrom", got.text("error_description"))
			}
		})
	}
}

func TestS12_PasswordChangeAsDocumentedAndAsReported(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	w.must(w.SetPassword(admin, "another"))
	w.checkOK("renewing after a password change, as documented", w.renew(token))
	w.must(w.SetPolicy(contoso, microsoft.Policy{PasswordChangeRevokes: true}))
	w.must(w.SetPassword(admin, password))
	w.checkRefused("renewing after a password change, as reported", w.renew(token), 400, "invalid_grant", 50173)
	w.checkOK("a new sign-in at the same moment", w.renew(w.grant().text("refresh_token")))
}

func TestS12_SecretRotationRevokesNothing(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	w.must(w.SetSecrets(appID, microsoft.Secret{Value: "the next one"}))
	w.checkRefused("renewing with the old secret", w.renew(token), 401, "invalid_client", 7000215)
	w.checkOK("renewing with the new secret", w.renew(token, "client_secret=the next one"))
	w.must(w.Disable(admin))
	w.must(w.Enable(admin))
	w.checkOK("renewing after the account came back", w.renew(token, "client_secret=the next one"))
}

func TestS13_PoliciesAreEvaluatedAtRedemption(t *testing.T) {
	for name, tc := range map[string]struct {
		policy   microsoft.Policy
		amr      []string
		device   bool
		after    time.Duration
		code     int
		suberror string
	}{
		"MFA required":           {microsoft.Policy{RequireMFA: true}, []string{"pwd"}, false, 0, 50076, "basic_action"},
		"MFA not remembered":     {microsoft.Policy{RememberMFA: days(14)}, nil, false, days(14), 50078, "basic_action"},
		"MFA of another API":     {microsoft.Policy{RequireMFA: true, APIs: []microsoft.Host{microsoft.ARM}}, []string{"pwd"}, false, 0, 0, ""},
		"sign-in frequency":      {microsoft.Policy{SignInFrequency: days(7)}, nil, false, days(7), 70043, "token_expired"},
		"blocked":                {microsoft.Policy{Block: true}, nil, false, 0, 53003, "message_only"},
		"servers blocked":        {microsoft.Policy{BlockServers: true}, nil, false, 0, 53003, "message_only"},
		"device code blocked":    {microsoft.Policy{BlockDeviceCode: true}, nil, true, 0, 53003, "message_only"},
		"policy of other APIs":   {microsoft.Policy{Block: true, APIs: []microsoft.Host{microsoft.ARM}}, nil, false, 0, 0, ""},
		"MFA required and there": {microsoft.Policy{RequireMFA: true}, nil, false, 0, 0, ""},
		"device code allowed":    {microsoft.Policy{}, nil, true, 0, 0, ""},
		"sign-in fresh enough":   {microsoft.Policy{SignInFrequency: days(7)}, nil, false, days(6), 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.SetMFA(admin, microsoft.MFARegistered))
			w.must(w.GrantConsent(contoso, appID, admin, partnerCenterScope))
			token, err := w.IssueRefreshToken(microsoft.RefreshToken{UPN: admin, ApplicationID: appID, AMR: tc.amr, DeviceCode: tc.device})
			w.must(err)
			w.Advance(tc.after)
			w.must(w.SetPolicy(contoso, tc.policy))
			got := w.renew(token)
			if w.WouldAccept(token) != (tc.code == 0) {
				t.Errorf("WouldAccept with %s = %v, want %v", name, !(tc.code == 0), tc.code == 0)
			}
			if tc.code == 0 {
				w.checkOK("renewing with "+name, got)
				return
			}
			w.checkRefused("renewing with "+name, got, http.StatusBadRequest, "invalid_grant", tc.code)
			if got.text("suberror") != tc.suberror {
				t.Errorf("suberror with %s = %q, want %q", name, got.text("suberror"), tc.suberror)
			}
		})
	}
}

func TestS13_RenewalDoesNotResetTheAgeOfTheSignIn(t *testing.T) {
	w := newWorld(t)
	w.must(w.SetPolicy(contoso, microsoft.Policy{SignInFrequency: days(25)}))
	token := w.grant().text("refresh_token")
	for range 2 {
		w.Advance(days(10))
		got := w.renew(token)
		w.checkOK("renewing within the frequency", got)
		token = got.text("refresh_token")
	}
	w.Advance(days(10))
	w.checkRefused("renewing a young token of an old sign-in", w.renew(token), 400, "invalid_grant", 70043)
}

func TestS13_MFAChallengeIsJSONInAString(t *testing.T) {
	w := newWorld(t)
	w.must(w.SetMFA(admin, microsoft.MFARegistered))
	token := w.grant().text("refresh_token")
	w.must(w.SetPolicy(contoso, microsoft.Policy{RequireMFA: true}))
	got := w.renew(token)
	w.checkRefused("renewing without MFA", got, 400, "invalid_grant", 50076)
	var claims struct {
		AccessToken struct {
			Policies struct{ Values []string } `json:"capolids"`
		} `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(got.text("claims")), &claims); err != nil || len(claims.AccessToken.Policies.Values) != 1 {
		t.Errorf("claims = %q, want JSON with the policy's ID", got.text("claims"))
	}
	w.must(w.SetMFA(admin, microsoft.MFANone))
	w.checkRefused("renewing when nothing is registered", w.renew(token), 400, "invalid_grant", 50079)
}

func TestS13_RequiredMFAIsCheckedAtRedemption(t *testing.T) {
	w := newWorld(t)
	token := w.weak()
	w.checkOK("renewing while MFA is not required", w.renew(token))
	w.must(w.SetMFA(admin, microsoft.MFARequired))
	w.checkRefused("renewing when it is", w.renew(token), 400, "invalid_grant", 50076)
}

func TestS13_BlockedSignInStaysOnThePage(t *testing.T) {
	w := newWorld(t)
	w.must(w.SetPolicy(contoso, microsoft.Policy{Block: true}))
	_, err := w.signIn(willing(admin))
	w.checkPage("SignIn where all is blocked", err, 53003)
	w.must(w.SetPolicy(contoso, microsoft.Policy{BlockServers: true}))
	w.checkRefused("redeeming a code where servers are blocked", w.redeem(w.code(willing(admin))), 400, "invalid_grant", 53003)
}

func TestSettings_RefuseUnknownNames(t *testing.T) {
	w := newWorld(t)
	_, err := w.IssueRefreshToken(microsoft.RefreshToken{UPN: "nobody@x.example"})
	for call, err := range map[string]error{
		"RevokeSessions":    w.RevokeSessions("nobody@x.example"),
		"SetMFA":            w.SetMFA(admin, "sometimes"),
		"RefuseUser":        w.RefuseUser(admin, 1),
		"SetPolicy":         w.SetPolicy("nowhere", microsoft.Policy{}),
		"RemoveConsent":     w.RemoveConsent(contoso, "nothing"),
		"GrantConsent":      w.GrantConsent(contoso, appID, "", "https://unknown.example/x"),
		"IssueRefreshToken": err,
		"AddDirectory":      w.AddDirectory(microsoft.Directory{ID: "x"}),
		"AddDirectory2":     w.AddDirectory(microsoft.Directory{ID: fabrikam, Name: "x", Domain: "contoso.example"}),
		"AddUser":           w.AddUser(microsoft.User{UPN: "a@b.example", Password: "x", DirectoryID: "nowhere"}),
	} {
		if err == nil {
			t.Errorf("%s of what does not exist = nil, want an error", call)
		}
	}
	for _, uri := range []string{
		"http://gateway.example.net/callback", "ftp://localhost/x", "/callback", "https://*.example.net/", "https://a.example/#x",
		"https://a.example/" + strings.Repeat("x", 256), "https://a.example/(x)",
	} {
		app := w.application()
		app.RedirectURIs = []microsoft.RedirectURI{{URI: uri}}
		if err := w.AddApplication(app); err == nil {
			t.Errorf("AddApplication(redirect %q) = nil, want an error", uri)
		}
	}
}

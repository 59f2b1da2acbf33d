package microsoft_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS3_WithoutASafeRedirectErrorsStayOnThePage(t *testing.T) {
	w := newWorld(t)
	w.must(w.AddDirectory(microsoft.Directory{ID: "44444444-4444-4444-8444-444444444444", Domain: "gov.example", Name: "Gov", Cloud: "usgovernment"}))
	for name, tc := range map[string]struct {
		edits []string
		code  int
	}{
		"unknown directory":           {[]string{"tenant=nobody.example"}, 90002},
		"directory of another cloud":  {[]string{"tenant=gov.example"}, 90038},
		"no client":                   {[]string{"client_id"}, 900144},
		"unknown client":              {[]string{"client_id=" + fabrikam}, 700016},
		"client of another directory": {[]string{"tenant=" + fabrikam}, 700016},
		"single-tenant on common":     {[]string{"tenant=common"}, 50194},
		"no redirect URI":             {[]string{"redirect_uri"}, 900144},
		"other redirect URI":          {[]string{"redirect_uri=https://gateway.example.net/other"}, 50011},
		"redirect URI in other case":  {[]string{"redirect_uri=https://gateway.example.net/Callback"}, 50011},
		"redirect URI with a query":   {[]string{"redirect_uri=" + callback + "?a=b"}, 50011},
		"very long query":             {[]string{"claims=" + strings.Repeat("x", 9000)}, 90015},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.signIn(willing(admin), tc.edits...)
			w.checkPage("authorize with "+name, err, tc.code)
		})
	}
}

func TestS3_WithASafeRedirectErrorsGoBack(t *testing.T) {
	w := newWorld(t)
	w.must(w.AddDirectory(microsoft.Directory{ID: contoso, Domain: "contoso.example", Name: "Contoso", Without: []microsoft.Host{microsoft.ARM}}))
	for name, tc := range map[string]struct {
		edits     []string
		wantError string
		code      string
	}{
		"no response type":         {[]string{"response_type"}, "invalid_request", "AADSTS900144"},
		"hybrid":                   {[]string{"response_type=code id_token"}, "unsupported_response_type", "AADSTS700054"},
		"no scope":                 {[]string{"scope"}, "invalid_request", "AADSTS900144"},
		"unknown API":              {[]string{"scope=https://unknown.example/x"}, "invalid_resource", "AADSTS500011"},
		"API without principal":    {[]string{"scope=" + armScope}, "invalid_resource", "AADSTS500011"},
		"unknown permission":       {[]string{"scope=https://graph.microsoft.com/Read.Minds"}, "invalid_scope", "AADSTS70011"},
		"default beside single":    {[]string{"scope=https://graph.microsoft.com/.default " + partnerCenterScope}, "invalid_scope", "AADSTS70011"},
		"unknown response mode":    {[]string{"response_mode=web_message"}, "invalid_request", "AADSTS9002313"},
		"unknown prompt":           {[]string{"prompt=force"}, "invalid_request", "AADSTS9002313"},
		"v1 prompt":                {[]string{"prompt=admin_consent"}, "invalid_request", "AADSTS9002313"},
		"hint for select_account":  {[]string{"prompt=select_account", "login_hint=" + admin}, "invalid_request", "AADSTS9002313"},
		"challenge of wrong size":  {[]string{"code_challenge=abc", "code_challenge_method=S256"}, "invalid_request", "AADSTS9002313"},
		"unknown challenge method": {[]string{"code_challenge=abc", "code_challenge_method=S512"}, "invalid_request", "AADSTS9002313"},
		"claims that are no JSON":  {[]string{"claims={", "scope=" + partnerCenterScope}, "invalid_request", "AADSTS9002313"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.arrive(willing(admin), tc.edits...)
			if got.Get("error") != tc.wantError || !strings.HasPrefix(got.Get("error_description"), tc.code+":") || got.Get("state") != "state-1" {
				t.Errorf("authorize with %s = %v, want %s %s and the state", name, got, tc.wantError, tc.code)
			}
		})
	}
	w.must(w.DisableApplication(appID))
	if got := w.arrive(willing(admin)); got.Get("error") != "unauthorized_client" {
		t.Errorf("authorize for a disabled application = %v, want unauthorized_client", got)
	}
}

func TestS4_AccountAndPasswordAreAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.must(w.AddUser(microsoft.User{UPN: "gone@contoso.example", Password: password, DirectoryID: contoso, Disabled: true}))
	w.must(w.RefuseUser(clerk, 50053))
	for name, tc := range map[string]struct {
		visitor microsoft.Visitor
		code    int
	}{
		"unknown account":            {willing("nobody@contoso.example"), 50034},
		"account of another company": {willing("fay@fabrikam.example"), 50020},
		"wrong password":             {microsoft.Visitor{UPN: admin, Password: "wrong"}, 50126},
		"disabled":                   {willing("gone@contoso.example"), 50057},
		"locked":                     {willing(clerk), 50053},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.signIn(tc.visitor)
			w.checkPage("SignIn with "+name, err, tc.code)
		})
	}
}

func TestS4_LoginHintFillsTheAddress(t *testing.T) {
	w := newWorld(t)
	_, header, body := w.openPage(w.browser(), w.authorizeURL("login_hint="+admin))
	if !strings.Contains(body, `id="username" name="username" value="`+admin+`"`) {
		t.Errorf("account page = %s, want the hint in #username", body)
	}
	if header.Get("X-Frame-Options") != "DENY" || !strings.Contains(body, "Simulated Microsoft") {
		t.Errorf("account page headers = %v, want no framing, and the page must say what it is", header)
	}
}

func TestS4_SessionSparesThePasswordUnlessPromptIsLogin(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	again := func(v microsoft.Visitor, edits ...string) (*url.URL, error) {
		return microsoft.SignIn(t.Context(), browser, w.authorizeURL(edits...), v)
	}
	withoutPassword := microsoft.Visitor{UPN: admin, Accept: true}

	if back, err := again(microsoft.Visitor{}, "prompt=none"); err != nil || back.Query().Get("error") != "login_required" {
		t.Errorf("prompt=none without a session = %v, %v, want login_required", back, err)
	}
	if _, err := again(willing(admin)); err != nil {
		t.Fatalf("SignIn() = %v", err)
	}
	for _, prompt := range []string{"", "consent", "select_account"} {
		if back, err := again(withoutPassword, "prompt="+prompt); err != nil || back.Query().Get("code") == "" {
			t.Errorf("prompt=%q with a session = %v, %v, want a code", prompt, back, err)
		}
	}
	if back, err := again(microsoft.Visitor{}, "prompt=none"); err != nil || back.Query().Get("code") == "" {
		t.Errorf("prompt=none with a session = %v, %v, want a code", back, err)
	}
	_, err := again(withoutPassword, "prompt=login")
	w.checkPage("prompt=login with a session", err, 50126)

	w.must(w.RemoveConsent(contoso, appID))
	if back, err := again(microsoft.Visitor{}, "prompt=none"); err != nil || back.Query().Get("error") != "consent_required" {
		t.Errorf("prompt=none without consent = %v, %v, want consent_required", back, err)
	}
	w.must(w.RevokeSessions(admin))
	if back, err := again(microsoft.Visitor{}, "prompt=none"); err != nil || back.Query().Get("error") != "login_required" {
		t.Errorf("prompt=none with a revoked session = %v, %v, want login_required", back, err)
	}
}

func TestS4_LogoutEndsTheSessionAndNoRefreshToken(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	back, err := microsoft.SignIn(t.Context(), browser, w.authorizeURL(), willing(admin))
	w.must(err)
	token := w.redeem(back.Query().Get("code")).text("refresh_token")
	w.openPage(browser, w.LoginURL()+"/"+contoso+"/oauth2/v2.0/logout")
	back, err = microsoft.SignIn(t.Context(), browser, w.authorizeURL("prompt=none"), microsoft.Visitor{})
	if err != nil || back.Query().Get("error") != "login_required" {
		t.Errorf("prompt=none after logout = %v, %v, want login_required", back, err)
	}
	w.checkOK("renewing after logout", w.renew(token))
}

func TestS5_SecondFactor(t *testing.T) {
	const mfaClaims = `claims={"access_token":{"amr":{"essential":true,"values":["mfa"]}}}`
	for name, tc := range map[string]struct {
		mfa      microsoft.MFA
		federate bool
		policy   microsoft.Policy
		edits    []string
		want     []any // amr
	}{
		"not asked for":                   {microsoft.MFARegistered, false, microsoft.Policy{}, nil, []any{"pwd"}},
		"asked for by the account":        {microsoft.MFARequired, false, microsoft.Policy{}, nil, []any{"pwd", "mfa"}},
		"asked for by policy":             {microsoft.MFARegistered, false, microsoft.Policy{RequireMFA: true}, nil, []any{"pwd", "mfa"}},
		"asked for by the request":        {microsoft.MFARegistered, false, microsoft.Policy{}, []string{mfaClaims}, []any{"pwd", "mfa"}},
		"the request ignored":             {microsoft.MFARegistered, false, microsoft.Policy{IgnoreMFAClaims: true}, []string{mfaClaims}, []any{"pwd"}},
		"registered on the way":           {microsoft.MFANone, false, microsoft.Policy{RequireMFA: true}, nil, []any{"pwd", "mfa"}},
		"satisfied by a third party":      {microsoft.MFAExternal, false, microsoft.Policy{RequireMFA: true}, nil, []any{"pwd"}},
		"federated with the claim":        {microsoft.MFARegistered, true, microsoft.Policy{RequireMFA: true}, nil, []any{"fed", "mfa"}},
		"federated without the claim":     {microsoft.MFANone, true, microsoft.Policy{}, []string{mfaClaims}, []any{"fed"}},
		"policy of an API that is absent": {microsoft.MFARegistered, false, microsoft.Policy{RequireMFA: true, APIs: []microsoft.Host{microsoft.ARM}}, []string{"scope=" + oidcScopes + " " + partnerCenterScope}, []any{"pwd"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(w.AddUser(microsoft.User{UPN: clerk, Password: password, DirectoryID: contoso, MFA: tc.mfa, Federated: tc.federate, GlobalAdmin: true}))
			w.must(w.SetPolicy(contoso, tc.policy))
			visitor := willing(clerk)
			visitor.RegisterMFA = true
			got := w.redeem(w.code(visitor, tc.edits...))
			w.checkOK("redeeming a code", got)
			amr, _ := w.claims(got.text("access_token"))["amr"].([]any)
			if len(amr) != len(tc.want) || amr[0] != tc.want[0] || amr[len(amr)-1] != tc.want[len(tc.want)-1] {
				t.Errorf("amr with MFA %s = %v, want %v", name, amr, tc.want)
			}
		})
	}
}

func TestS5_DeniedSecondFactorStaysOnThePage(t *testing.T) {
	w := newWorld(t)
	_, err := w.signIn(microsoft.Visitor{UPN: admin, Password: password})
	w.checkPage("SignIn with MFA denied", err, 500121)
	w.must(w.SetMFA(admin, microsoft.MFANone))
	w.must(w.SetPolicy(contoso, microsoft.Policy{RequireMFA: true}))
	got := w.arrive(microsoft.Visitor{UPN: admin, Password: password})
	if got.Get("error") != "access_denied" || got.Get("error_subcode") != "cancel" {
		t.Errorf("SignIn with registration cancelled = %v, want access_denied, cancel", got)
	}
}

func TestS5_ClaimsMayBeRefused(t *testing.T) {
	w := newWorld(t)
	w.must(w.SetPolicy(contoso, microsoft.Policy{RefuseClaims: true}))
	got := w.arrive(willing(admin), `claims={"access_token":{"amr":{"essential":true,"values":["mfa"]}}}`)
	if got.Get("error") != "invalid_request" || !strings.Contains(got.Get("error_description"), "unsupported claims") {
		t.Errorf("authorize with refused claims = %v, want invalid_request, unsupported claims", got)
	}
	w.code(willing(admin))
}

func TestS6_CancelIsAccessDenied(t *testing.T) {
	w := newWorld(t)
	got := w.arrive(microsoft.Visitor{UPN: admin, Password: password, ApproveMFA: true})
	if got.Get("error") != "access_denied" || got.Get("error_subcode") != "cancel" || !strings.HasPrefix(got.Get("error_description"), "AADSTS65004:") {
		t.Errorf("SignIn with the consent declined = %v, want access_denied, cancel, AADSTS65004", got)
	}
	if got.Get("state") != "state-1" || got.Has("code") {
		t.Errorf("SignIn with the consent declined = %v, want the state and no code", got)
	}
}

func TestS6_AdministratorsPermissionsBlockOthers(t *testing.T) {
	w := newWorld(t)
	got := w.arrive(willing(clerk))
	if got.Get("error") != "access_denied" || !strings.HasPrefix(got.Get("error_description"), "AADSTS90094:") {
		t.Errorf("SignIn of a clerk = %v, want access_denied, AADSTS90094", got)
	}
	w.code(willing(clerk), "scope="+oidcScopes+" "+partnerCenterScope)
	w.must(w.RemoveConsent(contoso, appID))
	w.must(w.SetPolicy(contoso, microsoft.Policy{AdminConsentOnly: true}))
	if got := w.arrive(willing(clerk), "scope="+partnerCenterScope); got.Get("error") != "access_denied" {
		t.Errorf("SignIn of a clerk where only administrators consent = %v, want access_denied", got)
	}
}

func TestS6_OrganizationConsentServesEverybody(t *testing.T) {
	w := newWorld(t)
	visitor := willing(admin)
	w.code(visitor)
	if got := w.arrive(willing(clerk)); got.Get("error") != "access_denied" {
		t.Errorf("SignIn of a clerk after a personal consent = %v, want access_denied", got)
	}
	visitor.Organization = true
	w.code(visitor, "prompt=consent")
	w.code(microsoft.Visitor{UPN: clerk, Password: password}) // he sees no consent page, or he would decline it
}

func TestS6_ConsentIsAskedOnceUnlessPromptIsConsent(t *testing.T) {
	w := newWorld(t)
	w.code(willing(admin))
	declines := microsoft.Visitor{UPN: admin, Password: password, ApproveMFA: true}
	w.code(declines, "prompt=login")
	if got := w.arrive(declines, "prompt=consent"); got.Get("error_subcode") != "cancel" {
		t.Errorf("SignIn with prompt=consent = %v, want the consent page, and cancel", got)
	}
}

func TestS6_TickBoxIsForGlobalAdministratorsOnly(t *testing.T) {
	w := newWorld(t)
	const box = `id="consent-organization"`
	consentPage := func(upn string) string {
		browser := w.browser()
		scope := "scope=" + oidcScopes + " " + partnerCenterScope
		if _, err := microsoft.SignIn(t.Context(), browser, w.authorizeURL(scope), willing(upn)); err != nil {
			t.Fatalf("SignIn(%s) = %v", upn, err)
		}
		_, _, body := w.openPage(browser, w.authorizeURL(scope, "prompt=consent"))
		return body
	}
	if body := consentPage(admin); !strings.Contains(body, box) || !strings.Contains(body, "Azure CSP application") || !strings.Contains(body, "unverified") {
		t.Errorf("consent page of an administrator = %s, want the tick box, the application and its publisher", body)
	}
	if body := consentPage(clerk); strings.Contains(body, box) {
		t.Errorf("consent page of a clerk = %s, want no tick box", body)
	}
}

func TestS6_ButtonPressedTwiceGivesOneCode(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	if _, err := microsoft.SignIn(t.Context(), browser, w.authorizeURL(), willing(admin)); err != nil {
		t.Fatal(err)
	}
	_, _, body := w.openPage(browser, w.authorizeURL("prompt=consent"))
	_, after, _ := strings.Cut(body, `name="flow" value="`)
	id, _, _ := strings.Cut(after, `"`)
	press := func() string {
		copied := *browser
		copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		answer, err := copied.PostForm(w.LoginURL()+"/"+contoso+"/signin/consent", url.Values{"flow": {id}, "action": {"accept"}})
		w.must(err)
		defer answer.Body.Close()
		return answer.Header.Get("Location")
	}
	if first, second := press(), press(); first == "" || first != second {
		t.Errorf("Accept pressed twice = %q, %q, want the same code", first, second)
	}
}

func TestS6_NoStepCanBeSkipped(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	_, _, body := w.openPage(browser, w.authorizeURL())
	_, after, _ := strings.Cut(body, `name="flow" value="`)
	id, _, _ := strings.Cut(after, `"`)
	for _, step := range []string{"password", "mfa", "register", "approval", "consent", "nonsense"} {
		answer, err := browser.PostForm(w.LoginURL()+"/"+contoso+"/signin/"+step, url.Values{"flow": {id}, "action": {"accept"}, "password": {password}})
		w.must(err)
		answer.Body.Close()
		if answer.Request.URL.Host != strings.TrimPrefix(w.LoginURL(), "http://") {
			t.Errorf("posting %s first led to %s", step, answer.Request.URL)
		}
	}
	w.Advance(days(1))
	answer, err := browser.PostForm(w.LoginURL()+"/"+contoso+"/signin/account", url.Values{"flow": {id}, "username": {admin}})
	w.must(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("posting a page of yesterday = %d, want 400", answer.StatusCode)
	}
}

func TestS7_ResponseModes(t *testing.T) {
	w := newWorld(t)
	const state = "a b+c/d=&é"
	for _, mode := range []string{"", "query", "form_post"} {
		got := w.arrive(willing(admin), "response_mode="+mode, "state="+state)
		if got.Get("code") == "" || got.Get("state") != state || got.Get("session_state") == "" {
			t.Errorf("response_mode=%s = %v, want code, the state unchanged, session_state", mode, got)
		}
	}
	back, err := w.signIn(willing(admin), "response_mode=fragment", "state="+state)
	w.must(err)
	got, err := url.ParseQuery(back.EscapedFragment())
	w.must(err)
	if back.RawQuery != "" || got.Get("code") == "" || got.Get("state") != state {
		t.Errorf("response_mode=fragment = %v, want everything in the fragment", back)
	}
}

func TestS7_FormPostPostsByItselfOrByAButton(t *testing.T) {
	w := newWorld(t)
	_, header, body := w.openPage(w.browser(), w.authorizeURL("response_mode=form_post", "prompt=none"))
	for _, want := range []string{`<form method="post" action="` + callback + `"`, `name="error" value="login_required"`, `<noscript>`, `id="formpost-continue"`} {
		if !strings.Contains(body, want) {
			t.Errorf("form_post page = %s, want %s", body, want)
		}
	}
	_, after, _ := strings.Cut(body, `<script nonce="`)
	nonce, _, _ := strings.Cut(after, `"`)
	if nonce == "" || !strings.Contains(header.Get("Content-Security-Policy"), "'nonce-"+nonce+"'") {
		t.Errorf("Content-Security-Policy = %q, want to allow the page's script", header.Get("Content-Security-Policy"))
	}
}

func TestS7_RedirectURIWithoutPathGetsASlash(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.RedirectURIs = []microsoft.RedirectURI{{URI: "http://localhost"}}
	w.must(w.AddApplication(app))
	back, err := w.signIn(willing(admin), "redirect_uri=http://localhost:8123")
	w.must(err)
	if back.Host != "localhost:8123" || back.Path != "/" {
		t.Errorf("redirect to a URI without a path = %s, want localhost:8123/", back)
	}
}

func TestS23_AdminConsentGivesNoCode(t *testing.T) {
	w := newWorld(t)
	address := func(edits string) string {
		return w.LoginURL() + "/" + contoso + "/v2.0/adminconsent?client_id=" + appID + "&state=s&redirect_uri=" + url.QueryEscape(callback) + edits
	}
	_, err := microsoft.SignIn(t.Context(), w.browser(), w.LoginURL()+"/"+contoso+"/v2.0/adminconsent?client_id="+appID, willing(admin))
	w.checkPage("admin consent without a redirect URI", err, 900144)

	back, err := microsoft.SignIn(t.Context(), w.browser(), address(""), willing(clerk))
	if err != nil || back.Query().Get("error") != "access_denied" || back.Query().Get("admin_consent") != "True" {
		t.Errorf("admin consent by a clerk = %v, %v, want access_denied", back, err)
	}
	back, err = microsoft.SignIn(t.Context(), w.browser(), address("&scope="+url.QueryEscape(partnerCenterScope)), willing(admin))
	if err != nil {
		t.Fatalf("admin consent = %v", err)
	}
	got := back.Query()
	if got.Get("admin_consent") != "True" || got.Get("tenant") != contoso || got.Get("state") != "s" || got.Has("code") {
		t.Errorf("admin consent = %v, want admin_consent, tenant, state and no code", got)
	}
	w.code(microsoft.Visitor{UPN: clerk, Password: password}, "scope="+partnerCenterScope)
	if back, err = microsoft.SignIn(t.Context(), w.browser(), address(""), willing(admin)); err != nil || back.Query().Get("admin_consent") != "True" {
		t.Errorf("admin consent to the registration = %v, %v, want admin_consent", back, err)
	}
	w.code(microsoft.Visitor{UPN: clerk, Password: password})
}

func TestSignIn_TellsTheCallersMistakes(t *testing.T) {
	w := newWorld(t)
	if _, err := microsoft.SignIn(t.Context(), w.browser(), "http://127.0.0.1:1/%zz", willing(admin)); err == nil {
		t.Error("SignIn(bad URL) = nil, want an error")
	}
	var page *microsoft.PageError
	if _, err := w.signIn(willing("")); !errors.As(err, &page) || page.Title != "Sign in" {
		t.Errorf("SignIn(no address) = %v, want to stay on the page Sign in", err)
	}
}

package microsoft_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS3_ErrorsStayOnThePageWithoutASafeRedirectURI(t *testing.T) {
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

func TestS3_ErrorsGoToASafeRedirectURI(t *testing.T) {
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

func TestS4_AccountAndPasswordAreRequestedAgain(t *testing.T) {
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

func TestS4_LoginHintFillsInTheAccount(t *testing.T) {
	w := newWorld(t)
	_, header, body := w.openPage(w.browser(), w.authorizeURL("login_hint="+admin))
	if !strings.Contains(body, `id="username" name="username" value="`+admin+`"`) {
		t.Errorf("account page = %s, want the hint in #username", body)
	}
	if header.Get("X-Frame-Options") != "DENY" || !strings.Contains(body, "Simulated Microsoft") {
		t.Errorf("account page headers = %v, want no framing, and the page must say what it is", header)
	}
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
		"satisfied by a passkey":          {microsoft.MFAPasskey, false, microsoft.Policy{RequireMFA: true}, nil, []any{"fido", "hwk", "rsa"}},
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

func TestS7_FormPostSubmitsWithAndWithoutScript(t *testing.T) {
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

func TestSignIn_ReportsErrorsOfTheCaller(t *testing.T) {
	w := newWorld(t)
	if _, err := microsoft.SignIn(t.Context(), w.browser(), "http://127.0.0.1:1/%zz", willing(admin)); err == nil {
		t.Error("SignIn(bad URL) = nil, want an error")
	}
	var page *microsoft.PageError
	if _, err := w.signIn(willing("")); !errors.As(err, &page) || page.Title != "Sign in" {
		t.Errorf("SignIn(no address) = %v, want to stay on the page Sign in", err)
	}
}

func TestS1_InstanceDiscoveryForMSAL(t *testing.T) {
	w := newWorld(t)
	ask := w.LoginURL() + "/common/discovery/instance?api-version=1.1&authorization_endpoint="
	w.checkRefused("instance discovery of another host", w.get(ask+url.QueryEscape("https://elsewhere.example/x/oauth2/v2.0/authorize")), 400, "invalid_request", 9002313)
	got := w.get(ask + url.QueryEscape(w.LoginURL()+"/"+contoso+"/oauth2/v2.0/authorize"))
	if want := w.LoginURL() + "/" + contoso + "/v2.0/.well-known/openid-configuration"; got.text("tenant_discovery_endpoint") != want {
		t.Errorf("tenant_discovery_endpoint = %q, want %q", got.text("tenant_discovery_endpoint"), want)
	}
}

func TestS16_AuthorizeV1TakesAResource(t *testing.T) {
	w := newWorld(t)
	first := func(v microsoft.Visitor, edits ...string) url.Values {
		t.Helper()
		address := strings.Replace(w.authorizeURL(append(edits, "scope")...), "/v2.0/authorize", "/authorize", 1)
		back, err := microsoft.SignIn(t.Context(), w.browser(), address, v)
		w.must(err)
		return back.Query()
	}
	if got := first(willing(clerk), "resource=https://graph.windows.net"); got.Get("error") != "invalid_resource" {
		t.Errorf("authorize for a retired resource = %v, want invalid_resource", got)
	}
	if got := first(willing(clerk), "prompt=admin_consent", "resource=https://api.partnercenter.microsoft.com"); got.Get("error") != "access_denied" {
		t.Errorf("admin consent by a clerk = %v, want access_denied", got)
	}
	got := first(willing(admin), "prompt=admin_consent", "resource=https://api.partnercenter.microsoft.com")
	w.checkOK("redeeming a code of version 1", w.redeem(got.Get("code"), "v1", "scope"))
	if got := first(microsoft.Visitor{UPN: clerk, Password: password}, "resource=https://api.partnercenter.microsoft.com"); got.Get("code") == "" {
		t.Errorf("authorize after the administrator's consent = %v, want a code", got)
	}
}

func TestS5_AuthenticationContextRequiresMFA(t *testing.T) {
	w := newWorld(t)
	w.must(w.SetMFA(admin, microsoft.MFARegistered))
	for claims, want := range map[string]bool{
		`{"access_token":{"acrs":{"essential":true,"values":["p1"]}}}`: true,
		`{"id_token":{"amr":{"essential":true,"values":["mfa"]}}}`:     true,
		`{"id_token":{"auth_time":null}}`:                              false,
		`{"access_token":{"amr":{"values":["pwd"]}}}`:                  false,
	} {
		got := w.grant("claims=" + claims)
		amr, _ := w.claims(got.text("access_token"))["amr"].([]any)
		if slices.Contains(amr, any("mfa")) != want {
			t.Errorf("amr with claims %s = %v, want mfa: %v", claims, amr, want)
		}
	}
}

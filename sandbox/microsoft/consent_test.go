package microsoft_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

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

func TestS6_AdminPermissionsRequireAnAdministrator(t *testing.T) {
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

func TestS6_OrganizationConsentCoversAllUsers(t *testing.T) {
	w := newWorld(t)
	visitor := willing(admin)
	w.code(visitor)
	if got := w.arrive(willing(clerk)); got.Get("error") != "access_denied" {
		t.Errorf("SignIn of a clerk after a personal consent = %v, want access_denied", got)
	}
	visitor.Organization = true
	w.code(visitor, "prompt=consent")
	w.code(microsoft.Visitor{UPN: clerk, Password: password}) // without a consent page, which this visitor would decline
}

func TestS6_ConsentIsRequestedOnceUnlessPromptIsConsent(t *testing.T) {
	w := newWorld(t)
	w.code(willing(admin))
	declines := microsoft.Visitor{UPN: admin, Password: password, ApproveMFA: true}
	w.code(declines, "prompt=login")
	if got := w.arrive(declines, "prompt=consent"); got.Get("error_subcode") != "cancel" {
		t.Errorf("SignIn with prompt=consent = %v, want the consent page, and cancel", got)
	}
}

func TestS6_OnlyGlobalAdministratorsSeeTheCheckBox(t *testing.T) {
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

func TestS6_FormSubmittedTwiceGivesOneCode(t *testing.T) {
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

func TestS6_AnAdministratorCanSignInOnTheApprovalPage(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	back, err := microsoft.SignIn(t.Context(), browser, w.authorizeURL(), willing(clerk))
	if err != nil || back.Query().Get("error") != "access_denied" {
		t.Fatalf("SignIn(clerk) = %v, %v, want access_denied", back, err)
	}
	_, _, body := w.openPage(browser, w.authorizeURL())
	body = w.press(browser, body, "action", "other")
	if !strings.Contains(body, `id="username"`) {
		t.Errorf("page after choosing an administrator's account = %s, want the account page", body)
	}
	body = w.press(browser, w.press(browser, body, "username", admin), "password", password)
	if !strings.Contains(body, `id="mfa-approve"`) {
		t.Errorf("page after the administrator's password = %s, want the second factor", body)
	}
}

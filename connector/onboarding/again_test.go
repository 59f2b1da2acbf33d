package onboarding_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// refused makes Complete refuse, with a link for another attempt; "" for a consent that is over.
func (h *harness) refused(f *failure.Error, again string) {
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{Link: secret.New(again)}, f
	}
}

// buttons returns the addresses of the forms for another attempt, the first one's button, and whether the page says that only the
// panel can start one.
func (p page) buttons() (signIn, another, primary string, over bool) {
	for _, form := range strings.Split(p.body, "<form ")[1:] {
		_, action, _ := strings.Cut(form, `action="`)
		action, _, _ = strings.Cut(action, `"`)
		switch {
		case strings.Contains(form, `id="again"`):
			signIn = action
		case strings.Contains(form, `id="another"`):
			another = action
		}
		if strings.Contains(form, `class="primary"`) {
			_, id, _ := strings.Cut(form, ` id="`)
			primary, _, _ = strings.Cut(id, `"`)
		}
	}
	return signIn, another, primary, strings.Contains(p.body, `id="over"`)
}

func TestFailure_OffersAnotherAttempt(t *testing.T) {
	const once, other = "/consent/" + link, "/consent/" + link + "?account=another"
	for name, tc := range map[string]struct {
		failure                  *failure.Error
		link                     string
		signIn, another, primary string
		over                     bool
	}{
		"the account is the reason": {failure.New(failure.GuestAccount, "username", "g@x.example"), link, once, other, "another", false},
		"wrong directory":           {failure.New(failure.WrongDirectory, "seen", "a", "expected", "b"), link, once, other, "another", false},
		"declined":                  {failure.New(failure.ConsentDeclined), link, once, other, "again", false},
		"without MFA":               {failure.New(failure.MFAMissing), link, once, other, "again", false},
		"Microsoft is down":         {failure.New(failure.MicrosoftUnavailable), link, once, other, "again", false},
		"a setting is the reason":   {failure.New(failure.ClientSecretWrong), link, once, "", "again", false},
		"the consent is over":       {failure.New(failure.GuestAccount, "username", "g@x.example"), "", "", "", "", true},
		"no link of ours":           {failure.New(failure.ConsentDeclined), "../x", "", "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.refused(tc.failure, tc.link)
			p := h.visitor().callBack(granted())
			signIn, another, primary, over := p.buttons()
			if signIn != tc.signIn || another != tc.another || primary != tc.primary || over != tc.over {
				t.Errorf("GET /done offers %q and %q, %q first, over %v; want %q and %q, %q first, %v", signIn, another, primary, over, tc.signIn, tc.another, tc.primary, tc.over)
			}
			policy := p.header.Get("Content-Security-Policy")
			if got := !strings.HasSuffix(policy, "form-action 'none'"); got != (tc.signIn != "") {
				t.Errorf("Content-Security-Policy = %q, want forms only where there is one", policy)
			}
		})
	}
}

func TestFailure_AnotherAttemptChoosesTheAccount(t *testing.T) {
	h := newHarness(t, nil)
	h.refused(failure.New(failure.GuestAccount, "username", "g@x.example"), link)
	v := h.visitor()
	signIn, another, _, _ := v.callBack(granted()).buttons()
	for action, want := range map[string]bool{signIn: false, another: true} {
		if p := v.continueFrom(action); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "https://login.example.com/") {
			t.Errorf("POST %s = %d to %q, want 303 to Microsoft", action, p.status, p.header.Get("Location"))
		}
		if got := h.visits[len(h.visits)-1]; got.AnotherAccount != want || got.Browser != h.visits[0].Browser {
			t.Errorf("Authorize was called with %+v, want AnotherAccount %v", got, want)
		}
	}
	// Another site can start neither.
	if p := v.send(http.MethodPost, another, url.Values{}, "Sec-Fetch-Site", "cross-site"); p.status != http.StatusBadRequest {
		t.Errorf("POST from another site = %d, want 400", p.status)
	}
}

func TestFailure_ShowsAccountReferenceAndDetails(t *testing.T) {
	h := newHarness(t, nil)
	f := failure.New(failure.MFAMissing, "username", "<ada>@fabrikam.example")
	f.Microsoft = &failure.Evidence{Code: "50076"}
	h.refused(f, link)
	p := h.visitor().callBack(granted())
	if p.text("account") != "<ada>@fabrikam.example" || p.text("code") != "mfa_missing" || p.text("microsoft") != "50076" || p.text("copy-reference") != "Copy" {
		t.Errorf("GET /done = %s, want the account, the codes and Copy", p.body)
	}
	if details := strings.Index(p.body, `<details id="technical">`); details < 0 || strings.Index(p.body, `id="microsoft"`) < details || strings.Index(p.body, `id="reference"`) > details {
		t.Errorf("GET /done = %s, want Microsoft's code below Technical details, and the reference before", p.body)
	}
}

// A link that cannot be opened just now can be opened again; a link that is over can't.
func TestLanding_FailureOffersToOpenAgain(t *testing.T) {
	for code, want := range map[failure.Code]bool{
		failure.MicrosoftUnavailable: true, failure.InternalError: true, failure.Conflict: true,
		failure.LinkExpired: false, failure.LinkUnknown: false, failure.ApplicationMissing: false,
	} {
		h := newHarness(t, nil)
		h.landing = func(string, string) (consent.Landing, error) { return consent.Landing{}, failure.New(code) }
		p := h.visitor().get("/consent/" + link)
		if got := strings.Contains(p.body, `id="again" href="?"`); got != want {
			t.Errorf("GET /consent/… with %s offers another attempt: %v, want %v", code, got, want)
		}
	}
}

func TestClaim_SaysThatItReplacesACode(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		h := newHarness(t, nil)
		h.complete = func(consent.Callback) (consent.Outcome, error) {
			out := manualOutcome()
			out.Replaced = replaced
			return out, nil
		}
		h.landing = func(string, string) (consent.Landing, error) {
			l := manualLanding()
			l.CodeWaits = replaced
			return l, nil
		}
		v := h.visitor()
		if before, after := v.get("/consent/"+link).text("code-waits"), v.callBack(granted()).text("replaced"); (before != "") != replaced || (after != "") != replaced {
			t.Errorf("pages of a sign-in that replaces a code (%v) say %q and %q", replaced, before, after)
		}
	}
}

func TestLanding_NamesEveryPermission(t *testing.T) {
	const usual = "access to email, files, or calendars"
	h := newHarness(t, nil)
	p := h.visitor().get("/consent/" + link)
	p.body = strings.ReplaceAll(p.body, "<wbr>", "")
	for _, want := range []string{
		"offline_access", "Stay connected: renew the token", "https://api.partnercenter.microsoft.com/user_impersonation", "Work in Partner Center as this account",
		"https://graph.microsoft.com/Directory.Read.All", "to check the roles", "https://management.azure.com/user_impersonation", "Manage Azure subscriptions",
		usual, "never sees your password", "How to withdraw your consent", "I didn&#39;t expect this",
	} {
		if !strings.Contains(p.body, want) {
			t.Errorf("GET /consent/… = %s, want %q", p.body, want)
		}
	}
	// With what the operator added, nothing is promised about mail.
	for name, added := range map[string]consent.Permission{
		"added": {API: token.Graph, Scope: "https://graph.microsoft.com/Mail.Read", Added: true}, "of a cloud profile": {API: token.Graph, Scope: "https://graph.microsoft.com/Mail.Read"},
	} {
		h.landing = func(string, string) (consent.Landing, error) {
			l := manualLanding()
			l.Permissions = append(l.Permissions, added)
			return l, nil
		}
		p := h.visitor().get("/consent/" + link)
		if !strings.Contains(p.body, "Mail.Read") || !strings.Contains(p.body, "Used by applications of the marketplace") || strings.Contains(p.body, usual) {
			t.Errorf("GET /consent/… with a permission %s = %s, want it named and no word of mail", name, p.body)
		}
	}
}

// Visitors choose the language on every page, and keep it.
func TestLanguage_Switch(t *testing.T) {
	h := newHarness(t, nil)
	h.refused(failure.New(failure.ConsentDeclined), link)
	v := h.visitor()
	for _, path := range []string{"/consent/" + link, "/consent/unknown-link", "/", "/done", "/none"} {
		p := v.get(path)
		if !strings.Contains(p.body, `<a lang="ja" hreflang="ja" href="?ui_locales=ja">日本語</a>`) {
			t.Errorf("GET %s = %s, want a link to ?ui_locales=ja", path, p.body)
		}
		if _, name, ok := strings.Cut(path, "/consent/"); ok && strings.Contains(p.body, name) {
			t.Errorf("GET %s = %s, want a page without the link", path, p.body)
		}
	}
	if p := v.send(http.MethodPost, "/disown", url.Values{}); !strings.Contains(p.body, `href="/done?ui_locales=ja"`) {
		t.Errorf("POST /disown = %s, want the languages of a page that can be opened", p.body)
	}
	v.callBack(granted())
	if p := v.get("/done?ui_locales=ja"); !strings.Contains(p.body, `<html lang="ja">`) {
		t.Errorf("GET /done?ui_locales=ja = %s, want Japanese", p.body)
	}
	if p := v.get("/"); !strings.Contains(p.body, `<html lang="ja">`) {
		t.Errorf("GET / afterwards = %s, want Japanese", p.body)
	}
}

func TestLanguages_HaveNames(t *testing.T) {
	catalogues, err := onboarding.Catalogues()
	if err != nil {
		t.Fatal(err)
	}
	for code := range catalogues {
		if onboarding.NameOf(code) == code {
			t.Errorf("language %s has no name", code)
		}
	}
}

func TestBrand_IsShownOnEveryPage(t *testing.T) {
	logo := []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`)
	h := newHarness(t, func(cfg *onboarding.Config) {
		cfg.PublicURL += "/base"
		cfg.Brand = onboarding.Brand{Name: "Larkfield <Cloud>", Logo: logo, LogoType: "image/svg+xml", HelpURL: "mailto:help@larkfield.example"}
	})
	v := h.visitor()
	for _, path := range []string{"/base/consent/" + link, "/base/done", "/base/none"} {
		p := v.get(path)
		for _, want := range []string{"Larkfield &lt;Cloud&gt;", `src="/base/logo"`, `href="mailto:help@larkfield.example"`, "<strong>Partner Onboarding Web Application</strong>"} {
			if !strings.Contains(p.body, want) {
				t.Errorf("GET %s = %s, want %s", path, p.body, want)
			}
		}
	}
	p := v.get("/base/logo")
	if p.body != string(logo) || p.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(p.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("GET /logo = %v %s, want the image, whose scripts don't run", p.header, p.body)
	}
	if p := newHarness(t, nil).visitor().get("/logo"); p.status != http.StatusNotFound {
		t.Errorf("GET /logo without one = %d, want 404", p.status)
	}
}

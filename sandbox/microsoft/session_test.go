package microsoft_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS4_SessionReplacesThePasswordUnlessPromptIsLogin(t *testing.T) {
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

func TestS4_LogoutEndsTheSessionOnly(t *testing.T) {
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

// press posts the form of a page with one more field, and returns the next page.
func (w *world) press(browser *http.Client, body, name, value string) string {
	w.t.Helper()
	_, after, _ := strings.Cut(body, `action="`)
	action, _, _ := strings.Cut(after, `"`)
	_, after, _ = strings.Cut(body, `name="flow" value="`)
	id, _, _ := strings.Cut(after, `"`)
	answer, err := browser.PostForm(w.LoginURL()+action, url.Values{"flow": {id}, name: {value}})
	w.must(err)
	defer answer.Body.Close()
	next, err := io.ReadAll(answer.Body)
	w.must(err)
	return string(next)
}

func TestS4_OtherAccountFromTheList(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	_, err := microsoft.SignIn(t.Context(), browser, w.authorizeURL(), willing(admin))
	w.must(err)
	_, _, body := w.openPage(browser, w.authorizeURL("prompt=select_account"))
	if !strings.Contains(body, `value="`+admin+`"`) {
		t.Errorf("account list = %s, want admin", body)
	}
	for _, chosen := range []string{"", "fay@fabrikam.example"} {
		if next := w.press(browser, body, "account", chosen); !strings.Contains(next, `id="username"`) {
			t.Errorf("page after choosing %q = %s, want the account page", chosen, next)
		}
	}
}

func TestS4_OldSessionsRequireThePassword(t *testing.T) {
	w := newWorld(t)
	w.must(w.SetPolicy(contoso, microsoft.Policy{SignInFrequency: days(7), RememberMFA: days(3)}))
	browser := w.browser()
	_, err := microsoft.SignIn(t.Context(), browser, w.authorizeURL(), willing(admin))
	w.must(err)
	withoutPages := func() string {
		back, err := microsoft.SignIn(t.Context(), browser, w.authorizeURL("prompt=none"), microsoft.Visitor{})
		w.must(err)
		return back.Query().Get("error")
	}
	for _, tc := range []struct {
		after        int
		page         string
		withoutPages string
	}{{3, "mfa-approve", "interaction_required"}, {4, "password-next", "interaction_required"}} {
		w.Advance(days(tc.after))
		if _, _, body := w.openPage(browser, w.authorizeURL()); !strings.Contains(body, `id="`+tc.page+`"`) {
			t.Errorf("page %d days later = %s, want %s", tc.after, body, tc.page)
		}
		if got := withoutPages(); got != tc.withoutPages {
			t.Errorf("prompt=none %d days later = %q, want %s", tc.after, got, tc.withoutPages)
		}
	}
	w.must(w.SetPolicy(contoso, microsoft.Policy{Block: true}))
	if got := withoutPages(); got != "interaction_required" {
		t.Errorf("prompt=none where all is blocked = %q, want interaction_required", got)
	}
}

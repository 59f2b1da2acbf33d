package onboarding_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
)

// crossSite sends a form from another site, with which browsers send none of our cookies.
func (h *harness) crossSite(path string, form url.Values) page {
	h.t.Helper()
	return h.visitor().send(http.MethodPost, path, form, "Sec-Fetch-Site", "cross-site", "Origin", "https://phisher.example")
}

// TestCallback_OtherSitesSetNoCookie posts what any site can post to a browser: another value of a cookie would take from it the
// claim code, the button "This wasn't me", and every sign-in that is under way.
func TestCallback_OtherSitesSetNoCookie(t *testing.T) {
	h := newHarness(t, nil)
	p := h.crossSite("/callback", granted())
	_, after, _ := strings.Cut(p.body, `name="sealed" value="`)
	sealed, _, _ := strings.Cut(after, `"`)
	for name, form := range map[string]url.Values{
		"an answer": granted(), "an answer that is sealed": {"sealed": {sealed}}, "one that is forged": {"sealed": {"AAAA"}}, "nothing": {},
		"no answer": {"state": {state}}, "too much": {"state": {strings.Repeat("x", 70<<10)}}, "both": {"sealed": {sealed}, "state": {state}, "code": {code}},
	} {
		if p := h.crossSite("/callback", form); len(p.header["Set-Cookie"]) != 0 {
			t.Errorf("POST /callback with %s = %d with the cookies %q, want none", name, p.status, p.header["Set-Cookie"])
		}
	}
	for _, path := range []string{"/disown", "/consent/" + link} {
		if p := h.crossSite(path, url.Values{}); len(p.header["Set-Cookie"]) != 0 || p.status != http.StatusBadRequest {
			t.Errorf("POST %s = %d with the cookies %q, want 400 without", path, p.status, p.header["Set-Cookie"])
		}
	}
	if len(h.callbacks) != 0 {
		t.Errorf("Complete was called with %d answers that other sites posted, want none", len(h.callbacks))
	}
}

// TestDone_RefusedAnswerTakesNothing leads a browser with an accepted consent to answers that are refused, as any page can.
func TestDone_RefusedAnswerTakesNothing(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	v.callBack(granted())
	for _, f := range []failure.Code{failure.StateUnknown, failure.StateBrowser, failure.StateUsed, failure.ConsentDeclined} {
		h.complete = func(consent.Callback) (consent.Outcome, error) { return consent.Outcome{}, failure.New(f) }
		p := v.callBack(url.Values{"state": {"invented-" + string(f)}, "error": {"x"}})
		if p.text("code") != string(f) || !strings.Contains(p.body, `id="earlier" href="?consent"`) {
			t.Errorf("GET /done = %s, want the failure %s and the way to the consent before", p.body, f)
		}
	}
	v.callBack(url.Values{"state": {"unreadable"}})
	p := v.get("/done?consent")
	if p.text("claim-code") != claimCode || !strings.Contains(p.body, `id="disown"`) {
		t.Errorf("GET /done?consent = %s, want the code and the button", p.body)
	}
	const english = "?consent&amp;ui_locales=en"
	if !strings.Contains(p.body, `href="`+english+`"`) || v.get("/done"+html.UnescapeString(english)).text("claim-code") != claimCode {
		t.Errorf("GET /done?consent = %s, want the languages of this page", p.body)
	}
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.StateUsed)
	}
	if p := v.callBack(granted()); p.text("claim-code") != claimCode { // Back, to Microsoft's answer
		t.Errorf("GET /done after the first answer again = %s, want the code", p.body)
	}
	v.callBack(url.Values{"state": {"invented"}, "error": {"x"}})
	if p := v.send(http.MethodPost, "/disown", url.Values{}); p.status != http.StatusSeeOther || len(h.disowned) != 1 {
		t.Errorf("POST /disown = %d, want 303 and one call", p.status)
	}
	if p := v.get("/done"); !strings.Contains(p.body, "The refresh token has been destroyed") {
		t.Errorf("GET /done afterwards = %s, want that it was taken back", p.body)
	}
}

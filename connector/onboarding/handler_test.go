package onboarding_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/token"
)

// continueFrom submits the form of the landing page.
func (v *visitor) continueFrom(path string) page {
	v.h.t.Helper()
	return v.send(http.MethodPost, path, url.Values{}, "Sec-Fetch-Site", "same-origin")
}

func TestHandler_ManualProcedure(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	p := v.get("/consent/" + link)
	for _, want := range []string{
		"Fabrikam Cloud GmbH", "Example Marketplace", "fabrikam.onmicrosoft.com", "6f1c1a52-6d6f-4f0e-9f5e-2c7b3f6f0a11",
		"2026-11-30 09:00 UTC", "Global admin", "Admin agent", "Multifactor", `<form method="post">`, `lang="en"`,
	} {
		if !strings.Contains(p.body, want) {
			t.Errorf("landing page = %s, want %q in it", p.body, want)
		}
	}
	if len(h.browsers) != 0 {
		t.Errorf("GET /consent/… created %d states, want none", len(h.browsers))
	}
	p = v.continueFrom("/consent/" + link)
	if want := "https://login.example.com/authorize?state=" + state; p.status != http.StatusSeeOther || p.header.Get("Location") != want {
		t.Fatalf("POST /consent/… = %d to %q, want 303 to %q", p.status, p.header.Get("Location"), want)
	}
	p = v.callBack(granted())
	if p.status != http.StatusOK || p.text("claim-code") != claimCode {
		t.Errorf("GET /done = %d with code %q, want 200 with %q", p.status, p.text("claim-code"), claimCode)
	}
	for _, want := range []string{"The consent has been granted successfully.", "2026-11-24 09:00 UTC", "admin@fabrikam.example", "Fabrikam Cloud GmbH", `<button type="button" id="copy"`, "Copy the code, then you can close this window."} {
		if !strings.Contains(p.body, want) {
			t.Errorf("GET /done = %s, want %q in it", p.body, want)
		}
	}
	cb := h.callbacks[0]
	if cb.State != state || cb.Code.Reveal() != code || cb.Browser != h.browsers[0] || len(cb.Browser) != 43 {
		t.Errorf("Complete was called with %+v, want state, code and browser %q", cb, h.browsers[0])
	}
	if again := v.get("/done"); again.text("claim-code") != claimCode {
		t.Errorf("GET /done again = %s, want the code", again.body)
	}
}

func TestHandler_AutomaticProcedure(t *testing.T) {
	h := newHarness(t, nil)
	h.landing = func(string, string) (consent.Landing, error) {
		return consent.Landing{Procedure: token.Automatic, StraightOn: true}, nil
	}
	h.complete = func(consent.Callback) (consent.Outcome, error) { return automaticOutcome(), nil }
	v := h.visitor()
	if p := v.get("/consent/" + link); p.status != http.StatusSeeOther || !strings.HasPrefix(p.header.Get("Location"), "https://login.example.com/") {
		t.Fatalf("GET /consent/… = %d to %q, want 303 to Microsoft", p.status, p.header.Get("Location"))
	}
	p := v.callBack(granted())
	const want = "The consent has been granted successfully. The authorization code has been sent to Azure Partner connector. You can close this window."
	if p.status != http.StatusOK || !strings.Contains(p.body, want) || strings.Contains(p.body, "claim-code") {
		t.Errorf("GET /done = %d %s, want 200 saying %q", p.status, p.body, want)
	}
}

func TestLanding_RedirectsIfConfigured(t *testing.T) {
	h := newHarness(t, nil)
	h.landing = func(string, string) (consent.Landing, error) {
		l := manualLanding()
		l.StraightOn = true
		return l, nil
	}
	if p := h.visitor().get("/consent/" + link); p.status != http.StatusSeeOther {
		t.Errorf("GET /consent/… = %d, want 303", p.status)
	}
}

func TestLanding_PreviewsCreateNoState(t *testing.T) {
	h := newHarness(t, nil)
	h.landing = func(string, string) (consent.Landing, error) {
		return consent.Landing{Procedure: token.Automatic, StraightOn: true}, nil
	}
	for _, tc := range []struct {
		method string
		header []string
	}{
		{http.MethodHead, nil},
		{http.MethodGet, []string{"Sec-Purpose", "prefetch;prerender"}},
		{http.MethodGet, []string{"Purpose", "prefetch"}},
		{http.MethodGet, []string{"X-Moz", "prefetch"}},
		{http.MethodGet, []string{"X-Purpose", "preview"}},
	} {
		if p := h.visitor().send(tc.method, "/consent/"+link, nil, tc.header...); p.status != http.StatusOK {
			t.Errorf("%s /consent/… %q = %d, want 200", tc.method, tc.header, p.status)
		}
	}
	if len(h.browsers) != 0 {
		t.Errorf("previews created %d states, want none", len(h.browsers))
	}
}

func TestLanding_ScannersUseUpNothing(t *testing.T) {
	h := newHarness(t, nil)
	for range 5 { // a mail scanner, each time without cookies
		if p := h.visitor().get("/consent/" + link); p.status != http.StatusOK {
			t.Fatalf("GET /consent/… = %d, want 200", p.status)
		}
		h.visitor().send(http.MethodHead, "/consent/"+link, nil)
	}
	if len(h.browsers) != 0 || len(h.callbacks) != 0 {
		t.Errorf("scanners created %d states and %d callbacks, want none", len(h.browsers), len(h.callbacks))
	}
	v := h.visitor()
	v.get("/consent/" + link)
	if p := v.continueFrom("/consent/" + link); p.status != http.StatusSeeOther {
		t.Errorf("POST /consent/… = %d, want 303", p.status)
	}
}

func TestBrowserCookie_SharedByWindows(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	v.continueFrom("/consent/one")
	v.continueFrom("/consent/two")
	if len(h.browsers) != 2 || h.browsers[0] != h.browsers[1] {
		t.Errorf("Authorize was called with browsers %q, want the same twice", h.browsers)
	}
	h.visitor().continueFrom("/consent/one")
	if h.browsers[2] == h.browsers[0] {
		t.Errorf("Authorize was called with browser %q of another visitor", h.browsers[2])
	}
}

func TestBrowserCookie_ForgedValueIsReplaced(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	v.send(http.MethodPost, "/consent/"+link, url.Values{}, "Cookie", "__Host-onboarding-browser=short")
	if len(h.browsers) != 1 || len(h.browsers[0]) != 43 {
		t.Errorf("Authorize was called with browsers %q, want a value of our own", h.browsers)
	}
}

func TestCookies_Attributes(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	var cookies []string
	cookies = append(cookies, v.get("/consent/" + link + "?ui_locales=de").header["Set-Cookie"]...)
	cookies = append(cookies, v.get("/callback?" + granted().Encode()).header["Set-Cookie"]...)
	cookies = append(cookies, v.get("/callback?state=" + state).header["Set-Cookie"]...)
	seen := map[string]bool{}
	for _, text := range cookies {
		c, err := http.ParseSetCookie(text)
		if err != nil {
			t.Fatalf("ParseSetCookie(%q) = %v", text, err)
		}
		seen[c.Name] = true
		if !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 {
			t.Errorf("cookie %q, want HttpOnly, Secure, SameSite=Lax, Path=/, an end and no domain", text)
		}
		plain, _ := base64.RawURLEncoding.DecodeString(c.Value)
		for _, secret := range []string{claimCode, code, state, "admin@fabrikam.example"} {
			if strings.Contains(c.Value, secret) || strings.Contains(string(plain), secret) {
				t.Errorf("cookie %q contains %q in plain", text, secret)
			}
		}
		if len(text) > 4096 {
			t.Errorf("cookie %s has %d bytes, want at most 4096", c.Name, len(text))
		}
	}
	for _, name := range []string{"__Host-onboarding-browser", "__Host-onboarding-consent", "__Host-onboarding-outcome", "__Host-onboarding-language"} {
		if !seen[name] {
			t.Errorf("cookies = %q, want %s", cookies, name)
		}
	}
}

func TestCookies_PlainHTTP(t *testing.T) {
	h := newHarness(t, func(cfg *onboarding.Config) { cfg.PublicURL = "http://localhost:8081" })
	p := h.visitor().get("/consent/" + link)
	if got := p.header.Get("Set-Cookie"); !strings.HasPrefix(got, "onboarding-browser=") || strings.Contains(got, "Secure") {
		t.Errorf("Set-Cookie = %q, want no __Host- and no Secure", got)
	}
	if got := p.header.Get("Strict-Transport-Security"); got != "" {
		t.Errorf("Strict-Transport-Security = %q, want none", got)
	}
}

func TestDone_WithoutOutcome(t *testing.T) {
	h := newHarness(t, nil)
	check := func(what string, p page) {
		t.Helper()
		if p.status != http.StatusOK || !strings.Contains(p.body, "No recent sign-in in this browser") || strings.Contains(p.body, claimCode) {
			t.Errorf("GET /done (%s) = %d %s, want 200 with nothing", what, p.status, p.body)
		}
	}
	check("new browser", h.visitor().get("/done"))
	v := h.visitor()
	v.callBack(granted())
	server, err := url.Parse(h.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var stolen string
	for _, c := range v.client.Jar.Cookies(server) {
		if strings.HasSuffix(c.Name, "consent") {
			stolen = c.Name + "=" + c.Value
		}
	}
	if stolen == "" {
		t.Fatalf("cookies = %v, want an outcome", v.client.Jar.Cookies(server))
	}
	check("outcome without the browser's cookie", h.visitor().get("/done", "Cookie", stolen))
	other := h.visitor()
	other.get("/consent/" + link)
	check("outcome in another browser", other.get("/done", "Cookie", stolen))
	check("broken outcome", v.get("/done", "Cookie", stolen[:len(stolen)-3]))
	check("no base64", other.get("/done", "Cookie", "__Host-onboarding-outcome=!"))
	h.clock.advance(59 * time.Minute)
	if p := v.get("/done"); p.text("claim-code") != claimCode {
		t.Errorf("GET /done after 59 minutes = %s, want the code", p.body)
	}
	h.clock.advance(time.Minute)
	check("after an hour", v.get("/done"))
}

func TestDone_ExpiresWithClaimCode(t *testing.T) {
	h := newHarness(t, nil)
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		out := manualOutcome()
		out.ClaimExpiresAt = start.Add(10 * time.Minute)
		return out, nil
	}
	v := h.visitor()
	v.callBack(granted())
	h.clock.advance(10 * time.Minute)
	if p := v.get("/done"); strings.Contains(p.body, claimCode) {
		t.Errorf("GET /done = %s, want no code that has expired", p.body)
	}
}

func TestCallback_RepeatedAnswerKeepsFirstOutcome(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	v.callBack(granted())
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.StateUsed)
	}
	if p := v.callBack(granted()); p.text("claim-code") != claimCode {
		t.Errorf("GET /done after the same answer = %s, want the code", p.body)
	}
	if p := v.callBack(url.Values{"state": {"another"}, "code": {code}}); p.status != http.StatusConflict {
		t.Errorf("GET /done after another answer = %d, want 409", p.status)
	}
}

func TestCallback_PassesOnMicrosoftsError(t *testing.T) {
	h := newHarness(t, nil)
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.ConsentDeclined)
	}
	p := h.visitor().callBack(url.Values{
		"state": {state}, "error": {"access_denied"}, "error_subcode": {"cancel"}, "error_description": {"AADSTS65004: declined."}, "session_state": {"x"},
	})
	checkRefusal(t, h, p, failure.New(failure.ConsentDeclined))
	if cb := h.callbacks[0]; cb.Error != "access_denied" || cb.SubCode != "cancel" || cb.Description != "AADSTS65004: declined." || !cb.Code.Empty() {
		t.Errorf("Complete was called with %+v, want Microsoft's error", cb)
	}
}

// A policy's text can be long. Only its beginning is needed, and the consent must end with what Microsoft said.
func TestCallback_CutsALongDescription(t *testing.T) {
	h := newHarness(t, nil)
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.AccessBlocked)
	}
	p := h.visitor().callBack(url.Values{
		"state": {state}, "error": {"access_denied"}, "error_description": {"AADSTS53003: " + strings.Repeat("x", 8<<10)},
	})
	checkRefusal(t, h, p, failure.New(failure.AccessBlocked))
	if d := h.callbacks[0].Description; len(d) != 2<<10 || !strings.HasPrefix(d, "AADSTS53003: x") {
		t.Errorf("Complete was called with a description of %d bytes, want the first 2048", len(d))
	}
}

func TestCallback_RedirectsToSignInAgain(t *testing.T) {
	h := newHarness(t, nil)
	again := "https://login.example.com/authorize?state=another"
	h.complete = func(consent.Callback) (consent.Outcome, error) { return consent.Outcome{SignInAgain: again}, nil }
	v := h.visitor()
	v.get("/consent/" + link + "?ui_locales=de")
	p := v.get("/callback?" + url.Values{"state": {state}, "error": {"invalid_request"}}.Encode())
	if got := p.header.Get("Location"); p.status != http.StatusSeeOther || got != again {
		t.Errorf("GET /callback = %d to %q, want 303 to %q", p.status, got, again)
	}
	if got := h.callbacks[0].Locale; got != "de" {
		t.Errorf("Complete was called with the locale %q, want de", got)
	}
}

// Microsoft's page may post its answer, without the browser's cookie.
func TestCallback_PostedAnswerIsPostedAgain(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	v.continueFrom("/consent/" + link)
	crossSite := h.visitor()
	p := crossSite.send(http.MethodPost, "/callback", granted())
	if p.status != http.StatusOK || strings.Contains(p.body, code) || strings.Contains(p.body, state) || len(p.header["Set-Cookie"]) != 0 {
		t.Fatalf("POST /callback = %d %v %s, want a page without code, state and cookie", p.status, p.header, p.body)
	}
	_, after, _ := strings.Cut(p.body, `name="sealed" value="`)
	sealed, _, _ := strings.Cut(after, `"`)
	p = v.send(http.MethodPost, "/callback", url.Values{"sealed": {sealed}})
	if p.status != http.StatusSeeOther {
		t.Fatalf("POST /callback = %d, want 303", p.status)
	}
	if cb := h.callbacks[0]; cb.State != state || cb.Code.Reveal() != code || cb.Browser != h.browsers[0] {
		t.Errorf("Complete was called with %+v, want state, code and browser %q", cb, h.browsers[0])
	}
	if p := v.get("/done"); p.text("claim-code") != claimCode {
		t.Errorf("GET /done = %s, want the code", p.body)
	}
	for name, forged := range map[string]string{"no base64": "!", "altered": sealed[:len(sealed)-4] + "AAAA", "short": "AAAA"} {
		v := h.visitor()
		v.send(http.MethodPost, "/callback", url.Values{"sealed": {forged}})
		if p := v.get("/done"); p.status != http.StatusBadRequest {
			t.Errorf("GET /done after a forged answer (%s) = %d, want 400", name, p.status)
		}
	}
	if p := h.visitor().send(http.MethodPost, "/callback", url.Values{"state": {state}}); p.status != http.StatusBadRequest {
		t.Errorf("POST /callback with neither = %d, want 400", p.status)
	}
}

func TestCallback_PostedAnswerFromSameSite(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	v.continueFrom("/consent/" + link)
	if p := v.send(http.MethodPost, "/callback", granted()); p.status != http.StatusSeeOther {
		t.Fatalf("POST /callback = %d, want 303", p.status)
	}
	if p := v.get("/done"); p.text("claim-code") != claimCode {
		t.Errorf("GET /done = %s, want the code", p.body)
	}
}

func TestLanding_WithoutNames(t *testing.T) {
	h := newHarness(t, nil)
	h.landing = func(string, string) (consent.Landing, error) { return consent.Landing{Procedure: token.Manual}, nil }
	p := h.visitor().get("/consent/" + link)
	if p.status != http.StatusOK || strings.Contains(p.body, "<dt>Marketplace</dt>") || strings.Contains(p.body, "0001-01-01") {
		t.Errorf("GET /consent/… = %d %s, want no empty values", p.status, p.body)
	}
}

func TestHandler_PathOfPublicURLIsPartOfEveryRoute(t *testing.T) {
	h := newHarness(t, func(cfg *onboarding.Config) { cfg.PublicURL += "/onboarding/" })
	v := h.visitor()
	p := v.get("/onboarding/consent/" + link)
	if p.status != http.StatusOK || !strings.Contains(p.body, `href="/onboarding/assets/style.css"`) {
		t.Errorf("GET /onboarding/consent/… = %d %s, want 200 with assets below it", p.status, p.body)
	}
	if p := v.get("/onboarding/callback?" + granted().Encode()); p.header.Get("Location") != "/onboarding/done" {
		t.Errorf("GET /onboarding/callback = %d to %q, want /onboarding/done", p.status, p.header.Get("Location"))
	}
	for path, want := range map[string]int{
		"/onboarding": 200, "/onboarding/": 200, "/onboarding/done": 200, "/onboarding/robots.txt": 200, "/onboarding/assets/page.js": 200,
		"/consent/" + link: 404, "/done": 404, "/": 404,
	} {
		if p := v.get(path); p.status != want {
			t.Errorf("GET %s = %d, want %d", path, p.status, want)
		}
	}
}

func TestHandler_HomeAndRobots(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	if p := v.get("/"); p.status != http.StatusOK || !strings.Contains(p.body, "<h1>Partner Onboarding Web Application</h1>") {
		t.Errorf("GET / = %d %s, want 200 with the name of the application", p.status, p.body)
	}
	if p := v.get("/robots.txt"); p.status != http.StatusOK || p.body != "User-agent: *\nDisallow: /\n" {
		t.Errorf("GET /robots.txt = %d %q, want everything disallowed", p.status, p.body)
	}
}

func TestAsset_Revalidation(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	for name, contentType := range map[string]string{"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		p := v.get("/assets/" + name)
		if p.status != http.StatusOK || p.header.Get("Content-Type") != contentType || p.header.Get("Cache-Control") != "public, no-cache" || p.body == "" {
			t.Errorf("GET /assets/%s = %d %v, want %s", name, p.status, p.header, contentType)
		}
		if again := v.get("/assets/"+name, "If-None-Match", p.header.Get("ETag")); again.status != http.StatusNotModified {
			t.Errorf("GET /assets/%s again = %d, want 304", name, again.status)
		}
	}
}

func TestRender_PagesAreSmall(t *testing.T) {
	h := newHarness(t, nil)
	sizes, err := onboarding.Sizes()
	if err != nil {
		t.Fatalf("Sizes = %v", err)
	}
	total := len(h.visitor().get("/consent/" + link).body)
	for _, size := range sizes {
		total += size
	}
	if total > 30<<10 {
		t.Errorf("the landing page with its assets has %d bytes, want at most 30 KiB", total)
	}
}

func ExampleHandler() {
	handler, err := onboarding.New(onboarding.Config{
		PublicURL: "https://onboarding.example.com",
		Consents:  &fake{},
		Seal:      brokenSeal{}, // a *seal.Derived in production
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/robots.txt", nil))
	fmt.Print(w.Body)
	// Output:
	// User-agent: *
	// Disallow: /
}

package onboarding_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/token"
)

// data returns a data attribute of the element with id.
func (p page) data(id, name string) string {
	element := regexp.MustCompile(`<[^>]* id="` + id + `"[^>]*>`).FindString(p.body)
	match := regexp.MustCompile(` data-` + name + `="([^"]*)"`).FindStringSubmatch(element)
	if match == nil {
		return ""
	}
	return html.UnescapeString(match[1])
}

func TestStart_TellsTheListedPanelsWhichBrowserItIs(t *testing.T) {
	h := newHarness(t, nil)
	h.started = func(name, browser string) (consent.Start, error) {
		if name != "an-instance" {
			return consent.Start{}, failure.New(failure.NotFound)
		}
		return consent.Start{Browser: "hash-of-" + browser[:3], Origins: []string{"https://one.example", "https://two.example:8443"}}, nil
	}
	v := h.visitor()
	first := v.get("/start/an-instance")
	if first.status != http.StatusOK || first.data("start", "origins") != "https://one.example https://two.example:8443" || !strings.HasPrefix(first.data("start", "browser"), "hash-of-") {
		t.Errorf("GET /start = %d %s, want the browser's hash and the panels", first.status, first.body)
	}
	cookies := v.client.Jar.Cookies(mustParse(t, h.server.URL))
	if len(cookies) == 0 || strings.Contains(first.body, cookies[0].Value) {
		t.Errorf("GET /start set %d cookies, want one whose value is not in the page", len(cookies))
	}
	// Two windows do not disturb each other.
	if second := v.get("/start/an-instance"); second.data("start", "browser") != first.data("start", "browser") {
		t.Errorf("GET /start again says %q, want %q", second.data("start", "browser"), first.data("start", "browser"))
	}
	if p := v.get("/start/another"); p.status != http.StatusNotFound {
		t.Errorf("GET /start of no instance = %d, want 404", p.status)
	}
}

// Only the start page keeps the panel that has opened it; all others cut themselves off.
func TestOpener_IsCutOffEverywhereElse(t *testing.T) {
	h := newHarness(t, nil)
	h.started = func(string, string) (consent.Start, error) { return consent.Start{Browser: "hash"}, nil }
	v := h.visitor()
	for path, want := range map[string]string{
		"/start/x": "", "/consent/" + link: "same-origin", "/done": "same-origin", "/": "same-origin", "/none": "same-origin",
		"/callback?" + granted().Encode(): "same-origin",
	} {
		if got := v.get(path).header.Get("Cross-Origin-Opener-Policy"); got != want {
			t.Errorf("Cross-Origin-Opener-Policy of %s = %q, want %q", path, got, want)
		}
	}
	h.landing = func(string, string) (consent.Landing, error) { return consent.Landing{StraightOn: true}, nil }
	if p := v.get("/consent/" + link); p.status != http.StatusSeeOther || p.header.Get("Cross-Origin-Opener-Policy") != "same-origin" {
		t.Errorf("GET /consent = %d with %q, want 303 and same-origin", p.status, p.header.Get("Cross-Origin-Opener-Policy"))
	}
}

func TestLanding_KnowsTheBrowserByItsCookieOnly(t *testing.T) {
	h := newHarness(t, nil)
	var seen []string
	h.landing = func(_, browser string) (consent.Landing, error) {
		seen = append(seen, browser)
		return manualLanding(), nil
	}
	v := h.visitor()
	p := v.get("/consent/" + link)
	v.get("/consent/" + link)
	if len(seen) != 2 || seen[0] != "" || len(seen[1]) != 43 {
		t.Errorf("Landing was called with the browsers %q, want none and then the cookie", seen)
	}
	for _, want := range []string{"Fabrikam Cloud GmbH", "1000042", "Rita Reseller", "Example Marketplace", "fabrikam.onmicrosoft.com", "Nobody has verified them."} {
		if !strings.Contains(p.body, want) {
			t.Errorf("GET /consent shows %s, want %q", p.body, want)
		}
	}
}

func TestDisown_IsOfferedToWhoConsented(t *testing.T) {
	for name, out := range map[string]consent.Outcome{
		"active": automaticOutcome(), "with a code": manualOutcome(),
		"waiting": {ConsentID: "consent-1", Procedure: token.Automatic, Waiting: true, ClaimExpiresAt: start.Add(time.Hour), TenantName: "Fabrikam Cloud GmbH", AccountID: "1000042"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			h.complete = func(consent.Callback) (consent.Outcome, error) { return out, nil }
			v := h.visitor()
			p := v.callBack(granted())
			for _, want := range []string{"This wasn&#39;t me", "Fabrikam Cloud GmbH", "1000042", "Consent received by"} {
				if !strings.Contains(p.body, want) {
					t.Errorf("GET /done = %s, want %q", p.body, want)
				}
			}
			if !strings.HasSuffix(p.header.Get("Content-Security-Policy"), "form-action 'self'") {
				t.Errorf("Content-Security-Policy = %q, want the form allowed", p.header.Get("Content-Security-Policy"))
			}
			if p := v.send(http.MethodPost, "/disown", url.Values{}); p.status != http.StatusSeeOther || p.header.Get("Location") != "/done" {
				t.Fatalf("POST /disown = %d to %q, want 303 to /done", p.status, p.header.Get("Location"))
			}
			p = v.get("/done")
			for _, want := range []string{"The refresh token has been destroyed", "up to 90 minutes", "https://entra.microsoft.com/"} {
				if !strings.Contains(p.body, want) {
					t.Errorf("GET /done afterwards = %s, want %q", p.body, want)
				}
			}
			if strings.Contains(p.body, claimCode) || strings.Contains(p.body, `id="disown"`) {
				t.Errorf("GET /done afterwards = %s, want neither the code nor the button", p.body)
			}
			v.send(http.MethodPost, "/disown", url.Values{}) // pressed twice, or after Back
			if len(h.disowned) != 1 || h.disowned[0] != "consent-1" {
				t.Errorf("Disown was called for %q, want consent-1 once", h.disowned)
			}
		})
	}
}

func TestDisown_Refusals(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(h *harness, v *visitor) (header []string)
		status  int
		called  bool
	}{
		"nothing was granted here": {func(h *harness, v *visitor) []string { v.get("/done"); return nil }, http.StatusBadRequest, false},
		"a failed consent": {func(h *harness, v *visitor) []string {
			h.complete = func(consent.Callback) (consent.Outcome, error) {
				return consent.Outcome{}, failure.New(failure.MFAMissing)
			}
			v.callBack(granted())
			return nil
		}, http.StatusBadRequest, false},
		"another site": {func(h *harness, v *visitor) []string {
			v.callBack(granted())
			return []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}
		}, http.StatusBadRequest, false},
		"too late": {func(h *harness, v *visitor) []string {
			v.callBack(granted())
			h.clock.advance(15 * time.Minute)
			if p := v.get("/done"); strings.Contains(p.body, `id="disown"`) {
				t.Error("the button is still there after 15 minutes")
			}
			return nil
		}, http.StatusGone, false},
		"refused by the service": {func(h *harness, v *visitor) []string {
			v.callBack(granted())
			h.disown = func(string) error { return failure.New(failure.ConsentReplaced) }
			return nil
		}, http.StatusConflict, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(cfg *onboarding.Config) { cfg.Limit = onboarding.Limit{PerMinute: 6000, Burst: 1000} })
			v := h.visitor()
			header := tc.prepare(h, v)
			if p := v.send(http.MethodPost, "/disown", url.Values{}, header...); p.status != tc.status || (len(h.disowned) > 0) != tc.called {
				t.Errorf("POST /disown = %d, Disown called for %q, want %d", p.status, h.disowned, tc.status)
			}
			// The sealed outcome of one browser is worth nothing in another one.
			if other := h.visitor().send(http.MethodPost, "/disown", url.Values{}); other.status != http.StatusBadRequest {
				t.Errorf("POST /disown in another browser = %d, want 400", other.status)
			}
		})
	}
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

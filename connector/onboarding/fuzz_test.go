package onboarding_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/seal"
)

// Every answer leads the visitor to the page with the outcome, and only bounded answers of one kind reach the consent
// service.
func FuzzCallback(f *testing.F) {
	for _, query := range []string{
		"", "state=a&code=b", "state=a&error=access_denied&error_subcode=cancel", "state=a&code=b&error=c", "state=a;code=b", "state=%zz",
		"code=" + strings.Repeat("x", 17_000), "state=a&state=b&code=c", "state=%00&code=%ff", "admin_consent=True&tenant=x",
	} {
		f.Add(query)
	}
	keys, err := seal.Create()
	if err != nil {
		f.Fatalf("seal.Create() = %v", err)
	}
	// One handler for all inputs, which come one after the other.
	consents := &fake{complete: func(consent.Callback) (consent.Outcome, error) { return manualOutcome(), nil }}
	now := start
	handler, err := onboarding.New(onboarding.Config{
		PublicURL: "https://onboarding.example.com", Consents: consents, Seal: keys, Now: func() time.Time { return now },
	})
	if err != nil {
		f.Fatalf("New = %v", err)
	}
	f.Fuzz(func(t *testing.T, query string) {
		consents.callbacks, now = nil, now.Add(time.Minute) // within the limit of requests
		r := httptest.NewRequest(http.MethodGet, "/callback", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/done" {
			t.Errorf("GET /callback?%q = %d to %q, want 303 to /done", query, w.Code, w.Header().Get("Location"))
		}
		for _, cb := range consents.callbacks {
			if cb.State == "" || cb.Code.Empty() == (cb.Error == "") || len(cb.Browser) != 43 ||
				len(cb.State) > 2<<10 || len(cb.Code.Reveal()) > 16<<10 || len(cb.Error)+len(cb.SubCode)+len(cb.Description) > 6<<10 {
				t.Errorf("Complete was called with %+v, want a bounded state and either a code or an error", cb)
			}
		}
	})
}

// Every address gets an answer that is no failure of ours, with all the headers that protect the pages, and only the start page
// keeps its opener.
func FuzzRequest(f *testing.F) {
	for _, seed := range []struct{ path, query, cookie, body string }{
		{"/start/an-instance", "", "", ""},
		{"/start/%2e", "a=b", "onboarding-browser=x", ""},
		{"/consent/" + link, "ui_locales=de", "", ""},
		{"/disown", "", "__Host-onboarding-outcome=AAAA", "x=y"},
		{"/done", "", "__Host-onboarding-browser=" + strings.Repeat("A", 43) + "; __Host-onboarding-outcome=%", ""},
		{"/callback", "", "", "state=a&code=b"},
		{"/callback", "", "", "sealed=AAAA"},
		{"//", ";", ";;", "%"},
	} {
		for method := range byte(4) {
			f.Add(method, seed.path, seed.query, seed.cookie, seed.body)
		}
	}
	keys, err := seal.Create()
	if err != nil {
		f.Fatalf("seal.Create() = %v", err)
	}
	consents := &fake{
		started: func(name, _ string) (consent.Start, error) {
			if name != "an-instance" {
				return consent.Start{}, failure.New(failure.NotFound)
			}
			return consent.Start{Browser: "hash", Origins: []string{"https://panel.example"}}, nil
		},
		landing:   func(string, string) (consent.Landing, error) { return manualLanding(), nil },
		authorize: func(string, consent.Visit) (string, error) { return "https://login.example.com/authorize", nil },
		complete:  func(consent.Callback) (consent.Outcome, error) { return manualOutcome(), nil },
		disown:    func(string) error { return nil },
	}
	now := start
	handler, err := onboarding.New(onboarding.Config{
		PublicURL: "https://onboarding.example.com", Consents: consents, Seal: keys, Now: func() time.Time { return now },
	})
	if err != nil {
		f.Fatalf("New = %v", err)
	}
	methods := []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodPut}
	f.Fuzz(func(t *testing.T, method byte, path, query, cookie, body string) {
		now = now.Add(time.Minute) // within the limit of requests
		consents.browsers, consents.locales, consents.callbacks, consents.disowned = nil, nil, nil, nil
		r := httptest.NewRequest(methods[int(method)%len(methods)], "/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = path, query
		r.Header.Set("Cookie", cookie)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("%s %q?%q = %d", r.Method, path, query, w.Code)
		}
		policy, opener := w.Header().Get("Content-Security-Policy"), w.Header().Get("Cross-Origin-Opener-Policy")
		isStart := strings.HasPrefix(path, "/start/") && w.Code == http.StatusOK
		if !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || (opener == "same-origin") == isStart {
			t.Errorf("%s %q = %d with the policy %q and the opener policy %q", r.Method, path, w.Code, policy, opener)
		}
		if len(consents.disowned) > 0 {
			t.Errorf("%s %q with the cookie %q took a consent back", r.Method, path, cookie)
		}
	})
}

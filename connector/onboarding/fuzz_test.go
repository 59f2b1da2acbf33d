package onboarding_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
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

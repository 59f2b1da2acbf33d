package world_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/sandbox/world"
)

// startPage returns the start page that the screen of Rita opens.
func (s scenario) startPage(browser *http.Client) string {
	s.Helper()
	var status struct{ OnboardingURL string }
	s.call(http.MethodGet, "tokenStatus", "", &status)
	answer, err := browser.Get(status.OnboardingURL)
	if err != nil {
		s.Fatalf("GET %q = %v", status.OnboardingURL, err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.Fatalf("GET %q = %d, %v", status.OnboardingURL, answer.StatusCode, err)
	}
	return string(page)
}

// No property of the platform, by whomever it is set, adds an origin to those that may know a browser.
func TestPanelOrigins_ComeFromTheConfigurationAlone(t *testing.T) {
	s := newScenario(t)
	const added = `"panelOrigins": ["https://evil.example"], "settings": {"panelOrigins": ["https://evil.example"]}, "instances": [{"panelOrigins": ["https://evil.example"]}]`
	root := s.root()
	for path, body := range map[string]string{
		"/app/" + root:          `{"aps":{"id":"` + root + `","type":"http://aps.example.com/azure-partner-connector/app/2.0"},` + added + `}`,
		"/tenant/" + s.tenant(): `{"aps":{"id":"` + s.tenant() + `","type":"http://aps.example.com/azure-partner-connector/tenant/2.0"},` + added + `}`,
	} {
		// The platform drops what the type does not declare, so this call is the test's own, with the platform's key.
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.HooksURL+path, strings.NewReader(body))
		check(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("APS-Controller-URI", s.Platform.ControllerURI())
		r.Header.Set("APS-Instance-ID", s.Platform.InstanceOf(root))
		check(t, oauth1.Sign(r, oauth1.Credentials{Key: s.Key, Secret: s.Secret}, s.Clock.Now(), oauth1.NewNonce()))
		answer, err := http.DefaultClient.Do(r)
		check(t, err)
		said, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK || err != nil {
			t.Errorf("PUT %s = %d %s, %v, want 200", path, answer.StatusCode, said, err)
		}
	}
	page := s.startPage(world.NewBrowser())
	if strings.Contains(page, "evil.example") || !strings.Contains(page, `data-origins="`+s.PanelURL+`"`) {
		t.Errorf("the start page is %s, want the origin of the configuration alone", page)
	}
}

// Taking a consent back in the browser that granted it destroys its token; another browser cannot.
func TestConsent_TakenBack(t *testing.T) {
	s := newScenario(t)
	browser := world.NewBrowser()
	s.visit(browser, s.signIn(browser, s.begin(browser), right()))
	s.checkState("active")
	page, err := s.Disown(t.Context(), browser)
	if err != nil || !strings.Contains(page.Text, "The refresh token has been destroyed") {
		t.Fatalf("Disown() = %q, %v, want the page that says so", page.Text, err)
	}
	var status struct {
		State   string
		Failure struct{ Code string }
	}
	s.call(http.MethodGet, "tokenStatus", "", &status)
	if status.State != "absent" || status.Failure.Code != "consent_disowned" {
		t.Errorf("the status is %+v, want absent because of consent_disowned", status)
	}
	if _, err := s.Disown(t.Context(), world.NewBrowser()); err == nil {
		t.Error("Disown() in another browser succeeded")
	}
}

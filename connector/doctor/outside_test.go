package doctor_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/secret"
)

// TestExamine_PublicAddresses calls the running connector as the platform and browsers do.
func TestExamine_PublicAddresses(t *testing.T) {
	h := newHarness(t)
	good, err := h.load()
	h.must(err)
	serve := func(handler http.Handler) string {
		s := httptest.NewServer(handler)
		t.Cleanup(s.Close)
		return s.URL
	}
	connector, err := url.Parse(good.Hooks.PublicURL)
	h.must(err)
	// A proxy that does not keep the host that was signed.
	changing := serve(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: connector.Scheme, Host: connector.Host}) }})
	other := serve(http.NotFoundHandler())
	inspected := untrusted(t)
	hooks, pages := "hooks of "+h.Key, "onboarding pages"

	report := h.examine("")
	checkFinding(t, report, doctor.OK, hooks, "a signed call arrives at "+good.Hooks.PublicURL)
	checkFinding(t, report, doctor.OK, pages, "arrive at "+good.Onboarding.PublicURL)

	for name, tc := range map[string]struct {
		spoil  func(cfg *config.Config)
		result doctor.Result
		check  string
		parts  []string
	}{
		"hooks of nobody":               {func(c *config.Config) { c.Hooks.PublicURL = "http://127.0.0.1:1/aps" }, doctor.Warning, hooks, []string{"http://127.0.0.1:1 cannot be reached", "connection refused", "connector serve runs"}},
		"hooks of another server":       {func(c *config.Config) { c.Hooks.PublicURL = other + "/aps" }, doctor.Failed, hooks, []string{"404", "not as the connector does", "hooks.publicURL"}},
		"hooks at another path":         {func(c *config.Config) { c.Hooks.PublicURL = good.Onboarding.PublicURL }, doctor.Failed, hooks, []string{"not as the connector does"}},
		"a proxy that changes the host": {func(c *config.Config) { c.Hooks.PublicURL = changing + connector.Path }, doctor.Failed, hooks, []string{"refuses a call that was signed", "changes the scheme, the host or the path"}},
		"another secret":                {func(c *config.Config) { c.Instances[0].Secret = secret.New("another-secret-of-32-characters-x") }, doctor.Failed, hooks, []string{"refuses a call that was signed"}},
		"a certificate of nobody":       {func(c *config.Config) { c.Hooks.PublicURL = inspected.URL + "/aps" }, doctor.Failed, hooks, []string{"does not trust", "signed by", "must trust the certificate"}},
		"pages of nobody":               {func(c *config.Config) { c.Onboarding.PublicURL = "http://127.0.0.1:1" }, doctor.Warning, pages, []string{"cannot be reached"}},
		"pages of another server":       {func(c *config.Config) { c.Onboarding.PublicURL = other }, doctor.Failed, pages, []string{"404", "onboarding.publicURL"}},
		"pages of the hooks":            {func(c *config.Config) { c.Onboarding.PublicURL = good.Hooks.PublicURL }, doctor.Failed, pages, []string{"not as the connector does"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := h.load()
			h.must(err)
			tc.spoil(&cfg)
			report := h.examine("", func(d *doctor.Config) { d.Load = loaded(cfg) })
			checkFinding(t, report, tc.result, tc.check, tc.parts...)
		})
	}
}

// TestExamine_InspectedTLS has a proxy between the connector and Microsoft that shows a certificate of its own.
func TestExamine_InspectedTLS(t *testing.T) {
	h := newHarness(t)
	cfg, err := h.load()
	h.must(err)
	inspecting := untrusted(t)
	for i := range cfg.Clouds {
		cfg.Clouds[i].Authority = inspecting.URL
	}
	report := h.examine("", func(d *doctor.Config) { d.Load = loaded(cfg) })
	checkFinding(t, report, doctor.Failed, "cloud global", inspecting.URL, `signed by "O=Acme Co"`, "inspects TLS", "SSL_CERT_FILE")
}

// untrusted returns a server with a certificate that nobody trusts.
func untrusted(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that the doctor ends
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

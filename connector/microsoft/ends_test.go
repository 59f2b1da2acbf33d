package microsoft_test

import (
	"net/http"
	"testing"
	"time"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"

	"github.com/google/go-cmp/cmp"
)

func TestCredentialEnds_AreToldWhereTheyAreCertain(t *testing.T) {
	const one, two, twin = "abc-canary-one", "xyz-canary-two", "abc-canary-twin"
	first, second := noon.AddDate(0, 1, 0), noon.AddDate(1, 0, 0)
	both := tenant.Application{Secret: clientSecretOf(one), NextSecret: clientSecretOf(two)}
	for name, tc := range map[string]struct {
		registered  []simulated.Secret
		application tenant.Application
		permission  string
		want        map[string]time.Time
	}{
		"both":                 {[]simulated.Secret{{Value: one, Ends: first}, {Value: two, Ends: second}}, both, "Directory.Read.All", map[string]time.Time{"applicationSecret": first, "nextApplicationSecret": second}},
		"the least permission": {[]simulated.Secret{{Value: one, Ends: first}}, both, "Application.Read.All", map[string]time.Time{"applicationSecret": first}},
		"two begin alike":      {[]simulated.Secret{{Value: one, Ends: first}, {Value: twin, Ends: second}}, both, "Directory.Read.All", map[string]time.Time{}},
		"alike, the same end":  {[]simulated.Secret{{Value: one, Ends: first}, {Value: twin, Ends: first}}, both, "Directory.Read.All", map[string]time.Time{"applicationSecret": first}},
		"no hint":              {[]simulated.Secret{{Value: one, Ends: first, NoHint: true}}, both, "Directory.Read.All", map[string]time.Time{}},
		"no end":               {[]simulated.Secret{{Value: one}}, both, "Directory.Read.All", map[string]time.Time{}},
		"no permission":        {[]simulated.Secret{{Value: one, Ends: first}}, both, "User.Read", nil},
		"no secret of ours":    {[]simulated.Secret{{Value: one, Ends: first}}, tenant.Application{Federated: true}, "Directory.Read.All", nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := newSimulation(t, "global", simulated.Global())
			c.must(c.sim.GrantConsent(directory, application, "", "https://graph.microsoft.com/"+tc.permission))
			redeemed, err := c.graphToken()
			c.must(err)
			c.must(c.sim.SetSecrets(application, tc.registered...))
			got := c.client.CredentialEnds(t.Context(), with("global", tc.application), redeemed)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("CredentialEnds() (-want +got):\n%s", diff)
			}
		})
	}
}

// graphToken returns an access token of Graph with what was consented to.
func (c *simulation) graphToken() (secret.Text, error) {
	redeemed, err := c.renew(c.refreshToken(admin), token.Graph)
	return redeemed.AccessToken, err
}

func TestCredentialEnds_BadAnswers(t *testing.T) {
	client := with("test", tenant.Application{Secret: clientSecretOf("abc-canary")})
	path := "/graph/v1.0/applications(appId='" + application + "')"
	for name, answer := range map[string]http.HandlerFunc{
		"HTML":         respond(http.StatusOK, "<html>"),
		"wrong types":  respond(http.StatusOK, `{"passwordCredentials":[{"hint":7,"endDateTime":"soon"}]}`),
		"empty hint":   respond(http.StatusOK, `{"passwordCredentials":[{"hint":"","endDateTime":"2027-01-01T00:00:00Z"}]}`),
		"whole secret": respond(http.StatusOK, `{"passwordCredentials":[{"hint":"abc-canary","endDateTime":"2027-01-01T00:00:00Z"}]}`),
		"refused":      respond(http.StatusForbidden, `{"error":{"code":"Authorization_RequestDenied"}}`),
		"hangs up":     hangUp,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(path, answer)
			if got := h.client.CredentialEnds(t.Context(), client, secret.New(canaryAccess)); len(got) != 0 {
				t.Errorf("CredentialEnds() = %v, want nothing", got)
			}
			h.checkRedacted(nil)
		})
	}
}

package microsoft_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"

	"github.com/google/go-cmp/cmp"
)

const further token.API = "partner"

// extended returns the client of an instance with a further permission of Graph and a further api.
func (c *simulation) extended(probe string) tenant.Client {
	client := testClient()
	client.Cloud = c.cloud
	client.Deployment = tenant.Deployment{
		Scopes: map[string][]string{"graph": {"PartnerBilling.Read.All"}},
		APIs: []tenant.API{{
			Name: string(further), Resource: "https://api.partner.microsoft.com", Scopes: []string{"user_impersonation", "Insights.Read.All"},
			Host: strings.TrimPrefix(c.sim.PartnerURL(), "http://"), Probe: probe,
		}},
	}
	return client
}

func TestAuthorizeURL_RequestsEveryPermission(t *testing.T) {
	c := newSimulation(t, "global", simulated.Global())
	address, err := c.client.AuthorizeURL(c.extended(""), consent.AuthorizeRequest{State: "s", Nonce: "n", Verifier: secret.New(verifier), RedirectURI: callback})
	c.must(err)
	at, err := url.Parse(address)
	c.must(err)
	want := []string{
		"openid", "profile", "offline_access", "https://api.partnercenter.microsoft.com/user_impersonation",
		"https://graph.microsoft.com/User.Read", "https://graph.microsoft.com/Directory.Read.All", "https://graph.microsoft.com/PartnerBilling.Read.All",
		"https://management.azure.com/user_impersonation",
		"https://api.partner.microsoft.com/user_impersonation", "https://api.partner.microsoft.com/Insights.Read.All",
	}
	if diff := cmp.Diff(want, strings.Fields(at.Query().Get("scope"))); diff != "" {
		t.Errorf("scope (-want +got):\n%s", diff)
	}
	// The onboarding page shows exactly these.
	permissions, err := c.client.Permissions(c.extended(""))
	c.must(err)
	var shown, added []string
	for _, p := range permissions {
		shown = append(shown, p.Scope)
		if p.Added {
			added = append(added, string(p.API)+" "+p.Scope)
		}
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("Permissions (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{
		"graph https://graph.microsoft.com/PartnerBilling.Read.All", "partner https://api.partner.microsoft.com/user_impersonation", "partner https://api.partner.microsoft.com/Insights.Read.All",
	}, added); diff != "" {
		t.Errorf("Permissions that were added (-want +got):\n%s", diff)
	}
}

// TestRenew_TellsWhichPermissionsAreMissing grants permissions step by step, and withdraws them singly.
func TestRenew_TellsWhichPermissionsAreMissing(t *testing.T) {
	const graph, partner = "https://graph.microsoft.com/", "https://api.partner.microsoft.com/"
	c := newSimulation(t, "global", simulated.Global())
	app := simulated.Application{
		ID: application, Name: "Connector", DirectoryID: directory, Secrets: []simulated.Secret{{Value: clientSecret}},
		RedirectURIs: []simulated.RedirectURI{{URI: callback}},
		Permissions: []string{
			"https://api.partnercenter.microsoft.com/user_impersonation", "https://management.azure.com/user_impersonation",
			graph + "User.Read", graph + "Directory.Read.All", partner + "user_impersonation",
		},
	}
	c.must(c.sim.AddApplication(app))
	c.consent()
	client := c.extended("/v1.0/insights")
	refreshToken := c.refreshToken(admin)
	check := func(what string, api token.API, want ...string) token.Redemption {
		t.Helper()
		got, err := c.client.Renew(context.Background(), client, refreshToken, api)
		if err != nil {
			t.Fatalf("Renew(%s) %s = %v, want nil", api, what, err)
		}
		if diff := cmp.Diff(want, got.Missing); diff != "" && len(want)+len(got.Missing) > 0 {
			t.Errorf("Renew(%s) %s: missing permissions (-want +got)\n%s", api, what, diff)
		}
		return got
	}
	check("of the usual consent", token.PartnerCenter)
	check("of the usual consent", token.ARM)
	check("of the usual consent", token.Graph, "PartnerBilling.Read.All")
	if _, err := c.client.Renew(context.Background(), client, refreshToken, further); codeOf(err) != failure.ConsentMissing ||
		failure.From(err).Params["permissions"] != "user_impersonation, Insights.Read.All" {
		t.Errorf("Renew(%s) without any consent = %v, want %s with both permissions", further, err, failure.ConsentMissing)
	}

	c.must(c.sim.GrantConsent(directory, application, "", graph+"PartnerBilling.Read.All", partner+"user_impersonation"))
	check("after another consent", token.Graph)
	got := check("after a part of the consent", further, "Insights.Read.All")
	if probe := c.client.Probe(context.Background(), client, further, got.AccessToken); probe.Works != token.No || !probe.Failure.Is(failure.APIRefused) {
		t.Errorf("Probe() without the permission = %+v, want no", probe)
	}
	c.must(c.sim.GrantConsent(directory, application, "", partner+"Insights.Read.All"))
	got = check("after the whole consent", further)
	if probe := c.client.Probe(context.Background(), client, further, got.AccessToken); probe.Works != token.Yes || probe.Failure != nil {
		t.Errorf("Probe() = %+v, want yes", probe)
	}
	if api, ok := c.client.APIOf(client, "https://api.partner.microsoft.com/.default"); !ok || api != further {
		t.Errorf("APIOf() = %q, %t, want %s", api, ok, further)
	}
	if api, ok := c.client.APIOf(testClient(), "https://api.partner.microsoft.com"); ok {
		t.Errorf("APIOf() of another instance = %q, want none", api)
	}

	// Without a probe, nothing is sent, and nothing is known.
	c.sim.ForgetRequests()
	if probe := c.client.Probe(context.Background(), c.extended(""), further, got.AccessToken); probe.Works != token.Unknown || probe.Failure != nil || len(c.sim.Requests()) != 0 {
		t.Errorf("Probe() without a probe = %+v after %d requests, want unknown after none", probe, len(c.sim.Requests()))
	}

	// One of two usual permissions is withdrawn: the other still serves.
	c.must(c.sim.RemovePermissions(directory, application, graph+"Directory.Read.All"))
	check("after a withdrawal", token.Graph, "Directory.Read.All")
	c.must(c.sim.RemovePermissions(directory, application, graph+"User.Read", graph+"PartnerBilling.Read.All"))
	if _, err := c.client.Renew(context.Background(), client, refreshToken, token.Graph); codeOf(err) != failure.ConsentMissing ||
		failure.From(err).Params["permissions"] != "User.Read, Directory.Read.All, PartnerBilling.Read.All" {
		t.Errorf("Renew(graph) without any consent = %v, want %s with the three permissions", err, failure.ConsentMissing)
	}
}

// TestRenew_AnAnswerThatDoesNotTellPermissions has neither scopes nor a token that can be read.
func TestRenew_AnAnswerThatDoesNotTellPermissions(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		want   []string
	}{
		"opaque, no scope":   {`{"token_type":"Bearer","access_token":"canary-access-token"}`, nil},
		"opaque, only OIDC":  {`{"token_type":"Bearer","access_token":"canary-access-token","scope":"openid profile"}`, nil},
		"opaque, with scope": {`{"token_type":"Bearer","access_token":"canary-access-token","scope":"openid BASE/graph/User.Read"}`, []string{"Directory.Read.All"}},
		"the default only":   {`{"token_type":"Bearer","access_token":"canary-access-token","scope":"BASE/graph/.default"}`, nil},
		"other case":         {`{"token_type":"Bearer","access_token":"canary-access-token","scope":"BASE/graph/user.read BASE/graph/directory.read.all"}`, nil},
		"claims win": {
			`{"token_type":"Bearer","access_token":"` + unsigned(t, map[string]any{"scp": "User.Read"}).Reveal() + `","scope":"BASE/graph/User.Read BASE/graph/Directory.Read.All"}`,
			[]string{"Directory.Read.All"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(tokenPath, respond(http.StatusOK, strings.ReplaceAll(tc.answer, "BASE", h.server.URL)))
			got, err := h.client.Renew(context.Background(), testClient(), secret.New(canaryRefresh), token.Graph)
			if err != nil {
				t.Fatalf("Renew() = %v, want nil", err)
			}
			if diff := cmp.Diff(tc.want, got.Missing); diff != "" && len(tc.want)+len(got.Missing) > 0 {
				t.Errorf("missing permissions (-want +got)\n%s", diff)
			}
		})
	}
}

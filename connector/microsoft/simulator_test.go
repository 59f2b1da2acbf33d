package microsoft_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"
)

const (
	admin    = "admin@contoso.example"
	clerk    = "clerk@contoso.example"
	callback = "https://connector.example/callback"
)

// A simulation is our client and the simulated Microsoft, which is written from the same facts and shares no code with
// it.
type simulation struct {
	testing.TB
	sim    *simulated.Simulator
	client *microsoft.Client
	cloud  string
}

// newSimulation starts the simulator as one of Microsoft's clouds. Only addresses differ from the built-in profile.
func newSimulation(t testing.TB, cloud string, as simulated.Cloud, adjust ...func(*microsoft.Config)) *simulation {
	t.Helper()
	now := func() time.Time { return time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC) }
	sim, err := simulated.Start(simulated.Config{Now: now, Cloud: as})
	if err != nil {
		t.Fatalf("Start() = %v, want nil", err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	})
	web, err := httpclient.New(httpclient.Config{Timeout: 30 * time.Second})
	if err != nil {
		t.Fatalf("httpclient.New() = %v, want nil", err)
	}
	t.Cleanup(web.CloseIdleConnections)
	cfg := microsoft.Config{HTTP: web, ProbeHTTP: web, Now: now, Profiles: []microsoft.Profile{{
		Name: cloud, Authority: sim.LoginURL(),
		PartnerCenter: microsoft.Endpoint{BaseURL: sim.PartnerCenterURL()},
		Graph:         microsoft.Endpoint{BaseURL: sim.GraphURL()},
		ARM:           microsoft.Endpoint{BaseURL: sim.ARMURL()},
	}}}
	for _, f := range adjust {
		f(&cfg)
	}
	client, err := microsoft.New(cfg)
	if err != nil {
		t.Fatalf("New() = %v, want nil", err)
	}
	c := &simulation{t, sim, client, cloud}
	c.must(sim.AddDirectory(simulated.Directory{ID: directory, Domain: "contoso.example", Name: "Contoso"}))
	c.must(sim.AddUser(simulated.User{UPN: admin, Password: "x", DirectoryID: directory, GlobalAdmin: true, NestedAdminAgent: true}))
	c.must(sim.AddUser(simulated.User{UPN: clerk, Password: "x", DirectoryID: directory, Groups: []string{"Sales", "All"}}))
	c.must(sim.AddApplication(simulated.Application{
		ID: application, Name: "Connector", DirectoryID: directory, Secrets: []simulated.Secret{{Value: clientSecret}},
		RedirectURIs: []simulated.RedirectURI{{URI: callback}},
	}))
	return c
}

func (c *simulation) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// consent grants the application every permission of the profile, for the whole directory.
func (c *simulation) consent() {
	c.Helper()
	for _, p := range microsoft.Profiles() {
		if p.Name == c.cloud {
			c.must(c.sim.GrantConsent(directory, application, "", p.PartnerCenter.Scope, p.Graph.Scope, p.ARM.Scope))
		}
	}
}

func (c *simulation) refreshToken(upn string, amr ...string) secret.Text {
	c.Helper()
	value, err := c.sim.IssueRefreshToken(simulated.RefreshToken{UPN: upn, ApplicationID: application, AMR: amr})
	c.must(err)
	return secret.New(value)
}

func (c *simulation) renew(refreshToken secret.Text, api token.API) (token.Redemption, error) {
	client := testClient()
	client.Cloud = c.cloud
	return c.client.Renew(context.Background(), client, refreshToken, api)
}

func (c *simulation) probe(accessToken secret.Text, api token.API) token.Probe {
	client := testClient()
	client.Cloud = c.cloud
	return c.client.Probe(context.Background(), client, api, accessToken)
}

// consented signs the administrator in on the simulated pages and returns the authorization code.
func (c *simulation) consented() token.AuthorizationCode {
	c.Helper()
	client := testClient()
	client.Cloud = c.cloud
	request := consent.AuthorizeRequest{State: "state", Nonce: nonce, Verifier: secret.New(verifier), RedirectURI: callback, Prompt: "consent"}
	address, err := c.client.AuthorizeURL(client, request)
	c.must(err)
	at, err := simulated.SignIn(context.Background(), c.sim.Client(), address, simulated.Visitor{UPN: admin, Password: "x", RegisterMFA: true, ApproveMFA: true, Accept: true})
	c.must(err)
	if at.Query().Get("code") == "" {
		c.Fatalf("SignIn() = %v, want a code", at.Query())
	}
	return token.AuthorizationCode{Code: secret.New(at.Query().Get("code")), Verifier: request.Verifier, RedirectURI: callback}
}

func (c *simulation) redeem(code token.AuthorizationCode) (token.Redemption, error) {
	client := testClient()
	client.Cloud = c.cloud
	return c.client.Redeem(context.Background(), client, code)
}

func (c *simulation) identify(idToken secret.Text) (token.Identity, error) {
	client := testClient()
	client.Cloud = c.cloud
	return c.client.Identity(context.Background(), client, idToken, nonce)
}

func TestRenew_InEveryCloud(t *testing.T) {
	for cloud, as := range map[string]simulated.Cloud{
		"global": simulated.Global(), "usgov": simulated.USGovernment(), "china": simulated.China(),
	} {
		t.Run(cloud, func(t *testing.T) {
			c := newSimulation(t, cloud, as)
			c.consent()
			refreshToken := c.refreshToken(admin)
			for _, api := range token.APIs() {
				got, err := c.renew(refreshToken, api)
				if err != nil {
					t.Fatalf("Renew(%s) = %v, want nil", api, err)
				}
				if got.RefreshToken.Empty() || got.RefreshToken == refreshToken || got.IDToken.Empty() {
					t.Errorf("Renew(%s) brought no successor or no id_token", api)
				}
				refreshToken = got.RefreshToken
				if claims := c.client.Claims(got.AccessToken); claims != (token.AccessTokenClaims{Readable: true, DirectoryID: directory, ApplicationID: application, MFA: token.Yes, Username: admin}) {
					t.Errorf("Claims(%s) = %+v, want this directory and application with MFA", api, claims)
				}
				mfa := token.Unknown
				if api == token.PartnerCenter {
					mfa = token.Yes
				}
				checkProbe(t, c.probe(got.AccessToken, api), token.Yes, mfa, "")
			}
			if got, err := c.client.ResolveDirectory(context.Background(), cloud, "contoso.example"); err != nil || got != directory {
				t.Errorf("ResolveDirectory() = %q, %v, want %q", got, err, directory)
			}
			if got, err := c.client.ResolveDirectory(context.Background(), cloud, "nobody.example"); codeOf(err) != failure.DirectoryUnknown {
				t.Errorf("ResolveDirectory(nobody.example) = %q, %v, want %s", got, err, failure.DirectoryUnknown)
			}
		})
	}
}

func TestRoles_Simulated(t *testing.T) {
	c := newSimulation(t, "global", simulated.Global())
	c.consent()
	c.sim.SetOddities(simulated.Oddities{GraphPage: 1})
	client := testClient()
	client.Cloud = "global"
	for upn, want := range map[string]token.Answer{admin: token.Yes, clerk: token.No} {
		got, err := c.renew(c.refreshToken(upn), token.Graph)
		if err != nil {
			t.Fatalf("Renew() = %v, want nil", err)
		}
		if a, b := c.client.Roles(context.Background(), client, got.AccessToken); a != want || b != want {
			t.Errorf("Roles(%s) = %s, %s, want %s, %s", upn, a, b, want, want)
		}
	}
}

func TestProbe_AfterASignInWithoutMFA(t *testing.T) {
	c := newSimulation(t, "global", simulated.Global())
	c.consent()
	got, err := c.renew(c.refreshToken(admin, "pwd"), token.PartnerCenter)
	if err != nil {
		t.Fatalf("Renew() = %v, want nil", err)
	}
	if mfa := c.client.Claims(got.AccessToken).MFA; mfa != token.No {
		t.Errorf("Claims() = MFA %s, want %s", mfa, token.No)
	}
	for _, mode := range []simulated.PartnerCenterMode{
		{Answer: simulated.MFACodeText, MFAHeader: "-"},
		{Answer: simulated.MFACodeNumber, MFAHeader: "-"},
		{Answer: simulated.MFACodeNested, MFAHeader: "-"},
		{Answer: simulated.MFAReasonOnly, MFAHeader: "-"},
		{Answer: simulated.MFACodeClassic, MFAHeader: "-"},
		{Answer: simulated.MFABodyEmpty}, // only the header says so
	} {
		c.must(c.sim.SetPartnerCenter(directory, mode))
		checkProbe(t, c.probe(got.AccessToken, token.PartnerCenter), token.No, token.No, failure.MFAMissing)
	}
	c.must(c.sim.SetPartnerCenter(directory, simulated.PartnerCenterMode{Unenforced: 100}))
	checkProbe(t, c.probe(got.AccessToken, token.PartnerCenter), token.Yes, token.No, "")
}

func TestRenew_Refusals(t *testing.T) {
	refusals := map[failure.Code]func(c *simulation){
		failure.GrantRevoked:       func(c *simulation) { c.must(c.sim.RevokeSessions(admin)) },
		failure.AccountDisabled:    func(c *simulation) { c.must(c.sim.Disable(admin)) },
		failure.ClientSecretWrong:  func(c *simulation) { c.must(c.sim.SetSecrets(application, simulated.Secret{Value: "another"})) },
		failure.ApplicationUnknown: func(c *simulation) { c.must(c.sim.DisableApplication(application)) },
		failure.ConsentMissing:     func(c *simulation) { c.must(c.sim.RemoveConsent(directory, application)) },
		failure.MFARequired:        func(c *simulation) { c.must(c.sim.SetPolicy(directory, simulated.Policy{RememberMFA: 1})) },
		failure.SignInFrequency:    func(c *simulation) { c.must(c.sim.SetPolicy(directory, simulated.Policy{SignInFrequency: 1})) },
		failure.AccessBlocked:      func(c *simulation) { c.must(c.sim.SetPolicy(directory, simulated.Policy{Block: true})) },
		failure.ClientSecretExpired: func(c *simulation) {
			c.must(c.sim.SetSecrets(application, simulated.Secret{Value: clientSecret, Ends: time.Unix(0, 0)}))
		},
	}
	for _, want := range slices.Sorted(maps.Keys(refusals)) {
		t.Run(string(want), func(t *testing.T) {
			c := newSimulation(t, "global", simulated.Global())
			c.consent()
			refreshToken, err := c.sim.IssueRefreshToken(simulated.RefreshToken{
				UPN: admin, ApplicationID: application,
				IssuedAt: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
			})
			c.must(err)
			refusals[want](c)
			_, err = c.renew(secret.New(refreshToken), token.Graph)
			if codeOf(err) != want {
				t.Errorf("Renew() = %v, want %s", err, want)
			}
		})
	}
}

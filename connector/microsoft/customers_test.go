package microsoft_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"
)

const (
	customer          = "cccccccc-2222-4333-8444-555555555555"
	relationshipScope = "https://graph.microsoft.com/DelegatedAdminRelationship.Read.All"
)

// newCustomers is a simulation with a customer that has a consent for ARM.
func newCustomers(t *testing.T) *simulation {
	c := newSimulation(t, "global", simulated.Global())
	c.must(c.sim.AddApplication(simulated.Application{
		ID: application, Name: "Connector", DirectoryID: directory, MultiTenant: true, Secrets: []simulated.Secret{{Value: clientSecret}},
		RedirectURIs: []simulated.RedirectURI{{URI: callback}},
		Permissions: []string{
			"https://api.partnercenter.microsoft.com/user_impersonation", "https://management.azure.com/user_impersonation",
			"https://graph.microsoft.com/User.Read", "https://graph.microsoft.com/Directory.Read.All", relationshipScope,
		},
	}))
	c.consent()
	c.must(c.sim.AddDirectory(simulated.Directory{ID: customer, Domain: "customer.example", Name: "A customer", CustomerOf: directory}))
	c.must(c.sim.SetRelationship(simulated.Relationship{Partner: directory, Customer: customer}))
	c.must(c.sim.GrantConsent(customer, application, "", "https://management.azure.com/user_impersonation"))
	return c
}

func TestRenew_InACustomerDirectory(t *testing.T) {
	c := newCustomers(t)
	client := testClient().In(customer)
	client.Cloud = c.cloud
	value := c.refreshToken(admin, "pwd", "mfa")
	redeemed, err := c.client.Renew(t.Context(), client, value, token.ARM)
	c.must(err)
	if redeemed.Subject.DirectoryID != customer || redeemed.RefreshToken.Empty() {
		t.Errorf("Renew in a customer directory = a token of %q, want one of the customer's and a successor", redeemed.Subject.DirectoryID)
	}
	// The successor serves the partner's directory as well.
	if _, err := c.renew(redeemed.RefreshToken, token.PartnerCenter); err != nil {
		t.Errorf("Renew at home with the successor = %v, want nil", err)
	}
	check := func(what string, api token.API, want failure.Code) {
		t.Helper()
		if _, err := c.client.Renew(t.Context(), client, value, api); !failure.Is(err, want) {
			t.Errorf("Renew %s = %v, want %s", what, err, want)
		}
	}
	check("without a consent there", token.Graph, failure.ConsentMissing)
	c.must(c.sim.SetPolicy(customer, simulated.Policy{Block: true}))
	check("against the customer's policy", token.ARM, failure.AccessBlocked)
	c.must(c.sim.EndRelationships(customer))
	check("without a relationship", token.ARM, failure.AccountOutside)
	client = client.In(foreign)
	check("in no directory", token.ARM, failure.WrongCloud)
}

// The audience of a client assertion is the endpoint that it is sent to, and what a customer's directory throttles does not stop
// the renewals of partners.
func TestRenew_InACustomerDirectoryByAssertion(t *testing.T) {
	var throttled int
	h := newHarness(t, func(c *microsoft.Config) { c.Throttled = func(string, time.Duration) { throttled++ } })
	const path = "/login/" + customer + "/oauth2/v2.0/token"
	h.route(path, inTurn(
		respond(http.StatusTooManyRequests, "{}", "Retry-After", "1"),
		respond(http.StatusOK, `{"token_type":"Bearer","access_token":"canary-access-token","expires_in":3600}`),
	))
	leaf, certificate := newCertificate(t, noon)
	client := with("test", tenant.Application{Certificate: certificate}).In(customer)
	if _, err := h.client.Renew(t.Context(), client, secret.New(canaryRefresh), token.ARM); err != nil {
		t.Fatalf("Renew() = %v, want nil", err)
	}
	if throttled != 0 {
		t.Errorf("Throttled was called %d times, want never", throttled)
	}
	signed, err := jose.ParseSignedCompact(h.seen(path)[1].form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.PS256})
	if err != nil {
		t.Fatalf("ParseSignedCompact() = %v, want nil", err)
	}
	payload, err := signed.Verify(leaf.PublicKey)
	if err != nil || !strings.Contains(string(payload), `"aud":"`+h.server.URL+path+`"`) {
		t.Errorf("claims of the assertion = %s, %v, want the customer's endpoint as audience", payload, err)
	}
}

// TestRenew_InACustomerDirectoryByCertificate redeems at the partner's directory and at a customer's in turn, with a certificate: the
// simulated Microsoft refuses an assertion whose audience is another endpoint than the one that receives it.
func TestRenew_InACustomerDirectoryByCertificate(t *testing.T) {
	c := newCustomers(t)
	leaf, certificate := newCertificate(t, noon.AddDate(0, -1, 0))
	c.must(c.sim.SetSecrets(application))
	c.must(c.sim.SetCertificates(application, leaf))
	home := with(c.cloud, tenant.Application{Certificate: certificate})
	value := c.refreshToken(admin, "pwd", "mfa")
	for _, client := range []tenant.Client{home, home.In(customer), home} {
		redeemed, err := c.client.Renew(t.Context(), client, value, token.ARM)
		if err != nil {
			t.Fatalf("Renew() in the directory %s = %v, want nil", client.DirectoryID, err)
		}
		if got := redeemed.Subject.DirectoryID; got != client.DirectoryID {
			t.Errorf("Renew() = a token of the directory %s, want one of %s", got, client.DirectoryID)
		}
		value = redeemed.RefreshToken
	}
}

// TestRenew_LoopsInOneDirectory holds back what Microsoft would block as a loop, for one directory and api: the same refresh token
// serves the others all the same.
func TestRenew_LoopsInOneDirectory(t *testing.T) {
	h := newHarness(t)
	const there = "/login/" + customer + "/oauth2/v2.0/token"
	for _, path := range []string{tokenPath, there} {
		h.route(path, respond(http.StatusBadRequest, `{"error":"invalid_grant","error_codes":[65001]}`))
	}
	renew := func(client tenant.Client, api token.API, want failure.Code) {
		t.Helper()
		if _, err := h.client.Renew(t.Context(), client, secret.New(canaryRefresh), api); !failure.Is(err, want) {
			t.Errorf("Renew(%s) in the directory %s = %v, want %s", api, client.DirectoryID, err, want)
		}
	}
	home := testClient()
	for range 7 {
		renew(home, token.ARM, failure.ConsentMissing)
	}
	renew(home, token.ARM, failure.MicrosoftThrottled)
	renew(home, token.PartnerCenter, failure.ConsentMissing)
	renew(home.In(customer), token.ARM, failure.ConsentMissing)
	if here, there := len(h.seen(tokenPath)), len(h.seen(there)); here != 8 || there != 1 {
		t.Errorf("%d and %d requests were sent to the two directories, want 8 and 1", here, there)
	}
}

func TestCustomers_AllPages(t *testing.T) {
	c := newCustomers(t)
	for i := range 7 {
		c.must(c.sim.AddDirectory(simulated.Directory{
			ID: fmt.Sprintf("dddddddd-2222-4333-8444-%012d", i), Domain: fmt.Sprintf("d%d.example", i), Name: fmt.Sprint("Customer ", i), CustomerOf: directory,
		}))
	}
	c.sim.SetOddities(simulated.Oddities{CustomersPage: 3})
	client := testClient()
	client.Cloud = c.cloud
	redeemed, err := c.renew(c.refreshToken(admin, "pwd", "mfa"), token.PartnerCenter)
	c.must(err)
	customers, err := c.client.Customers(t.Context(), client, redeemed.AccessToken)
	c.must(err)
	if len(customers) != 8 || !slices.Contains(customers, token.Customer{DirectoryID: customer, Name: "A customer", Domain: "customer.example"}) {
		t.Errorf("Customers() = %+v, want eight", customers)
	}
	clerks, err := c.renew(c.refreshToken(clerk, "pwd", "mfa"), token.PartnerCenter)
	c.must(err)
	if _, err := c.client.Customers(t.Context(), client, clerks.AccessToken); !failure.Is(err, failure.APIRefused) {
		t.Errorf("Customers() of an account without a role = %v, want %s", err, failure.APIRefused)
	}
	without, err := c.renew(c.refreshToken(admin, "pwd"), token.PartnerCenter)
	c.must(err)
	if _, err := c.client.Customers(t.Context(), client, without.AccessToken); !failure.Is(err, failure.MFAMissing) {
		t.Errorf("Customers() without MFA = %v, want %s", err, failure.MFAMissing)
	}
}

func TestRelationships_AllPages(t *testing.T) {
	c := newCustomers(t)
	client := testClient()
	client.Cloud = c.cloud
	value := c.refreshToken(admin, "pwd", "mfa")
	redeemed, err := c.renew(value, token.Graph)
	c.must(err)
	if _, err := c.client.Relationships(t.Context(), client, redeemed.AccessToken); !failure.Is(err, failure.APIRefused) {
		t.Errorf("Relationships() without the permission = %v, want %s", err, failure.APIRefused)
	}
	c.must(c.sim.GrantConsent(directory, application, "", relationshipScope))
	for i := range 5 {
		id := fmt.Sprintf("dddddddd-2222-4333-8444-%012d", i)
		c.must(c.sim.AddDirectory(simulated.Directory{ID: id, Domain: fmt.Sprintf("d%d.example", i), Name: fmt.Sprint("Customer ", i)}))
		c.must(c.sim.SetRelationship(simulated.Relationship{
			Partner: directory, Customer: id, AutoExtend: i == 0, Status: []string{"", "", "", simulated.RelationshipTerminated, simulated.RelationshipPending}[i],
		}))
	}
	c.sim.SetOddities(simulated.Oddities{GraphPage: 2})
	if redeemed, err = c.renew(value, token.Graph); err != nil {
		t.Fatal(err)
	}
	relationships, err := c.client.Relationships(t.Context(), client, redeemed.AccessToken)
	c.must(err)
	active, extending := 0, 0
	for _, r := range relationships {
		if r.Active {
			active++
		}
		if r.AutoExtends {
			extending++
		}
		if r.EndsAt.IsZero() || len(r.Roles) != 1 || !strings.HasPrefix(r.DirectoryID, "cccccccc") && !strings.HasPrefix(r.DirectoryID, "dddddddd") {
			t.Errorf("relationship = %+v, want an end, a role and a customer", r)
		}
	}
	if len(relationships) != 5 || active != 4 || extending != 1 {
		t.Errorf("Relationships() = %d, %d active, %d extending themselves, want 5, 4, 1", len(relationships), active, extending)
	}
}

// Answers that say nothing about all customers are no list.
func TestCustomers_BadAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"not JSON":            `customers`,
		"no items":            `{"totalCount":0}`,
		"no directory":        `{"items":[{"id":"x"}]}`,
		"no continuation":     `{"items":[],"links":{"next":{"headers":[]}}}`,
		"the same page again": `{"items":[],"links":{"next":{"headers":[{"key":"MS-ContinuationToken","value":"again"}]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route("/pc/v1/customers", respond(http.StatusOK, answer))
			if got, err := h.client.Customers(t.Context(), testClient(), secret.New(canaryAccess)); err == nil {
				t.Errorf("Customers() = %v, nil, want a failure", got)
			}
		})
	}
	for name, answer := range map[string]string{
		"no value": `{}`, "another host": `{"value":[],"@odata.nextLink":"https://elsewhere.example/v1.0/next"}`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route("/graph/v1.0/tenantRelationships/delegatedAdminRelationships", respond(http.StatusOK, answer))
			if got, err := h.client.Relationships(t.Context(), testClient(), secret.New(canaryAccess)); err == nil {
				t.Errorf("Relationships() = %v, nil, want a failure", got)
			}
		})
	}
}

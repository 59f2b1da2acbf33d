package microsoft_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	simulated "azure-partner-connector/sandbox/microsoft"
)

// TestCustomerConsent_DecidesAboutRedemptionsThere makes, repeats and removes a consent in a customer directory, which decides
// about redemptions there.
func TestCustomerConsent_DecidesAboutRedemptionsThere(t *testing.T) {
	c := newCustomers(t)
	client := testClient()
	client.Cloud = c.cloud
	value := c.refreshToken(admin, "pwd", "mfa")
	redeemed, err := c.renew(value, token.PartnerCenter)
	c.must(err)
	consent := func(directory string) error {
		return c.client.AddCustomerConsent(t.Context(), client, directory, token.ARM, redeemed.AccessToken)
	}
	if err := consent("not-an-id"); !failure.Is(err, failure.BadRequest) {
		t.Errorf("AddCustomerConsent() for no directory = %v, want %s", err, failure.BadRequest)
	}
	if err := consent("dddddddd-9999-4333-8444-000000000000"); !failure.Is(err, failure.CustomerUnknown) {
		t.Errorf("AddCustomerConsent() for no customer = %v, want %s", err, failure.CustomerUnknown)
	}
	c.must(c.sim.RemoveConsent(customer, application, simulated.ARM))
	for _, want := range []error{nil, token.ErrConsentExists} {
		if err := consent(customer); !errors.Is(err, want) {
			t.Fatalf("AddCustomerConsent() = %v, want %v", err, want)
		}
	}
	if _, err := c.client.Renew(t.Context(), client.In(customer), value, token.ARM); err != nil {
		t.Errorf("Renew() in the customer directory after the consent = %v", err)
	}
	c.must(c.client.RemoveCustomerConsent(t.Context(), client, customer, redeemed.AccessToken))
	if err := c.client.RemoveCustomerConsent(t.Context(), client, customer, redeemed.AccessToken); !failure.Is(err, failure.CustomerUnknown) {
		t.Errorf("RemoveCustomerConsent() of none = %v, want %s", err, failure.CustomerUnknown)
	}
	c.must(c.sim.EndRelationships(customer))
	if err := consent(customer); !failure.Is(err, failure.CustomerRelationshipEnded) {
		t.Errorf("AddCustomerConsent() without a relationship = %v, want %s", err, failure.CustomerRelationshipEnded)
	}
}

func TestCustomerConsent_AnswersAsPartnerCenterGivesThem(t *testing.T) {
	const path = "/pc/v1/customers/22222222-bbbb-4bbb-8bbb-222222222222/applicationconsents"
	const exists = "token.ErrConsentExists"
	for name, tc := range map[string]struct {
		status int
		body   string
		want   failure.Code
	}{
		"created":                          {http.StatusCreated, "{}", ""},
		"exists, as a conflict":            {http.StatusConflict, `{"code":"409"}`, exists},
		"exists, as a bad request":         {http.StatusBadRequest, `{"description":"Permission entry already exists."}`, exists},
		"a permission that does not exist": {http.StatusBadRequest, `{"description":"Invalid scope"}`, failure.MicrosoftAnswer},
		"without MFA":                      {http.StatusUnauthorized, `{"code":"900421"}`, failure.MFAMissing},
		"a refused token":                  {http.StatusUnauthorized, "", failure.APIRefused},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(path, respond(tc.status, tc.body))
			err := h.client.AddCustomerConsent(t.Context(), testClient(), "22222222-bbbb-4bbb-8bbb-222222222222", token.Graph, secret.New("canary-token"))
			if got := codeOf(err); got != tc.want && (tc.want != exists || !errors.Is(err, token.ErrConsentExists)) {
				t.Errorf("AddCustomerConsent() = %v, want code %q", err, tc.want)
			}
			sent := ""
			for body := range h.seen(path)[0].form { // JSON, which the harness reads as the name of a field
				sent += body
			}
			if !strings.Contains(sent, `"enterpriseApplicationId":"00000003-0000-0000-c000-000000000000"`) || !strings.Contains(sent, `"scope":"`) {
				t.Errorf("the body is %s", sent)
			}
		})
	}
}

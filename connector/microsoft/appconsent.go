package microsoft

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// enterpriseApplications are the application IDs of the resources that a consent in a customer directory is for, the same in
// every cloud (docs/reference/microsoft-identity.md §5.3). Partner Center is used in the partner's own directory only.
func enterpriseApplications() map[token.API]string {
	return map[token.API]string{
		token.Graph: "00000003-0000-0000-c000-000000000000",
		token.ARM:   "797f4846-ba00-4fd7-ba43-dac1f8f63013",
	}
}

// entryExists finds Partner Center's sentence for a consent that is there already: the status of the answer varies.
var entryExists = regexp.MustCompile(`(?i)permission entry already exists|already exists`)

// CustomerScopes implements token.Microsoft.
func (c *Client) CustomerScopes(client tenant.Client) map[token.API][]string {
	p, err := c.profile(client.Cloud)
	if err != nil {
		return nil
	}
	r := resolvedClient{client, p}
	scopes := map[token.API][]string{}
	for api := range enterpriseApplications() {
		scopes[api] = r.permissions(api)
	}
	return scopes
}

// An applicationConsent is the body of Partner Center's call.
type applicationConsent struct {
	ApplicationID string             `json:"applicationId"`
	DisplayName   string             `json:"displayName"`
	Grants        []applicationGrant `json:"applicationGrants"`
}

type applicationGrant struct {
	Application string `json:"enterpriseApplicationId"`
	Scope       string `json:"scope"`
}

// AddCustomerConsent implements token.Microsoft.
func (c *Client) AddCustomerConsent(ctx context.Context, client tenant.Client, directory string, api token.API, partnerCenterToken secret.Text) error {
	body, err := json.Marshal(applicationConsent{
		ApplicationID: client.Application.ID, DisplayName: applicationName,
		Grants: []applicationGrant{{enterpriseApplications()[api], strings.Join(c.CustomerScopes(client)[api], ", ")}},
	})
	if err != nil {
		return fmt.Errorf("encoding an application consent: %w", err)
	}
	answer, err := c.consentCall(ctx, client, http.MethodPost, directory, "", body, partnerCenterToken)
	switch {
	case err != nil, answer.status < 300:
		return err
	case answer.status == http.StatusConflict, answer.status == http.StatusBadRequest && entryExists.Match(answer.body()):
		return token.ErrConsentExists
	}
	return c.consentRefusal(answer, directory)
}

// RemoveCustomerConsent implements token.Microsoft.
func (c *Client) RemoveCustomerConsent(ctx context.Context, client tenant.Client, directory string, partnerCenterToken secret.Text) error {
	answer, err := c.consentCall(ctx, client, http.MethodDelete, directory, "/"+client.Application.ID, nil, partnerCenterToken)
	if err != nil || answer.status < 300 {
		return err
	}
	return c.consentRefusal(answer, directory)
}

// consentCall sends a call about the consents of a customer.
func (c *Client) consentCall(ctx context.Context, client tenant.Client, method, directory, path string, body []byte, accessToken secret.Text) (reply, error) {
	r, err := c.resolve(client)
	if err != nil {
		return reply{}, err
	}
	if !isGUID(directory) {
		return reply{}, failure.Wrap(errors.New("the directory of a customer is no ID"), failure.BadRequest)
	}
	req, f := apiRequest(ctx, token.PartnerCenter, r.profile.PartnerCenter.BaseURL+"/v1/customers/"+directory+"/applicationconsents"+path, accessToken)
	if f != nil {
		return reply{}, f
	}
	req.Method = method
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	answer, f := c.get(c.probeHTTP, req)
	if f != nil {
		return reply{}, f
	}
	return answer, nil
}

// consentRefusal translates a refused call about the consents of a customer: what is about the customer has codes of its own.
func (c *Client) consentRefusal(answer reply, directory string) *failure.Error {
	switch {
	case mfaDemanded(answer):
		return c.apiFailure(failure.MFAMissing, answer)
	case answer.status == http.StatusForbidden:
		return c.apiFailure(failure.CustomerRelationshipEnded, answer, "directory", directory)
	case answer.status == http.StatusNotFound:
		return c.apiFailure(failure.CustomerUnknown, answer, "directory", directory)
	}
	return c.apiRefusal(token.PartnerCenter, answer)
}

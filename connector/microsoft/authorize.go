package microsoft

import (
	"bytes"
	"encoding/json"
	"errors"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// requestMFA asks for a sign-in with several factors. No page of Microsoft documents it; whether it was honoured is
// verified afterwards (microsoft-identity.md §2.2).
const requestMFA = `{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}`

// maxClaimsRequest bounds an own claims request: over-long addresses are refused with AADSTS90015.
const maxClaimsRequest = 1024

// AuthorizeURL implements consent.Microsoft. It asks for the scopes of all apis at once, because Conditional Access,
// hence MFA, applies only to the resources that are named (microsoft-identity.md §2.1). The answer comes in the query,
// so that the browser's cookie comes with it.
func (c *Client) AuthorizeURL(client tenant.Client, r consent.AuthorizeRequest) (string, error) {
	p, err := c.place(client)
	if err != nil {
		return "", err
	}
	if r.State == "" || r.Nonce == "" || r.Verifier.Empty() || r.RedirectURI == "" {
		return "", failure.Wrap(errors.New("state, nonce, verifier and redirect address are required"), failure.InternalError)
	}
	claims, err := claimsRequest(p.MFARequest)
	if err != nil {
		return "", err
	}
	scopes := identityScopes()
	for _, e := range []Endpoint{p.profile.PartnerCenter, p.profile.Graph, p.profile.ARM} {
		scopes = append(scopes, e.scopes()[len(identityScopes()):]...)
	}
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(r.Verifier.Reveal()),
		oidc.Nonce(r.Nonce),
		oauth2.SetAuthURLParam("response_mode", "query"),
	}
	for name, value := range map[string]string{"prompt": r.Prompt, "ui_locales": r.Locale, "claims": claims} {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	return p.oauth(r.RedirectURI, scopes).AuthCodeURL(r.State, options...), nil
}

// claimsRequest returns the claims parameter for an instance's MFARequest setting; empty when none is to be sent.
func claimsRequest(setting string) (string, error) {
	switch setting {
	case "", "amr":
		return requestMFA, nil
	case "off":
		return "", nil
	}
	var object map[string]json.RawMessage
	var compact bytes.Buffer
	if len(setting) > maxClaimsRequest || json.Unmarshal([]byte(setting), &object) != nil || object == nil ||
		json.Compact(&compact, []byte(setting)) != nil {
		return "", failure.New(failure.BadRequest, "reason", "the MFA request is neither amr nor off nor a JSON object")
	}
	return compact.String(), nil
}

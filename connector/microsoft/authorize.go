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

// requestMFA requests a sign-in with multifactor authentication. Microsoft does not document it; the result is
// verified afterwards (docs/reference/microsoft-identity.md §2.2).
const requestMFA = `{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}`

// maxClaimsRequest bounds a claims request of an instance, in bytes: Microsoft refuses long addresses with AADSTS90015.
const maxClaimsRequest = 1024

// AuthorizeURL implements consent.Microsoft. It requests the scopes of all apis at once, because Conditional Access,
// and therefore MFA, applies only to the resources that are named (docs/reference/microsoft-identity.md §2.1). The
// answer comes in the query, so that the browser sends its cookie.
func (c *Client) AuthorizeURL(client tenant.Client, request consent.AuthorizeRequest) (string, error) {
	r, err := c.resolve(client)
	if err != nil {
		return "", err
	}
	if request.State == "" || request.Nonce == "" || request.Verifier.Empty() || request.RedirectURI == "" {
		return "", failure.Wrap(errors.New("state, nonce, verifier and redirect URI are required"), failure.InternalError)
	}
	claims, err := claimsRequest(r.MFARequest)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{
		oauth2.S256ChallengeOption(request.Verifier.Reveal()),
		oidc.Nonce(request.Nonce),
		oauth2.SetAuthURLParam("response_mode", "query"),
	}
	for name, value := range map[string]string{"prompt": request.Prompt, "ui_locales": request.Locale, "claims": claims} {
		if value != "" {
			options = append(options, oauth2.SetAuthURLParam(name, value))
		}
	}
	return r.oauth(request.RedirectURI, r.authorizeScopes()).AuthCodeURL(request.State, options...), nil
}

// claimsRequest returns the claims parameter for an instance's MFARequest setting; empty if none is sent.
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
		return "", failure.New(failure.BadRequest, "reason", "the MFA request is not amr, off, or a JSON object")
	}
	return compact.String(), nil
}

package microsoft

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"golang.org/x/oauth2/clientcredentials"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// Authenticate implements tenant.Authenticator: it asks for an access token of Graph for the application itself, which needs no
// consent and no permission, and drops it (docs/reference/microsoft-identity.md §6.3). It sends one request.
func (c *Client) Authenticate(ctx context.Context, client tenant.Client, name string) error {
	r, credentials, err := c.resolveWithCredentials(client, ownGrant)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(credentials, func(one credential) bool { return one.name == name })
	if i < 0 {
		return failure.New(failure.ApplicationMissing)
	}
	used := credentials[i]
	parameters, f := c.parameters(r, used)
	if f != nil {
		return f
	}
	web := r.oauth("", nil)
	grant := clientcredentials.Config{
		ClientID: web.ClientID, TokenURL: web.Endpoint.TokenURL, AuthStyle: web.Endpoint.AuthStyle,
		Scopes: []string{strings.TrimRight(cmp.Or(r.profile.Graph.Audience, r.profile.Graph.BaseURL), "/") + "/.default"}, EndpointParams: parameters,
	}
	_, f = c.request(ctx, tokenRequest{r, token.Graph, ownGrant, grant.Token})
	return asError(used.classify(used.translate(f), c.now()))
}

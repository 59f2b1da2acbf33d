package microsoft

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2/clientcredentials"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// tryOutTimeout bounds how long a person waits at the end of a sign-in until a credential is found that works.
const tryOutTimeout = 5 * time.Second

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
	return asError(c.authenticate(ctx, r, credentials[i]))
}

// authenticate has Microsoft judge one credential.
func (c *Client) authenticate(ctx context.Context, r resolvedClient, with credential) *failure.Error {
	parameters, f := c.parameters(r, with)
	if f != nil {
		return f
	}
	web := r.oauth("", nil)
	grant := clientcredentials.Config{
		ClientID: web.ClientID, TokenURL: web.Endpoint.TokenURL, AuthStyle: web.Endpoint.AuthStyle,
		Scopes: []string{strings.TrimRight(cmp.Or(r.profile.Graph.Audience, r.profile.Graph.BaseURL), "/") + "/.default"}, EndpointParams: parameters,
	}
	_, f = c.request(ctx, tokenRequest{r, token.Graph, ownGrant, grant.Token})
	return with.classify(with.translate(f), c.now())
}

// tryOut puts a credential that Microsoft accepts before the others, for a code, which can be sent only once. It asks Microsoft only
// where there are several and none is known to work, as after a start while a new secret is not accepted everywhere yet. A failure
// that says nothing about the credential ends it: the code's own request will tell.
func (c *Client) tryOut(ctx context.Context, r resolvedClient, credentials []credential) {
	if len(credentials) < 2 || c.history.accepted(credentials[0]) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tryOutTimeout)
	defer cancel()
	for _, one := range slices.Clone(credentials) {
		f := c.authenticate(ctx, r, one)
		if f == nil || f.Microsoft != nil { // not of a file that cannot be read now
			c.history.record(one, f)
		}
		if f == nil || f.Code != failure.CertificateNew && !credentialRefused(f) {
			break
		}
	}
	c.history.order(credentials, codeGrant, c.now())
}

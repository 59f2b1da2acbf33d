package microsoft

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/connector/trace"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// fallbackLifetime is the lifetime of an access token whose answer names none. Real ones live 60 minutes or more
// (docs/reference/microsoft-identity.md §3.4).
const fallbackLifetime = 5 * time.Minute

// A tokenRequest is one POST to the token endpoint.
type tokenRequest struct {
	resolvedClient
	api   token.API
	grant grantType
	send  func(ctx context.Context) (*oauth2.Token, error)
}

// Redeem implements token.Microsoft. It never posts a code twice: after a timeout the code may be used up, and the
// flow has to start again (docs/reference/microsoft-identity.md §3.7). Therefore it uses a credential that is known to
// work, and finds out which one does before it sends the code; if Microsoft refuses it nevertheless, the next code is sent with
// another one.
func (c *Client) Redeem(ctx context.Context, client tenant.Client, code token.AuthorizationCode) (token.Redemption, error) {
	r, credentials, err := c.resolveWithCredentials(client, codeGrant)
	if err != nil {
		return token.Redemption{}, err
	}
	if code.Code.Empty() {
		return token.Redemption{}, failure.New(failure.CodeInvalid)
	}
	c.tryOut(ctx, r, credentials)
	used, authentication, f := c.firstUsable(r, credentials)
	if f != nil {
		return token.Redemption{}, f
	}
	scopes := r.profile.PartnerCenter.scopes()
	options := []oauth2.AuthCodeOption{
		oauth2.VerifierOption(code.Verifier.Reveal()), oauth2.SetAuthURLParam("scope", strings.Join(scopes, " ")),
	}
	for name := range authentication {
		options = append(options, oauth2.SetAuthURLParam(name, authentication.Get(name)))
	}
	redemption, f := c.request(ctx, tokenRequest{r, token.PartnerCenter, codeGrant, func(ctx context.Context) (*oauth2.Token, error) {
		return r.oauth(code.RedirectURI, scopes).Exchange(ctx, code.Code.Reveal(), options...)
	}})
	f = used.translate(f)
	c.history.record(used, f)
	if f != nil {
		return token.Redemption{}, used.classify(f, c.now())
	}
	redemption.Missing, redemption.Credential = r.missing(token.PartnerCenter, redemption), used.name
	return redemption, nil
}

// Renew implements token.Microsoft. If the consent lacks one of the permissions of api, it redeems for those that are left.
// It retries transient failures by Config.Retries; a refresh token may be redeemed
// any number of times. If Microsoft refuses a credential of the application, Renew tries the next one; if Microsoft
// refuses all of them, it returns the failure of the credential that was entered last. More than a few identical
// requests within five minutes fail with microsoft_throttled, before Microsoft blocks them.
func (c *Client) Renew(ctx context.Context, client tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	r, credentials, err := c.resolveWithCredentials(client, refreshGrant)
	if err != nil {
		return token.Redemption{}, err
	}
	endpoint, err := r.endpoint(api)
	if err != nil {
		return token.Redemption{}, err
	}
	if refreshToken.Empty() {
		return token.Redemption{}, failure.New(failure.GrantAbsent)
	}
	var refusal *failure.Error
	var entered time.Time
	for _, credential := range credentials {
		var redemption token.Redemption
		attempt := func(endpoint Endpoint) *failure.Error {
			return c.retry(ctx, func() *failure.Error {
				if wait := c.loops.admit(c.now(), r.Cloud, r.DirectoryID, r.Application.ID, endpoint.Scope, refreshToken.Reveal()); wait > 0 {
					return cmp.Or(refusal, throttledLocally(wait))
				}
				authentication, f := c.parameters(r, credential)
				if f != nil {
					return f
				}
				redemption, f = c.request(ctx, tokenRequest{r, api, refreshGrant, func(ctx context.Context) (*oauth2.Token, error) {
					return r.refresh(ctx, refreshToken, endpoint.scopes(), authentication)
				}})
				f = credential.translate(f)
				c.history.record(credential, f)
				return f
			})
		}
		f := attempt(endpoint)
		if endpoint.partly(f) && attempt(endpoint.whatever()) == nil {
			f = nil
		}
		switch {
		case f == nil:
			redemption.Missing, redemption.Credential = r.missing(api, redemption), credential.name
			return redemption, nil
		case !credentialRefused(f):
			return token.Redemption{}, r.named(api, f)
		case refusal == nil || credential.Since.After(entered):
			refusal, entered = credential.classify(f, c.now()), credential.Since
		}
	}
	return token.Redemption{}, refusal
}

// firstUsable returns the first credential that can be used, and what authenticates r with it. Nothing is sent yet, so one whose
// file cannot be read costs nothing.
func (c *Client) firstUsable(r resolvedClient, credentials []credential) (credential, url.Values, *failure.Error) {
	var first *failure.Error
	for _, one := range credentials {
		authentication, f := c.parameters(r, one)
		if f == nil {
			return one, authentication, nil
		}
		first = cmp.Or(first, f)
	}
	return credential{}, nil, first
}

// throttledLocally returns the failure of a request that the loop guard does not admit.
func throttledLocally(wait time.Duration) *failure.Error {
	f := failure.Wrap(fmt.Errorf("%d identical requests within %s: not sent", loopLimit, loopWindow), failure.MicrosoftThrottled)
	f.Microsoft = &failure.Evidence{RetryAfterSeconds: int(math.Ceil(wait.Seconds()))}
	return f
}

func (c *Client) resolveWithCredentials(client tenant.Client, grant grantType) (resolvedClient, []credential, error) {
	r, err := c.resolve(client)
	if err != nil {
		return resolvedClient{}, nil, err
	}
	credentials, err := c.credentials(r, grant)
	return r, credentials, err
}

// refresh redeems a refresh token. The refresh of oauth2.Config sends no scope, which Microsoft refuses with
// AADSTS90009. Therefore it sends the client credentials grant with another grant type, as that package allows.
func (r resolvedClient) refresh(ctx context.Context, refreshToken secret.Text, scopes []string, authentication url.Values) (*oauth2.Token, error) {
	web := r.oauth("", scopes)
	parameters := maps.Clone(authentication)
	parameters.Set("grant_type", "refresh_token")
	parameters.Set("refresh_token", refreshToken.Reveal())
	grant := clientcredentials.Config{
		ClientID:       web.ClientID,
		TokenURL:       web.Endpoint.TokenURL,
		AuthStyle:      web.Endpoint.AuthStyle,
		Scopes:         scopes,
		EndpointParams: parameters,
	}
	return grant.Token(ctx)
}

// request sends r once and logs its outcome.
func (c *Client) request(ctx context.Context, r tokenRequest) (token.Redemption, *failure.Error) {
	ctx, span := trace.Start(ctx, "redemption", trace.String("connector.cloud", r.Cloud), trace.String("connector.directory", r.DirectoryID),
		trace.String("connector.api", string(r.api)), trace.String("connector.grant", string(r.grant)))
	client, recorder := record(c.http)
	start := c.now()
	t, err := r.send(context.WithValue(ctx, oauth2.HTTPClient, client))

	var redemption token.Redemption
	var f *failure.Error
	switch {
	case err != nil && recorder.answer.status == 0:
		f = unreachable(err)
	case err != nil || recorder.answer.tooLong:
		f = c.refused(err, recorder.answer, r.grant)
	default:
		redemption, f = redeemed(t, r.api, issuedAt(recorder.answer, start))
	}
	c.logRequest(ctx, r, recorder, c.now().Sub(start), f)
	span.Add(trace.String("connector.microsoft.client_request_id", recorder.requestID))
	span.End(asError(f))
	if !r.Customer {
		c.reportThrottling(r.Cloud, f) // what a customer's directory does never stops the partners' renewals
	}
	return redemption, f
}

// asError returns f as an error, which is nil when f is.
func asError(f *failure.Error) error {
	if f == nil {
		return nil
	}
	return f
}

// reportThrottling calls Config.Throttled if f says that Microsoft limits our requests: by its status, or by a time to
// wait.
func (c *Client) reportThrottling(cloud string, f *failure.Error) {
	if f == nil || f.Microsoft == nil {
		return
	}
	if wait := f.Microsoft.RetryAfterSeconds; wait > 0 || f.Microsoft.Status == http.StatusTooManyRequests {
		c.throttled(cloud, time.Duration(wait)*time.Second)
	}
}

// refused returns the failure of an answer without a token. It drops the library's error, which quotes the answer.
func (c *Client) refused(err error, answer reply, grant grantType) *failure.Error {
	if _, ok := errors.AsType[*oauth2.RetrieveError](err); ok && !answer.tooLong {
		f := c.refusalOf(answer).failure(grant)
		if f.Code == failure.ClockWrong {
			f.Params = map[string]string{"skew": "?"}
			if skew := c.comparison.reference.Last(); skew.Known {
				f.Params["skew"] = skew.By.Abs().Round(time.Second).String()
			}
		}
		return f
	}
	return c.unreadable(answer)
}

// issuedAt returns when an answer's tokens were issued: by Microsoft's clock if the answer says so, else by ours just before
// the request was sent, so that their remaining life is never overestimated. The claim iat is not used
// (docs/reference/microsoft-identity.md §3.9).
func issuedAt(answer reply, start time.Time) time.Time {
	if date := dateOf(answer.header); !date.IsZero() {
		return date
	}
	return start
}

// redeemed returns the content of a successful answer. It reads the refresh token from the answer itself, because the
// library replaces a missing one by the old one.
func redeemed(t *oauth2.Token, api token.API, issued time.Time) (token.Redemption, *failure.Error) {
	if !strings.EqualFold(t.Type(), "Bearer") {
		return token.Redemption{}, failure.Wrap(errors.New("the token type is not Bearer"), failure.MicrosoftAnswer)
	}
	refreshToken, _ := t.Extra("refresh_token").(string)
	idToken, _ := t.Extra("id_token").(string)
	scope, _ := t.Extra("scope").(string)
	return token.Redemption{
		API:          api,
		AccessToken:  secret.New(t.AccessToken),
		RefreshToken: secret.New(refreshToken),
		IDToken:      secret.New(idToken),
		IssuedAt:     issued,
		ExpiresAt:    issued.Add(lifetime(t.Extra("expires_in"))),
		Scopes:       strings.Fields(scope),
		Subject:      subject(idToken, t.AccessToken),
	}, nil
}

// lifetime reads expires_in: a number in v2 answers, a string in v1 ones. The library's own result depends on the wall
// clock.
func lifetime(expiresIn any) time.Duration {
	var seconds float64
	switch v := expiresIn.(type) {
	case float64:
		seconds = v
	case string:
		seconds, _ = strconv.ParseFloat(v, 64)
	}
	if seconds <= 0 || seconds > math.MaxInt32 {
		return fallbackLifetime
	}
	return time.Duration(seconds) * time.Second
}

func (c *Client) logRequest(ctx context.Context, r tokenRequest, rec *recorder, dur time.Duration, f *failure.Error) {
	level := slog.LevelInfo
	traceID := rec.answer.header.Get("x-ms-request-id")
	var kind, code, correlationID string
	if f != nil {
		level, kind, code = slog.LevelWarn, string(f.Kind()), string(f.Code)
		if f.Microsoft != nil {
			traceID, correlationID = f.Microsoft.TraceID, f.Microsoft.CorrelationID
		}
	}
	c.log.LogAttrs(ctx, level, "token request",
		slog.String("cloud", r.Cloud),
		slog.String("directory", r.DirectoryID),
		slog.String("api", string(r.api)),
		slog.String("grant", string(r.grant)),
		slog.Int("status", rec.answer.status),
		slog.Duration("dur", dur),
		slog.String("kind", kind),
		slog.String("code", code),
		slog.String("trace_id", idOrEmpty(traceID)),
		slog.String("correlation_id", correlationID),
		slog.String("client_request_id", rec.requestID),
		slog.String("reference", failure.Reference(ctx)),
	)
}

// newGet returns a request that reads address.
func newGet(ctx context.Context, address string) (*http.Request, *failure.Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, failure.Wrap(errors.New("creating a request: invalid URL"), failure.InternalError)
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

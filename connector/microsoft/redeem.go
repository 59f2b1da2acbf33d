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

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// fallbackLife is taken for the life of an access token whose answer names none; real ones live 60 minutes or more
// (microsoft-identity.md §3.4).
const fallbackLife = 5 * time.Minute

// A tokenRequest is one POST to the token endpoint of a place.
type tokenRequest struct {
	place
	api   token.API
	grant grantType
	send  func(ctx context.Context) (*oauth2.Token, error)
}

// Redeem implements token.Microsoft. The code is posted once whatever happens: after a timeout it may be spent, and
// the flow has to be started again (microsoft-identity.md §3.7). So it goes out with a credential that is known to work,
// and when Microsoft refuses that one, the next code goes out with another.
func (c *Client) Redeem(ctx context.Context, client tenant.Client, code token.AuthorizationCode) (token.Redemption, error) {
	p, credentials, err := c.credentialed(client, codeGrant)
	if err != nil {
		return token.Redemption{}, err
	}
	if code.Code.Empty() {
		return token.Redemption{}, failure.New(failure.CodeInvalid)
	}
	proof, f := credentials[0].parameters(p, c.now())
	if f != nil {
		return token.Redemption{}, f
	}
	scopes := p.profile.PartnerCenter.scopes()
	options := []oauth2.AuthCodeOption{
		oauth2.VerifierOption(code.Verifier.Reveal()), oauth2.SetAuthURLParam("scope", strings.Join(scopes, " ")),
	}
	for name := range proof {
		options = append(options, oauth2.SetAuthURLParam(name, proof.Get(name)))
	}
	redemption, f := c.request(ctx, tokenRequest{p, token.PartnerCenter, codeGrant, func(ctx context.Context) (*oauth2.Token, error) {
		return p.oauth(code.RedirectURI, scopes).Exchange(ctx, code.Code.Reveal(), options...)
	}})
	c.ledger.note(credentials[0], f)
	if f != nil {
		return token.Redemption{}, credentials[0].judged(f, c.now())
	}
	return redemption, nil
}

// Renew implements token.Microsoft. Trouble that is transient is sat out as Config.Retries say; a refresh token may
// be redeemed any number of times. Where Microsoft refuses a credential of the application, the next one is tried; when
// it refuses all, the failure is that of the credential that was entered last. More than a few equal requests in five
// minutes are held back with microsoft_throttled before Microsoft stops them.
func (c *Client) Renew(ctx context.Context, client tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	p, credentials, err := c.credentialed(client, refreshGrant)
	if err != nil {
		return token.Redemption{}, err
	}
	endpoint, err := p.profile.endpoint(api)
	if err != nil {
		return token.Redemption{}, err
	}
	if refreshToken.Empty() {
		return token.Redemption{}, failure.New(failure.GrantAbsent)
	}
	var refusal *failure.Error
	var entered time.Time
	for _, one := range credentials {
		var redemption token.Redemption
		f := c.patiently(ctx, func() *failure.Error {
			if wait := c.loops.admit(c.now(), p.Cloud, p.DirectoryID, p.Application.ID, string(api), refreshToken.Reveal()); wait > 0 {
				return cmp.Or(refusal, heldBack(wait))
			}
			proof, f := one.parameters(p, c.now())
			if f != nil {
				return f
			}
			redemption, f = c.request(ctx, tokenRequest{p, api, refreshGrant, func(ctx context.Context) (*oauth2.Token, error) {
				return p.refresh(ctx, refreshToken, endpoint.scopes(), proof)
			}})
			c.ledger.note(one, f)
			return f
		})
		switch {
		case f == nil:
			return redemption, nil
		case !credentialRefused(f):
			return token.Redemption{}, f
		case refusal == nil || one.Since.After(entered):
			refusal, entered = one.judged(f, c.now()), one.Since
		}
	}
	return token.Redemption{}, refusal
}

func heldBack(wait time.Duration) *failure.Error {
	f := failure.Wrap(fmt.Errorf("%d equal requests in %s: held back", loopLimit, loopWindow), failure.MicrosoftThrottled)
	f.Microsoft = &failure.Evidence{RetryAfterSeconds: int(math.Ceil(wait.Seconds()))}
	return f
}

// credentialed returns the place of a client that can prove who it is, and with what.
func (c *Client) credentialed(client tenant.Client, grant grantType) (place, []credential, error) {
	p, err := c.place(client)
	if err != nil {
		return place{}, nil, err
	}
	credentials, err := c.credentials(p, grant)
	return p, credentials, err
}

// refresh redeems a refresh token. The refresh of oauth2.Config sends no scope, which Microsoft refuses with
// AADSTS90009, so the client credentials grant is sent with its grant type replaced, as that package allows.
func (p place) refresh(ctx context.Context, refreshToken secret.Text, scopes []string, proof url.Values) (*oauth2.Token, error) {
	web := p.oauth("", scopes)
	parameters := maps.Clone(proof)
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

// request sends r once and leaves one record of it in the log.
func (c *Client) request(ctx context.Context, r tokenRequest) (token.Redemption, *failure.Error) {
	wire, recorder := record(c.http)
	start := c.now()
	t, err := r.send(context.WithValue(ctx, oauth2.HTTPClient, wire))

	var redemption token.Redemption
	var f *failure.Error
	switch {
	case err != nil && recorder.answer.status == 0:
		f = unreachable(err)
	case err != nil || recorder.answer.tooLong:
		f = c.refused(err, recorder.answer, r.grant)
	default:
		redemption, f = redeemed(t, r.api, start)
	}
	c.logRequest(ctx, r, recorder, c.now().Sub(start), f)
	c.heed(r.Cloud, f)
	return redemption, f
}

// heed tells when Microsoft asks to slow down: by the status that is for that, or by saying for how long.
func (c *Client) heed(cloud string, f *failure.Error) {
	if f == nil || f.Microsoft == nil {
		return
	}
	if wait := f.Microsoft.RetryAfterSeconds; wait > 0 || f.Microsoft.Status == http.StatusTooManyRequests {
		c.throttled(cloud, time.Duration(wait)*time.Second)
	}
}

// refused returns the failure of an answer that brought no token. The library's own error is dropped, because it
// quotes the answer.
func (c *Client) refused(err error, answer reply, grant grantType) *failure.Error {
	if _, ok := errors.AsType[*oauth2.RetrieveError](err); ok && !answer.tooLong {
		return c.refusalOf(answer).failure(grant)
	}
	return c.unreadable(answer)
}

// redeemed returns what a successful answer holds. The library fills a missing refresh token with the old one, hence
// the look at the answer itself.
func redeemed(t *oauth2.Token, api token.API, start time.Time) (token.Redemption, *failure.Error) {
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
		IssuedAt:     start,
		ExpiresAt:    start.Add(life(t.Extra("expires_in"))),
		Scopes:       strings.Fields(scope),
	}, nil
}

// life reads expires_in, a number of v2 answers and a string of v1 ones. The library counts from the wall clock, so its
// own reading is of no use.
func life(expiresIn any) time.Duration {
	var seconds float64
	switch v := expiresIn.(type) {
	case float64:
		seconds = v
	case string:
		seconds, _ = strconv.ParseFloat(v, 64)
	}
	if seconds <= 0 || seconds > math.MaxInt32 {
		return fallbackLife
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
		slog.String("trace_id", id(traceID)),
		slog.String("correlation_id", correlationID),
		slog.String("client_request_id", rec.requestID),
		slog.String("reference", failure.Reference(ctx)),
	)
}

// newGet returns a request that reads address and names itself to Microsoft.
func newGet(ctx context.Context, address string) (*http.Request, *failure.Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, failure.Wrap(errors.New("making a request: bad address"), failure.InternalError)
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

package microsoft_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func authorizationCode() token.AuthorizationCode {
	return token.AuthorizationCode{Code: secret.New(canaryCode), Verifier: secret.New(verifier), RedirectURI: callback}
}

// tokens is a successful answer of the token endpoint.
func tokens(members string) string {
	return `{"token_type":"Bearer","access_token":"` + canaryAccess + `","future":{"x":[1]},"foci":"1"` + members + `}`
}

func renew(h *harness, api token.API) (token.Redemption, error) {
	return h.client.Renew(context.Background(), testClient(), secret.New(canaryRefresh), api)
}

func redeem(h *harness) (token.Redemption, error) {
	return h.client.Redeem(context.Background(), testClient(), authorizationCode())
}

func TestRedeem_Sends(t *testing.T) {
	h := newHarness(t)
	h.route(tokenPath, respond(200, tokens(`,"refresh_token":"next","id_token":"who","scope":"a b","expires_in":4322`)))
	got, err := redeem(h)
	if err != nil {
		t.Fatalf("Redeem() = %v, want nil", err)
	}
	start := h.clock()
	want := token.Redemption{
		API: token.PartnerCenter, AccessToken: secret.New(canaryAccess), RefreshToken: secret.New("next"), IDToken: secret.New("who"),
		IssuedAt: start, ExpiresAt: start.Add(4322 * time.Second), Scopes: []string{"a", "b"}, Credential: tenant.SecretName,
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(secret.Text{})); diff != "" {
		t.Errorf("Redeem() (-want +got):\n%s", diff)
	}
	sent := h.seen(tokenPath)
	if len(sent) != 1 {
		t.Fatalf("Redeem() posted %d times, want once", len(sent))
	}
	wantForm := url.Values{
		"grant_type": {"authorization_code"}, "code": {canaryCode}, "code_verifier": {verifier},
		"redirect_uri": {callback}, "client_id": {application}, "client_secret": {clientSecret},
		"scope": {"openid profile offline_access " + h.server.URL + "/pc/user_impersonation"},
	}
	if diff := cmp.Diff(wantForm, sent[0].form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	if len(sent[0].query) > 0 || sent[0].header.Get("Authorization") != "" {
		t.Errorf("query = %v, Authorization = %q, want neither", sent[0].query, sent[0].header.Get("Authorization"))
	}
	checkRequestIDs(t, sent)
	h.checkRedacted(nil)
}

func checkRequestIDs(t *testing.T, sent []request) {
	t.Helper()
	ids := make(map[string]bool)
	for _, r := range sent {
		ids[r.header.Get("client-request-id")] = true
		if got := r.header.Get("return-client-request-id"); got != "true" {
			t.Errorf("return-client-request-id = %q, want true", got)
		}
	}
	if len(ids) != len(sent) || ids[""] {
		t.Errorf("client-request-ids = %v, want %d different ones", ids, len(sent))
	}
}

// A code is posted once, whatever the answer is: it may be used up.
func TestRedeem_PostsOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   failure.Code
	}{
		"used":               {respond(400, `{"error":"invalid_grant","error_codes":[54005]}`), failure.CodeUsed},
		"expired":            {respond(400, `{"error":"invalid_grant","error_codes":[70008]}`), failure.CodeInvalid},
		"malformed":          {respond(400, `{"error":"invalid_grant","error_codes":[70000]}`), failure.CodeInvalid},
		"wrong verifier":     {respond(400, `{"error":"invalid_grant","error_codes":[501481]}`), failure.CodeInvalid},
		"other directory":    {respond(400, `{"error":"invalid_grant","error_codes":[700005]}`), failure.CodeInvalid},
		"unknown number":     {respond(400, `{"error":"invalid_grant","error_codes":[1234567]}`), failure.CodeInvalid},
		"bad token":          {respond(400, `{"error":"invalid_grant","suberror":"bad_token"}`), failure.CodeInvalid},
		"wrong secret":       {respond(401, `{"error":"invalid_client","error_codes":[7000215]}`, "Www-Authenticate", "Basic"), failure.ClientSecretWrong},
		"throttled":          {respond(429, `{}`, "Retry-After", "1"), failure.MicrosoftThrottled},
		"down":               {respond(503, `{"error":"temporarily_unavailable"}`), failure.MicrosoftUnavailable},
		"connection closed":  {hangUp, failure.MicrosoftUnavailable},
		"page":               {respond(200, `<html>hello</html>`), failure.MicrosoftAnswer},
		"redirect elsewhere": {respond(302, ``, "Location", "/elsewhere"), failure.MicrosoftAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(tokenPath, tc.answer)
			_, err := redeem(h)
			if codeOf(err) != tc.want {
				t.Errorf("Redeem() = %v, want %s", err, tc.want)
			}
			if n := len(h.requests); n != 1 {
				t.Errorf("Redeem() sent %d requests, want 1", n)
			}
			if len(h.waits) > 0 {
				t.Errorf("Redeem() waited %v, want no wait", h.waits)
			}
			h.checkRedacted(err)
		})
	}
}

func TestTokenRequest_RefusesWithoutARequest(t *testing.T) {
	noSecret := testClient()
	noSecret.Application.Secret = tenant.Credential{}
	odd := testClient()
	odd.DirectoryID = directory + "/../" + foreign
	ctx, refresh := context.Background(), secret.New(canaryRefresh)
	for name, tc := range map[string]struct {
		call func(*microsoft.Client) error
		want failure.Code
	}{
		"redeem without secret": {func(c *microsoft.Client) error { _, err := c.Redeem(ctx, noSecret, authorizationCode()); return err }, failure.ApplicationMissing},
		"redeem without code": {func(c *microsoft.Client) error {
			_, err := c.Redeem(ctx, testClient(), token.AuthorizationCode{})
			return err
		}, failure.CodeInvalid},
		"renew without secret": {func(c *microsoft.Client) error { _, err := c.Renew(ctx, noSecret, refresh, token.ARM); return err }, failure.ApplicationMissing},
		"renew without token": {func(c *microsoft.Client) error {
			_, err := c.Renew(ctx, testClient(), secret.Text{}, token.ARM)
			return err
		}, failure.GrantAbsent},
		"renew unknown api":   {func(c *microsoft.Client) error { _, err := c.Renew(ctx, testClient(), refresh, "mail"); return err }, failure.BadRequest},
		"renew odd directory": {func(c *microsoft.Client) error { _, err := c.Renew(ctx, odd, refresh, token.ARM); return err }, failure.DirectoryUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			if err := tc.call(h.client); codeOf(err) != tc.want {
				t.Errorf("%s = %v, want %s", name, err, tc.want)
			}
			if len(h.requests) > 0 {
				t.Errorf("%s sent %d requests, want none", name, len(h.requests))
			}
		})
	}
}

// Every redemption names the scope of one resource: Microsoft refuses none with AADSTS90009 and two with AADSTS28000.
func TestRenew_Sends(t *testing.T) {
	for api, scope := range map[token.API]string{
		token.PartnerCenter: "BASE/pc/user_impersonation",
		token.Graph:         "BASE/graph/User.Read BASE/graph/Directory.Read.All",
		token.ARM:           "BASE/arm/user_impersonation",
	} {
		h := newHarness(t)
		h.route(tokenPath, respond(200, tokens(`,"refresh_token":"next","expires_in":"3599"`)))
		got, err := renew(h, api)
		if err != nil {
			t.Fatalf("Renew(%s) = %v, want nil", api, err)
		}
		if got.API != api || got.RefreshToken.Reveal() != "next" || !got.ExpiresAt.Equal(h.clock().Add(3599*time.Second)) {
			t.Errorf("Renew(%s) = %s, %q, %v, want the api, the successor and its end", api, got.API, got.RefreshToken.Reveal(), got.ExpiresAt)
		}
		want := url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {canaryRefresh}, "client_id": {application}, "client_secret": {clientSecret},
			"scope": {"openid profile offline_access " + strings.ReplaceAll(scope, "BASE", h.server.URL)},
		}
		if diff := cmp.Diff(want, h.seen(tokenPath)[0].form); diff != "" {
			t.Errorf("form of %s (-want +got):\n%s", api, diff)
		}
		checkRequestIDs(t, h.seen(tokenPath))
	}
}

func TestTokenRequest_Answers(t *testing.T) {
	long := strings.Repeat("x", 2<<20)
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   failure.Code
	}{
		"page":                 {respond(200, "<html><body>ok</body></html>"), failure.MicrosoftAnswer},
		"page with 400":        {respond(400, "<html><body>no</body></html>"), failure.MicrosoftAnswer},
		"page with 500":        {respond(500, "<html><body>oops</body></html>"), failure.MicrosoftUnavailable},
		"truncated JSON":       {respond(200, `{"token_type":"Bearer","access_token":"`+canaryAccess), failure.MicrosoftAnswer},
		"empty":                {respond(200, ``), failure.MicrosoftAnswer},
		"array":                {respond(200, `["`+canaryAccess+`"]`), failure.MicrosoftAnswer},
		"no access token":      {respond(200, `{"token_type":"Bearer","refresh_token":"`+canaryRefresh+`"}`), failure.MicrosoftAnswer},
		"access token number":  {respond(200, `{"token_type":"Bearer","access_token":12}`), failure.MicrosoftAnswer},
		"expiry in words":      {respond(200, tokens(`,"expires_in":"canary"`)), failure.MicrosoftAnswer},
		"other token type":     {respond(200, `{"token_type":"pop","access_token":"`+canaryAccess+`"}`), failure.MicrosoftAnswer},
		"two megabytes":        {respond(200, tokens(`,"x":"`+long+`"`)), failure.MicrosoftAnswer},
		"too many blanks":      {respond(200, tokens("")+strings.Repeat(" ", 2<<20)), failure.MicrosoftAnswer},
		"two megabytes refuse": {respond(400, `{"error":"invalid_grant","x":"`+long+`"}`), failure.MicrosoftAnswer},
		"form":                 {respond(200, "access_token="+canaryAccess, "Content-Type", "application/x-www-form-urlencoded"), failure.MicrosoftAnswer},
		"error with 200":       {respond(200, `{"error":"invalid_grant","error_codes":[50173]}`), failure.GrantRevoked},
		"reset":                {hangUp, failure.MicrosoftUnavailable},
		"reset in the body":    {respond(200, `{"token_type":`, "Content-Length", "500"), failure.MicrosoftUnavailable},
		"not HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			conn, buffer, err := w.(http.Hijacker).Hijack()
			if err == nil {
				fmt.Fprintf(buffer, "%s\r\n", canaryAccess)
				buffer.Flush()
				conn.Close()
			}
		}, failure.MicrosoftUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
			h.route(tokenPath, tc.answer)
			got, err := renew(h, token.Graph)
			if codeOf(err) != tc.want {
				t.Errorf("Renew() = %v, %v, want %s", got, err, tc.want)
			}
			if got.API != "" || !got.AccessToken.Empty() {
				t.Errorf("Renew() = %v, want nothing but the failure", got)
			}
			h.checkRedacted(err)
		})
	}
}

func TestTokenRequest_AcceptsUnusualAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		members string
		life    time.Duration
		next    string
	}{
		"number":                  {`,"expires_in":3600,"refresh_token":"next"`, time.Hour, "next"},
		"string, as v1 answers":   {`,"expires_in":"3600","expires_on":"1","refresh_token":"next"`, time.Hour, "next"},
		"no expiry":               {`,"refresh_token":"next"`, 5 * time.Minute, "next"},
		"negative expiry":         {`,"expires_in":-5,"refresh_token":"next"`, 5 * time.Minute, "next"},
		"no successor":            {`,"expires_in":3600`, time.Hour, ""},
		"successor of wrong kind": {`,"expires_in":3600,"refresh_token":null`, time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(tokenPath, respond(200, tokens(tc.members)))
			got, err := renew(h, token.Graph)
			if err != nil || got.ExpiresAt.Sub(got.IssuedAt) != tc.life || got.RefreshToken.Reveal() != tc.next {
				t.Errorf("Renew() = life %v, successor %q, %v, want %v, %q, nil", got.ExpiresAt.Sub(got.IssuedAt), got.RefreshToken.Reveal(), err, tc.life, tc.next)
			}
		})
	}
}

func TestRenew_Retries(t *testing.T) {
	date := time.Date(2026, 11, 23, 10, 0, 40, 0, time.UTC).Format(http.TimeFormat)
	down, good := respond(503, ``), respond(200, tokens(`,"refresh_token":"next"`))
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   failure.Code // empty if it finally succeeds
		waits  []time.Duration
	}{
		"works at once":      {good, "", nil},
		"down for a moment":  {inTurn(down, hangUp, good), "", []time.Duration{5 * time.Second, 15 * time.Second}},
		"down for long":      {down, failure.MicrosoftUnavailable, []time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second}},
		"asks for seconds":   {inTurn(respond(429, ``, "Retry-After", "17"), good), "", []time.Duration{17 * time.Second}},
		"asks for less":      {inTurn(respond(503, ``, "Retry-After", "1"), good), "", []time.Duration{5 * time.Second}},
		"asks for a date":    {inTurn(respond(429, ``, "Retry-After", date), good), "", []time.Duration{40 * time.Second}},
		"asks for the past":  {inTurn(respond(429, ``, "Retry-After", "Mon, 01 Jan 2024 00:00:00 GMT"), good), "", []time.Duration{5 * time.Second}},
		"asks for nonsense":  {inTurn(respond(429, ``, "Retry-After", "soon"), good), "", []time.Duration{5 * time.Second}},
		"asks for too much":  {respond(429, ``, "Retry-After", "61"), failure.MicrosoftThrottled, nil},
		"refuses at once":    {respond(400, `{"error":"invalid_grant"}`), failure.SignInRequired, nil},
		"refuses in the end": {inTurn(down, respond(401, `{"error":"invalid_client"}`)), failure.ClientCredential, []time.Duration{5 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(tokenPath, tc.answer)
			if _, err := renew(h, token.Graph); codeOf(err) != tc.want {
				t.Errorf("Renew() = %v, want %q", err, tc.want)
			}
			if diff := cmp.Diff(tc.waits, h.waits); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
			if got := len(h.seen(tokenPath)); got != len(tc.waits)+1 {
				t.Errorf("Renew() sent %d requests, want %d", got, len(tc.waits)+1)
			}
			checkRequestIDs(t, h.seen(tokenPath))
		})
	}
}

func TestRenew_ReportsRetryAfter(t *testing.T) {
	for header, want := range map[string]int{"90": 90, "99999999": 86400, "-4": 0, "": 0, "Mon, 23 Nov 2026 10:05:00 GMT": 300} {
		h := newHarness(t, func(c *microsoft.Config) { c.Retries = []time.Duration{} })
		h.route(tokenPath, respond(429, `{"error":"temporarily_unavailable","error_codes":[90055]}`, "Retry-After", header))
		_, err := renew(h, token.Graph)
		if got := failure.From(err).Microsoft.RetryAfterSeconds; got != want {
			t.Errorf("Renew() with Retry-After %q = RetryAfterSeconds %d, want %d", header, got, want)
		}
	}
}

// Throttling is reported before the request is retried, so that the other tenants of the cloud stop meanwhile.
func TestRenew_ReportsThrottlingAtOnce(t *testing.T) {
	good := respond(200, tokens(`,"refresh_token":"next"`))
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   []time.Duration
	}{
		"works":               {good, nil},
		"asks for seconds":    {inTurn(respond(429, ``, "Retry-After", "17"), good), []time.Duration{17 * time.Second}},
		"asks for long":       {respond(429, ``, "Retry-After", "7200"), []time.Duration{2 * time.Hour}},
		"does not say when":   {inTurn(respond(429, ``), good), []time.Duration{0}},
		"is down for a while": {inTurn(respond(503, ``, "Retry-After", "30"), good), []time.Duration{30 * time.Second}},
		"is down":             {inTurn(respond(503, ``), good), nil},
		"refuses":             {respond(400, `{"error":"invalid_grant"}`), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var reported []time.Duration
			var h *harness
			h = newHarness(t, func(c *microsoft.Config) {
				c.Throttled = func(cloud string, wait time.Duration) {
					if cloud != "test" || len(h.waits) > 0 {
						t.Errorf("Throttled(%q) after %d waits, want test, before any", cloud, len(h.waits))
					}
					reported = append(reported, wait)
				}
			})
			h.route(tokenPath, tc.answer)
			_, _ = renew(h, token.Graph) // TestRenew_Retries checks the outcome
			if diff := cmp.Diff(tc.want, reported); diff != "" {
				t.Errorf("reported throttling (-want +got):\n%s", diff)
			}
		})
	}
}

// A caller that retries itself gets the first failure; throttling is reported as usual.
func TestRenew_WithoutRetriesSendsOnce(t *testing.T) {
	var reported []time.Duration
	h := newHarness(t, func(c *microsoft.Config) {
		c.Throttled = func(_ string, wait time.Duration) { reported = append(reported, wait) }
	})
	h.route(tokenPath, inTurn(respond(503, ``, "Retry-After", "3"), respond(200, tokens(`,"refresh_token":"next"`))))
	ctx := token.WithoutRetries(t.Context())
	_, err := h.client.Renew(ctx, testClient(), secret.New(canaryRefresh), token.PartnerCenter)
	if codeOf(err) != failure.MicrosoftUnavailable || len(h.seen(tokenPath)) != 1 || len(h.waits) > 0 {
		t.Errorf("Renew() = %v after %d requests and the pauses %v, want %s after 1 and none", err, len(h.seen(tokenPath)), h.waits, failure.MicrosoftUnavailable)
	}
	if diff := cmp.Diff([]time.Duration{3 * time.Second}, reported); diff != "" {
		t.Errorf("reported throttling (-want +got):\n%s", diff)
	}
	if _, err := h.client.Renew(ctx, testClient(), secret.New(canaryRefresh), token.PartnerCenter); err != nil {
		t.Errorf("the next Renew() = %v, want nil", err)
	}
}

func TestRenew_RetriesEndWithTheirContext(t *testing.T) {
	h := newHarness(t, func(c *microsoft.Config) { c.Wait = clock.Sleep })
	h.route(tokenPath, respond(503, ``))
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second) // less than the first pause
	defer cancel()
	_, err := h.client.Renew(ctx, testClient(), secret.New(canaryRefresh), token.Graph)
	if codeOf(err) != failure.MicrosoftUnavailable || len(h.seen(tokenPath)) != 1 {
		t.Errorf("Renew() = %v after %d requests, want %s after 1", err, len(h.seen(tokenPath)), failure.MicrosoftUnavailable)
	}
}

// Microsoft blocks 15 identical requests in five minutes; the client sends seven at most.
func TestRenew_NeverLoops(t *testing.T) {
	h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
	h.route(tokenPath, respond(400, `{"error":"invalid_grant","error_codes":[50173]}`))
	for range 30 {
		_, err := renew(h, token.Graph)
		h.checkRedacted(err)
	}
	if got := len(h.seen(tokenPath)); got != 7 {
		t.Errorf("30 identical renewals sent %d requests, want 7", got)
	}
	_, err := renew(h, token.Graph)
	if f := failure.From(err); f.Code != failure.MicrosoftThrottled || f.Microsoft.RetryAfterSeconds != 300 {
		t.Errorf("Renew() = %v, want %s for 300 s", err, failure.MicrosoftThrottled)
	}
	if _, err := renew(h, token.ARM); codeOf(err) != failure.GrantRevoked {
		t.Errorf("Renew() for another api = %v, want it sent", err)
	}
	h.advance(5 * time.Minute)
	if _, err := renew(h, token.Graph); codeOf(err) != failure.GrantRevoked {
		t.Errorf("Renew() five minutes later = %v, want it sent", err)
	}
}

func TestTokenRequest_IsLogged(t *testing.T) {
	h := newHarness(t)
	h.route(tokenPath, respond(400, `{"error":"invalid_grant","error_description":"AADSTS50173: `+canaryRefresh+`","error_codes":[50173],"trace_id":"`+traceID+`","correlation_id":"`+correlation+`"}`))
	_, err := renew(h, token.Graph)
	log := h.logged()
	id := h.seen(tokenPath)[0].header.Get("client-request-id")
	for _, want := range []string{
		"cloud=test", "directory=" + directory, "api=graph", "grant=refresh_token", "dur=", "kind=signin", "code=grant_revoked",
		"trace_id=" + traceID, "correlation_id=" + correlation, "client_request_id=" + id,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("log = %s, want %s in it", log, want)
		}
	}
	if n := strings.Count(log, "\n"); n != 1 {
		t.Errorf("log has %d records, want 1", n)
	}
	h.checkRedacted(err)
}

func TestRenew_UnknownCloud(t *testing.T) {
	h := newHarness(t)
	_, err := h.client.Renew(context.Background(), tenant.Client{Cloud: "moon"}, secret.New(canaryRefresh), token.Graph)
	if codeOf(err) != failure.CloudUnknown {
		t.Errorf("Renew() = %v, want %s", err, failure.CloudUnknown)
	}
}

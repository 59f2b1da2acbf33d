package microsoft_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"

	"github.com/google/go-cmp/cmp"
)

const (
	pcPath    = "/pc/v1/profiles/organization"
	graphPath = "/graph/v1.0/organization"
	armPath   = "/arm/tenants"

	profileOK = `{"id":"` + directory + `","companyName":"Contoso","tenantId":"` + directory + `","profileType":"OrganizationProfile"}`
)

func probe(h *harness, api token.API) token.Probe {
	return h.client.Probe(context.Background(), testClient(), api, secret.New(canaryAccess))
}

func path(api token.API) string {
	return map[token.API]string{token.PartnerCenter: pcPath, token.Graph: graphPath, token.ARM: armPath}[api]
}

// checkProbe compares a probe with the expected result; code is empty if the probe succeeds.
func checkProbe(t *testing.T, got token.Probe, works, mfa token.Answer, code failure.Code) {
	t.Helper()
	var seen failure.Code
	if got.Failure != nil {
		seen = got.Failure.Code
	}
	if got.Works != works || got.MFA != mfa || seen != code {
		t.Errorf("Probe() = works %s, MFA %s, failure %q, want %s, %s, %q", got.Works, got.MFA, seen, works, mfa, code)
	}
}

// Partner Center's refusal of a sign-in without MFA has no published form (docs/reference/microsoft-identity.md §4.6).
func TestProbe_WithoutMFA(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"text code":        respond(401, `{"code":"900421","description":"x","data":[],"source":"PartnerFD"}`),
		"number code":      respond(401, `{"code":900421,"description":"x"}`),
		"nested":           respond(401, `{"error":{"code":"900421"}}`),
		"in data":          respond(401, `{"code":"401","data":[{"reason":900421}]}`),
		"in a sentence":    respond(401, `{"message":"Refused (900421)."}`),
		"words":            respond(401, `{"message":"Multi-factor authentication is required."}`),
		"old words":        respond(401, `{"code":10001,"description":"MFA required"}`),
		"header only":      respond(401, ``, "Ismfacompliant", "false"),
		"header False":     respond(401, `{}`, "Ismfacompliant", "False"),
		"challenge":        respond(401, ``, "Www-Authenticate", `Bearer error="invalid_token", error_description="900421"`),
		"page":             respond(401, `<html>900421</html>`),
		"reason in status": reasonOnly("401 MFA required"),
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(pcPath, answer)
			checkProbe(t, probe(h, token.PartnerCenter), token.No, token.No, failure.MFAMissing)
			if got := len(h.seen(pcPath)); got != 1 {
				t.Errorf("Probe() sent %d requests, want 1", got)
			}
			h.checkRedacted(nil)
		})
	}
}

// reasonOnly answers with a status line only.
func reasonOnly(status string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err == nil {
			fmt.Fprintf(buffer, "HTTP/1.1 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status)
			buffer.Flush()
			conn.Close()
		}
	}
}

func TestProbe_PartnerCenter(t *testing.T) {
	for name, tc := range map[string]struct {
		answer     http.HandlerFunc
		works, mfa token.Answer
		code       failure.Code
	}{
		"good":                  {respond(200, profileOK, "Ismfacompliant", "true"), token.Yes, token.Yes, ""},
		"good, True":            {respond(200, profileOK, "Ismfacompliant", " True "), token.Yes, token.Yes, ""},
		"good, not compliant":   {respond(200, profileOK, "Ismfacompliant", "False"), token.Yes, token.No, ""},
		"good, silent":          {respond(200, profileOK), token.Yes, token.Unknown, ""},
		"good, odd header":      {respond(200, profileOK, "Ismfacompliant", "maybe"), token.Yes, token.Unknown, ""},
		"byte order mark":       {respond(200, "\xef\xbb\xbf"+profileOK, "Ismfacompliant", "true"), token.Yes, token.Yes, ""},
		"mark, another one":     {respond(200, "\xef\xbb\xbf"+`{"tenantId":"`+foreign+`"}`, "Ismfacompliant", "true"), token.No, token.Yes, failure.WrongDirectory},
		"MFA missing, as Graph": {respond(403, `{"error":{"code":"Unauthorized_MissingMFA"}}`), token.No, token.No, failure.MFAMissing},
		"upper-case directory":  {respond(200, `{"tenantId":"`+strings.ToUpper(directory)+`"}`), token.Yes, token.Unknown, ""},
		"another directory":     {respond(200, `{"tenantId":"`+foreign+`"}`, "Ismfacompliant", "true"), token.No, token.Yes, failure.WrongDirectory},
		"directory not a GUID":  {respond(200, `{"tenantId":"contoso"}`), token.Unknown, token.Unknown, failure.MicrosoftAnswer},
		"no directory":          {respond(200, `{}`), token.Unknown, token.Unknown, failure.MicrosoftAnswer},
		"page":                  {respond(200, `<html>`), token.Unknown, token.Unknown, failure.MicrosoftAnswer},
		"forbidden":             {respond(403, `{"code":"2002"}`), token.No, token.Unknown, failure.NotAPartner},
		"forbidden, compliant":  {respond(403, ``, "Ismfacompliant", "true"), token.No, token.Yes, failure.NotAPartner},
		"wrong audience":        {respond(401, `{"code":"900420"}`), token.No, token.Unknown, failure.APIRefused},
		"number in an id":       {respond(401, `{"correlationId":"a-900421-b","x":19004210}`), token.No, token.Unknown, failure.APIRefused},
		"step-up":               {respond(401, ``, "Www-Authenticate", `Bearer error="insufficient_claims", claims="e30="`), token.No, token.Unknown, failure.SignInRequired},
		"not found":             {respond(404, ``), token.Unknown, token.Unknown, failure.MicrosoftAnswer},
		"redirect":              {respond(302, ``, "Location", "/elsewhere"), token.Unknown, token.Unknown, failure.MicrosoftAnswer},
		"throttled":             {respond(429, `{"statusCode":429}`), token.Unknown, token.Unknown, failure.MicrosoftThrottled},
		"down":                  {respond(503, `900421`), token.Unknown, token.Unknown, failure.MicrosoftUnavailable},
		"reset":                 {hangUp, token.Unknown, token.Unknown, failure.MicrosoftUnavailable},
		"two megabytes":         {respond(200, profileOK+strings.Repeat(" ", 2<<20)), token.Unknown, token.Unknown, failure.MicrosoftAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
			h.route(pcPath, tc.answer)
			checkProbe(t, probe(h, token.PartnerCenter), tc.works, tc.mfa, tc.code)
			h.checkRedacted(nil)
		})
	}
}

func TestProbe_GraphAndARM(t *testing.T) {
	challenge := `Bearer authorization_uri="https://x", error="insufficient_claims", claims="` + base64.StdEncoding.EncodeToString([]byte(`{"access_token":{"acrs":{"values":["p1"]}}}`)) + `"`
	for name, tc := range map[string]struct {
		api    token.API
		answer http.HandlerFunc
		works  token.Answer
		code   failure.Code
	}{
		"graph good":        {token.Graph, respond(200, `{"value":[{"id":"`+strings.ToUpper(directory)+`"}]}`), token.Yes, ""},
		"graph elsewhere":   {token.Graph, respond(200, `{"value":[{"id":"`+foreign+`"}]}`), token.No, failure.WrongDirectory},
		"graph empty":       {token.Graph, respond(200, `{"value":[]}`), token.Unknown, failure.MicrosoftAnswer},
		"graph page":        {token.Graph, respond(200, `<html>`), token.Unknown, failure.MicrosoftAnswer},
		"graph bad token":   {token.Graph, respond(401, `{"error":{"code":"InvalidAuthenticationToken"}}`), token.No, failure.APIRefused},
		"graph step-up":     {token.Graph, respond(401, ``, "Www-Authenticate", challenge), token.No, failure.SignInRequired},
		"graph forbidden":   {token.Graph, respond(403, `{"error":{"code":"Authorization_RequestDenied"}}`), token.No, failure.APIRefused},
		"graph missing MFA": {token.Graph, respond(403, `{"error":{"code":"Unauthorized_MissingMFA"}}`), token.No, failure.MFARequired},
		"graph mark":        {token.Graph, respond(200, "\xef\xbb\xbf"+`{"value":[{"id":"`+directory+`"}]}`), token.Yes, ""},
		"arm mark":          {token.ARM, respond(200, "\xef\xbb\xbf"+`{"value":[]}`), token.Yes, ""},
		// As it was reported, with capitals.
		"graph missing MFA, as reported": {token.Graph, respond(403, `{"Error":{"Code":"Unauthorized_MissingMFA","Message":"MFA is required for this request."}}`), token.No, failure.MFARequired},
		"arm missing MFA":                {token.ARM, respond(401, `{"error":{"code":"Unauthorized_MissingMFA"}}`), token.No, failure.MFARequired},
		"graph down":                     {token.Graph, respond(500, ``), token.Unknown, failure.MicrosoftUnavailable},
		"graph odd status":               {token.Graph, respond(418, ``), token.Unknown, failure.MicrosoftAnswer},
		"arm good":                       {token.ARM, respond(200, `{"value":[{"tenantId":"`+directory+`"}]}`), token.Yes, ""},
		"arm empty":                      {token.ARM, respond(200, `{"value":[]}`), token.Yes, ""},
		"arm without list":               {token.ARM, respond(200, `{}`), token.Unknown, failure.MicrosoftAnswer},
		"arm list is a number":           {token.ARM, respond(200, `{"value":7}`), token.Unknown, failure.MicrosoftAnswer},
		"arm step-up":                    {token.ARM, respond(401, `{"error":{"code":"InvalidAuthenticationToken"}}`, "Www-Authenticate", challenge), token.No, failure.SignInRequired},
		"arm expired":                    {token.ARM, respond(401, `{"error":{"code":"ExpiredAuthenticationToken"}}`), token.No, failure.APIRefused},
		"arm forbidden":                  {token.ARM, respond(403, `{"error":{"code":"AuthorizationFailed"}}`), token.No, failure.APIRefused},
		"arm says MFA in text":           {token.ARM, respond(403, `{"error":{"code":"RequestDisallowedByPolicy","message":"MFA"}}`), token.No, failure.APIRefused},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
			h.route(path(tc.api), tc.answer)
			checkProbe(t, probe(h, tc.api), tc.works, token.Unknown, tc.code)
			h.checkRedacted(nil)
		})
	}
}

func TestProbe_Sends(t *testing.T) {
	h := newHarness(t)
	h.route(pcPath, inTurn(respond(503, ``), respond(200, profileOK)))
	got := probe(h, token.PartnerCenter)
	sent := h.seen(pcPath)
	if len(sent) != 2 {
		t.Fatalf("Probe() sent %d requests, want 2", len(sent))
	}
	first, second := sent[0].header, sent[1].header
	for name, want := range map[string]string{
		"Authorization": "Bearer " + canaryAccess, "Accept": "application/json", "ValidateMfa": "true", "MS-PartnerCenter-Application": "Azure Partner Connector",
	} {
		if got := first.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"MS-RequestId", "MS-CorrelationId"} {
		if a, b := first.Get(name), second.Get(name); a == "" || a != b {
			t.Errorf("%s = %q then %q, want the same id again", name, a, b)
		}
	}
	if want := h.clock(); !got.At.Equal(want) {
		t.Errorf("Probe() at %v, want %v: when the answer came", got.At, want)
	}
	if diff := cmp.Diff([]time.Duration{5 * time.Second}, h.waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	h.route(armPath, respond(200, `{"value":[]}`))
	h.route(graphPath, respond(200, `{"value":[{"id":"`+directory+`"}]}`))
	probe(h, token.ARM)
	probe(h, token.Graph)
	if got := h.seen(armPath)[0].query.Get("api-version"); got != "2022-12-01" {
		t.Errorf("api-version = %q, want 2022-12-01", got)
	}
	if got := h.seen(graphPath)[0].header.Get("ValidateMfa"); got != "" {
		t.Errorf("ValidateMfa = %q at Graph, want none", got)
	}
}

func TestProbe_Evidence(t *testing.T) {
	h := newHarness(t)
	h.route(pcPath, respond(401, `{"code":900420}`, "Ms-Requestid", traceID, "Ms-Correlationid", correlation))
	h.route(graphPath, respond(403, `{"error":{"code":"Authorization_RequestDenied","message":"`+canaryAccess+`"}}`, "Request-Id", traceID, "Client-Request-Id", correlation))
	ctx := failure.WithReference(context.Background(), "REF1")
	for api, want := range map[token.API]*failure.Record{
		token.PartnerCenter: {
			Code: failure.APIRefused, Params: map[string]string{"api": "Partner Center"}, Reference: "REF1",
			Microsoft: &failure.Evidence{Code: "900420", TraceID: traceID, CorrelationID: correlation, Status: 401},
		},
		token.Graph: {
			Code: failure.APIRefused, Params: map[string]string{"api": "Microsoft Graph"}, Reference: "REF1",
			Microsoft: &failure.Evidence{Error: "Authorization_RequestDenied", TraceID: traceID, CorrelationID: correlation, Status: 403},
		},
	} {
		got := h.client.Probe(ctx, testClient(), api, secret.New(canaryAccess))
		if diff := cmp.Diff(want, got.Failure); diff != "" {
			t.Errorf("Probe(%s) failure (-want +got):\n%s", api, diff)
		}
	}
	h.checkRedacted(nil)
}

func TestProbe_NamesTheAccount(t *testing.T) {
	h := newHarness(t)
	h.route(pcPath, respond(403, ``))
	for want, claims := range map[string]map[string]any{
		"upn@contoso.example": {"upn": "upn@contoso.example", "unique_name": "other"},
		"one@contoso.example": {"unique_name": "one@contoso.example"},
		"":                    {},
	} {
		got := h.client.Probe(context.Background(), testClient(), token.PartnerCenter, unsigned(t, claims))
		if seen := got.Failure.Params["username"]; seen != want {
			t.Errorf("Probe() names %q, want %q", seen, want)
		}
	}
}

func TestProbe_RefusesWithoutARequest(t *testing.T) {
	h := newHarness(t)
	odd := testClient()
	odd.DirectoryID = ""
	checkProbe(t, h.client.Probe(context.Background(), odd, token.ARM, secret.New(canaryAccess)), token.No, token.Unknown, failure.DirectoryMissing)
	if got := probe(h, "mail"); got.Works == token.Yes || got.Failure.Code != failure.BadRequest {
		t.Errorf("Probe(mail) = %+v, want %s", got, failure.BadRequest)
	}
	if len(h.requests) > 0 {
		t.Errorf("Probe() sent %d requests, want none", len(h.requests))
	}
}

package microsoft_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"

	"github.com/google/go-cmp/cmp"
)

const verifier = "canary-verifier-012345678901234567890123456"

func authorizeRequest() consent.AuthorizeRequest {
	return consent.AuthorizeRequest{
		State: "the-state", Nonce: "the-nonce", Verifier: secret.New(verifier),
		RedirectURI: "https://connector.example/callback", Prompt: "consent", Locale: "de",
	}
}

func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("url.Parse(%q) = %v, want nil", address, err)
	}
	return u.Query()
}

func TestAuthorizeURL_Refuses(t *testing.T) {
	h := newHarness(t)
	for name, tc := range map[string]struct {
		client  func(*tenant.Client)
		request func(*consent.AuthorizeRequest)
		want    failure.Code
	}{
		"unknown cloud":      {client: func(c *tenant.Client) { c.Cloud = "moon" }, want: failure.CloudUnknown},
		"no directory":       {client: func(c *tenant.Client) { c.DirectoryID = "" }, want: failure.DirectoryMissing},
		"directory is path":  {client: func(c *tenant.Client) { c.DirectoryID = "../common" }, want: failure.DirectoryUnknown},
		"no application":     {client: func(c *tenant.Client) { c.Application.ID = "" }, want: failure.ApplicationMissing},
		"application name":   {client: func(c *tenant.Client) { c.Application.ID = "mine" }, want: failure.ApplicationInvalid},
		"claims not JSON":    {client: func(c *tenant.Client) { c.MFARequest = "yes please" }, want: failure.BadRequest},
		"claims not object":  {client: func(c *tenant.Client) { c.MFARequest = `["mfa"]` }, want: failure.BadRequest},
		"claims null":        {client: func(c *tenant.Client) { c.MFARequest = `null` }, want: failure.BadRequest},
		"claims too long":    {client: func(c *tenant.Client) { c.MFARequest = `{"a":"` + strings.Repeat("x", 2000) + `"}` }, want: failure.BadRequest},
		"no state":           {request: func(r *consent.AuthorizeRequest) { r.State = "" }, want: failure.InternalError},
		"no nonce":           {request: func(r *consent.AuthorizeRequest) { r.Nonce = "" }, want: failure.InternalError},
		"no verifier":        {request: func(r *consent.AuthorizeRequest) { r.Verifier = secret.Text{} }, want: failure.InternalError},
		"no redirect at all": {request: func(r *consent.AuthorizeRequest) { r.RedirectURI = "" }, want: failure.InternalError},
	} {
		t.Run(name, func(t *testing.T) {
			client, r := testClient(), authorizeRequest()
			if tc.client != nil {
				tc.client(&client)
			}
			if tc.request != nil {
				tc.request(&r)
			}
			if got, err := h.client.AuthorizeURL(client, r); codeOf(err) != tc.want {
				t.Errorf("AuthorizeURL() = %q, %v, want %s", got, err, tc.want)
			}
		})
	}
}

func TestAuthorizeURL_AsksForCodeScopesAndProof(t *testing.T) {
	h := newHarness(t)
	address, err := h.client.AuthorizeURL(testClient(), authorizeRequest())
	if err != nil {
		t.Fatalf("AuthorizeURL() = %v, want nil", err)
	}
	base := h.server.URL
	if want := base + "/login/" + directory + "/oauth2/v2.0/authorize?"; !strings.HasPrefix(address, want) {
		t.Errorf("AuthorizeURL() = %s, want %s…", address, want)
	}
	challenge := sha256.Sum256([]byte(verifier))
	want := url.Values{
		"client_id":             {application},
		"response_type":         {"code"},
		"response_mode":         {"query"},
		"redirect_uri":          {"https://connector.example/callback"},
		"scope":                 {"openid profile offline_access " + base + "/pc/user_impersonation " + base + "/graph/User.Read " + base + "/graph/Directory.Read.All " + base + "/arm/user_impersonation"},
		"state":                 {"the-state"},
		"nonce":                 {"the-nonce"},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
		"prompt":                {"consent"},
		"ui_locales":            {"de"},
		"claims":                {`{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}`},
	}
	if diff := cmp.Diff(want, query(t, address)); diff != "" {
		t.Errorf("AuthorizeURL() (-want +got):\n%s", diff)
	}
	if strings.Contains(address, "canary") {
		t.Errorf("AuthorizeURL() = %s, want no secret in it", address)
	}
}

func TestAuthorizeURL_MFARequest(t *testing.T) {
	h := newHarness(t)
	for setting, want := range map[string]string{
		"amr": `{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}`,
		"off": "",
		"{ \"access_token\": {\"acrs\": {\"essential\": true, \"values\": [\"c1\"]}} }": `{"access_token":{"acrs":{"essential":true,"values":["c1"]}}}`,
	} {
		client, r := testClient(), authorizeRequest()
		client.MFARequest, r.Prompt, r.Locale = setting, "", ""
		address, err := h.client.AuthorizeURL(client, r)
		if err != nil {
			t.Fatalf("AuthorizeURL(%s) = %v, want nil", setting, err)
		}
		q := query(t, address)
		if got := q.Get("claims"); got != want {
			t.Errorf("AuthorizeURL(%s) claims = %q, want %q", setting, got, want)
		}
		if q.Has("prompt") || q.Has("ui_locales") {
			t.Errorf("AuthorizeURL(%s) = %s, want no empty parameters", setting, address)
		}
	}
}

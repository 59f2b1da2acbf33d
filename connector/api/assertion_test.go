package api_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// addSigner adds a client that signs assertions, with the scopes of add, and returns its private key.
func (h *harness) addSigner(name string) *ecdsa.PrivateKey {
	h.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h.must(err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	h.must(err)
	public, err := client.ParsePublicKey(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	h.must(err)
	c := client.Client{Name: name, Scopes: client.Scopes{
		Tenants: []string{tenantA}, APIs: []string{"graph"}, Directories: []string{tenant.PartnerDirectory}, Operations: []client.Operation{client.Lend},
	}}
	_, err = h.clients.AddWith(h.Context(), c, client.Credential{PublicKey: &public}, audit.Actor{Kind: audit.Operator, ID: "op"})
	h.must(err)
	return key
}

// assert returns a form with an assertion of signer for an audience.
func (h *harness) assert(key *ecdsa.PrivateKey, audience string, more ...string) url.Values {
	h.Helper()
	by, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	h.must(err)
	assertion, err := jwt.Signed(by).Claims(jwt.Claims{
		Issuer: "signer", Subject: "signer", Audience: jwt.Audience{audience}, Expiry: jwt.NewNumericDate(h.clock.Add(time.Minute)), ID: random.ID(),
	}).Serialize()
	h.must(err)
	h.keys = append(h.keys, assertion)
	return credentials("", "", append([]string{"client_id", "", "client_secret", "", "client_assertion", assertion, "client_assertion_type", assertionType}, more...)...)
}

func TestOAuth_Assertion(t *testing.T) {
	h := newHarness(t, func(cfg *api.Config) { cfg.PublicURL += "/tokens" })
	key := h.addSigner("signer")
	base := h.server.URL + "/tokens"
	for name, got := range map[string]answer{
		"the issuer":             h.post("/tokens/oauth2/token", h.assert(key, base)),
		"the endpoint":           h.post("/tokens/oauth2/token", h.assert(key, base+"/oauth2/token")),
		"its name, too":          h.post("/tokens/oauth2/token", h.assert(key, base, "client_id", "signer")),
		"the issuer elsewhere":   h.post("/tokens/oauth2/"+tenantA+"/token", h.assert(key, base)),
		"the tenant's issuer":    h.post("/tokens/oauth2/"+tenantA+"/token", h.assert(key, base+"/oauth2/"+tenantA)),
		"the tenant's endpoint":  h.post("/tokens/oauth2/"+tenantA+"/token", h.assert(key, base+"/oauth2/"+tenantA+"/token")),
		"capitals":               h.post("/tokens/oauth2/"+strings.ToUpper(tenantA)+"/token", h.assert(key, base+"/oauth2/"+tenantA)),
		"a directory's endpoint": h.post("/tokens/oauth2/"+tenantA+"/partner/token", h.assert(key, base+"/oauth2/"+tenantA+"/partner/token")),
	} {
		if got.status != http.StatusOK || got.text("access_token") != accessToken {
			t.Errorf("an assertion for %s = %d %s, want the access token", name, got.status, got.body)
		}
	}
	used := h.assert(key, base)
	h.post("/tokens/oauth2/token", used)
	h.tokens.lent = 0
	other := h.addSigner("other")
	for name, tc := range map[string]struct {
		path   string
		form   url.Values
		change func(*http.Request)
		status int
		code   string
		says   string // failure code
	}{
		"used again":           {form: used, status: 400, code: "invalid_client", says: "bad_request"},
		"for another tenant":   {form: h.assert(key, base+"/oauth2/"+tenantA), status: 400, code: "invalid_client", says: "bad_request"},
		"for Microsoft":        {form: h.assert(key, "https://login.microsoftonline.com/"+directoryA+"/oauth2/v2.0/token"), status: 400, code: "invalid_client", says: "bad_request"},
		"by another's key":     {form: h.assert(other, base), status: 401, code: "invalid_client", says: "key_unknown"},
		"with another's name":  {form: h.assert(key, base, "client_id", "other"), status: 401, code: "invalid_client", says: "key_unknown"},
		"that is empty":        {form: h.assert(key, base, "client_assertion", ""), status: 401, code: "invalid_client", says: "key_unknown"},
		"without type":         {form: h.assert(key, base, "client_assertion_type", ""), status: 400, code: "invalid_client", says: "bad_request"},
		"of another type":      {form: h.assert(key, base, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), status: 400, code: "invalid_client", says: "bad_request"},
		"and a key":            {form: h.assert(key, base, "client_secret", "x"), status: 400, code: "invalid_request", says: "bad_request"},
		"and Basic":            {form: h.assert(key, base), change: func(r *http.Request) { r.SetBasicAuth("signer", "") }, status: 400, code: "invalid_request", says: "bad_request"},
		"and another's tenant": {path: "/tokens/oauth2/" + tenantB + "/token", form: h.assert(key, base), status: 400, code: "unauthorized_client", says: "client_not_allowed"},
	} {
		if tc.path == "" {
			tc.path = "/tokens/oauth2/token"
		}
		got := h.post(tc.path, tc.form, tc.change)
		if got.status != tc.status || got.text("error") != tc.code || !strings.HasPrefix(got.text("error_description"), tc.says+": ") {
			t.Errorf("an assertion %s = %d %s, want %d %s, %s", name, got.status, got.body, tc.status, tc.code, tc.says)
		}
	}
	h.checkNothingLent()
	h.must(h.tally.Flush(t.Context()))
	if got := h.events(); !slices.ContainsFunc(got, func(event string) bool { return strings.HasPrefix(event, "client.refused ") }) {
		t.Errorf("events = %v, want refusals of the client", got)
	}
	var metadata struct {
		Methods    []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	}
	got := h.send(h.request(http.MethodGet, "/.well-known/oauth-authorization-server/tokens", nil))
	h.must(json.Unmarshal(got.body, &metadata))
	if !slices.Contains(metadata.Methods, "private_key_jwt") || !slices.Equal(metadata.Algorithms, []string{"RS256", "PS256", "ES256"}) {
		t.Errorf("the metadata is %s, want private_key_jwt and its algorithms", got.body)
	}
}

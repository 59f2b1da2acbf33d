package api_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/tenant"
)

// A kinOpenAPI judges requests and answers by the served document, with kin-openapi.
type kinOpenAPI struct {
	*harness
	router routers.Router
	judged map[string]bool // operation IDs
}

func newKinOpenAPI(h *harness) (*kinOpenAPI, *openapi3.T) {
	h.Helper()
	document, err := openapi3.NewLoader().LoadFromData(h.send(h.request(http.MethodGet, "/openapi.json", nil)).body)
	h.must(err)
	h.must(document.Validate(h.Context()))
	router, err := legacy.NewRouter(document)
	h.must(err)
	return &kinOpenAPI{h, router, map[string]bool{}}, document
}

// judge sends a request and judges it, if it is accepted, and its answer.
func (k *kinOpenAPI) judge(method, path, body string, status int, header ...string) {
	k.Helper()
	build := func() *http.Request {
		r := k.request(method, path, strings.NewReader(body))
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	r := build()
	route, parameters, err := k.router.FindRoute(r)
	if err != nil {
		k.Errorf("%s %s: the document has no such operation: %v", method, path, err)
		return
	}
	k.judged[route.Operation.OperationID] = true
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true,
		},
	}
	refused := openapi3filter.ValidateRequest(k.Context(), input)
	got := k.send(build())
	if got.status != status {
		k.Errorf("%s %s = %d %s, want %d", method, path, got.status, got.body, status)
	}
	if accepted := got.status == http.StatusOK; accepted && refused != nil {
		k.Errorf("%s %s is accepted, which the document does not allow: %v", method, path, refused)
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: got.status, Header: got.header, Body: io.NopCloser(bytes.NewReader(got.body)), Options: input.Options,
	}
	if err := openapi3filter.ValidateResponse(k.Context(), answer); err != nil {
		k.Errorf("%s %s = %d %s, which the document does not describe: %v", method, path, got.status, got.body, err)
	}
}

// TestInterop_KinOpenAPI judges the served document, and calls of each of its operations, with a validator that nobody here wrote.
func TestInterop_KinOpenAPI(t *testing.T) {
	h := newHarness(t)
	key := h.add("all", func(c *client.Client) {
		c.APIs = []string{"graph"}
		c.Directories = []string{tenant.PartnerDirectory, customer}
		c.Operations = []client.Operation{client.Lend, client.Read, client.Renew, client.Consent, client.Events, client.Import}
	})
	k, document := newKinOpenAPI(h)
	bearer := []string{"Authorization", "Bearer " + key, "Content-Type", "application/json"}
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	identity := []string{"X-IDENTITY-HEADER", key}
	credentials := url.Values{"grant_type": {"client_credentials"}, "scope": {"graph"}, "client_id": {"all"}, "client_secret": {key}}.Encode()
	identityQuery := "?api-version=2019-08-01&resource=" + url.QueryEscape(graph)
	ofTenant := "/v1/tenants/" + tenantA

	for _, below := range []string{"", "/" + tenantA, "/" + tenantA + "/partner"} {
		metadata := "/.well-known/oauth-authorization-server"
		if below != "" {
			metadata += "/oauth2" + below
		}
		k.judge(http.MethodGet, metadata, "", 200)
		k.judge(http.MethodPost, "/oauth2"+below+"/token", credentials, 200, form...)
		k.judge(http.MethodPost, "/oauth2"+below+"/token", "grant_type=password", 401, form...)
		k.judge(http.MethodGet, "/msi"+below+"/token"+identityQuery, "", 200, identity...)
		k.judge(http.MethodGet, "/msi"+below+"/token", "", 400, identity...)
	}
	for _, call := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, "/v1/tenants?limit=1&state=active&directory=" + directoryA + "&name=alpine", "", 200},
		{http.MethodGet, "/v1/tenants?limit=0", "", 400},
		{http.MethodGet, ofTenant, "", 200},
		{http.MethodGet, "/v1/tenants/" + unknownID, "", 403},
		{http.MethodGet, ofTenant + "/status", "", 200},
		{http.MethodGet, ofTenant + "/history?limit=2", "", 200},
		{http.MethodPost, ofTenant + "/renew", "", 200},
		{http.MethodPost, ofTenant + "/check", "", 200},
		{http.MethodPost, ofTenant + "/consentLink", "", 200},
		{http.MethodGet, ofTenant + "/customers?limit=2&search=c", "", 200},
		{http.MethodPost, ofTenant + "/customers/" + customer + "/consent", "", 200},
		{http.MethodDelete, ofTenant + "/customers/" + customer + "/consent", "", 200},
		{http.MethodPost, ofTenant + "/grant", `{"refreshToken": "c4n4ry-refresh-token"}`, 200},
		{http.MethodPost, ofTenant + "/grant", `{"refreshToken": "another"}`, 409},
		{http.MethodPost, ofTenant + "/accessToken", `{"api": "graph", "directory": "` + customer + `"}`, 200},
		{http.MethodPost, ofTenant + "/accessToken", `{"api": "arm"}`, 403},
		{http.MethodPost, ofTenant + "/accessToken", `[]`, 400},
		{http.MethodGet, "/v1/events?limit=5", "", 200},
		{http.MethodGet, "/openapi.json", "", 200},
		{http.MethodGet, "/failures/grant_absent", "", 200},
		{http.MethodGet, "/failures/nothing", "", 404},
	} {
		k.judge(call.method, call.path, call.body, call.status, bearer...)
	}
	k.judge(http.MethodGet, ofTenant, "", 401)

	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			if !k.judged[operation.OperationID] {
				t.Errorf("no call of %s %s was judged", method, path)
			}
		}
	}
}

package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

// credentials returns the form of a client that asks for Graph.
func credentials(id, key string, more ...string) url.Values {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"graph"}, "client_id": {id}, "client_secret": {key}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
		if more[i+1] == "" {
			form.Del(more[i])
		}
	}
	return form
}

func TestOAuth_Lends(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	basic := func(r *http.Request) { r.SetBasicAuth("billing", key) }
	for name, got := range map[string]answer{
		"key in the form":      h.post("/oauth2/token", credentials("billing", key)),
		"key by Basic":         h.post("/oauth2/token", credentials("", "", "client_id", "", "client_secret", ""), basic),
		"Basic and client_id":  h.post("/oauth2/token", credentials("billing", "", "client_secret", ""), basic),
		"tenant":               h.post("/oauth2/"+tenantA+"/token", credentials("billing", key)),
		"tenant in capitals":   h.post("/oauth2/"+strings.ToUpper(tenantA)+"/token", credentials("billing", key)),
		"directory":            h.post("/oauth2/"+tenantA+"/"+directoryA+"/token", credentials("billing", key)),
		"directory, parameter": h.post("/oauth2/token", credentials("billing", key, "directory", directoryA)),
		"resource":             h.post("/oauth2/token", credentials("billing", key, "scope", graph+"/.default")),
		"RFC 8707":             h.post("/oauth2/token", credentials("billing", key, "scope", "", "resource", graph)),
		"scope and resource":   h.post("/oauth2/token", credentials("billing", key, "scope", "graph", "resource", graph)),
		"directory, twice":     h.post("/oauth2/"+tenantA+"/"+directoryA+"/token", credentials("billing", key, "directory", strings.ToUpper(directoryA))),
	} {
		if got.status != http.StatusOK || got.text("access_token") != accessToken || got.text("token_type") != "Bearer" || !strings.Contains(string(got.body), `"expires_in":3600`) {
			t.Errorf("%s = %d %s, want the access token for an hour", name, got.status, got.body)
		}
		if got.header.Get("Cache-Control") != "no-store" || got.header.Get("Pragma") != "no-cache" {
			t.Errorf("%s = %v, want an answer that nobody caches", name, got.header)
		}
	}
	if h.tokens.lent != 11 {
		t.Errorf("%d access tokens were lent, want 11", h.tokens.lent)
	}
	if got := h.events(); len(got) > 0 {
		t.Errorf("events = %v, want none besides those of the token service", got)
	}
}

func TestOAuth_Refusals(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	other := h.add("other")
	everything := h.add("everything", anyTenant)
	reader := h.add("reader", operations(client.Read))
	expired := h.add("expired", func(c *client.Client) { c.ExpiresAt = h.clock.Add(time.Minute) })
	h.clock = h.clock.Add(time.Hour)
	invented := "apck_" + strings.Repeat("A", 43)
	for name, tc := range map[string]struct {
		path   string
		form   url.Values
		change func(*http.Request)
		status int
		code   string
		says   string // failure code
	}{
		"no key":                 {form: credentials("billing", ""), status: 401, code: "invalid_client", says: "key_unknown"},
		"an invented key":        {form: credentials("billing", invented), status: 401, code: "invalid_client", says: "key_unknown"},
		"a key that is no key":   {form: credentials("billing", "secret"), status: 401, code: "invalid_client", says: "key_unknown"},
		"another's key":          {form: credentials("billing", other), status: 401, code: "invalid_client", says: "key_unknown"},
		"a key that expired":     {form: credentials("expired", expired), status: 401, code: "invalid_client", says: "key_expired"},
		"a key in the address":   {path: "/oauth2/token?client_id=billing&client_secret=" + key, form: credentials("", "", "client_id", "", "client_secret", ""), status: 401, code: "invalid_client", says: "key_unknown"},
		"a scheme without a key": {form: credentials("billing", ""), change: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) }, status: 401, code: "invalid_client", says: "key_unknown"},
		"two keys":               {form: credentials("billing", key), change: func(r *http.Request) { r.SetBasicAuth("billing", key) }, status: 400, code: "invalid_request", says: "bad_request"},
		"no form":                {form: credentials("billing", key), change: func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, status: 400, code: "invalid_request", says: "bad_request"},
		"a repeated parameter":   {form: url.Values{"grant_type": {"client_credentials"}, "scope": {"graph", "arm"}, "client_id": {"billing"}, "client_secret": {key}}, status: 400, code: "invalid_request", says: "bad_request"},
		"no grant type":          {form: credentials("billing", key, "grant_type", ""), status: 400, code: "invalid_request", says: "bad_request"},
		"another grant type":     {form: credentials("billing", key, "grant_type", "password"), status: 400, code: "unsupported_grant_type", says: "bad_request"},
		"no scope":               {form: credentials("billing", key, "scope", ""), status: 400, code: "invalid_scope", says: "bad_request"},
		"two scopes":             {form: credentials("billing", key, "scope", "graph arm"), status: 400, code: "invalid_scope", says: "bad_request"},
		"two resources":          {form: credentials("billing", key, "scope", graph+"/.default https://management.azure.com/.default"), status: 400, code: "invalid_scope", says: "bad_request"},
		"a resource of another":  {form: credentials("billing", key, "scope", "graph", "resource", "https://management.azure.com"), status: 400, code: "invalid_scope", says: "bad_request"},
		"a scope, no resource":   {form: credentials("billing", key, "scope", "graph", "resource", "https://vault.azure.net"), status: 400, code: "invalid_scope", says: "bad_request"},
		"an unknown resource":    {form: credentials("billing", key, "scope", "https://vault.azure.net/.default"), status: 400, code: "invalid_scope", says: "bad_request"},
		"another api":            {form: credentials("billing", key, "scope", "partnercenter"), status: 400, code: "unauthorized_client", says: "borrower_not_allowed"},
		"another tenant":         {path: "/oauth2/" + tenantB + "/token", form: credentials("billing", key), status: 400, code: "unauthorized_client", says: "client_not_allowed"},
		"a tenant that is none":  {path: "/oauth2/" + unknownID + "/token", form: credentials("billing", key), status: 400, code: "unauthorized_client", says: "client_not_allowed"},
		"a tenant that is no id": {path: "/oauth2/contoso/token", form: credentials("billing", key), status: 400, code: "unauthorized_client", says: "client_not_allowed"},
		"a tenant without any":   {path: "/oauth2/" + unknownID + "/token", form: credentials("everything", everything), status: 400, code: "invalid_request", says: "not_found"},
		"no tenant among many":   {form: credentials("everything", everything), status: 400, code: "invalid_request", says: "bad_request"},
		"another directory":      {form: credentials("billing", key, "directory", customer), status: 400, code: "unauthorized_client", says: "borrower_not_allowed"},
		"a directory path":       {path: "/oauth2/" + tenantA + "/" + customer + "/token", form: credentials("billing", key), status: 400, code: "unauthorized_client", says: "borrower_not_allowed"},
		"two directories":        {path: "/oauth2/" + tenantA + "/" + customer + "/token", form: credentials("billing", key, "directory", directoryA), status: 400, code: "invalid_request", says: "bad_request"},
		"another operation":      {form: credentials("reader", reader), status: 400, code: "unauthorized_client", says: "client_not_allowed"},
	} {
		if tc.path == "" {
			tc.path = "/oauth2/token"
		}
		got := h.post(tc.path, tc.form, tc.change)
		description := got.text("error_description")
		if got.status != tc.status || got.text("error") != tc.code || !strings.HasPrefix(description, tc.says+": ") {
			t.Errorf("%s = %d %s, want %d %s, %s", name, got.status, got.body, tc.status, tc.code, tc.says)
		}
		if i := strings.IndexFunc(description, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }); i >= 0 {
			t.Errorf("%s = %q, want only characters that RFC 6749 §5.2 allows", name, description)
		}
		if (got.header.Get("WWW-Authenticate") != "") != (tc.status == 401) {
			t.Errorf("%s = WWW-Authenticate %q", name, got.header.Get("WWW-Authenticate"))
		}
		if page := h.send(h.request(http.MethodGet, strings.TrimPrefix(got.text("error_uri"), h.server.URL), nil)); page.status != http.StatusOK || !strings.HasPrefix(string(page.body), tc.says) {
			t.Errorf("%s: error_uri %s = %d %s, want an explanation", name, got.text("error_uri"), page.status, page.body)
		}
	}
	h.checkNothingLent()
}

// TestOAuth_AdvisesAPIClients tells a client with other scopes what helps it, and not only what helps an application of the platform.
func TestOAuth_AdvisesAPIClients(t *testing.T) {
	h := newHarness(t)
	got := h.post("/oauth2/token", credentials("billing", h.add("billing"), "scope", "partnercenter"))
	if description := got.text("error_description"); !strings.HasPrefix(description, "borrower_not_allowed: ") || !strings.Contains(description, "API client") || !strings.Contains(description, "scopes") {
		t.Errorf("an api outside the scopes = %q, want advice for API clients", description)
	}
}

// TestLend_ForACustomer borrows for a customer directory by each protocol.
func TestLend_ForACustomer(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing", func(c *client.Client) { c.Directories = []string{customer} })
	for name, got := range map[string]answer{
		"OAuth, form":      h.post("/oauth2/token", credentials("billing", key, "directory", customer)),
		"OAuth, address":   h.post("/oauth2/"+tenantA+"/"+customer+"/token", credentials("billing", key)),
		"managed identity": h.identity("/msi/token", key, "resource", graph, "client_id", customer),
		"identity address": h.identity("/msi/"+tenantA+"/"+customer+"/token", key, "resource", graph),
		"REST":             h.rest(http.MethodPost, "/v1/tenants/"+tenantA+"/accessToken", key, `{"api":"graph","directory":"`+customer+`"}`),
	} {
		if got.status != http.StatusOK {
			t.Errorf("%s = %d %s, want an access token", name, got.status, got.body)
		}
	}
	if got := h.post("/oauth2/token", credentials("billing", key)); got.status != http.StatusBadRequest {
		t.Errorf("the partner's own directory = %d, want it refused", got.status)
	}
}

// TestOAuth_FailuresOfTheGrant answers what the token service refuses.
func TestOAuth_FailuresOfTheGrant(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	throttled := failure.New(failure.MicrosoftThrottled)
	throttled.Microsoft = &failure.Evidence{RetryAfterSeconds: 7}
	tooMany := failure.New(failure.TooManyRequests)
	tooMany.RetryAfter = 4500 * time.Millisecond
	for name, tc := range map[string]struct {
		err    error
		status int
		code   string
		retry  string
	}{
		"no grant":            {failure.New(failure.GrantAbsent), 400, "invalid_grant", ""},
		"a wrong secret":      {failure.New(failure.ClientSecretWrong), 400, "invalid_grant", ""},
		"Microsoft is down":   {failure.New(failure.MicrosoftUnavailable), 503, "temporarily_unavailable", "30"},
		"Microsoft throttles": {throttled, 503, "temporarily_unavailable", "7"},
		"too many requests":   {tooMany, 429, "temporarily_unavailable", "5"},
		"a defect":            {errors.New("c4n4ry"), 500, "server_error", ""},
	} {
		h.tokens.err = tc.err
		got := h.post("/oauth2/token", credentials("billing", key))
		if got.status != tc.status || got.text("error") != tc.code || got.header.Get("Retry-After") != tc.retry || strings.Contains(string(got.body), "c4n4ry") {
			t.Errorf("%s = %d %s, Retry-After %q, want %d %s, %q", name, got.status, got.body, got.header.Get("Retry-After"), tc.status, tc.code, tc.retry)
		}
		identity := h.identity("/msi/token", key, "resource", graph)
		if want := tc.status; identity.status != want || identity.header.Get("Retry-After") != tc.retry || identity.text("message") == "" {
			t.Errorf("%s by managed identity = %d %s, want %d", name, identity.status, identity.body, want)
		}
		rest := h.rest(http.MethodPost, "/v1/tenants/"+tenantA+"/accessToken", key, `{"api":"graph"}`)
		if want := failure.From(tc.err); rest.status != want.Status() || rest.text("error.code") != string(want.Code) || rest.header.Get("Retry-After") != tc.retry {
			t.Errorf("%s by REST = %d %s, Retry-After %q, want %d %s, %q", name, rest.status, rest.body, rest.header.Get("Retry-After"), want.Status(), want.Code, tc.retry)
		}
	}
	h.tokens.err = failure.New(failure.CustomerNotListed, "directory", customer)
	if got := h.post("/oauth2/token", credentials("billing", key)); got.status != http.StatusBadRequest || got.text("error") != "unauthorized_client" {
		t.Errorf("a directory of no customer = %d %s, want 400 unauthorized_client: nothing is wrong with the request", got.status, got.body)
	}
	if got := h.events(); len(got) > 0 {
		t.Errorf("events = %v, want none: the token service records them", got)
	}
}

func TestOAuth_BodyThatEndsEarly(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	r := httptest.NewRequest(http.MethodPost, "/oauth2/token", &brokenBody{text: credentials("billing", key).Encode()})
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = "127.0.0.1:1234"
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "invalid_request") {
		t.Errorf("a body that ends early = %d %s, want invalid_request", w.Code, w.Body)
	}
	got := h.post("/oauth2/token", credentials("billing", key, "padding", strings.Repeat("a", 1<<17)))
	if got.status != http.StatusBadRequest || !strings.Contains(got.text("error_description"), "body_too_large") {
		t.Errorf("a body without end = %d %s, want body_too_large", got.status, got.body)
	}
	h.checkNothingLent()
}

// A brokenBody fails after its text.
type brokenBody struct{ text string }

func (b *brokenBody) Read(p []byte) (int, error) {
	n := copy(p, b.text)
	b.text = b.text[n:]
	if n == 0 {
		return 0, errors.New("connection reset")
	}
	return n, nil
}

func TestMetadata_NamesIssuerAndEndpointOfEachAddress(t *testing.T) {
	h := newHarness(t, func(cfg *api.Config) { cfg.PublicURL += "/tokens" })
	base := h.Config.PublicURL
	for address, want := range map[string][2]string{
		"/tokens/.well-known/oauth-authorization-server":                                    {base, base + "/oauth2/token"},
		"/.well-known/oauth-authorization-server/tokens":                                    {base, base + "/oauth2/token"},
		"/.well-known/oauth-authorization-server/tokens/oauth2/" + tenantA:                  {base + "/oauth2/" + tenantA, base + "/oauth2/" + tenantA + "/token"},
		"/tokens/.well-known/oauth-authorization-server/oauth2/" + unknownID:                {base + "/oauth2/" + unknownID, base + "/oauth2/" + unknownID + "/token"},
		"/.well-known/oauth-authorization-server/tokens/oauth2/" + tenantA + "/partner":     {base + "/oauth2/" + tenantA + "/partner", base + "/oauth2/" + tenantA + "/partner/token"},
		"/.well-known/oauth-authorization-server/tokens/oauth2/" + tenantA + "/" + customer: {base + "/oauth2/" + tenantA + "/" + customer, base + "/oauth2/" + tenantA + "/" + customer + "/token"},
	} {
		got := h.send(h.request(http.MethodGet, address, nil))
		if got.status != http.StatusOK || got.text("issuer") != want[0] || got.text("token_endpoint") != want[1] {
			t.Errorf("GET %s = %d %s, want issuer and endpoint %v", address, got.status, got.body, want)
		}
	}
}

// identity asks the endpoint of a managed identity, by default with the version that there is.
func (h *harness) identity(path, key string, more ...string) answer {
	h.Helper()
	query := url.Values{"api-version": {"2019-08-01"}}
	for i := 0; i+1 < len(more); i += 2 {
		query.Set(more[i], more[i+1])
	}
	r := h.request(http.MethodGet, path+"?"+query.Encode(), nil)
	if key != "" {
		r.Header.Set("X-IDENTITY-HEADER", key)
	}
	return h.send(r)
}

func TestIdentity_Lends(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	for name, got := range map[string]answer{
		"the only tenant":        h.identity("/msi/token", key, "resource", graph),
		"a slash and .default":   h.identity("/msi/token", key, "resource", graph+"/.default"),
		"our name":               h.identity("/msi/token", key, "resource", "arm"),
		"the directory by an id": h.identity("/msi/token", key, "resource", graph, "client_id", directoryA),
		"a tenant":               h.identity("/msi/"+tenantA+"/token", key, "resource", graph),
		"a directory":            h.identity("/msi/"+tenantA+"/"+directoryA+"/token", key, "resource", graph),
		"a directory, twice":     h.identity("/msi/"+tenantA+"/"+directoryA+"/token", key, "resource", graph, "client_id", strings.ToUpper(directoryA)),
	} {
		if got.status != http.StatusOK || got.text("access_token") != accessToken || got.text("expires_on") != strconv.FormatInt(h.tokens.ends.Unix(), 10) || got.text("token_type") != "Bearer" {
			t.Errorf("%s = %d %s, want the access token", name, got.status, got.body)
		}
	}
}

func TestIdentity_Refusals(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	metadata := h.request(http.MethodGet, "/msi/token?api-version=2018-02-01&resource="+url.QueryEscape(graph), nil)
	metadata.Header.Set("Metadata", "true")
	query := func(more string) answer {
		r := h.request(http.MethodGet, "/msi/token?api-version=2019-08-01&resource=arm&"+more, nil)
		r.Header.Set("X-IDENTITY-HEADER", key)
		return h.send(r)
	}
	for name, tc := range map[string]struct {
		got    answer
		status int
		says   string
	}{
		"an unreadable directory": {query("client_id=%zz"), 400, "bad_request"},
		"two in one parameter":    {query("client_id=" + directoryA + ";" + customer), 400, "bad_request"},
		"two directories":         {query("client_id=" + directoryA + "&client_id=" + customer), 400, "bad_request"},

		"no key":              {h.identity("/msi/token", "", "resource", graph), 401, "key_unknown"},
		"an invented key":     {h.identity("/msi/token", "apck_"+strings.Repeat("A", 43), "resource", graph), 401, "key_unknown"},
		"IMDS":                {h.send(metadata), 400, "bad_request"},
		"another version":     {h.identity("/msi/token", key, "api-version", "2017-09-01", "resource", graph), 400, "bad_request"},
		"no resource":         {h.identity("/msi/token", key), 400, "bad_request"},
		"an unknown resource": {h.identity("/msi/token", key, "resource", "https://vault.azure.net"), 400, "bad_request"},
		"a resource id":       {h.identity("/msi/token", key, "resource", graph, "mi_res_id", "/subscriptions/x"), 400, "bad_request"},
		"a resource id, IMDS": {h.identity("/msi/token", key, "resource", graph, "msi_res_id", "/subscriptions/x"), 400, "bad_request"},
		"an object id":        {h.identity("/msi/token", key, "resource", graph, "object_id", customer), 400, "bad_request"},
		"another api":         {h.identity("/msi/token", key, "resource", "partnercenter"), 403, "borrower_not_allowed"},
		"another directory":   {h.identity("/msi/token", key, "resource", graph, "client_id", customer), 403, "borrower_not_allowed"},
		"another tenant":      {h.identity("/msi/"+tenantB+"/token", key, "resource", graph), 403, "client_not_allowed"},
	} {
		if tc.got.status != tc.status || !strings.HasPrefix(tc.got.text("message"), tc.says+": ") || !strings.Contains(string(tc.got.body), fmt.Sprintf(`"statusCode":%d`, tc.status)) {
			t.Errorf("%s = %d %s, want %d %s", name, tc.got.status, tc.got.body, tc.status, tc.says)
		}
	}
	h.checkNothingLent()
}

func TestREST_Tenants(t *testing.T) {
	h := newHarness(t)
	key := h.add("monitor", anyTenant, operations(client.Read))
	narrow := h.add("narrow", operations(client.Read))
	list := func(key, query string) (names []string, next string) {
		t.Helper()
		got := h.rest(http.MethodGet, "/v1/tenants"+query, key, "")
		var page struct {
			Tenants []struct{ Name string }
			Next    string
		}
		if err := json.Unmarshal(got.body, &page); err != nil || got.status != http.StatusOK {
			t.Fatalf("GET /v1/tenants%s = %d %s", query, got.status, got.body)
		}
		for _, tenant := range page.Tenants {
			names = append(names, tenant.Name)
		}
		return names, page.Next
	}
	for query, want := range map[string][]string{
		"": {"Alpine Cloud", "Baltic IT"}, "?state=active": {"Alpine Cloud"}, "?state=expired": nil, "?directory=" + strings.ToUpper(directoryA): {"Alpine Cloud"},
		"?directory=alpine.example": {"Alpine Cloud"}, "?name=baltic": {"Baltic IT"}, "?after=" + tenantA: {"Baltic IT"}, "?limit=200": {"Alpine Cloud", "Baltic IT"},
	} {
		if got, next := list(key, query); cmp.Diff(want, got) != "" || next != "" {
			t.Errorf("GET /v1/tenants%s = %v, next %q, want %v and the end", query, got, next, want)
		}
	}
	got, next := list(key, "?limit=1")
	if cmp.Diff([]string{"Alpine Cloud"}, got) != "" || next != tenantA {
		t.Errorf("the first page = %v, next %q", got, next)
	}
	if got, next = list(key, "?limit=1&after="+next); cmp.Diff([]string{"Baltic IT"}, got) != "" {
		t.Errorf("the second page = %v, next %q", got, next)
	}
	if got, _ := list(narrow, ""); cmp.Diff([]string{"Alpine Cloud"}, got) != "" {
		t.Errorf("the tenants of a narrow scope = %v, want only its own", got)
	}
	for _, address := range []string{"/v1/tenants/" + tenantA, "/v1/tenants/" + tenantA + "/status", "/v1/tenants/" + tenantB + "/status", "/v1/tenants/" + tenantA + "/history?limit=1&before=2026-11-23T08:20:00Z"} {
		if got := h.rest(http.MethodGet, address, key, ""); got.status != http.StatusOK {
			t.Errorf("GET %s = %d %s, want 200", address, got.status, got.body)
		}
	}
	for address, want := range map[string]int{
		"/v1/tenants?limit=0": 400, "/v1/tenants?limit=x": 400, "/v1/tenants?state=actve": 400, "/v1/tenants?after=2": 400, "/v1/tenants/" + unknownID: 404, "/v1/tenants/contoso": 404,
		"/v1/tenants/" + tenantA + "/history?before=yesterday": 400, "/v1/tenants/" + tenantA + "/history?before=9999-12-31T23:59:59-23:59": 400, "/v1/nothing": 404,
	} {
		if got := h.rest(http.MethodGet, address, key, ""); got.status != want || got.text("error.code") == "" {
			t.Errorf("GET %s = %d %s, want %d", address, got.status, got.body, want)
		}
	}
	for _, address := range []string{"/v1/tenants/" + tenantB, "/v1/tenants/" + unknownID} {
		if got := h.rest(http.MethodGet, address, narrow, ""); got.status != http.StatusForbidden {
			t.Errorf("GET %s by a narrow scope = %d, want 403 whether it exists or not", address, got.status)
		}
	}
}

func TestREST_Operations(t *testing.T) {
	h := newHarness(t)
	paths := map[string]client.Operation{
		"GET /v1/tenants": client.Read, "GET /v1/tenants/" + tenantA: client.Read, "GET /v1/tenants/" + tenantA + "/status": client.Read,
		"GET /v1/tenants/" + tenantA + "/history": client.Read, "POST /v1/tenants/" + tenantA + "/renew": client.Renew,
		"POST /v1/tenants/" + tenantA + "/check": client.Renew, "POST /v1/tenants/" + tenantA + "/consentLink": client.Consent,
		"GET /v1/tenants/" + tenantA + "/customers":    client.Read,
		"POST /v1/tenants/" + tenantA + "/grant":       client.Import,
		"POST /v1/tenants/" + tenantA + "/accessToken": client.Lend, "GET /v1/events": client.Events,
	}
	for _, op := range client.Operations() {
		key := h.add("may-"+string(op), operations(op))
		for path, needs := range paths {
			method, address, _ := strings.Cut(path, " ")
			want := http.StatusForbidden
			if op == needs {
				want = http.StatusOK
			}
			body := ""
			if strings.HasSuffix(address, "accessToken") {
				body = `{"api":"graph"}`
			}
			if strings.HasSuffix(address, "grant") {
				body = `{"refreshToken":"c4n4ry-refresh-token"}`
			}
			if got := h.rest(method, address, key, body); got.status != want {
				t.Errorf("%s by a client that may %s = %d %s, want %d", path, op, got.status, got.body, want)
			}
		}
	}
	for path := range paths {
		method, address, _ := strings.Cut(path, " ")
		if got := h.rest(method, address, "", ""); got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s without a key = %d, want 401", path, got.status)
		}
	}
	want := []string{"check " + tenantA + " by client may-renew", "renew " + tenantA + " by client may-renew"}
	if got := slices.Sorted(slices.Values(h.tokens.did)); cmp.Diff(want, got) != "" || h.tokens.lent != 1 {
		t.Errorf("done: %v and %d lent, want %v and 1", got, h.tokens.lent, want)
	}
	lender := h.add("lender")
	for _, body := range []string{"", "{", "[]", `{"api":""}`, `{"api":"sharepoint"}`, `{"api":"graph","tenant":"x"}`, `{"api":"graph"}{}`} {
		if got := h.rest(http.MethodPost, "/v1/tenants/"+tenantA+"/accessToken", lender, body); got.status != http.StatusBadRequest {
			t.Errorf("accessToken of %q = %d, want 400", body, got.status)
		}
	}
}

// TestEvents_ByCursor reads the trail in pages: an event appears once a checkpoint covers it, each once.
func TestEvents_ByCursor(t *testing.T) {
	h := newHarness(t)
	all := h.add("all", anyTenant, operations(client.Events))
	narrow := h.add("narrow", operations(client.Events))
	for i := range 5 {
		tenantID := tenantA
		if i%2 > 0 {
			tenantID = tenantB
		}
		h.must(audit.Append(t.Context(), h.store, h.clock, audit.Event{TenantID: tenantID, Action: audit.TokenLent, Details: map[string]string{"n": fmt.Sprint(i)}}))
	}
	type page struct {
		Events []struct {
			Action   string
			TenantID string
			Details  map[string]string
		}
		Next string
		More bool
	}
	read := func(key, query string) (p page) {
		t.Helper()
		got := h.rest(http.MethodGet, "/v1/events"+query, key, "")
		if err := json.Unmarshal(got.body, &p); err != nil || got.status != http.StatusOK {
			t.Fatalf("GET /v1/events%s = %d %s", query, got.status, got.body)
		}
		return p
	}
	if p := read(all, ""); len(p.Events) > 0 || p.More {
		t.Errorf("events that no checkpoint covers = %+v, want none", p)
	}
	h.clock = h.clock.Add(2 * time.Minute)
	if _, err := h.store.WriteCheckpoints(t.Context(), h.clock, func(store.Checkpoint) {}); err != nil {
		t.Fatal(err)
	}
	var seen []string
	next := ""
	for range 20 {
		p := read(all, "?limit=2&after="+next)
		for _, e := range p.Events {
			seen = append(seen, e.Action+" "+e.Details["n"])
		}
		if next = p.Next; len(p.Events) == 0 {
			break
		}
	}
	want := []string{"client.added ", "client.added ", "token.lent 0", "token.lent 1", "token.lent 2", "token.lent 3", "token.lent 4"}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
	p := read(narrow, "")
	if len(p.Events) != 3 {
		t.Errorf("events of a narrow scope = %+v, want the three of its tenant", p)
	}
	for _, e := range p.Events {
		if e.TenantID != tenantA {
			t.Errorf("events of a narrow scope = %+v, want none of others", e)
		}
	}
	if p := read(narrow, "?after="+p.Next); len(p.Events) > 0 {
		t.Errorf("events after the last = %+v, want none", p)
	}
	for _, after := range []string{"x", "1", "1.x", "-1.2", "1.2.3"} {
		if got := h.rest(http.MethodGet, "/v1/events?after="+after, all, ""); got.status != http.StatusBadRequest {
			t.Errorf("after %q = %d, want 400", after, got.status)
		}
	}
}

// TestEvents_TellWhatIsNotProven changes a covered event outside the connector.
func TestEvents_TellWhatIsNotProven(t *testing.T) {
	db := storetest.Any(t)
	s := db.Open(t)
	h := newHarness(t, func(c *api.Config) { c.Trail = s })
	key := h.add("all", anyTenant, operations(client.Events))
	for _, reference := range []string{"AAAA-1111", "AAAA-2222"} {
		h.must(s.AppendEvent(t.Context(), audit.Event{ID: random.ID(), At: h.clock, TenantID: tenantA, Action: audit.TokenLent, Result: audit.OK, Reference: reference}))
	}
	_, err := s.WriteCheckpoints(t.Context(), h.clock.Add(2*time.Minute), func(store.Checkpoint) {})
	h.must(err)
	_, err = db.Raw(t).ExecContext(t.Context(), "UPDATE events SET result = 'grant_absent' WHERE reference = 'AAAA-1111'")
	h.must(err)
	got := h.rest(http.MethodGet, "/v1/events", key, "")
	var page struct {
		Events []struct {
			Reference string
			Proven    *bool
		}
	}
	if err := json.Unmarshal(got.body, &page); err != nil || len(page.Events) != 2 {
		t.Fatalf("GET /v1/events = %d %s, want two events", got.status, got.body)
	}
	for _, e := range page.Events {
		if want := e.Reference == "AAAA-2222"; e.Proven == nil || *e.Proven != want {
			t.Errorf("GET /v1/events = %s, want proven %t of %s", got.body, want, e.Reference)
		}
	}
}

// TestRecord_RefusalsOfKnownClients counts them, and records nothing of unknown keys but a metric and a sampled record of the log.
func TestRecord_RefusalsOfKnownClients(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	for i := range 50 {
		h.identity("/msi/token", "apck_"+strings.Repeat(string(rune('a'+i%26)), 43), "resource", graph)
	}
	if got := h.events(); len(got) > 0 {
		t.Errorf("events of unknown keys = %v, want none", got)
	}
	if n := strings.Count(h.log.String(), "token API answered"); n != 1 {
		t.Errorf("the log has %d records of unknown keys, want one", n)
	}
	if len(h.observed) != 50 || h.observed[7] != (api.Request{Protocol: "identity", Result: "key_unknown"}) {
		t.Errorf("observed %d requests, %+v, want all, without a client", len(h.observed), h.observed[7])
	}
	for range 20 {
		h.identity("/msi/token", key, "resource", "https://vault.azure.net")
		h.rest(http.MethodGet, "/v1/tenants", key, "")
	}
	h.clock = h.clock.Add(time.Minute)
	h.must(h.tally.Flush(t.Context()))
	if diff := cmp.Diff([]string{"client.refused bad_request", "client.refused client_not_allowed"}, h.events()); diff != "" {
		t.Errorf("events of 40 refusals (-want +got)\n%s", diff)
	}
	events, err := h.store.Events(t.Context(), "", time.Time{}, 1)
	if err != nil || events[0].Details["count"] != "39" || events[0].Details["count_bad_request"] != "19" || events[0].Actor.ID != "billing" {
		t.Errorf("the event of the others = %+v, %v, want their numbers", events, err)
	}
}

// TestRecord_CallersThatHangUp does not take a caller that is gone for a failure of ours.
func TestRecord_CallersThatHangUp(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	r := h.request(http.MethodGet, "/msi/token?api-version=2019-08-01&resource=arm", nil).WithContext(gone)
	r.Header.Set("X-IDENTITY-HEADER", key)
	r.RemoteAddr = "127.0.0.1:1234"
	got := httptest.NewRecorder()
	h.handler.ServeHTTP(got, r)
	if got.Code != http.StatusServiceUnavailable || strings.Contains(h.log.String(), `"ERROR"`) {
		t.Errorf("a call whose caller is gone = %d %s, with the log %s, want still_running", got.Code, got.Body, h.log.String())
	}
}

// TestSecure_RefusesKeysThatCrossedANetworkUnencrypted refuses keys that crossed a network unencrypted.
func TestSecure_RefusesKeysThatCrossedANetworkUnencrypted(t *testing.T) {
	h := newHarness(t, proxied("192.0.2.0/24"))
	key := h.add("billing")
	for name, tc := range map[string]struct {
		from  string
		proto string
		want  int
	}{
		"this machine":            {"127.0.0.1:1234", "", http.StatusOK},
		"this machine, IPv6":      {"[::1]:1234", "", http.StatusOK},
		"another machine":         {"198.51.100.7:1234", "", http.StatusForbidden},
		"another that says https": {"198.51.100.7:1234", "https", http.StatusForbidden},
		"the proxy, by https":     {"192.0.2.7:1234", "https", http.StatusOK},
		"the proxy, by http":      {"192.0.2.7:1234", "http", http.StatusForbidden},
		"the proxy, silent":       {"192.0.2.7:1234", "", http.StatusForbidden},
		"https, then the proxy":   {"192.0.2.7:1234", "https http", http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodGet, "/msi/token?api-version=2019-08-01&resource="+url.QueryEscape(graph), nil)
		r.Header.Set("X-IDENTITY-HEADER", key)
		r.RemoteAddr = tc.from
		if tc.proto != "" {
			r.Header["X-Forwarded-Proto"] = strings.Fields(tc.proto)
		}
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s = %d %s, want %d", name, w.Code, w.Body, tc.want)
		}
	}
}

// TestOpenAPI_ListsEveryRoute compares the document with the routes.
func TestOpenAPI_ListsEveryRoute(t *testing.T) {
	var documented []string
	for path, methods := range readDocument(t).paths {
		for method := range methods {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	slices.Sort(documented)
	served := api.Routes()
	slices.Sort(served)
	if diff := cmp.Diff(served, documented); diff != "" {
		t.Errorf("openapi.json (-served +documented)\n%s", diff)
	}
	h := newHarness(t)
	got := h.send(h.request(http.MethodGet, "/openapi.json", nil))
	var document struct {
		OpenAPI string
		Servers []struct{ URL string }
	}
	if err := json.Unmarshal(got.body, &document); err != nil || document.OpenAPI != "3.1.0" || len(document.Servers) != 1 || document.Servers[0].URL != h.server.URL {
		t.Errorf("GET /openapi.json = %d, %v, want OpenAPI 3.1 with our address", got.status, err)
	}
}

func TestRouter_RefusesInTheFormOfTheProtocol(t *testing.T) {
	h := newHarness(t)
	for address, member := range map[string]string{"/oauth2/token": "error", "/oauth2/a/b/c/d": "error", "/msi/nothing/else/at/all": "message", "/nothing": "error.code"} {
		got := h.send(h.request(http.MethodGet, address, nil))
		if got.status != http.StatusNotFound && got.status != http.StatusMethodNotAllowed || got.text(member) == "" {
			t.Errorf("GET %s = %d %s, want its %s", address, got.status, got.body, member)
		}
	}
}

// TestBasic_EscapedCredentials reads names and keys as RFC 6749 §2.3.1 escapes them.
func TestBasic_EscapedCredentials(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing.eu_1")
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte("billing%2Eeu%5F1:"+url.QueryEscape(key)))
	got := h.post("/oauth2/token", url.Values{"grant_type": {"client_credentials"}, "scope": {"arm"}}, func(r *http.Request) { r.Header.Set("Authorization", header) })
	if got.status != http.StatusOK {
		t.Errorf("escaped credentials = %d %s, want 200", got.status, got.body)
	}
}

// TestREST_ImportsAGrant gives a refresh token, and tells nothing about one that is refused.
func TestREST_ImportsAGrant(t *testing.T) {
	h := newHarness(t)
	key := h.add("importer", operations(client.Import))
	path := "/v1/tenants/" + tenantA + "/grant"
	got := h.rest(http.MethodPost, path, key, `{"refreshToken":"c4n4ry-refresh-token"}`)
	if got.status != http.StatusOK || got.text("consentedBy.username") != "admin@partner.example" || !strings.Contains(string(got.body), `"waiting":true`) {
		t.Errorf("POST %s = %d %s, want who consented", path, got.status, got.body)
	}
	for body, code := range map[string]string{
		`{"refreshToken":"c4n4ry-another"}`: "import_refused", `{"refreshToken":""}`: "bad_request", `{}`: "bad_request", `{"refreshToken":7}`: "bad_request",
		`{"refreshToken":"c4n4ry-refresh-token","tenant":"x"}`: "bad_request", `{"refreshToken":"` + strings.Repeat("x", 50_000) + `"}`: "bad_request", `c4n4ry`: "bad_request",
	} {
		if got := h.rest(http.MethodPost, path, key, body); got.text("error.code") != code || strings.Contains(string(got.body), "c4n4ry") {
			t.Errorf("POST %.60s = %d %s, want %s", body, got.status, got.body, code)
		}
	}
}

// TestREST_QueriesThatCannotBeRead refuses them: without the parameter that is lost, the answer would be that to another question.
func TestREST_QueriesThatCannotBeRead(t *testing.T) {
	h := newHarness(t)
	key := h.add("reader", operations(client.Read, client.Events), anyTenant)
	for _, query := range []string{"state=%zz", "state=active;name=x", "state=active&state=absent", "after=%", "limit=%zz"} {
		for _, path := range []string{"/v1/tenants", "/v1/tenants/" + tenantA + "/history", "/v1/tenants/" + tenantA + "/customers", "/v1/events"} {
			if got := h.rest(http.MethodGet, path+"?"+query, key, ""); got.status != http.StatusBadRequest || got.text("error.code") != "bad_request" {
				t.Errorf("GET %s?%s = %d %s, want a refusal", path, query, got.status, got.body)
			}
		}
	}
}

// TestREST_CustomersThatChangeBetweenPages goes on where the page before ended, although the customer there is one no more.
func TestREST_CustomersThatChangeBetweenPages(t *testing.T) {
	h := newHarness(t)
	reader := h.add("reader", operations(client.Read))
	base := "/v1/tenants/" + tenantA + "/customers"
	next := h.rest(http.MethodGet, base+"?limit=2", reader, "").text("next")
	h.tokens.without = "Customer 1"
	var page struct{ Customers []struct{ Name string } }
	got := h.rest(http.MethodGet, base+"?limit=2&after="+url.QueryEscape(next), reader, "")
	if err := json.Unmarshal(got.body, &page); err != nil || len(page.Customers) != 2 || page.Customers[0].Name != "Customer 2" {
		t.Errorf("the page after a customer that has gone = %d %s, want customers 2 and 3", got.status, got.body)
	}
	for _, after := range []string{"nonsense", "cccccccc-0000-4000-8000-000000000001", "eA"} {
		if got := h.rest(http.MethodGet, base+"?after="+after, reader, ""); got.status != http.StatusBadRequest {
			t.Errorf("after %s = %d %s, want a refusal: an empty page would be the end of the list", after, got.status, got.body)
		}
	}
}

// TestREST_Customers lists the customers of a partner page by page, and changes consents only in directories of the client.
func TestREST_Customers(t *testing.T) {
	h := newHarness(t)
	reader := h.add("reader", operations(client.Read))
	base := "/v1/tenants/" + tenantA + "/customers"
	var page struct {
		Customers []struct{ Directory, Name, Consent string }
		Next      string
	}
	var names []string
	for after, requests := "", 0; requests == 0 || after != ""; requests++ {
		got := h.rest(http.MethodGet, base+"?limit=2&after="+after, reader, "")
		if err := json.Unmarshal(got.body, &page); err != nil || got.status != http.StatusOK || requests > 3 {
			t.Fatalf("GET customers = %d %s", got.status, got.body)
		}
		for _, c := range page.Customers {
			names = append(names, c.Name)
		}
		after = page.Next
	}
	if want := []string{"Customer 0", "Customer 1", "Customer 2", "Customer 3", "Customer 4"}; !slices.Equal(names, want) {
		t.Errorf("the pages list %v, want %v", names, want)
	}
	got := h.rest(http.MethodGet, base+"?search=C3.EXAMPLE", reader, "")
	if err := json.Unmarshal(got.body, &page); err != nil || len(page.Customers) != 1 || page.Customers[0].Name != "Customer 3" {
		t.Errorf("search = %s", got.body)
	}

	const directory, another = "cccccccc-0000-4000-8000-000000000001", "cccccccc-0000-4000-8000-000000000002"
	one := h.add("one", operations(client.Consent), func(c *client.Client) { c.Directories = []string{directory} })
	all := h.add("all-customers", operations(client.Consent), func(c *client.Client) { c.Directories = []string{tenant.CustomerDirectories} })
	own := h.add("own", operations(client.Consent))
	for name, tc := range map[string]struct {
		key, directory string
		want           int
	}{
		"its directory":                 {one, strings.ToUpper(directory), http.StatusOK},
		"another directory":             {one, another, http.StatusForbidden},
		"any customer":                  {all, another, http.StatusOK},
		"the partner's directory alone": {own, directory, http.StatusForbidden},
		"a reader":                      {reader, directory, http.StatusForbidden},
		"nobody":                        {"", directory, http.StatusUnauthorized},
	} {
		for _, method := range []string{http.MethodPost, http.MethodDelete} {
			if got := h.rest(method, base+"/"+tc.directory+"/consent", tc.key, ""); got.status != tc.want {
				t.Errorf("%s by a client with %s = %d %s, want %d", method, name, got.status, got.body, tc.want)
			}
		}
	}
	if len(h.tokens.did) != 4 {
		t.Errorf("done: %v, want four changes", h.tokens.did)
	}
}

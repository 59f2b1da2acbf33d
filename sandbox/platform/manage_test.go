package platform_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/platform"
)

const tenantType = "http://aps.example.com/azure-partner-connector/tenant/2.0"

// another adds an application that acts for the provider, and returns the header and credentials of its requests.
func another(t *testing.T, p *platform.Platform) (made platform.CreatedInstance, header map[string]string) {
	t.Helper()
	made, err := p.AddApplication("Orders", "orders", secret.New("orders-secret"))
	if err != nil {
		t.Fatal(err)
	}
	return made, map[string]string{"APS-Resource-ID": made.RootID}
}

// last returns the last hook.
func (c *connector) last() call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[len(c.calls)-1]
}

// Another application creates, changes and removes a tenant through the controller, and the connector learns which one it is.
func TestController_AnotherApplicationManages(t *testing.T) {
	p, c, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	orders, header := another(t, p)
	order := func(account string) string {
		return fmt.Sprintf(`{"aps":{"type":%q},"directory":"contoso.onmicrosoft.com","account":{"aps":{"id":%q}},"app":{"aps":{"id":%q}}}`, tenantType, account, made.RootID)
	}
	status, _, body := request(t, p, "POST", "/aps/2/resources", order(north.ID), header, "orders", "orders-secret")
	var created struct {
		APS struct{ ID, Type, Status string }
	}
	if err := json.Unmarshal([]byte(body), &created); err != nil || status != 200 || created.APS.Type != tenantType || created.APS.Status != "aps:ready" {
		t.Fatalf("POST /aps/2/resources = %d %s, want a tenant", status, body)
	}
	one := "/aps/2/resources/" + created.APS.ID
	whole := fmt.Sprintf(`{"aps":{"id":%q,"type":%q},"directory":"fabrikam.onmicrosoft.com"}`, created.APS.ID, tenantType)
	for _, tc := range []struct {
		method, path, body string
		status             int
		hook               string
	}{
		{"PUT", one, `{"directory":"tailspin.onmicrosoft.com"}`, 200, "PUT /tenant/" + created.APS.ID},
		{"PUT", "/aps/2/resources/", whole, 200, "PUT /tenant/" + created.APS.ID},
		{"GET", one, "", 200, "GET /tenant/" + created.APS.ID},
		{"DELETE", one, "", 204, "DELETE /tenant/" + created.APS.ID},
	} {
		status, _, body := request(t, p, tc.method, tc.path, tc.body, header, "orders", "orders-secret")
		if got := c.last(); status != tc.status || got.line() != tc.hook || got.header.Get("APS-Application-ID") != orders.ID || got.header.Get("APS-Identity-ID") != "" {
			t.Errorf("%s %s = %d %s with the hook %s of %s, want %d with %s of %s", tc.method, tc.path, status, body, got.line(), got.header.Get("APS-Application-ID"), tc.status, tc.hook, orders.ID)
		}
	}
	for name, tc := range map[string]struct {
		method, path, body string
		header             map[string]string
		status             int
	}{
		"unknown type":              {"POST", "/aps/2/resources", `{"aps":{"type":"http://a.test/x/1.0"}}`, header, 400},
		"no resource":               {"POST", "/aps/2/resources", `[]`, header, 400},
		"unknown account":           {"POST", "/aps/2/resources", order("x"), header, 403},
		"in the own context":        {"POST", "/aps/2/resources", order(north.ID), nil, 403},
		"change of nothing":         {"PUT", "/aps/2/resources", `{"directory":"x"}`, header, 404},
		"another id than addressed": {"PUT", "/aps/2/resources/" + made.RootID, whole, header, 400},
		"change in the own context": {"PUT", "/aps/2/resources/" + made.RootID, `{"cloud":"x"}`, nil, 403},
	} {
		if status, _, body := request(t, p, tc.method, tc.path, tc.body, tc.header, "orders", "orders-secret"); status != tc.status {
			t.Errorf("%s: %s %s = %d %s, want %d", name, tc.method, tc.path, status, body, tc.status)
		}
	}
}

func TestConfigureAs_Scheduled(t *testing.T) {
	p, c, _ := installed(t)
	north, user := reseller(t, p, "North", "")
	id := newTenant(t, p, north)
	if err := p.ConfigureAs(t.Context(), platform.AsUser(user.ID).ScheduledOn("2026-12-01"), id, map[string]any{"directory": "x"}); err != nil {
		t.Fatal(err)
	}
	if got := c.last().header.Get("APS-Scheduled-On-Date"); got != "2026-12-01" {
		t.Errorf("APS-Scheduled-On-Date = %q, want the date", got)
	}
}

// A read through the controller refreshes the resource from the connector, with the reader's headers.
func TestRead_Refreshes(t *testing.T) {
	p, c, made := installed(t)
	north, user := reseller(t, p, "North", "")
	id := newTenant(t, p, north)
	orders, header := another(t, p)
	c.answer = func(got call) (int, map[string]string, string) {
		return 200, nil, fmt.Sprintf(`{"directory":"read-%s"}`, strings.ToLower(got.method))
	}
	for name, tc := range map[string]struct {
		read       func() string
		header, of string
	}{
		"person": {func() string { return string(p.Read(t.Context(), platform.AsUser(user.ID), id).Body) }, "APS-Identity-ID", user.ID},
		"application": {func() string {
			_, _, body := request(t, p, "GET", "/aps/2/resources/"+id, "", header, "orders", "orders-secret")
			return body
		}, "APS-Application-ID", orders.ID},
	} {
		if body := tc.read(); !strings.Contains(body, `"read-get"`) {
			t.Errorf("%s read %s, want what the connector answered", name, body)
		}
		if got := c.last(); got.line() != "GET /tenant/"+id || got.header.Get(tc.header) != tc.of {
			t.Errorf("hook of the %s = %s with %s %q, want a GET with %s", name, got.line(), tc.header, got.header.Get(tc.header), tc.of)
		}
	}
	_, before := c.received()
	if status, _, body := request(t, p, "GET", "/aps/2/resources/"+id, "", nil, key, sharedSecret); status != 200 {
		t.Errorf("GET by the application itself = %d %s, want 200", status, body)
	}
	if status, _, body := request(t, p, "GET", "/aps/2/resources/"+north.ID, "", map[string]string{"APS-Resource-ID": made.RootID}, key, sharedSecret); status != 200 {
		t.Errorf("GET of an account = %d %s, want 200", status, body)
	}
	if _, after := c.received(); len(after) != len(before) {
		t.Errorf("hooks = %v, want none", after[len(before):])
	}
	c.answer = func(call) (int, map[string]string, string) { return 503, nil, `{"message":"not now"}` }
	if got := p.Read(t.Context(), platform.AsUser(user.ID), id); got.Status != 503 || !strings.Contains(string(got.Body), "not now") {
		t.Errorf("Read() = %d %s, want the connector's refusal", got.Status, got.Body)
	}
}

func TestController_Links(t *testing.T) {
	p, _, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	id := newTenant(t, p, north)
	asRoot := map[string]string{"APS-Resource-ID": made.RootID}
	status, _, body := request(t, p, "POST", "/aps/2/application/app/"+made.RootID+"/accounts/"+north.ID, "", asRoot, key, sharedSecret)
	if status != 200 || !json.Valid([]byte(body)) {
		t.Errorf("POST link = %d %s, want 200 with JSON", status, body)
	}
	for path, want := range map[string][]string{
		made.RootID + "/accounts": {north.ID}, id + "/account": {north.ID}, id + "/app": {made.RootID},
		id + "/aps/links": {`"account"`, `"app"`, `"subscription"`, north.ID, made.RootID},
	} {
		status, _, body := request(t, p, "GET", "/aps/2/resources/"+path, "", asRoot, key, sharedSecret)
		if status != 200 || slices.ContainsFunc(want, func(text string) bool { return !strings.Contains(body, text) }) || !strings.HasPrefix(body, "[") {
			t.Errorf("GET %s = %d %s, want a list with %v", path, status, body, want)
		}
	}
	for _, path := range []string{id + "/colour", "x/account", "x/aps/links"} {
		if status, _, body := request(t, p, "GET", "/aps/2/resources/"+path, "", asRoot, key, sharedSecret); status != 404 {
			t.Errorf("GET %s = %d %s, want 404", path, status, body)
		}
	}
}

// An application registers a resource that it has already, and unregisters it, without being called.
func TestController_RegistersAndUnregisters(t *testing.T) {
	p, c, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	asRoot := map[string]string{"APS-Resource-ID": made.RootID}
	subscription := newTenant(t, p, north)
	linked, _ := p.Resource(subscription)
	sold := linked["subscription"].(map[string]any)["aps"].(map[string]any)["id"]
	const id = "6e1f2a34-0c5b-4d7e-9a8b-1c2d3e4f5061"
	of := func(links string) string {
		return fmt.Sprintf(`{"aps":{"id":%q,"type":%q},"directory":"contoso.onmicrosoft.com"%s}`, id, tenantType, links)
	}
	links := fmt.Sprintf(`,"account":{"aps":{"id":%q}},"subscription":{"aps":{"id":%q}},"app":{"aps":{"id":%q}}`, north.ID, sold, made.RootID)
	_, before := c.received()
	for _, tc := range []struct {
		method, path, body string
		want               int
	}{
		{"POST", "/aps/2/application/tenant", of(""), 400}, // the app is required
		{"POST", "/aps/2/application/app/", of(links), 404},
		{"POST", "/aps/2/application/tenant/", of(links + `,"colour":"red"`), 400},
		{"POST", "/aps/2/application/tenant/", of(links), 200},
		{"POST", "/aps/2/application/tenant/", of(links), 409},
		{"DELETE", "/aps/2/application/app/" + made.RootID, "", 409},
		{"DELETE", "/aps/2/application/tenant/x", "", 404},
	} {
		if status, _, body := request(t, p, tc.method, tc.path, tc.body, asRoot, key, sharedSecret); status != tc.want {
			t.Errorf("%s %s %s = %d %s, want %d", tc.method, tc.path, tc.body, status, body, tc.want)
		}
	}
	if r, ok := p.Resource(id); !ok || r["aps"].(map[string]any)["status"] != "aps:ready" || len(p.ResourcesOf(north.ID, tenantType)) != 2 {
		t.Errorf("the registered resource is %v, want a ready one of the account", r)
	}
	if status, _, body := request(t, p, "DELETE", "/aps/2/application/tenant/"+id, "", asRoot, key, sharedSecret); status != 204 {
		t.Errorf("DELETE = %d %s, want 204", status, body)
	}
	if _, ok := p.Resource(id); ok {
		t.Error("the unregistered resource is still there")
	}
	if _, after := c.received(); len(after) != len(before) {
		t.Errorf("hooks = %v, want none", after[len(before):])
	}
}

func TestController_FiltersTypes(t *testing.T) {
	p, _, _ := installed(t)
	for query, want := range map[string]string{
		"?id=" + tenantType: tenantType,
		"?eq(name,tenant)":  tenantType,
		"?implementing(http://aps-standard.org/types/core/subscription/service),in(name,(tenant,box))": tenantType,
		"?composing(" + tenantType + "),like(id,*suspendable*)":                                        "http://aps-standard.org/types/core/suspendable/1.0",
	} {
		status, header, body := request(t, p, "GET", "/aps/2/types"+query, "", nil, key, sharedSecret)
		var list []struct{ ID string }
		if err := json.Unmarshal([]byte(body), &list); status != 200 || err != nil || len(list) != 1 || list[0].ID != want || header.Get("Content-Range") != "items 0-0/1" {
			t.Errorf("GET /aps/2/types%s = %d %s, want %s", query, status, body, want)
		}
	}
	for query, want := range map[string]int{"?near(a,b)": 400, "?eq(a": 400, "?limit(x)": 400, "?limit(0,1)": 200} {
		if status, _, body := request(t, p, "GET", "/aps/2/types"+query, "", nil, key, sharedSecret); status != want {
			t.Errorf("GET /aps/2/types%s = %d %s, want %d", query, status, body, want)
		}
	}
}

// Production clients list resources by these functions, also without the version of a type.
func TestController_FiltersResources(t *testing.T) {
	p, _, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	id := newTenant(t, p, north)
	asRoot := map[string]string{"APS-Resource-ID": made.RootID}
	for query, want := range map[string]int{
		"implementing(http://parallels.com/aps/types/pa/account),in(type,(RESELLER,CLIENT))": 1,
		"implementing(http://parallels.com/aps/types/pa/account),in(type,(RESELLER,ADMIN))":  2,
		"implementing(http://parallels.com/aps/types/pa/account),out(type,(RESELLER,ADMIN))": 0,
		"implementing(http://parallels.com/aps/types/pa/account/2)":                          0,
		"implementing(http://aps-standard.org/types/core/suspendable),eq(aps.id," + id + ")": 1,
		"composing(" + tenantType + "),eq(aps.id," + id + ")":                                1,
		"composing(http://aps-standard.org/types/core/resource/1.0),eq(aps.id," + id + ")":   0,
	} {
		status, _, body := request(t, p, "GET", "/aps/2/resources?"+query, "", asRoot, key, sharedSecret)
		var list []apsResource
		if err := json.Unmarshal([]byte(body), &list); status != 200 || err != nil || len(list) != want {
			t.Errorf("GET /aps/2/resources?%s = %d %s, want %d resources", query, status, body, want)
		}
	}
}

// CloudBlue's own client sends the same signed bytes again after a 400.
func TestController_AcceptsNonceAgainAfter400(t *testing.T) {
	p, _, _ := installed(t)
	nonces := 0
	prepared := func(path, transaction string) (again func() int) {
		nonces++
		nonce := fmt.Sprintf("0123456789abcdef0123456789abcd%02d", nonces)
		return func() int {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL()+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if transaction != "" {
				req.Header.Set("APS-Transaction-ID", transaction)
			}
			if err := oauth1.Sign(req, oauth1.Credentials{Key: key, Secret: secret.New(sharedSecret)}, time.Now(), nonce); err != nil {
				t.Fatal(err)
			}
			status, _, _ := send(t, req)
			return status
		}
	}
	for name, tc := range map[string]struct {
		again func() int
		want  [2]int
	}{
		"bad query":         {prepared("/aps/2/types?near(a,b)", ""), [2]int{400, 400}},
		"stale transaction": {prepared("/aps/2/types", "1-1"), [2]int{400, 400}},
		"good":              {prepared("/aps/2/types", ""), [2]int{200, 401}},
		"not found":         {prepared("/aps/2/resources/x", ""), [2]int{404, 401}},
	} {
		if got := [2]int{tc.again(), tc.again()}; got != tc.want {
			t.Errorf("%s: the same request twice = %v, want %v", name, got, tc.want)
		}
	}
}

func TestAllowImpersonation_DecidesAboutRequestsForOthers(t *testing.T) {
	p, _, made := installed(t)
	asRoot := map[string]string{"APS-Resource-ID": made.RootID}
	for _, allowed := range []bool{false, true} {
		if err := p.AllowImpersonation(made.ID, allowed); err != nil {
			t.Fatal(err)
		}
		status, _, body := request(t, p, "GET", "/aps/2/resources/"+p.Provider().ID, "", asRoot, key, sharedSecret)
		if want := map[bool]int{false: 403, true: 200}[allowed]; status != want {
			t.Errorf("GET as the owner of the root = %d %s, want %d", status, body, want)
		}
	}
	if status, _, body := request(t, p, "GET", "/aps/2/application", "", nil, key, sharedSecret); status != 200 {
		t.Errorf("GET in the own context = %d %s, want 200", status, body)
	}
	if err := p.AllowImpersonation("x", false); err == nil {
		t.Error("AllowImpersonation() of nothing = nil, want an error")
	}
}

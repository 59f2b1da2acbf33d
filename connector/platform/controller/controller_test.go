package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/platform/transaction"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

const (
	key      = "instance-key"
	canary   = "s3cr3t-c4n4ry"
	rootID   = "6e1f2a34-0c5b-4d7e-9a8b-1c2d3e4f5061"
	userID   = "11111111-0000-4000-8000-000000000001"
	resellID = "22222222-0000-4000-8000-000000000002"
	adminID  = "33333333-0000-4000-8000-000000000003"
	tenantID = "44444444-0000-4000-8000-000000000004"
)

// A platform is a controller that verifies signatures and returns the answers that the test sets.
type platform struct {
	t       *testing.T
	url     string
	answers map[string]func(r *http.Request) (int, string) // method and request URI → answer
	seen    []*http.Request
	bodies  []string      // of the requests in seen
	secrets []secret.Text // that the client signs with
}

func start(t *testing.T) (*platform, *controller.Client, tenant.Instance) {
	p := &platform{t: t, answers: map[string]func(*http.Request) (int, string){}, secrets: []secret.Text{secret.New(canary)}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	hc, err := httpclient.New(httpclient.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, err := controller.New(controller.Config{
		HTTP: hc, Log: slog.New(slog.DiscardHandler),
		Secrets: func(consumerKey string) ([]secret.Text, bool) { return p.secrets, consumerKey == key },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, c, tenant.Instance{Key: key, RootID: rootID, ControllerURI: server.URL + "/"}
}

func (p *platform) on(request string, status int, body string) {
	p.answers[request] = func(*http.Request) (int, string) { return status, body }
}

func (p *platform) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	params, err := oauth1.Parse(r.Header.Get("Authorization"))
	if err == nil {
		err = oauth1.Verify(&params, r.Method, p.url+r.RequestURI, []secret.Text{secret.New(canary)}, time.Now(), oauth1.DefaultWindow)
	}
	if err != nil {
		p.t.Errorf("%s %s has no valid signature: %v", r.Method, r.RequestURI, err)
	}
	body, _ := io.ReadAll(r.Body)
	p.seen, p.bodies = append(p.seen, r), append(p.bodies, string(body))
	answer, ok := p.answers[r.Method+" "+r.RequestURI]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	status, text := answer(r)
	w.WriteHeader(status)
	io.WriteString(w, text)
}

// During a replacement, the platform may have either secret.
func TestCall_DuringReplacementOfSecret(t *testing.T) {
	const old = "s3cr3t-of-yesterday"
	for name, tc := range map[string]struct {
		platformHas string
		previous    string
		attempts    int
		want        bool
	}{
		"the platform has the new one":     {canary, old, 1, true},
		"the platform has the old one":     {old, old, 2, true},
		"the platform has another one":     {"s3cr3t-of-another", old, 2, false},
		"nothing is replaced and refused":  {old, "", 1, false},
		"nothing is replaced and accepted": {canary, "", 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			attempts := 0
			var url string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				attempts++
				params, err := oauth1.Parse(r.Header.Get("Authorization"))
				if err == nil {
					err = oauth1.Verify(&params, r.Method, url+r.RequestURI, []secret.Text{secret.New(tc.platformHas)}, time.Now(), oauth1.DefaultWindow)
				}
				if err != nil {
					w.WriteHeader(http.StatusUnauthorized)
					io.WriteString(w, `{"message":"`+canary+` is not the secret"}`)
				}
			}))
			defer server.Close()
			url = server.URL
			p, c, in := start(t)
			in.ControllerURI = url
			if tc.previous != "" {
				p.secrets = append(p.secrets, secret.New(tc.previous))
			}
			err := c.PushTenant(t.Context(), in, tenantID, map[string]any{"tokenStatus": "active"})
			if (err == nil) != tc.want || attempts != tc.attempts {
				t.Errorf("PushTenant() = %v after %d attempts, want success: %v after %d", err, attempts, tc.want, tc.attempts)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("PushTenant() = %v, want no secret in it", err)
			}
		})
	}
}

func queryOfUser(id string) string {
	return "GET /aps/2/resources?implementing(http://parallels.com/aps/types/pa/user/1.0),eq(aps.id," + id + "),select(organization)"
}

func account(id, kind, parent string) string {
	text := `{"aps":{"type":"http://parallels.com/aps/types/pa/account/1.2","id":"` + id + `"},"type":"` + kind + `","companyName":"Fabrikam"`
	if parent != "" {
		text += `,"parent":{"aps":{"link":"weak","href":"/aps/2/resources/` + parent + `"}}`
	}
	return text + "}"
}

func TestUserAccount_IsFoundForUsersAndAccounts(t *testing.T) {
	reseller := tenant.Account{ID: resellID, Type: tenant.ResellerAccount, ParentID: adminID, Name: "Fabrikam"}
	for name, tc := range map[string]struct {
		identity string
		answers  map[string]string
		want     tenant.Account
	}{
		"a user": {userID, map[string]string{
			queryOfUser(userID):                `[{"organization":{"aps":{"link":"strong","id":"` + resellID + `"}}}]`,
			"GET /aps/2/resources/" + resellID: account(resellID, "RESELLER", adminID),
		}, reseller},
		"a user whose organization has an address only": {userID, map[string]string{
			queryOfUser(userID):                `[{"organization":{"aps":{"href":"/aps/2/resources/` + resellID + `"}}}]`,
			"GET /aps/2/resources/" + resellID: account(resellID, "RESELLER", adminID),
		}, reseller},
		"a user with a name": {userID, map[string]string{
			queryOfUser(userID):                `[{"organization":{"aps":{"id":"` + resellID + `"}},"fullName":"","displayName":"Mara Lind","login":"mara"}]`,
			"GET /aps/2/resources/" + resellID: account(resellID, "RESELLER", adminID),
		}, tenant.Account{ID: resellID, Type: tenant.ResellerAccount, ParentID: adminID, Name: "Fabrikam", User: "Mara Lind"}},
		"an account": {resellID, map[string]string{
			queryOfUser(resellID):              `[]`,
			"GET /aps/2/resources/" + resellID: account(resellID, "RESELLER", adminID),
		}, reseller},
		"the provider in capitals": {strings.ToUpper(adminID), map[string]string{
			queryOfUser(adminID):              `[]`,
			"GET /aps/2/resources/" + adminID: account(strings.ToUpper(adminID), "ADMIN", ""),
		}, tenant.Account{ID: adminID, Type: tenant.ProviderAccount, Name: "Fabrikam"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, in := start(t)
			for request, body := range tc.answers {
				p.on(request, http.StatusOK, body)
			}
			got, err := c.UserAccount(t.Context(), in, tc.identity)
			if err != nil {
				t.Fatalf("UserAccount(%s) = %v, want no error", tc.identity, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("UserAccount(%s) differs (-want +got):\n%s", tc.identity, diff)
			}
			for _, r := range p.seen {
				if r.Header.Get("APS-Resource-ID") != rootID {
					t.Errorf("%s has no APS-Resource-ID %s, want the provider's context", r.RequestURI, rootID)
				}
			}
		})
	}
}

func TestUserAccount_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		identity string
		answers  map[string]string
		want     failure.Code
	}{
		"no UUID":          {"1", nil, failure.NotFound},
		"a UUID in braces": {"{" + userID + "}", nil, failure.NotFound},
		"RQL":              {userID + "),eq(a", nil, failure.NotFound},
		"unknown":          {userID, map[string]string{queryOfUser(userID): `[]`}, failure.NotFound},
		"two users":        {userID, map[string]string{queryOfUser(userID): `[{},{}]`}, failure.NotFound},
		"no organization":  {userID, map[string]string{queryOfUser(userID): `[{}]`}, failure.NotFound},
		"not JSON":         {userID, map[string]string{queryOfUser(userID): `<html>`}, failure.PlatformRefused},
		"not a list":       {userID, map[string]string{queryOfUser(userID): `{"organization":{}}`}, failure.PlatformRefused},
		"too large":        {userID, map[string]string{queryOfUser(userID): `["` + strings.Repeat("x", 1<<20) + `"]`}, failure.PlatformRefused},
		"other application's resource": {userID, map[string]string{
			queryOfUser(userID):              `[]`,
			"GET /aps/2/resources/" + userID: `{"aps":{"type":"http://evil.example.com/account/1.0","id":"` + userID + `"},"type":"ADMIN"}`,
		}, failure.NotFound},
		"another account": {userID, map[string]string{
			queryOfUser(userID):              `[]`,
			"GET /aps/2/resources/" + userID: account(adminID, "ADMIN", ""),
		}, failure.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, in := start(t)
			for request, body := range tc.answers {
				p.on(request, http.StatusOK, body)
			}
			if got, err := c.UserAccount(t.Context(), in, tc.identity); !failure.Is(err, tc.want) {
				t.Errorf("UserAccount(%s) = %v, %v, want %s", tc.identity, got, err, tc.want)
			}
		})
	}
}

// TestCall_PlatformRefusals: what the platform says is in the log, and in nothing that a caller sees.
func TestCall_PlatformRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   failure.Code
		reason string
		logged string
	}{
		"unknown":       {404, `{"error":"APS::Util::Exception","message":"no"}`, failure.NotFound, "", `: "no"`},
		"down":          {503, `{"message":"starting"}`, failure.PlatformUnavailable, "", `: "starting"`},
		"slow":          {408, ``, failure.PlatformUnavailable, "", ""},
		"busy":          {429, ``, failure.PlatformUnavailable, "", ""},
		"message":       {409, `{"error":"APS::X","message":"Property is\nunknown"}`, failure.PlatformRefused, "HTTP status 409", `: "Property is unknown"`},
		"error only":    {400, `{"error":"APS::Util::AccessViolation"}`, failure.PlatformRefused, "HTTP status 400", `: "APS::Util::AccessViolation"`},
		"long message":  {400, `{"message":"` + strings.Repeat("ä", 300) + `"}`, failure.PlatformRefused, "HTTP status 400", `: "` + strings.Repeat("ä", 200) + `…"`},
		"no message":    {403, `<html>`, failure.PlatformRefused, "HTTP status 403", ""},
		"redirect":      {302, ``, failure.PlatformRefused, "HTTP status 302", ""},
		"quoted header": {401, `{"message":"bad OAuth oauth_signature=\"x\""}`, failure.PlatformRefused, "HTTP status 401", ""},
		"quoted secret": {401, `{"message":"bad ` + canary + `"}`, failure.PlatformRefused, "HTTP status 401", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, in := start(t)
			p.on("PUT /aps/2/application/tenant/"+tenantID, tc.status, tc.body)
			err := c.PushTenant(t.Context(), in, tenantID, map[string]any{"tokenStatus": "active"})
			if !failure.Is(err, tc.want) || failure.From(err).Params["reason"] != tc.reason {
				t.Errorf("PushTenant with answer %d %s = %v, want %s %q", tc.status, tc.body, err, tc.want, tc.reason)
			}
			if want := fmt.Sprintf("HTTP status %d%s", tc.status, tc.logged); !strings.HasSuffix(err.Error(), want) {
				t.Errorf("PushTenant with answer %d %s = %v, want %s for the log", tc.status, tc.body, err, want)
			}
			if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "oauth_") {
				t.Errorf("PushTenant = %v, want no secret in it", err)
			}
			if len(p.seen) != 1 {
				t.Errorf("PushTenant sent %d requests, want 1: its caller retries", len(p.seen))
			}
		})
	}
}

// TestCall_OnlyTheListedController: an instance at another address, and an answer that redirects elsewhere, lead nowhere else.
func TestCall_OnlyTheListedController(t *testing.T) {
	p, _, in := start(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another address was called: %s %s", r.Method, r.URL)
	}))
	defer elsewhere.Close()
	hc, err := httpclient.New(httpclient.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, err := controller.New(controller.Config{
		HTTP: hc, Secrets: func(string) ([]secret.Text, bool) { return p.secrets, true }, Controllers: func(string) []string { return []string{p.url} },
	})
	if err != nil {
		t.Fatal(err)
	}
	in.ControllerURI = elsewhere.URL
	p.on("PUT /aps/2/application/tenant/"+tenantID, http.StatusOK, "{}")
	if err := c.PushTenant(t.Context(), in, tenantID, nil); err != nil || len(p.seen) != 1 {
		t.Errorf("PushTenant() = %v after %d calls of the listed controller, want one", err, len(p.seen))
	}
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	p.url, in.ControllerURI = server.URL, server.URL
	if err := c.PushTenant(t.Context(), in, tenantID, nil); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("PushTenant() with a redirect = %v, want %s", err, failure.PlatformRefused)
	}
}

func TestCall_UnreachablePlatform(t *testing.T) {
	_, c, in := start(t)
	for name, uri := range map[string]string{"no listener": "http://127.0.0.1:1/", "empty": "", "relative": "/aps", "not http": "ftp://127.0.0.1/", "not a URL": "http://%zz/"} {
		in.ControllerURI = uri
		if err := c.Resource(t.Context(), in, tenantID, nil); !failure.Is(err, failure.PlatformUnavailable) {
			t.Errorf("Resource at a controller that is %s = %v, want %s", name, err, failure.PlatformUnavailable)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, c, in = start(t)
	if err := c.Resource(ctx, in, tenantID, nil); !failure.Is(err, failure.PlatformUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Resource with a cancelled context = %v, want %s", err, failure.PlatformUnavailable)
	}
}

func TestPushTenant_SendsProperties(t *testing.T) {
	p, c, in := start(t)
	p.on("PUT /aps/2/application/tenant/"+tenantID, http.StatusNoContent, "")
	want := map[string]any{"tokenStatus": "active", "tokenExpiresAt": "2027-02-21T08:20:00Z"}
	if err := c.PushTenant(t.Context(), in, tenantID, want); err != nil {
		t.Fatalf("PushTenant = %v, want no error", err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(p.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("PushTenant sent (-want +got):\n%s", diff)
	}
	if h := p.seen[0].Header; h.Get("APS-Transaction-ID") != "" || h.Get("APS-Resource-ID") != "" || h.Get("Content-Type") != "application/json" {
		t.Errorf("PushTenant sent the headers %v, want JSON without transaction and resource", h)
	}
}

func TestCall_Transactions(t *testing.T) {
	const request = "PUT /aps/2/application/tenant/" + tenantID
	stale := func(r *http.Request) (int, string) {
		if r.Header.Get("APS-Transaction-ID") != "" {
			return http.StatusBadRequest, `{"error":"APS::Hosting::Exception","message":"Transaction not found by id 1-2"}`
		}
		return http.StatusOK, "{}"
	}
	always := func(*http.Request) (int, string) {
		return http.StatusBadRequest, `{"message":"Transaction not found by id 1-2"}`
	}
	for name, tc := range map[string]struct {
		answer func(*http.Request) (int, string)
		id     string
		want   []string // transactions of the requests made
		ok     bool
	}{
		"active":          {func(*http.Request) (int, string) { return 200, "{}" }, "1-2", []string{"1-2"}, true},
		"stale":           {stale, "1-2", []string{"1-2", ""}, true},
		"always stale":    {always, "1-2", []string{"1-2", ""}, false},
		"none":            {always, "", []string{""}, false},
		"another refusal": {func(*http.Request) (int, string) { return 400, `{"message":"no"}` }, "1-2", []string{"1-2"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, in := start(t)
			p.answers[request] = tc.answer
			err := c.PushTenant(transaction.With(t.Context(), tc.id), in, tenantID, map[string]any{"tokenStatus": "active"})
			if (err == nil) != tc.ok {
				t.Errorf("PushTenant = %v, want success %v", err, tc.ok)
			}
			var got []string
			for i, r := range p.seen {
				got = append(got, r.Header.Get("APS-Transaction-ID"))
				if p.bodies[i] != `{"tokenStatus":"active"}` {
					t.Errorf("request %d has the body %s, want the same body each time", i, p.bodies[i])
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("transactions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNew_RefusesEmptyConfig(t *testing.T) {
	if _, err := controller.New(controller.Config{}); err == nil {
		t.Error("New(Config{}) = nil, want an error")
	}
}

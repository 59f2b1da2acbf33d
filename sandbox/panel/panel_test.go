package panel_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel"
)

// A client calls the panel as its page does.
type client struct {
	t     *testing.T
	url   string
	http  *http.Client
	token string
}

func newClient(t *testing.T, p *platform) *client {
	t.Helper()
	handler, err := panel.New(panel.Config{Backend: p})
	if err != nil {
		t.Fatalf("New() = %v, want no error", err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, url: server.URL, http: &http.Client{Jar: jar}}
}

// call returns status and body of the answer.
func (c *client) call(method, path, body string, header http.Header) (int, string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewBufferString(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if header != nil {
		r.Header = header
	}
	resp, err := c.http.Do(r)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}

func (c *client) logIn(user string) {
	c.t.Helper()
	status, body := c.call(http.MethodPost, "/panel/api/session", `{"user":"`+user+`"}`, nil)
	var given struct{ Token string }
	if err := json.Unmarshal([]byte(body), &given); err != nil || status != http.StatusOK || given.Token == "" {
		c.t.Fatalf("logging in as %s = %d %s, want a token", user, status, body)
	}
	c.token = given.Token
}

func TestNew_NeedsABackend(t *testing.T) {
	if _, err := panel.New(panel.Config{}); err == nil {
		t.Error("New() = nil error, want one about the backend")
	}
}

func TestSession_RefusesBrowsersNotLoggedIn(t *testing.T) {
	c := newClient(t, newPlatform(t))
	for _, path := range []string{
		"/panel/api/navigation?panel=ux1", "/panel/api/context?panel=ux1&package=" + packageID + "&view=token",
		"/aps/2/resources/" + tenantID, "/aps/2/resources/" + tenantID + "/tokenStatus",
	} {
		if got, body := c.call(http.MethodGet, path, "", nil); got != http.StatusUnauthorized {
			t.Errorf("GET %s = %d %s, want 401", path, got, body)
		}
	}
	if got, _ := c.call(http.MethodPost, "/panel/api/session", `{"user":"nobody"}`, nil); got != http.StatusNotFound {
		t.Errorf("logging in as nobody = %d, want 404", got)
	}
}

func TestOperation_NeedsTheTokenOfTheSession(t *testing.T) {
	p := newPlatform(t)
	c := newClient(t, p)
	c.logIn(resellerID)
	for name, tc := range map[string]struct {
		token string
		want  int
	}{
		"none":     {"", http.StatusForbidden},
		"wrong":    {"guess", http.StatusForbidden},
		"its own":  {c.token, http.StatusOK},
		"too long": {c.token + "x", http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			before := p.called("tokenStatus")
			got, body := c.call(http.MethodGet, "/aps/2/resources/"+tenantID+"/tokenStatus", "", http.Header{"Aps-Token": {tc.token}})
			if got != tc.want {
				t.Errorf("GET tokenStatus = %d %s, want %d", got, body, tc.want)
			}
			if reached := p.called("tokenStatus") > before; reached != (tc.want == http.StatusOK) {
				t.Errorf("reached the connector = %v, want %v", reached, !reached)
			}
		})
	}
}

func TestSession_ForeignPagesCannotLogIn(t *testing.T) {
	c := newClient(t, newPlatform(t))
	foreign := http.Header{"Origin": {"https://elsewhere.example"}, "Sec-Fetch-Site": {"cross-site"}}
	if got, _ := c.call(http.MethodPost, "/panel/api/session", `{"user":"`+resellerID+`"}`, foreign); got != http.StatusForbidden {
		t.Errorf("POST session from a foreign page = %d, want 403", got)
	}
}

func TestOperation_ReportsAnUnreachableConnector(t *testing.T) {
	p := newPlatform(t)
	p.gone = true
	c := newClient(t, p)
	c.logIn(resellerID)
	got, body := c.call(http.MethodPost, "/aps/2/resources/"+tenantID+"/renew", "{}", http.Header{"Aps-Token": {c.token}})
	if got != http.StatusBadGateway || !strings.Contains(body, "application endpoint") {
		t.Errorf("POST renew = %d %s, want 502 and a message", got, body)
	}
}

func TestFiles_OnlyThoseOfScreens(t *testing.T) {
	c := newClient(t, newPlatform(t))
	base := "/aps/2/packages/" + packageID
	for path, want := range map[string]int{
		base + "/ui/bootstrapApp.html":            http.StatusOK,
		base + "/ui/ux1/token.js":                 http.StatusOK,
		base + "/i18n/de_DE.json":                 http.StatusOK,
		base + "/embed.go":                        http.StatusNotFound,
		base + "/ui/../embed.go":                  http.StatusNotFound,
		base + "/ui/%2e%2e/embed.go":              http.StatusNotFound,
		base + "/ui/none.js":                      http.StatusNotFound,
		"/aps/2/packages/other/ui/ux1/token.js":   http.StatusNotFound,
		"/aps/2/ui/runtime/client/aps/aps.js":     http.StatusOK,
		"/aps/2/ui/runtime/client/aps/Wizard.js":  http.StatusNotFound,
		"/aps/2/ui/runtime/client/aps/../aps.css": http.StatusNotFound,
	} {
		if got, _ := c.call(http.MethodGet, path, "", nil); got != want {
			t.Errorf("GET %s = %d, want %d", path, got, want)
		}
	}
}

func TestNavigation_ShowsWhatTheUserMaySee(t *testing.T) {
	for name, tc := range map[string]struct {
		user, panel, locale string
		tenants             int
		want                []string // section and labels
	}{
		"reseller in UX1":     {resellerID, "ux1", "en_US", 1, []string{"", "Azure Partner (NCE)", "Manage Refresh Token"}},
		"reseller in classic": {resellerID, "classic", "en_US", 1, []string{"Services", "Azure Partner (NCE)", "Manage Refresh Token"}},
		"in German":           {resellerID, "ux1", "de_DE", 1, []string{"", "Azure Partner (NCE)", "Aktualisierungstoken verwalten"}},
		"in no language":      {resellerID, "ux1", "../../x", 1, []string{"", "Azure Partner (NCE)", "Manage Refresh Token"}},
		"without a tenant":    {resellerID, "ux1", "en_US", 0, nil},
		"provider in UX1":     {providerID, "ux1", "en_US", 1, []string{"", "Azure Partner (NCE)", "Refresh Tokens"}},
		"provider in classic": {providerID, "classic", "en_US", 1, []string{"Applications", "Azure Partner (NCE)", "Refresh Tokens"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.tenants = p.tenants[:tc.tenants]
			c := newClient(t, p)
			c.logIn(tc.user)
			status, body := c.call(http.MethodGet, "/panel/api/navigation?panel="+tc.panel+"&locale="+tc.locale, "", nil)
			var sections []struct {
				Label string
				Nodes []panel.Node
			}
			if err := json.Unmarshal([]byte(body), &sections); err != nil || status != http.StatusOK {
				t.Fatalf("GET navigation = %d %s", status, body)
			}
			var got []string
			for _, s := range sections {
				got = append(got, s.Label, s.Nodes[0].Label, s.Nodes[0].Nodes[0].Label)
			}
			if strings.Join(got, "|") != strings.Join(tc.want, "|") {
				t.Errorf("navigation = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestContext_HasTenantSubscriptionAndLanguage(t *testing.T) {
	c := newClient(t, newPlatform(t))
	c.logIn(resellerID)
	status, body := c.call(http.MethodGet, "/panel/api/context?panel=ux1&locale=de_DE&view=token&package="+packageID, "", nil)
	var got struct {
		Vars struct {
			Tenant []struct{ APS struct{ ID string } }
		}
		SubscriptionID string
		Locale         string `json:"_locale"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("GET context = %d %s", status, body)
	}
	if len(got.Vars.Tenant) != 1 || got.Vars.Tenant[0].APS.ID != tenantID || got.SubscriptionID != "s-1" || got.Locale != "de_DE" {
		t.Errorf("context = %s, want the tenant, its subscription and the language", body)
	}
	if status, _ := c.call(http.MethodGet, "/panel/api/context?panel=ux1&view=secret&package="+packageID, "", nil); status != http.StatusNotFound {
		t.Errorf("GET context of an unknown view = %d, want 404", status)
	}
}

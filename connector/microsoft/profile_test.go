package microsoft_test

import (
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/microsoft"

	"go.yaml.in/yaml/v3"
)

func TestNew_Refuses(t *testing.T) {
	valid := testProfile("https://lab.example")
	for name, change := range map[string]func(*microsoft.Config){
		"no client":               func(c *microsoft.Config) { c.HTTP = nil },
		"no probe client":         func(c *microsoft.Config) { c.ProbeHTTP = nil },
		"profile without name":    func(c *microsoft.Config) { c.Profiles[0].Name = "" },
		"name with a slash":       func(c *microsoft.Config) { c.Profiles[0].Name = "a/b" },
		"no authority":            func(c *microsoft.Config) { c.Profiles[0].Authority = "" },
		"plain http elsewhere":    func(c *microsoft.Config) { c.Profiles[0].Authority = "http://login.example" },
		"authority with a query":  func(c *microsoft.Config) { c.Profiles[0].Authority = "https://login.example?x=1" },
		"authority with a user":   func(c *microsoft.Config) { c.Profiles[0].Authority = "https://me@login.example" },
		"not an address":          func(c *microsoft.Config) { c.Profiles[0].Graph.BaseURL = "graph.example" },
		"no token issuer":         func(c *microsoft.Config) { c.Profiles[0].TokenIssuer = "" },
		"no scope":                func(c *microsoft.Config) { c.Profiles[0].ARM.Scope = " " },
		"no audience":             func(c *microsoft.Config) { c.Profiles[0].ARM.Audience = "" },
		"scope of two resources":  func(c *microsoft.Config) { c.Profiles[0].ARM.Scope += " https://graph.microsoft.com/User.Read" },
		"scope without resources": func(c *microsoft.Config) { c.Profiles[0].Graph.Scope = "User.Read" },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := microsoft.Config{HTTP: http.DefaultClient, ProbeHTTP: http.DefaultClient, Profiles: []microsoft.Profile{valid}}
			change(&cfg)
			if _, err := microsoft.New(cfg); err == nil {
				t.Errorf("New(%s) = nil, want an error", name)
			}
		})
	}
}

func TestProfiles_AreValidAndComplete(t *testing.T) {
	want := map[string]bool{"global": true, "usgov": true, "usgov-dod": true, "china": true}
	for _, p := range microsoft.Profiles() {
		if err := p.Validate(); err != nil {
			t.Errorf("Validate(%s) = %v, want nil", p.Name, err)
		}
		if !want[p.Name] {
			t.Errorf("Profiles() has %q or has it twice", p.Name)
		}
		delete(want, p.Name)
	}
	if len(want) > 0 {
		t.Errorf("Profiles() lacks %v", want)
	}
}

// A profile in a file overrides a built-in one field by field, so that a single scope can be corrected.
func TestProfiles_Override(t *testing.T) {
	var own microsoft.Profile
	text := "name: usgov\nauthority: http://127.0.0.1:1/\narm: {scope: https://x.example//.default, audience: https://x.example/}\n"
	if err := yaml.Unmarshal([]byte(text), &own); err != nil {
		t.Fatalf("yaml.Unmarshal() = %v, want nil", err)
	}
	c, err := microsoft.New(microsoft.Config{HTTP: http.DefaultClient, ProbeHTTP: http.DefaultClient, Profiles: []microsoft.Profile{own}})
	if err != nil {
		t.Fatalf("New() = %v, want nil", err)
	}
	client := testClient()
	client.Cloud = "usgov"
	address, err := c.AuthorizeURL(client, authorizeRequest())
	if err != nil {
		t.Fatalf("AuthorizeURL() = %v, want nil", err)
	}
	q := query(t, address)
	if !strings.HasPrefix(address, "http://127.0.0.1:1/"+directory+"/oauth2/v2.0/authorize?") {
		t.Errorf("AuthorizeURL() = %s, want the configured authority", address)
	}
	if got, want := q.Get("scope"), "openid profile offline_access https://api.partnercenter.microsoft.com/user_impersonation "+
		"https://graph.microsoft.us/User.Read https://graph.microsoft.us/Directory.Read.All https://x.example//.default"; got != want {
		t.Errorf("scope = %q, want %q", got, want)
	}
}

package microsoft

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const globalCloud = "global"

var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

// A Profile holds the addresses of one of Microsoft's clouds, without trailing slashes.
type Profile struct {
	// Name is the name of the cloud in an instance's settings. Required.
	Name string `yaml:"name"`
	// Authority is the identity platform, for example https://login.microsoftonline.com. Issuers of id_tokens begin
	// with it.
	Authority string `yaml:"authority"`
	// TokenIssuer begins the issuer of v1.0 tokens, for example https://sts.windows.net. An id_token may name an
	// account's directory in that form.
	TokenIssuer   string   `yaml:"tokenIssuer"`
	PartnerCenter Endpoint `yaml:"partnerCenter"`
	Graph         Endpoint `yaml:"graph"`
	ARM           Endpoint `yaml:"arm"`
}

// An Endpoint is one api in one cloud.
type Endpoint struct {
	BaseURL string `yaml:"baseURL"`
	// Scope is requested at sign-in and at every redemption: one or more permissions, separated by spaces, all of the
	// resource Audience. Permissions and ".default" must not be mixed (docs/reference/microsoft-identity.md §1.4).
	Scope string `yaml:"scope"`
	// Audience is the resource whose permissions Scope names.
	Audience string `yaml:"audience"`
}

// Profiles returns the built-in clouds (docs/reference/microsoft-identity.md §1.1, §1.4).
func Profiles() []Profile {
	const (
		sts           = "https://sts.windows.net"
		partnerCenter = "https://api.partnercenter.microsoft.com"
	)
	return []Profile{
		{
			globalCloud, "https://login.microsoftonline.com", sts,
			userImpersonation(partnerCenter), graph("https://graph.microsoft.com"), userImpersonation("https://management.azure.com"),
		},
		{
			"usgov", "https://login.microsoftonline.us", sts,
			userImpersonation(partnerCenter), graph("https://graph.microsoft.us"), userImpersonation("https://management.usgovcloudapi.net"),
		},
		{
			"usgov-dod", "https://login.microsoftonline.us", sts,
			userImpersonation(partnerCenter), graph("https://dod-graph.microsoft.us"), userImpersonation("https://management.usgovcloudapi.net"),
		},
		{
			"china", "https://login.partner.microsoftonline.cn", "https://sts.chinacloudapi.cn",
			userImpersonation("https://partner.partnercenterapi.microsoftonline.cn"), graph("https://microsoftgraph.chinacloudapi.cn"),
			userImpersonation("https://management.chinacloudapi.cn"),
		},
	}
}

func userImpersonation(base string) Endpoint {
	return Endpoint{BaseURL: base, Scope: base + "/user_impersonation", Audience: base}
}

// graph requests the names of roles and groups in addition to the profile: without Directory.Read.All, Graph lists an
// account's memberships without their names (docs/reference/microsoft-identity.md §4.4, §5.4).
func graph(base string) Endpoint {
	return Endpoint{BaseURL: base, Scope: base + "/User.Read " + base + "/Directory.Read.All", Audience: base}
}

// withDefaults returns p with its empty fields taken from base.
func (p Profile) withDefaults(base Profile) Profile {
	return Profile{
		Name:          p.Name,
		Authority:     strings.TrimRight(cmp.Or(p.Authority, base.Authority), "/"),
		TokenIssuer:   strings.TrimRight(cmp.Or(p.TokenIssuer, base.TokenIssuer), "/"),
		PartnerCenter: p.PartnerCenter.withDefaults(base.PartnerCenter),
		Graph:         p.Graph.withDefaults(base.Graph),
		ARM:           p.ARM.withDefaults(base.ARM),
	}
}

func (e Endpoint) withDefaults(base Endpoint) Endpoint {
	return Endpoint{
		BaseURL:  strings.TrimRight(cmp.Or(e.BaseURL, base.BaseURL), "/"),
		Scope:    cmp.Or(e.Scope, base.Scope),
		Audience: cmp.Or(e.Audience, base.Audience),
	}
}

// Validate reports what is wrong with p: a missing name or address, an address that is neither https nor on this
// machine, or a scope with more than one resource, which the token endpoint refuses (AADSTS28000).
func (p Profile) Validate() error {
	if !profileName.MatchString(p.Name) {
		return fmt.Errorf("cloud profile %q: the name must be lower-case letters, digits and hyphens", p.Name)
	}
	for what, address := range map[string]string{
		"authority":             p.Authority,
		"tokenIssuer":           p.TokenIssuer,
		"partnerCenter.baseURL": p.PartnerCenter.BaseURL,
		"graph.baseURL":         p.Graph.BaseURL,
		"arm.baseURL":           p.ARM.BaseURL,
	} {
		if err := checkAddress(address); err != nil {
			return fmt.Errorf("cloud profile %q: %s %q: %w", p.Name, what, address, err)
		}
	}
	for what, e := range map[string]Endpoint{"partnerCenter": p.PartnerCenter, "graph": p.Graph, "arm": p.ARM} {
		if err := e.checkScope(); err != nil {
			return fmt.Errorf("cloud profile %q: %s.scope %q: %w", p.Name, what, e.Scope, err)
		}
	}
	return nil
}

func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return errors.New("not an address")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("must be scheme, host and path only")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("must be https unless it is on this machine")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

func (e Endpoint) checkScope() error {
	scopes := strings.Fields(e.Scope)
	if len(scopes) == 0 || e.Audience == "" {
		return errors.New("scope and audience are required")
	}
	for _, scope := range scopes {
		if !strings.HasPrefix(scope, strings.TrimRight(e.Audience, "/")+"/") {
			return fmt.Errorf("%q is not a permission of the resource %q", scope, e.Audience)
		}
	}
	return nil
}

// endpoint returns the endpoint of api in this cloud.
func (p Profile) endpoint(api token.API) (Endpoint, error) {
	switch api {
	case token.PartnerCenter:
		return p.PartnerCenter, nil
	case token.Graph:
		return p.Graph, nil
	case token.ARM:
		return p.ARM, nil
	}
	return Endpoint{}, failure.New(failure.BadRequest, "reason", "there is no api "+fmt.Sprintf("%q", string(api)))
}

// APIOf returns the api whose resource URI is resource for a client: with or without /.default, and a slash at its end.
func (c *Client) APIOf(client tenant.Client, resource string) (token.API, bool) {
	p, err := c.profile(client.Cloud)
	if err != nil {
		return "", false
	}
	r := resolvedClient{client, p}
	resource = strings.TrimRight(strings.TrimSuffix(resource, "/.default"), "/")
	for _, name := range client.Deployment.APINames() {
		e, err := r.endpoint(token.API(name))
		if err == nil && resource != "" && strings.EqualFold(resource, strings.TrimRight(e.Audience, "/")) {
			return token.API(name), true
		}
	}
	return "", false
}

// BaseURL returns the address of an api for a client, without a slash at its end.
func (c *Client) BaseURL(client tenant.Client, api token.API) (string, bool) {
	p, err := c.profile(client.Cloud)
	if err != nil {
		return "", false
	}
	e, err := resolvedClient{client, p}.endpoint(api)
	return strings.TrimRight(e.BaseURL, "/"), err == nil
}

// directoryURL returns an address below directory, which is a GUID or a checked domain.
func (p Profile) directoryURL(directory, path string) string {
	return p.Authority + "/" + directory + path
}

// issuer returns the issuer of the id_tokens of a directory (docs/reference/microsoft-identity.md §1.2).
func (p Profile) issuer(directory string) string { return p.directoryURL(directory, "/v2.0") }

// scopes returns the scopes of a request for the endpoint's tokens. Without offline_access, the answer has no refresh
// token.
func (e Endpoint) scopes() []string {
	return append(identityScopes(), strings.Fields(e.Scope)...)
}

func identityScopes() []string { return []string{"openid", "profile", "offline_access"} }

package config_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/tenant"

	"github.com/google/go-cmp/cmp"
)

// withAPI returns a configuration whose first instance has one further api.
func withAPI(api string) string {
	return strings.Replace(valid, "key: first", "key: first, apis: [{"+api+"}]", 1)
}

func TestLoad_RefusesAPIs(t *testing.T) {
	const resource = "resource: 'https://api.partner.microsoft.com'"
	scoped := func(key, value string) string {
		return strings.Replace(valid, "key: first", "key: first, scopes: {"+key+": ["+value+"]}", 1)
	}
	for name, tc := range map[string]struct{ file, key, problem string }{
		"no name":              {withAPI(resource + ", scopes: [a]"), "instances[0].apis[0].name", "lower-case letters"},
		"name in upper case":   {withAPI("name: Partner, " + resource + ", scopes: [a]"), "instances[0].apis[0].name", "lower-case letters"},
		"name with a slash":    {withAPI("name: a/b, " + resource + ", scopes: [a]"), "instances[0].apis[0].name", "lower-case letters"},
		"built in":             {withAPI("name: graph, " + resource + ", scopes: [a]"), "instances[0].apis[0].name", "built in"},
		"twice":                {withAPI("name: x, " + resource + ", scopes: [a]}, {name: x, " + resource + ", scopes: [a]"), "instances[0].apis[1].name", "listed twice"},
		"no resource":          {withAPI("name: x, scopes: [a]"), "instances[0].apis[0].resource", "missing"},
		"resource over http":   {withAPI("name: x, resource: 'http://api.example.com', scopes: [a]"), "instances[0].apis[0].resource", "resource URI"},
		"resource with a user": {withAPI("name: x, resource: 'https://a:b@api.example.com', scopes: [a]"), "instances[0].apis[0].resource", "resource URI"},
		"no host":              {withAPI("name: x, resource: 'api://11111111-0000-4000-8000-000000000001', scopes: [a]"), "instances[0].apis[0].host", "missing"},
		"host with a path":     {withAPI("name: x, " + resource + ", scopes: [a], host: a.example.com/b"), "instances[0].apis[0].host", "must be a host"},
		"host with a scheme":   {withAPI("name: x, " + resource + ", scopes: [a], host: 'https://a.example.com'"), "instances[0].apis[0].host", "must be a host"},
		"host with a user":     {withAPI("name: x, " + resource + ", scopes: [a], host: 'a@b.example.com'"), "instances[0].apis[0].host", "must be a host"},
		"no scopes":            {withAPI("name: x, " + resource), "instances[0].apis[0].scopes", "missing"},
		"default scope":        {withAPI("name: x, " + resource + ", scopes: [.default]"), "instances[0].apis[0].scopes[0]", "name of a permission"},
		"scope with resource":  {withAPI("name: x, " + resource + ", scopes: ['https://api.partner.microsoft.com/a']"), "instances[0].apis[0].scopes[0]", "name of a permission"},
		"probe elsewhere":      {withAPI("name: x, " + resource + ", scopes: [a], probe: 'https://evil.example'"), "instances[0].apis[0].probe", "begins with /"},
		"probe with an @":      {withAPI("name: x, " + resource + ", scopes: [a], probe: '/@evil.example'"), "instances[0].apis[0].probe", "begins with /"},
		"scope twice":          {scoped("graph", "a, a"), "instances[0].scopes.graph[1]", "listed twice"},
		"scope of two words":   {scoped("arm", "'a b'"), "instances[0].scopes.arm[0]", "name of a permission"},
		"unknown api":          {scoped("exchange", "a"), "instances[0].scopes.exchange", "valid keys are partnercenter, graph, arm"},
		"no federated token":   {strings.Replace(valid, "key: first", "key: first, federated: true", 1), "instances[0].federated", "neither names a file"},
		"federated, no file":   {valid + "federated: {tokenFile: /none/token}", "federated.tokenFile", "cannot be read"},
		"federated, a folder":  {valid + "federated: {tokenFile: /tmp}", "federated.tokenFile", "one token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(write(t, "config.yaml", tc.file, 0o600), nil)
			if got := problems(t, err); len(got) != 1 || !strings.Contains(got[tc.key], tc.problem) {
				t.Errorf("Load = %v, want only a problem of %s with %q", err, tc.key, tc.problem)
			}
		})
	}
}

func TestLoad_APIs(t *testing.T) {
	text := strings.Replace(valid, "key: first", "key: first, scopes: {graph: [PartnerBilling.Read.All]}, apis: ["+
		"{name: partner, resource: 'https://api.partner.microsoft.com', scopes: [user_impersonation]}, "+
		"{name: own, resource: 'api://11111111-0000-4000-8000-000000000001', host: 'api.example.com:8443', scopes: [read], probe: '/v1/me?$top=1'}]", 1)
	got, err := config.Load(write(t, "config.yaml", text, 0o600), nil)
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	want := tenant.Deployment{Scopes: map[string][]string{"graph": {"PartnerBilling.Read.All"}}, APIs: []tenant.API{
		{Name: "partner", Resource: "https://api.partner.microsoft.com", Scopes: []string{"user_impersonation"}, Host: "api.partner.microsoft.com"},
		{Name: "own", Resource: "api://11111111-0000-4000-8000-000000000001", Scopes: []string{"read"}, Host: "api.example.com:8443", Probe: "/v1/me?$top=1"},
	}}
	if diff := cmp.Diff(want, got.Instances[0].Deployment()); diff != "" {
		t.Errorf("Deployment (-want +got)\n%s", diff)
	}
}

func TestLoad_FederatedTokenFile(t *testing.T) {
	file, other := write(t, "token", "a.b.c", 0o600), write(t, "other", "a.b.c", 0o600)
	federated := strings.Replace(valid, "key: first", "key: first, federated: true", 1)
	for name, tc := range map[string]struct {
		file    string
		environ []string
		want    string
	}{
		"the file":                      {federated + "federated: {tokenFile: " + file + "}", []string{"AZURE_FEDERATED_TOKEN_FILE=" + other}, file},
		"the variable":                  {federated, []string{"AZURE_FEDERATED_TOKEN_FILE=" + other}, other},
		"a variable that nothing uses":  {valid, []string{"AZURE_FEDERATED_TOKEN_FILE=/none"}, "/none"},
		"our own variable":              {federated, []string{"CONNECTOR_FEDERATED__TOKENFILE=" + file}, file},
		"no file and nothing federated": {valid, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := config.Load(write(t, "config.yaml", tc.file, 0o600), tc.environ)
			if err != nil {
				t.Fatalf("Load = %v", err)
			}
			if got.Federated.TokenFile != tc.want {
				t.Errorf("tokenFile = %q, want %q", got.Federated.TokenFile, tc.want)
			}
		})
	}
}

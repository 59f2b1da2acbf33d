package hooks_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// secrets makes cmp compare the values of secret.Text.
func secrets() cmp.Option {
	return cmp.Transformer("reveal", func(s secret.Text) string { return s.Reveal() })
}

const settings = `"cloud":"global","applicationId":"99999999-0000-4000-8000-000000000009","applicationSecret":" c4n4ry-sent\n",` +
	`"applicationSecretEnd":"2027-11-23","mfaRequest":"off","borrowers":["E0000000-0000-4000-8000-000000000000"],"skipLanding":true,"directLink":true,"tenantApplication":true`

func wantSettings() tenant.Settings {
	return tenant.Settings{
		Cloud: "global", MFARequest: "off", Borrowers: []tenant.Borrower{tenant.NewBorrower(borrower)}, SkipLanding: true, DirectLink: true, TenantApplication: true,
		Application: tenant.Application{ID: "99999999-0000-4000-8000-000000000009", Secret: tenant.Credential{Value: secret.New("c4n4ry-sent"), Ends: time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)}},
	}
}

// same checks that the answer is the JSON want.
func same(t *testing.T, a answer, want string) {
	t.Helper()
	var g, h any
	if err := json.Unmarshal([]byte(a.text), &g); err != nil {
		t.Fatalf("answer %q is not JSON: %v", a.text, err)
	}
	if err := json.Unmarshal([]byte(want), &h); err != nil {
		t.Fatalf("wanted %q is not JSON: %v", want, err)
	}
	if diff := cmp.Diff(h, g); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestInstall_CanBeRepeated(t *testing.T) {
	h := newHarness(t)
	r := request{method: http.MethodPost, path: "/app", body: appResource(settings)}
	a := h.accepted(r, http.StatusCreated)
	same(t, a, `{"aps":{"type":"`+appType+`","id":"`+rootA+`"},"cloud":"global","applicationId":"99999999-0000-4000-8000-000000000009","applicationSecret":"",
		"applicationSecretEnd":"2027-11-23","nextApplicationSecret":"","nextApplicationSecretEnd":"","applicationCertificate":"","applicationCertificateEnd":"","nextApplicationCertificate":"","nextApplicationCertificateEnd":"","mfaRequest":"off","borrowers":[{"id":"`+borrower+`","apis":["partnercenter","graph","arm"],"directories":["partner"]}],"customerDirectories":"none","skipLanding":true,"directLink":true,"tenantApplication":true,"renewalTask":""}`)
	want := tenant.Instance{Key: keyA, ID: instanceA, RootID: rootA, ControllerURI: controllerURI, PackageVersion: "2-1", Settings: wantSettings()}
	if diff := cmp.Diff(want, h.tenants.instances[keyA], secrets()); diff != "" {
		t.Errorf("instance (-want +got):\n%s", diff)
	}
	// A repeated task has a new transaction and the same id.
	r.header = map[string]string{"APS-Transaction-ID": "41873-2208", "APS-Request-Phase": "async"}
	h.accepted(r, http.StatusCreated)
	if diff := cmp.Diff(want, h.tenants.instances[keyA], secrets()); diff != "" {
		t.Errorf("instance after a repeated installation (-want +got):\n%s", diff)
	}
	h.refused(request{method: http.MethodPost, path: "/app", body: resourceOf(appType, rootB, "")}, failure.RootExists)
}

func TestInstall_AcceptsOtherPackageID(t *testing.T) {
	h := newHarness(t)
	const rewritten = "http://partner.example.net/my/package/app/2.4"
	a := h.accepted(request{method: http.MethodPost, path: "/app", body: resourceOf(rewritten, rootA, "")}, http.StatusCreated)
	if got := a.json(t)["aps"].(map[string]any)["type"]; got != rewritten {
		t.Errorf("aps.type of the answer = %v, want %s", got, rewritten)
	}
}

func TestConfigure_KeepsMissingProperties(t *testing.T) {
	h := installed(t)
	before := h.tenants.instances[keyA].Settings
	h.accepted(request{method: http.MethodPut, path: "/app/" + rootA, body: appResource(`"skipLanding":true,"applicationSecret":""`)}, http.StatusOK)
	want := before
	want.SkipLanding, want.Application.Secret = true, tenant.Credential{} // empty: the domain keeps the stored one
	if diff := cmp.Diff(want, h.tenants.instances[keyA].Settings, secrets()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	nulls := `"cloud":null,"applicationId":null,"applicationSecretEnd":null,"mfaRequest":null,"borrowers":null,"customerDirectories":null,"skipLanding":null,"directLink":null,"tenantApplication":null`
	for _, r := range []request{
		{method: http.MethodPut, path: "/app/" + rootA, body: appResource(nulls)},
		{method: http.MethodPut, path: "/app/" + rootA, identity: userP, body: "{" + nulls + "}"},
		{method: http.MethodPost, path: "/app", body: appResource(nulls)},
	} {
		h.send(r)
		if diff := cmp.Diff(want, h.tenants.instances[keyA].Settings, secrets()); diff != "" {
			t.Errorf("settings after %s with nulls (-want +got):\n%s", r.method, diff)
		}
	}
	h.accepted(request{method: http.MethodPut, path: "/app/" + rootA, body: `{"borrowers":[],"applicationId":"","skipLanding":false}`}, http.StatusOK)
	want.Borrowers, want.Application.ID, want.SkipLanding = []tenant.Borrower{}, "", false
	if diff := cmp.Diff(want, h.tenants.instances[keyA].Settings, secrets()); diff != "" {
		t.Errorf("settings after empty values (-want +got):\n%s", diff)
	}
}

// TestProvision_RepeatKeepsWhatIsNotSent: neither a missing property nor null takes the directory or the application of a tenant.
func TestProvision_RepeatKeepsWhatIsNotSent(t *testing.T) {
	for name, tc := range map[string]request{
		"creation without properties":   {method: http.MethodPost, path: "/tenant", body: tenantResource(tenantA, "")},
		"creation with nulls":           {method: http.MethodPost, path: "/tenant", body: tenantResource(tenantA, `"directory":null,"applicationId":null,"applicationSecret":null,"applicationSecretEnd":null`)},
		"creation with an empty secret": {method: http.MethodPost, path: "/tenant", body: tenantResource(tenantA, `"applicationSecret":""`)},
		"configuration with nulls":      {method: http.MethodPut, path: "/tenant/" + tenantA, body: `{"directory":null,"applicationId":null,"applicationSecret":null,"applicationSecretEnd":null}`},
		"configuration by the owner":    {method: http.MethodPut, path: "/tenant/" + tenantA, identity: userR2, body: `{"directory":null,"applicationId":null,"applicationSecret":null}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			stored := h.tenants.tenants[tenantA]
			ends := time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)
			stored.Application = tenant.Application{ID: unknownID, Secret: tenant.Credential{Value: secret.New("c4n4ry"), Ends: ends}}
			h.tenants.tenants[tenantA] = stored
			if a := h.send(tc); a.status >= 300 {
				t.Fatalf("answer = %d %s, want success", a.status, a.text)
			}
			got := h.tenants.tenants[tenantA]
			want := tenant.Application{ID: unknownID, Secret: tenant.Credential{Ends: ends}} // empty: the domain keeps the stored one
			if diff := cmp.Diff(want, got.Application, secrets()); diff != "" || got.Directory != stored.Directory {
				t.Errorf("directory %q and application (-want +got):\n%s", got.Directory, diff)
			}
		})
	}
}

// A zone may make another year of a date, which could not be stored.
func TestConfigure_RefusesYearsOfFiveDigits(t *testing.T) {
	h := installed(t)
	for _, end := range []string{"9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59"} {
		sent := `"applicationSecret":"c4n4ry","applicationSecretEnd":"` + end + `"`
		h.refused(request{method: http.MethodPut, path: "/app/" + rootA, body: appResource(sent)}, failure.BadRequest)
		h.refused(request{method: http.MethodPut, path: "/tenant/" + tenantA, body: tenantResource(tenantA, sent)}, failure.BadRequest)
	}
}

func TestConfigure_SendsKeepsOrRemovesCredentials(t *testing.T) {
	ends := time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)
	kept := tenant.Credential{Ends: ends} // the domain keeps its value
	for name, tc := range map[string]struct {
		sent string
		want tenant.Application
	}{
		"nothing":      {"", tenant.Application{Certificate: kept, NextCertificate: kept, Secret: kept, NextSecret: kept}},
		"empty":        {`"applicationSecret":"","nextApplicationSecret":" ","applicationCertificate":""`, tenant.Application{Certificate: kept, NextCertificate: kept, Secret: kept, NextSecret: kept}},
		"another end":  {`"nextApplicationSecretEnd":"2028-01-01"`, tenant.Application{Certificate: kept, NextCertificate: kept, Secret: kept, NextSecret: tenant.Credential{Ends: time.Date(2028, 1, 1, 0, 0, 0, 0, time.UTC)}}},
		"no end":       {`"applicationSecretEnd":""`, tenant.Application{Certificate: kept, NextCertificate: kept, NextSecret: kept}},
		"end is read":  {`"applicationCertificateEnd":"2028-01-01"`, tenant.Application{Certificate: kept, NextCertificate: kept, Secret: kept, NextSecret: kept}},
		"new":          {`"nextApplicationSecret":"c4n4ry-next"`, tenant.Application{Certificate: kept, NextCertificate: kept, Secret: kept, NextSecret: tenant.Credential{Value: secret.New("c4n4ry-next")}}},
		"new with end": {`"applicationSecret":"c4n4ry-new","applicationSecretEnd":"2027-11-23"`, tenant.Application{Certificate: kept, NextCertificate: kept, Secret: tenant.Credential{Value: secret.New("c4n4ry-new"), Ends: ends}, NextSecret: kept}},
		"certificate":  {`"applicationCertificate":"\n-----BEGIN c4n4ry\n"`, tenant.Application{Certificate: tenant.Credential{Value: secret.New("-----BEGIN c4n4ry"), Ends: ends}, NextCertificate: kept, Secret: kept, NextSecret: kept}},
		"null":         {`"applicationSecret":null,"applicationCertificate":null,"nextApplicationSecret":null`, tenant.Application{Certificate: kept, NextCertificate: kept, Secret: kept, NextSecret: kept}},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			stored := tenant.Credential{Value: secret.New("c4n4ry-stored"), Ends: ends, Since: ends.AddDate(-1, 0, 0)}
			credentials := tenant.Application{Certificate: stored, NextCertificate: stored, Secret: stored, NextSecret: stored}
			in, owned := h.tenants.instances[keyA], h.tenants.tenants[tenantA]
			in.Settings.Application, owned.Application = credentials, credentials
			h.tenants.instances[keyA], h.tenants.tenants[tenantA] = in, owned
			h.accepted(request{method: http.MethodPut, path: "/app/" + rootA, body: appResource(tc.sent)}, http.StatusOK)
			h.accepted(request{method: http.MethodPut, path: "/tenant/" + tenantA, body: tenantResource(tenantA, tc.sent)}, http.StatusOK)
			for whose, got := range map[string]tenant.Application{
				"instance": h.tenants.instances[keyA].Settings.Application, "tenant": h.tenants.tenants[tenantA].Application,
			} {
				if diff := cmp.Diff(tc.want, got, secrets()); diff != "" {
					t.Errorf("credentials of the %s (-want +got):\n%s", whose, diff)
				}
			}
		})
	}
}

func TestRemove_IsIdempotent(t *testing.T) {
	h := installed(t)
	for range 2 {
		h.accepted(request{method: http.MethodDelete, path: "/tenant/" + tenantA}, http.StatusNoContent)
	}
	for range 2 {
		h.accepted(request{method: http.MethodDelete, path: "/app/" + rootA}, http.StatusNoContent)
	}
	if got, want := h.changes(), "unprovision "+tenantA+"\nremove "+keyA; got != want {
		t.Errorf("changes = %q, want %q", got, want)
	}
	for _, path := range []string{"/tenant/" + unknownID, "/tenant/1", "/app/" + unknownID, "/tenant/" + tenantB, "/app/" + rootB} {
		before := h.changes()
		h.accepted(request{method: http.MethodDelete, path: path}, http.StatusNoContent)
		if h.changes() != before {
			t.Errorf("DELETE %s changed %s", path, h.changes())
		}
	}
}

func TestProvision_ReadsLinksInEveryForm(t *testing.T) {
	link := func(id string) string {
		return `{"aps":{"link":"strong","href":"/aps/2/resources/` + id + `","id":"` + id + `"}}`
	}
	href := func(id string) string { return `{"aps":{"link":"strong","href":"/aps/2/resources/` + id + `"}}` }
	for name, tc := range map[string]struct {
		body   string
		header map[string]string
		want   tenant.Tenant
	}{
		"links": {
			tenantResource(unknownID, `"directory":" fabrikam.onmicrosoft.com ","account":`+link(accountR2)+`,"subscription":`+link(rootB)), nil,
			tenant.Tenant{AccountID: accountR2, SubscriptionID: rootB, Name: "Fabrikam", Marketplace: "Cloud Market", Directory: "fabrikam.onmicrosoft.com"},
		},
		"links by address": {
			tenantResource(unknownID, `"account":`+href(accountR2)), nil,
			tenant.Tenant{AccountID: accountR2, Name: "Fabrikam", Marketplace: "Cloud Market"},
		},
		"hierarchy": {
			tenantResource(unknownID, ""),
			map[string]string{"APS-Account-Hierarchy": accountP + "," + accountR3},
			tenant.Tenant{AccountID: accountR3, Name: "Contoso", Marketplace: "Cloud Market"},
		},
		"link before hierarchy": {
			tenantResource(unknownID, `"account":`+link(accountR2)),
			map[string]string{"APS-Account-Hierarchy": accountP + "," + accountR3},
			tenant.Tenant{AccountID: accountR2, Name: "Fabrikam", Marketplace: "Cloud Market"},
		},
		"subscription of the resource": {
			`{"aps":{"type":"` + tenantType + `","id":"` + unknownID + `","subscription":"` + rootB + `"}}`, nil,
			tenant.Tenant{SubscriptionID: rootB},
		},
		"unknown account": {tenantResource(unknownID, `"account":`+link(unknownID)), nil, tenant.Tenant{AccountID: unknownID}},
		"own application": {
			tenantResource(unknownID, `"applicationId":"99999999-0000-4000-8000-000000000009","applicationSecret":"c4n4ry","applicationSecretEnd":"2027-11-23T10:00:00Z"`), nil,
			tenant.Tenant{Application: tenant.Application{ID: "99999999-0000-4000-8000-000000000009", Secret: tenant.Credential{Value: secret.New("c4n4ry"), Ends: time.Date(2027, 11, 23, 10, 0, 0, 0, time.UTC)}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			r := request{method: http.MethodPost, path: "/tenant", body: tc.body, header: tc.header}
			h.accepted(r, http.StatusCreated)
			h.accepted(r, http.StatusCreated)
			tc.want.ID, tc.want.InstanceKey = unknownID, keyA
			if diff := cmp.Diff(tc.want, h.tenants.tenants[unknownID], secrets()); diff != "" {
				t.Errorf("tenant (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProvision_Refuses(t *testing.T) {
	body := func(id, account string) string {
		return tenantResource(id, `"account":{"aps":{"id":"`+account+`"}}`)
	}
	for name, tc := range map[string]struct {
		r    request
		want failure.Code
	}{
		"a tenant for its new owner":  {request{identity: userR3, body: body(tenantA, accountR3)}, failure.Forbidden},
		"a new owner, by the old one": {request{identity: userR2, body: body(tenantA, accountR3)}, failure.Forbidden},
		"another instance's tenant":   {request{body: body(tenantB, accountR2)}, failure.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			tc.r.method, tc.r.path = http.MethodPost, "/tenant"
			installed(t).refused(tc.r, tc.want)
		})
	}
	t.Run("without an instance", func(t *testing.T) {
		newHarness(t).refused(request{method: http.MethodPost, path: "/tenant", body: body(unknownID, accountR2)}, failure.NotFound)
	})
}

func TestProvision_NamesAreBestEffort(t *testing.T) {
	h := installed(t)
	h.accounts.err = failure.New(failure.PlatformUnavailable)
	h.accepted(request{method: http.MethodPost, path: "/tenant", body: tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`)}, http.StatusCreated)
	if got := h.tenants.tenants[unknownID]; got.Name != "" || got.AccountID != accountR2 {
		t.Errorf("tenant = %+v, want one without a name", got)
	}
	h.accounts.err = nil
	h.accepted(request{method: http.MethodPut, path: "/tenant/" + unknownID, body: `{}`}, http.StatusOK)
	if got := h.tenants.tenants[unknownID]; got.Name != "Fabrikam" || got.Marketplace != "Cloud Market" {
		t.Errorf("tenant = %+v, want the names that the platform returns now", got)
	}
}

func TestConfigureTenant_IgnoresOtherProperties(t *testing.T) {
	h := installed(t)
	h.tokens.status = token.Status{State: token.StateActionRequired, ExpiresAt: time.Date(2027, 2, 21, 8, 20, 0, 0, time.UTC), Failure: &failure.Record{Code: failure.GrantRevoked}}
	want := `{"aps":{"type":"` + tenantType + `","id":"` + tenantA + `"},"directory":"new.example.com","applicationId":"","applicationSecret":"","applicationSecretEnd":"","nextApplicationSecret":"","nextApplicationSecretEnd":"","applicationCertificate":"","applicationCertificateEnd":"","nextApplicationCertificate":"","nextApplicationCertificateEnd":"",
		"noticeRecipients":[],"noticeLanguage":"","tokenStatus":"action_required","tokenExpiresAt":"2027-02-21T08:20:00Z","tokenReason":"grant_revoked"}`
	// Read-only properties, and those of other types, are ignored.
	body := tenantResource(tenantA, `"directory":"new.example.com","tokenStatus":"active","account":{"aps":{"id":"`+accountR2+`"}},"cloud":7`)
	same(t, h.accepted(request{method: http.MethodPut, path: "/tenant/" + tenantA, identity: userR2, body: body}, http.StatusOK), want)
	same(t, h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA, identity: userR2}, http.StatusOK), want)
	if got := h.tenants.tenants[tenantA]; got.AccountID != accountR2 || got.Name != "Fabrikam" {
		t.Errorf("tenant = %+v, want the same owner", got)
	}
}

// TestConfigureTenant_Notices changes who of the reseller is notified. What is not sent stays, and so does null.
func TestConfigureTenant_Notices(t *testing.T) {
	h := installed(t)
	put := func(body string) tenant.Notices {
		t.Helper()
		h.accepted(request{method: http.MethodPut, path: "/tenant/" + tenantA, identity: userR2, body: tenantResource(tenantA, body)}, http.StatusOK)
		return h.tenants.tenants[tenantA].Notices
	}
	want := tenant.Notices{Recipients: []string{"admin@alpine.example"}, Language: "de"}
	for _, body := range []string{`"noticeRecipients":["admin@alpine.example"],"noticeLanguage":"de"`, `"directory":"new.example.com"`} {
		if got := put(body); !cmp.Equal(got, want) {
			t.Errorf("notices after %s = %+v, want %+v", body, got, want)
		}
	}
	if got := put(`"noticeRecipients":[],"noticeLanguage":""`); len(got.Recipients) > 0 || got.Language != "" {
		t.Errorf("notices = %+v, want none", got)
	}
	h.refused(request{method: http.MethodPut, path: "/tenant/" + tenantA, identity: userR2, body: tenantResource(tenantA, `"noticeRecipients":"admin@alpine.example"`)}, failure.BadRequest)
}

func TestRetrieveApp_SettingsForPlatformOnly(t *testing.T) {
	h := installed(t)
	if a := h.accepted(request{method: http.MethodGet, path: "/app/" + rootA}, http.StatusOK); a.json(t)["applicationId"] != unknownID || a.json(t)["applicationSecret"] != "" {
		t.Errorf("root for the platform = %s, want its settings without the secret", a.text)
	}
	for _, r := range []request{{identity: userR2}, {application: borrower}, {identity: userC}} {
		r.method, r.path = http.MethodGet, "/app/"+rootA
		same(t, h.accepted(r, http.StatusOK), `{"aps":{"type":"`+appType+`","id":"`+rootA+`"}}`)
	}
}

func TestHandler_ToleratesVariantsOfRequests(t *testing.T) {
	for name, r := range map[string]request{
		"link":                          {method: http.MethodPost, path: "/tenant/" + tenantA + "/app", body: `{"aps":{"id":"` + rootA + `"}}`},
		"link with a trailing slash":    {method: http.MethodPost, path: "/tenant/" + tenantA + "/account/", body: `{"aps":{"id":"` + accountR2 + `"}}`},
		"link with the id in the path":  {method: http.MethodPost, path: "/app/" + rootA + "/accounts/" + accountR2},
		"unlink":                        {method: http.MethodDelete, path: "/app/" + rootA + "/accounts/" + accountR2},
		"linked collection":             {method: http.MethodGet, path: "/app/" + rootA + "/accounts"},
		"removal of a collection":       {method: http.MethodDelete, path: "/tenant"},
		"double slash":                  {method: http.MethodGet, path: "//tenant//" + tenantA},
		"trailing slash":                {method: http.MethodGet, path: "/tenant/" + tenantA + "/"},
		"id in capitals":                {method: http.MethodGet, path: "/tenant/" + strings.ToUpper(tenantA)},
		"instance in capitals":          {method: http.MethodGet, path: "/tenant/" + tenantA, header: map[string]string{"APS-Instance-ID": strings.ToUpper(instanceA)}},
		"unreadable transaction":        {method: http.MethodGet, path: "/tenant/" + tenantA, header: map[string]string{"APS-Transaction-ID": strings.Repeat("x", 200)}},
		"neither transaction nor phase": {method: http.MethodGet, path: "/tenant/" + tenantA, header: map[string]string{"APS-Transaction-ID": "", "APS-Request-Phase": ""}},
		"schema":                        {method: http.MethodGet, path: "/tenant/$schema"},
		"operation, no controller":      {method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2, header: map[string]string{"APS-Controller-URI": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			h.accepted(r, http.StatusOK)
			if h.changes() != "" {
				t.Errorf("%s %s changed %s", r.method, r.path, h.changes())
			}
		})
	}
	installed(t).accepted(request{method: http.MethodGet, path: "/app/$default"}, http.StatusNoContent)
	// A path with escapes is verified as sent and routed unescaped.
	installed(t).accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/token%53tatus", identity: userR2}, http.StatusOK)
}

// TestLoad_AsksThePinnedController names another controller in the header, by any kind of request: whoever is looked up is
// looked up at the stored one.
func TestLoad_AsksThePinnedController(t *testing.T) {
	const evil = "https://evil.example.net:6308/"
	for name, r := range requests() {
		if name == "app provision" {
			continue // nothing is stored yet
		}
		h := installed(t)
		r.identity, r.header = userR3, map[string]string{"APS-Controller-URI": evil}
		h.send(r)
		for _, asked := range h.accounts.asked {
			if asked != controllerURI {
				t.Errorf("%s asks %s, want %s", name, asked, controllerURI)
			}
		}
		if got := h.tenants.instances[keyA].ControllerURI; got != controllerURI && name != "app unprovision" {
			t.Errorf("%s stored the controller %s, want %s", name, got, controllerURI)
		}
		if !slices.Contains(h.tenants.named, evil) {
			t.Errorf("%s did not report the other address", name)
		}
	}
}

// TestLinked_UnknownIsNotFound: a word or a resource that nobody knows is no link that was changed.
func TestLinked_UnknownIsNotFound(t *testing.T) {
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		for _, path := range []string{
			"/tenant/" + tenantA + "/anything", "/tenant/" + tenantA + "/anything/" + unknownID, "/tenant/" + tenantA + "/accounts",
			"/tenant/" + unknownID + "/app/" + rootA, "/tenant/1/app/" + rootA, "/tenant/" + tenantB + "/app/" + rootA,
			"/app/" + rootA + "/anything", "/app/" + rootB + "/accounts", "/app/" + unknownID + "/accounts/" + accountR2,
		} {
			installed(t).refused(request{method: verb, path: path}, failure.NotFound)
		}
		for _, path := range []string{"/app/" + rootA + "/accounts", "/app/" + rootA + "/accounts/", "/app/" + rootA + "/accounts/" + accountR2} {
			installed(t).accepted(request{method: verb, path: path}, http.StatusOK)
		}
	}
	for _, path := range []string{"/app", "/account", "/account/" + accountR2, "/subscription"} {
		installed(t).accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + path}, http.StatusOK)
	}
	installed(t).refused(request{method: http.MethodDelete, path: "/tenant/" + tenantA + "/app/" + rootA}, failure.MethodNotAllowed)
}

// TestResource_AcceptsWhatPlatformsSend: the key pair of certificate mode in a signed request, and an id without a type.
func TestResource_AcceptsWhatPlatformsSend(t *testing.T) {
	h := newHarness(t)
	h.accepted(request{method: http.MethodPost, path: "/app", body: `{"aps":{"type":"` + appType + `","id":"` + rootA + `","x509":{"self":"c4n4ry-key","controller":"c"}},"cloud":"china"}`}, http.StatusCreated)
	if got := h.tenants.instances[keyA].Settings.Cloud; got != "china" {
		t.Errorf("cloud = %q, want that of the body", got)
	}
	if strings.Contains(h.log.String(), "c4n4ry") {
		t.Error("the log contains the key pair")
	}
	h = installed(t)
	h.accepted(request{method: http.MethodPut, path: "/tenant/" + tenantA, body: `{"aps":{"id":"` + tenantA + `"},"directory":"new.example.com"}`}, http.StatusOK)
	h.refused(request{method: http.MethodPut, path: "/tenant/" + tenantA, body: `{"aps":{"id":"` + tenantB + `"}}`}, failure.BadRequest)
}

package hooks_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
	"azure-partner-connector/schemas"
)

// A definition is the part of a type that the tests compare.
type definition struct {
	ID         string
	Properties map[string]any
	Operations map[string]struct{ Parameters map[string]any }
}

func typeOf(t *testing.T, service string, version int) (d definition) {
	t.Helper()
	text, ok := schemas.Type(service, version)
	if !ok {
		t.Fatalf("there is no type of %s in version %d", service, version)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d definition) names(service string) []string {
	names := []string{}
	for name := range d.Properties {
		names = append(names, service+"."+name)
	}
	for name, op := range d.Operations {
		names = append(names, service+"."+name)
		for parameter := range op.Parameters {
			names = append(names, service+"."+name+"."+parameter)
		}
	}
	return names
}

// atVersion1 is installed for an instance that was not upgraded.
func atVersion1(t *testing.T) *harness {
	h := installed(t)
	in := h.tenants.instances[keyA]
	in.PackageVersion = "1-1"
	h.tenants.instances[keyA] = in
	return h
}

func ofVersion1(body string) string {
	return strings.NewReplacer("/app/2.0", "/app/1.0", "/tenant/2.0", "/tenant/1.0").Replace(body)
}

func TestSince_TellsWhatSchemasAdded(t *testing.T) {
	for _, service := range []string{"app", "tenant"} {
		before, now := typeOf(t, service, 1).names(service), typeOf(t, service, 2).names(service)
		for _, name := range now {
			want := 1
			// The parameters of a new operation are as new as the operation.
			operation, _, _ := strings.Cut(strings.TrimPrefix(name, service+"."), ".")
			if !slices.Contains(before, name) && (name == service+"."+operation || slices.Contains(before, service+"."+operation)) {
				want = 2
			}
			if got := max(hooks.Since[name], 1); got != want {
				t.Errorf("since of %s = version %d, want %d as in the schemas", name, got, want)
			}
		}
		for name := range hooks.Since {
			// A name of three parts may be a field of an answer, which schemas do not declare.
			if strings.HasPrefix(name, service+".") && strings.Count(name, ".") == 1 && !slices.Contains(now, name) {
				t.Errorf("since has %s, which the schemas do not have", name)
			}
		}
	}
}

func TestAnswers_OfInstanceAtVersion1(t *testing.T) {
	h := atVersion1(t)
	for service, path := range map[string]string{"app": "/app/" + rootA, "tenant": "/tenant/" + tenantA} {
		d := typeOf(t, service, 1)
		body := ofVersion1(map[string]string{"app": appResource(""), "tenant": tenantResource(tenantA, "")}[service])
		for _, r := range []request{{method: http.MethodGet}, {method: http.MethodPut, body: "{}"}, {method: http.MethodPut, body: body}} {
			r.path = path
			a := h.accepted(r, http.StatusOK).json(t)
			if got := a["aps"].(map[string]any)["type"]; got != d.ID {
				t.Errorf("%s %s = type %v, want %s", r.method, path, got, d.ID)
			}
			want := append(slices.Sorted(maps.Keys(d.Properties)), "aps")
			slices.Sort(want)
			if diff := cmp.Diff(want, slices.Sorted(maps.Keys(a))); diff != "" {
				t.Errorf("%s %s (-schema of version 1 +answer):\n%s", r.method, path, diff)
			}
			if service == "app" {
				if diff := cmp.Diff([]any{borrower}, a["borrowers"]); diff != "" {
					t.Errorf("borrowers (-want +got):\n%s", diff)
				}
			}
		}
		same(t, h.accepted(request{method: http.MethodGet, path: "/" + service + "/$schema"}, http.StatusOK), string(mustType(t, service, 1)))
	}
}

func mustType(t *testing.T, service string, version int) []byte {
	t.Helper()
	text, ok := schemas.Type(service, version)
	if !ok {
		t.Fatalf("there is no type of %s in version %d", service, version)
	}
	return text
}

func TestOperations_UnknownAtVersion1(t *testing.T) {
	h := atVersion1(t)
	body := `{"credential":"applicationSecret"}`
	h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/removeCredential", identity: userR2, body: body}, failure.NotFound)
	h.refused(request{method: http.MethodPost, path: "/app/" + rootA + "/removeCredential", identity: userP, body: body}, failure.NotFound)
	h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/testCredentials", identity: userR2, body: `{}`}, failure.NotFound)
}

func TestInstall_FromEarlierPackage(t *testing.T) {
	h := newHarness(t)
	a := h.accepted(request{method: http.MethodPost, path: "/app", body: ofVersion1(appResource(settings))}, http.StatusCreated).json(t)
	if diff := cmp.Diff([]any{borrower}, a["borrowers"]); diff != "" {
		t.Errorf("borrowers (-want +got):\n%s", diff)
	}
	if got := h.tenants.instances[keyA].PackageVersion; got != "1-1" {
		t.Errorf("package version = %s, want 1-1", got)
	}
	h.refused(request{method: http.MethodPost, path: "/app", body: strings.ReplaceAll(appResource(settings), "/2.0", "/3.0")}, failure.BadRequest)
}

func TestUpgrade_TakesTheSettingsThatWereSent(t *testing.T) {
	for query, from := range map[string]string{
		"?version=1-1": "1-1", "?version=1.0-3": "1.0-3", "?version=1-0-7": "1-0-7", "?version=0-500": "0-500",
		"": "1-1", "?version=": "1-1", "?version=1": "1-1", "?version=1.0": "1-1",
	} {
		t.Run(query, func(t *testing.T) {
			h := atVersion1(t)
			r := request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade" + query, body: ofVersion1(appResource(`"cloud":"china","borrowers":["` + borrower + `"]`))}
			a := h.accepted(r, http.StatusOK).json(t)
			// The platform exchanges the types after this answer.
			if got := a["aps"].(map[string]any)["type"]; a["cloud"] != "china" || got != ofVersion1(appType) {
				t.Errorf("upgrade = %v, want the new settings of the resource that was sent", a)
			}
			entry := map[string]any{"id": borrower, "apis": []any{"partnercenter", "graph", "arm"}, "directories": []any{"partner"}}
			if diff := cmp.Diff([]any{entry}, a["borrowers"]); diff != "" {
				t.Errorf("borrowers (-want +got):\n%s", diff)
			}
			if want := "upgrade " + keyA + " from " + from + " to 2-1"; h.changes() != want {
				t.Errorf("changes = %q, want %q", h.changes(), want)
			}
		})
	}
	h := atVersion1(t)
	h.accepted(request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade?version=1-1"}, http.StatusOK)
}

func TestUpgrade_RepeatedChangesNothing(t *testing.T) {
	h := installed(t)
	in := h.tenants.instances[keyA]
	in.Settings.Borrowers = []tenant.Borrower{{ID: borrower, APIs: []string{"graph"}, Directories: []string{"partner"}}}
	h.tenants.instances[keyA] = in
	r := request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade?version=1-1", body: ofVersion1(appResource(`"cloud":"china","borrowers":["` + borrower + `","` + otherBorrower + `"]`))}
	a := h.accepted(r, http.StatusOK).json(t)
	if a["cloud"] != "global" || h.changes() != "" {
		t.Errorf("repeated upgrade = %v and changed %q, want what is stored", a, h.changes())
	}
}

func TestUpgrade_RefusesEarlierPackage(t *testing.T) {
	h := installed(t)
	for _, version := range []string{"2-2", "2.1-1", "3-1", "100-500"} {
		h.refused(request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade?version=" + version, body: appResource("")}, failure.BadRequest)
	}
	in := h.tenants.instances[keyA]
	in.PackageVersion = "3-1"
	h.tenants.instances[keyA] = in
	h.refused(request{method: http.MethodPost, path: "/app/" + rootA + "/upgrade?version=1-1", body: appResource("")}, failure.BadRequest)
}

// The screens of version 1 remove a credential by null; the platform sends null for what it does not know.
func TestConfigure_NullAtVersion1(t *testing.T) {
	ends := time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		app, tenant string // identities
		remove      bool
	}{"a person": {userP, userR2, true}, "the platform": {"", "", false}} {
		t.Run(name, func(t *testing.T) {
			h := atVersion1(t)
			credentials := tenant.Application{Secret: tenant.Credential{Value: secret.New("c4n4ry-stored"), Ends: ends}}
			in, owned := h.tenants.instances[keyA], h.tenants.tenants[tenantA]
			in.Settings.Application, owned.Application = credentials, credentials
			h.tenants.instances[keyA], h.tenants.tenants[tenantA] = in, owned
			h.accepted(request{method: http.MethodPut, path: "/app/" + rootA, identity: tc.app, body: `{"applicationSecret":null,"borrowers":null,"mfaRequest":null}`}, http.StatusOK)
			h.accepted(request{method: http.MethodPut, path: "/tenant/" + tenantA, identity: tc.tenant, body: `{"applicationSecret":null}`}, http.StatusOK)
			if got := h.tenants.instances[keyA].Settings.Application.Secret.Remove; got != tc.remove {
				t.Errorf("null removes the secret of the instance: %v, want %v", got, tc.remove)
			}
			if got := len(h.tenants.instances[keyA].Settings.Borrowers) == 0; got != tc.remove {
				t.Errorf("null removes the borrowers: %v, want %v", got, tc.remove)
			}
			if got := h.tenants.tenants[tenantA].Application.Secret.Remove; got != tc.remove {
				t.Errorf("null removes the secret of the tenant: %v, want %v", got, tc.remove)
			}
		})
	}
}

func TestRemoveCredential_RemovesTheNamedOne(t *testing.T) {
	for name, removed := range map[string]func(*tenant.Application) *tenant.Credential{
		"applicationSecret":          func(a *tenant.Application) *tenant.Credential { return &a.Secret },
		"nextApplicationSecret":      func(a *tenant.Application) *tenant.Credential { return &a.NextSecret },
		"applicationCertificate":     func(a *tenant.Application) *tenant.Credential { return &a.Certificate },
		"nextApplicationCertificate": func(a *tenant.Application) *tenant.Credential { return &a.NextCertificate },
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			body := `{"credential":"` + name + `"}`
			h.accepted(request{method: http.MethodPost, path: "/app/" + rootA + "/removeCredential", identity: userP, body: body}, http.StatusOK)
			h.accepted(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/removeCredential", identity: userR2, body: body}, http.StatusOK)
			var want tenant.Application
			removed(&want).Remove = true
			want.ID = unknownID
			if diff := cmp.Diff(want, h.tenants.instances[keyA].Settings.Application, secrets()); diff != "" {
				t.Errorf("application of the instance (-want +got):\n%s", diff)
			}
			want.ID = ""
			if diff := cmp.Diff(want, h.tenants.tenants[tenantA].Application, secrets()); diff != "" {
				t.Errorf("application of the tenant (-want +got):\n%s", diff)
			}
		})
	}
	h := installed(t)
	for _, body := range []string{"", "{}", `{"credential":"cloud"}`, `{"credential":null}`, `{"credential":7}`} {
		h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/removeCredential", identity: userR2, body: body}, failure.BadRequest)
	}
}

// TestTestCredentials_AnswersForEachCredential tries what was entered, and answers for each credential. What is not sent is as it
// is stored.
func TestTestCredentials_AnswersForEachCredential(t *testing.T) {
	h := installed(t)
	body := `{"directory":"contoso.example","applicationId":"` + unknownID + `","applicationSecret":" c4n4ry-right ","nextApplicationSecret":"wrong","more":1}`
	r := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/testCredentials", identity: userR2, body: body}
	got := h.accepted(r, http.StatusOK).json(t)["credentials"].([]any)
	if len(got) != 2 {
		t.Fatalf("the answer has %d credentials, want 2", len(got))
	}
	first, second := got[0].(map[string]any), got[1].(map[string]any)
	if first["name"] != "applicationSecret" || first["works"] != "yes" || first["failure"] != nil {
		t.Errorf("the first credential is %v, want that it works", first)
	}
	if second["works"] != "no" || second["failure"].(map[string]any)["code"] != "client_secret_wrong" {
		t.Errorf("the second credential is %v, want that it doesn't work", second)
	}
	if strings.Contains(h.log.String(), "c4n4ry-right") {
		t.Error("the log has the secret")
	}
	for _, body := range []string{``, `[]`, `{"applicationSecret":7}`} {
		h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/testCredentials", identity: userR2, body: body}, failure.BadRequest)
	}
}

func TestConfigure_Borrowers(t *testing.T) {
	const directory = "11111111-2222-4333-8444-555555555555"
	narrow := tenant.Borrower{ID: borrower, APIs: []string{"graph"}, Directories: []string{directory}}
	for name, tc := range map[string]struct {
		sent string
		want []tenant.Borrower
	}{
		"entry":                 {`{"id":"` + strings.ToUpper(otherBorrower) + `","apis":["arm"],"directories":["Partner"," ` + strings.ToUpper(directory) + ` "]}`, []tenant.Borrower{{ID: otherBorrower, APIs: []string{"arm"}, Directories: []string{"partner", directory}}}},
		"defaults":              {`{"id":"` + otherBorrower + `","apis":null}`, []tenant.Borrower{tenant.NewBorrower(otherBorrower)}},
		"id":                    {`"` + otherBorrower + `"`, []tenant.Borrower{tenant.NewBorrower(otherBorrower)}},
		"name":                  {`{"id":"` + otherBorrower + `","name":" Azure\u202e CSP\n"}`, []tenant.Borrower{{ID: otherBorrower, Name: "Azure CSP", APIs: tenant.APIs(), Directories: []string{"partner"}}}},
		"id of a narrower one":  {`"` + borrower + `"`, []tenant.Borrower{narrow}},
		"entry for the same id": {`{"id":"` + borrower + `"}`, []tenant.Borrower{tenant.NewBorrower(borrower)}},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			in := h.tenants.instances[keyA]
			in.Settings.Borrowers = []tenant.Borrower{narrow}
			h.tenants.instances[keyA] = in
			h.accepted(request{method: http.MethodPut, path: "/app/" + rootA, body: appResource(`"borrowers":[` + tc.sent + `]`)}, http.StatusOK)
			if diff := cmp.Diff(tc.want, h.tenants.instances[keyA].Settings.Borrowers); diff != "" {
				t.Errorf("borrowers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewBorrower_HasAllAPIs(t *testing.T) {
	var want []string
	for _, api := range token.APIs() {
		want = append(want, string(api))
	}
	if diff := cmp.Diff(want, tenant.NewBorrower(borrower).APIs); diff != "" {
		t.Errorf("APIs of a borrower (-token +tenant):\n%s", diff)
	}
}

// What the automatic link needs of the screen came with package 2. A screen of package 1 sends and gets nothing of it, so its
// consents end with an authentication code.
func TestAnswers_AboutTheBrowserOfThePanel(t *testing.T) {
	for name, tc := range map[string]struct {
		h    *harness
		want bool
	}{"at version 1": {atVersion1(t), false}, "at version 2": {installed(t), true}} {
		t.Run(name, func(t *testing.T) {
			h := tc.h
			h.consents.startURL = "https://onboarding.example.com/start/x"
			h.consents.unlisted = map[string]string{tenantA: "https://panel.brand.example"}
			h.consents.stored.Consent = consent.Consent{ID: unknownID, TenantID: tenantA, Procedure: token.Automatic, Status: consent.Waiting}
			h.consents.stored.Progress = consent.Opened
			path := "/tenant/" + tenantA
			begun := h.accepted(request{method: http.MethodPost, path: path + "/consents", identity: userR2, body: `{"browser":"hash"}`}, http.StatusOK)
			if want := map[bool]string{true: "hash"}[tc.want]; h.consents.request.Browser != want || strings.Contains(begun.text, `"procedure"`) != tc.want {
				t.Errorf("POST consents = %s for %+v, want the browser %q", begun.text, h.consents.request, want)
			}
			for what, a := range map[string]answer{
				"https://onboarding.example.com/start/x": h.accepted(request{method: http.MethodGet, path: path + "/tokenStatus", identity: userR2}, http.StatusOK),
				`"progress":"opened"`:                    h.accepted(request{method: http.MethodGet, path: path + "/consents/" + unknownID, identity: userR2}, http.StatusOK),
				"https://panel.brand.example":            h.accepted(request{method: http.MethodGet, path: "/app/" + rootA + "/tenants", identity: userP}, http.StatusOK),
			} {
				if strings.Contains(a.text, what) != tc.want {
					t.Errorf("the answer is %s, want %q in it: %v", a.text, what, tc.want)
				}
			}
		})
	}
}

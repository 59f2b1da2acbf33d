package platform_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/releases"

	"github.com/google/go-cmp/cmp"
)

func TestCreateInstance_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		endpoint, key, secret string
		settings              map[string]any
		want                  string
	}{
		"no address":       {"connector", key, "s", nil, "not an absolute address"},
		"address to query": {"https://a.test/aps?x", key, "s", nil, "not an absolute address"},
		"no TLS":           {"http://a.test/aps", key, "s", nil, "development mode"},
		"no key":           {"https://a.test/aps", "", "s", nil, "missing"},
		"no secret":        {"https://a.test/aps", key, "", nil, "missing"},
		"unknown setting":  {"https://a.test/aps", key, "s", map[string]any{"colour": "red"}, "no property colour"},
		"wrong type":       {"https://a.test/aps", key, "s", map[string]any{"skipLanding": "yes"}, "not of type boolean"},
		"wrong items":      {"https://a.test/aps", key, "s", map[string]any{"borrowers": []any{1.0}}, "not of type Borrower"},
		"too long":         {"https://a.test/aps", key, "s", map[string]any{"applicationId": strings.Repeat("x", 37)}, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, func(c *platform.Config) { c.Development = false })
			_, err := p.CreateInstance(t.Context(), tc.endpoint, tc.key, secret.New(tc.secret), tc.settings)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("CreateInstance() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestCreateInstance_ProvisionsRoot(t *testing.T) {
	p, c, made := installed(t)
	calls, lines := c.received()
	if diff := cmp.Diff([]string{"POST /app"}, lines); diff != "" {
		t.Fatalf("hooks differ (-want +got):\n%s", diff)
	}
	header := calls[0].header
	for name, want := range map[string]string{
		"APS-Controller-URI": p.ControllerURI(), "APS-Instance-ID": made.ID, "APS-Request-Phase": "sync", "APS-Version": platform.Version,
		"APS-Identity-ID": "", "APS-Actor-ID": "", "APS-Account-Hierarchy": p.Provider().ID, "Content-Type": "application/json",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if header.Get("APS-Transaction-ID") == "" {
		t.Error("APS-Transaction-ID is missing")
	}
	aps, _ := calls[0].body["aps"].(map[string]any)
	if aps["id"] != made.RootID || aps["status"] != "aps:provisioning" || made.RootID == made.ID || calls[0].body["cloud"] != "global" || calls[0].body["skipLanding"] != false {
		t.Errorf("body of POST /app = %v, want the root with settings and defaults", calls[0].body)
	}
	if root, _ := p.Resource(made.RootID); root["aps"].(map[string]any)["status"] != "aps:ready" {
		t.Errorf("Resource(root) = %v, want a ready one", root)
	}
}

// TestProvision_CleansUpAfterRefusal has a connector that refuses first to provision and then to clean up. Nothing may be left,
// and the error has the connector's message.
func TestProvision_CleansUpAfterRefusal(t *testing.T) {
	p, c := start(t), newConnector(t)
	deletes := 0
	c.answer = func(got call) (int, map[string]string, string) {
		if got.method == http.MethodPost {
			return 409, nil, `{"code":409,"error":"AzurePartner::Conflict","message":"Not twice.","details":{"code":"conflict"}}`
		}
		if deletes++; deletes < 3 {
			return 500, nil, ""
		}
		return 204, nil, ""
	}
	_, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil)
	if err == nil || !strings.Contains(err.Error(), "Not twice.") {
		t.Errorf("CreateInstance() = %v, want the connector's words", err)
	}
	calls, lines := c.received()
	if diff := cmp.Diff([]string{"POST /app", "DELETE /app/ID", "DELETE /app/ID", "DELETE /app/ID"}, lines); diff != "" {
		t.Errorf("hooks differ (-want +got):\n%s", diff)
	}
	if got := calls[1].header.Get("APS-Request-Phase"); got != "" {
		t.Errorf("APS-Request-Phase of DELETE = %q, want none", got)
	}
	if got := p.ResourcesOf(p.Provider().ID, "http://aps-standard.org/types/core/application/1.0"); len(got) > 0 {
		t.Errorf("ResourcesOf() = %v, want nothing left", got)
	}
	// The key can be used again.
	c.answer = nil
	if _, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil); err != nil {
		t.Errorf("CreateInstance() again = %v, want nil", err)
	}
}

func TestProvision_UnreachableConnector(t *testing.T) {
	p, c := start(t), newConnector(t)
	c.Close()
	if _, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("CreateInstance() = %v, want an error that it cannot be reached", err)
	}
}

func TestProvision_Polls(t *testing.T) {
	var waited []time.Duration
	p := start(t, func(cfg *platform.Config) {
		cfg.Wait = func(_ context.Context, d time.Duration) error {
			waited = append(waited, d)
			return nil
		}
	})
	c := newConnector(t)
	posts := 0
	c.answer = func(call) (int, map[string]string, string) {
		if posts++; posts < 3 {
			return 202, map[string]string{"APS-Retry-Timeout": "30", "APS-Info": "wait"}, `{"cloud":"step"}`
		}
		return 201, nil, `{"cloud":"global"}`
	}
	if _, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil); err != nil {
		t.Fatalf("CreateInstance() = %v", err)
	}
	calls, lines := c.received()
	if diff := cmp.Diff([]string{"POST /app", "POST /app", "POST /app"}, lines); diff != "" {
		t.Fatalf("hooks differ (-want +got):\n%s", diff)
	}
	if calls[1].header.Get("APS-Request-Phase") != "async" || calls[1].body["cloud"] != "step" {
		t.Errorf("second POST = %v %v, want phase async and the changed property", calls[1].header, calls[1].body)
	}
	if calls[0].header.Get("APS-Transaction-ID") == calls[1].header.Get("APS-Transaction-ID") {
		t.Error("APS-Transaction-ID is the same twice, want a fresh one")
	}
	if diff := cmp.Diff([]time.Duration{30 * time.Second, 30 * time.Second}, waited); diff != "" {
		t.Errorf("waits differ (-want +got):\n%s", diff)
	}
}

func TestProvision_RefusesInvalidAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"another id":          {200, `{"aps":{"id":"00000000-0000-4000-8000-000000000000"}}`, "instead of"},
		"another type":        {200, `{"aps":{"type":"http://a.test/x/1.0"}}`, "instead of"},
		"undeclared property": {200, `{"colour":"red"}`, "no property colour"},
		"wrong type":          {200, `{"skipLanding":1}`, "not of type boolean"},
		"no JSON":             {200, `<html>`, "not a JSON object"},
		"no status for it":    {206, `{}`, "status 206"},
		"poll without when":   {202, `{}`, "APS-Retry-Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := start(t), newConnector(t)
			c.answer = func(got call) (int, map[string]string, string) {
				if got.method == http.MethodDelete {
					return 204, nil, ""
				}
				return tc.status, nil, tc.body
			}
			_, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("CreateInstance() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestCreateTenant_OfTwoResellers(t *testing.T) {
	p, c, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	below, user := reseller(t, p, "Below", north.ID)
	first := newTenant(t, p, north)
	second, err := p.CreateTenantOf(t.Context(), made.ID, below.ID, user.ID, nil)
	if err != nil {
		t.Fatalf("CreateTenantOf() = %v", err)
	}
	calls, lines := c.received()
	if diff := cmp.Diff([]string{"POST /app", "POST /tenant", "POST /tenant"}, lines); diff != "" {
		t.Fatalf("hooks differ (-want +got):\n%s", diff)
	}
	if got, want := calls[2].header.Get("APS-Account-Hierarchy"), strings.Join([]string{p.Provider().ID, north.ID, below.ID}, ","); got != want {
		t.Errorf("APS-Account-Hierarchy = %s, want %s", got, want)
	}
	if calls[1].header.Get("APS-Identity-ID") != "" || calls[2].header.Get("APS-Identity-ID") != user.ID || calls[2].header.Get("APS-Actor-ID") != below.ID {
		t.Errorf("identities = %v and %v, want none and the user's", calls[1].header, calls[2].header)
	}
	link := func(name string) any {
		aps, _ := calls[1].body[name].(map[string]any)
		return aps["aps"].(map[string]any)["id"]
	}
	if link("app") != made.RootID || link("account") != north.ID || link("subscription") != calls[1].body["aps"].(map[string]any)["subscription"] {
		t.Errorf("body of POST /tenant = %v, want its links", calls[1].body)
	}
	if calls[1].body["applicationSecret"] != "canary-client-secret" {
		t.Error("the connector did not get the encrypted property, want it")
	}
	if diff := cmp.Diff([]string{first}, p.ResourcesOf(north.ID, "http://aps-standard.org/types/core/subscription/service/1.0")); diff != "" {
		t.Errorf("ResourcesOf(North) differ (-want +got):\n%s", diff)
	}
	if err := p.DeleteInstance(t.Context(), made.ID); err == nil {
		t.Error("DeleteInstance() with tenants = nil, want an error")
	}
	for _, id := range []string{second, first} {
		if err := p.Delete(t.Context(), "", id); err != nil {
			t.Errorf("Delete() = %v", err)
		}
	}
	if err := p.DeleteInstance(t.Context(), made.ID); err != nil {
		t.Errorf("DeleteInstance() = %v", err)
	}
	if _, lines = c.received(); lines[len(lines)-1] != "DELETE /app/ID" {
		t.Errorf("last hook = %s, want DELETE /app/ID", lines[len(lines)-1])
	}
}

func TestConfigure_IsForTheOwnerAndUndoneByARefusal(t *testing.T) {
	p, c, _ := installed(t)
	account, user := reseller(t, p, "North", "")
	_, unrelated := reseller(t, p, "South", "")
	id := newTenant(t, p, account)
	if err := p.Configure(t.Context(), unrelated.ID, id, map[string]any{"directory": "x"}); err == nil {
		t.Error("Configure() by an unrelated reseller = nil, want an error")
	}
	if err := p.Configure(t.Context(), user.ID, id, map[string]any{"tokenStatus": "active"}); err == nil {
		t.Error("Configure() of a read-only property = nil, want an error")
	}
	c.answer = func(call) (int, map[string]string, string) {
		return 422, nil, `{"message":"No such directory."}`
	}
	if err := p.Configure(t.Context(), user.ID, id, map[string]any{"directory": "nowhere"}); err == nil || !strings.Contains(err.Error(), "No such directory.") {
		t.Errorf("Configure() = %v, want the connector's words", err)
	}
	if r, _ := p.Resource(id); r["directory"] != "contoso.onmicrosoft.com" {
		t.Errorf("directory after a refusal = %v, want the old one", r["directory"])
	}
	c.answer = func(call) (int, map[string]string, string) { return 200, nil, `{"applicationSecret":""}` }
	if err := p.Configure(t.Context(), user.ID, id, map[string]any{"directory": "fabrikam.onmicrosoft.com"}); err != nil {
		t.Errorf("Configure() = %v", err)
	}
	if r, _ := p.Resource(id); r["directory"] != "fabrikam.onmicrosoft.com" || r["applicationSecret"] != "" {
		t.Errorf("Resource() = %v, want the new directory and no secret", r)
	}
}

func TestUpgrade_IsUndoneByARefusal(t *testing.T) {
	p, c, made := installed(t)
	if err := p.Upgrade(t.Context(), made.ID); err == nil {
		t.Error("Upgrade() without a newer version = nil, want an error")
	}
	if _, err := p.Import(t.Context(), archive(t, "2")); err != nil {
		t.Fatalf("Import() = %v", err)
	}
	c.answer = func(call) (int, map[string]string, string) { return 500, nil, `{"message":"Not now."}` }
	if err := p.Upgrade(t.Context(), made.ID); err == nil || !strings.Contains(err.Error(), "Not now.") {
		t.Errorf("Upgrade() = %v, want the connector's words", err)
	}
	release := func() any {
		root, _ := p.Resource(made.RootID)
		return root["aps"].(map[string]any)["package"].(map[string]any)["release"]
	}
	if got := release(); got != "1" {
		t.Errorf("release after a refusal = %v, want 1", got)
	}
	c.answer = nil
	if err := p.Upgrade(t.Context(), made.ID); err != nil {
		t.Errorf("Upgrade() = %v", err)
	}
	if got := release(); got != "2" {
		t.Errorf("release = %v, want 2", got)
	}
	if _, lines := c.received(); lines[len(lines)-1] != "POST /app/ID/upgrade?version=2-1" {
		t.Errorf("last hook = %s, want the upgrade from 2-1", lines[len(lines)-1])
	}
}

// TestCreateTenant_NotifiesRoot checks that a root whose type has a collection of tenants is notified of each new one. The
// connector need not support that.
func TestCreateTenant_NotifiesRoot(t *testing.T) {
	p, c := start(t), newConnector(t)
	content := changed(t, "schemas/app.schema", `"relations": {`, `"relations": {"partners": {
		"type": "http://aps.example.com/azure-partner-connector/tenant/2.0", "collection": true},`)
	if _, err := p.Import(t.Context(), content); err != nil {
		t.Fatalf("Import() = %v", err)
	}
	if _, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil); err != nil {
		t.Fatalf("CreateInstance() = %v", err)
	}
	account, _ := reseller(t, p, "North", "")
	c.answer = func(got call) (int, map[string]string, string) {
		if strings.HasSuffix(got.path, "/partners") {
			return 404, nil, ""
		}
		return 200, nil, "{}"
	}
	id := newTenant(t, p, account)
	calls, lines := c.received()
	if diff := cmp.Diff([]string{"POST /app", "POST /tenant", "POST /app/ID/partners"}, lines); diff != "" {
		t.Fatalf("hooks differ (-want +got):\n%s", diff)
	}
	if got := calls[2].body["aps"].(map[string]any)["id"]; got != id {
		t.Errorf("body of the link = %v, want the tenant %s", got, id)
	}
}

// firstRelease installs package 1-1 on a platform that has the present one, too.
func firstRelease(t *testing.T) (*platform.Platform, *connector, platform.CreatedInstance) {
	t.Helper()
	p, c := start(t), newConnector(t)
	if _, err := p.Import(t.Context(), releases.First()); err != nil {
		t.Fatalf("Import() = %v", err)
	}
	made, err := p.Create(t.Context(), platform.InstanceRequest{
		PackageID: "http://aps.example.com/azure-partner-connector", Version: "1", Release: "1", Endpoint: c.URL + "/aps",
		Key: key, Secret: secret.New(sharedSecret), Settings: map[string]any{"borrowers": []any{"one"}},
	})
	if err != nil {
		t.Fatalf("Create() = %v", err)
	}
	return p, c, made
}

// TestUpgrade_ExchangesTypes upgrades to a package whose types have another version. The application may answer with the type
// that it was sent, or with the new one, and must convert what has another form.
func TestUpgrade_ExchangesTypes(t *testing.T) {
	const id = "http://aps.example.com/azure-partner-connector"
	const converted = `"borrowers":[{"id":"one"}]`
	for name, tc := range map[string]struct{ answer, want string }{
		"old type":                 {`{"aps":{"type":"` + id + `/app/1.0"},` + converted + `}`, ""},
		"new type":                 {`{"aps":{"type":"` + id + `/app/2.0"},` + converted + `}`, ""},
		"no type":                  {`{` + converted + `}`, ""},
		"another type":             {`{"aps":{"type":"` + id + `/app/3.0"},` + converted + `}`, "instead of"},
		"values of the old type":   {`{"borrowers":["one"]}`, "not of type Borrower"},
		"nothing, with old values": {`{}`, "not of type Borrower"},
		"an unknown property":      {`{` + converted + `,"colour":"red"}`, "no property colour"},
		"no JSON":                  {`[`, "not a JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, made := firstRelease(t)
			account, _ := reseller(t, p, "North", "")
			owned := newTenant(t, p, account)
			c.answer = func(call) (int, map[string]string, string) { return 200, nil, tc.answer }
			err := p.Upgrade(t.Context(), made.ID)
			want := "1"
			if tc.want == "" {
				want = "2"
			}
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Upgrade() = %v, want an error with %q", err, tc.want)
			}
			for service, id := range map[string]string{"app": made.RootID, "tenant": owned} {
				r, _ := p.Resource(id)
				aps := r["aps"].(map[string]any)
				if got := aps["type"].(string); !strings.HasSuffix(got, service+"/"+want+".0") || aps["status"] != "aps:ready" {
					t.Errorf("type of %s = %s, %v, want version %s and ready", service, got, aps["status"], want)
				}
			}
			if menu := p.Navigation(platform.UX1Reseller); len(menu) != 1 || !strings.HasSuffix(menu[0].Vars[0].Type, "tenant/"+want+".0") {
				t.Errorf("Navigation() = %+v, want the screens of version %s", menu, want)
			}
		})
	}
}

func TestSuspend_CallsDisableAndEnable(t *testing.T) {
	p, c, _ := installed(t)
	account, _ := reseller(t, p, "North", "")
	id := newTenant(t, p, account)
	status := func() any {
		r, _ := p.Resource(id)
		return r["aps"].(map[string]any)["status"]
	}
	if err := p.Resume(t.Context(), id); err == nil {
		t.Error("Resume() of a resource that is not suspended = nil, want an error")
	}
	c.answer = func(call) (int, map[string]string, string) { return 409, nil, `{"message":"Not now."}` }
	if err := p.Suspend(t.Context(), id); err == nil || !strings.Contains(err.Error(), "Not now.") || status() != "aps:ready" {
		t.Errorf("Suspend() = %v with the status %v, want the connector's words and no change", err, status())
	}
	polls := 0
	c.answer = func(call) (int, map[string]string, string) {
		if polls++; polls == 1 {
			return 202, map[string]string{"APS-Retry-Timeout": "1"}, "{}"
		}
		return 200, nil, "{}"
	}
	if err := p.Suspend(t.Context(), id); err != nil || status() != "aps:disabled" || polls != 2 {
		t.Errorf("Suspend() = %v with the status %v after %d calls, want aps:disabled after 2", err, status(), polls)
	}
	if err := p.Resume(t.Context(), id); err != nil || status() != "aps:ready" {
		t.Errorf("Resume() = %v with the status %v, want aps:ready", err, status())
	}
	if _, lines := c.received(); lines[len(lines)-1] != "PUT /tenant/ID/enable" || lines[len(lines)-2] != "PUT /tenant/ID/disable" {
		t.Errorf("last hooks = %q, want disable and enable", lines[len(lines)-2:])
	}
}

func TestSuspend_RefusesTypesThatCannot(t *testing.T) {
	p, c, _ := firstRelease(t)
	account, _ := reseller(t, p, "North", "")
	id := newTenant(t, p, account)
	if err := p.Suspend(t.Context(), id); err == nil || !strings.Contains(err.Error(), "does not implement") {
		t.Errorf("Suspend() at package 1-1 = %v, want an error", err)
	}
	if _, lines := c.received(); strings.Contains(strings.Join(lines, " "), "disable") {
		t.Errorf("hooks = %q, want no disable", lines)
	}
}

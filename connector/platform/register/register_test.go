package register_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/platform/register"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"

	"github.com/google/go-cmp/cmp"
)

// The canaries must not appear in any error or progress line.
const (
	canarySecret   = "canary-shared-secret"
	canaryPassword = "canary-password"
	canaryClient   = "canary-client-secret"
)

func release(t *testing.T, release string) *pack.Package {
	t.Helper()
	manifest := strings.Replace(string(azurepartner.Manifest()), "\n  release: 1\n", "\n  release: "+release+"\n", 1)
	p, err := pack.Load([]byte(manifest), schemas.Files, uiextension.Files())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A harness is a platform, a connector that accepts everything unless refuse is set, and what to register.
type harness struct {
	p      *platform.Platform
	refuse atomic.Bool
	health atomic.Value // answer to health checks, a string; a number is a status instead
	asked  atomic.Value // answer to whoever asks the connector for its version; empty for a page that is not the connector's
	checks atomic.Int64 // health checks
	others atomic.Int64 // other hooks, except reads
	lines  []string
	cfg    register.Config
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	p, err := platform.Start(platform.Config{Development: true, AdminPassword: secret.New(canaryPassword)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	s := &harness{p: p}
	s.health.Store(`{"status":"ok"}`)
	connector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/healthCheck") {
			s.checks.Add(1)
			answer, _ := s.health.Load().(string)
			if status, err := strconv.Atoi(answer); err == nil {
				w.WriteHeader(status)
				answer = `{"message":"No."}`
			}
			_, _ = io.WriteString(w, answer)
			return
		}
		if r.Method == http.MethodGet && r.URL.Path == "/aps/" {
			answer, _ := s.asked.Load().(string)
			_, _ = io.WriteString(w, answer)
			return
		}
		if r.Method != http.MethodGet {
			s.others.Add(1)
		}
		if s.refuse.Load() && r.Method == http.MethodPost {
			w.WriteHeader(http.StatusConflict)
			_, _ = io.WriteString(w, `{"message":"The connector says `+canarySecret+` no to `+canaryClient+`."}`)
			return
		}
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(connector.Close)
	client, err := httpclient.New(httpclient.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	user, password := p.Admin()
	s.cfg = register.Config{
		Operations: p.URL(), User: user, Password: password, Controller: p.URL() + "/", HTTP: client, Package: release(t, "1"),
		Endpoint: connector.URL + "/aps/", Key: "azp", Secret: secret.New(canarySecret), Settings: map[string]any{"cloud": "global", "applicationSecret": canaryClient},
		Progress: func(line string) { s.lines = append(s.lines, line) },
		Wait:     func(context.Context, time.Duration) error { return nil },
	}
	t.Cleanup(func() {
		if all := strings.Join(s.lines, "\n"); strings.Contains(all, "canary") {
			t.Errorf("progress = %s, want no secret", all)
		}
	})
	return s
}

func (s *harness) register(t *testing.T) register.Result {
	t.Helper()
	got, err := register.Register(t.Context(), s.cfg)
	if err != nil {
		t.Fatalf("Register() = %v", err)
	}
	return got
}

func TestRegister_UpgradeAndUnregister(t *testing.T) {
	s := newHarness(t)
	created := s.register(t)
	if !created.Imported || !created.Created || created.Upgraded || created.Version != "2-1" || created.Instance == 0 || created.RootID == "" {
		t.Errorf("Register() = %+v, want an import and a new instance", created)
	}
	if root, ok := s.p.Resource(created.RootID); !ok || root["cloud"] != "global" {
		t.Errorf("Resource(root) = %v, want the settings", root)
	}
	if len(s.lines) < 4 {
		t.Errorf("progress = %q, want a line for every step", s.lines)
	}

	hooks := s.others.Load()
	same := created
	same.Imported, same.Created = false, false
	if diff := cmp.Diff(same, s.register(t)); diff != "" || s.others.Load() != hooks || s.checks.Load() != 2 {
		t.Errorf("Register() again made %d hooks besides %d health checks and differs (-want +got):\n%s", s.others.Load()-hooks, s.checks.Load(), diff)
	}

	s.cfg.Package = release(t, "2")
	upgraded := s.register(t)
	want := same
	want.Imported, want.Upgraded, want.Version = true, true, "2-2"
	if diff := cmp.Diff(want, upgraded); diff != "" {
		t.Errorf("Register() of a newer release differs (-want +got):\n%s", diff)
	}
	want.Imported, want.Upgraded = false, false
	s.cfg.RootID = created.RootID
	if diff := cmp.Diff(want, s.register(t)); diff != "" {
		t.Errorf("Register() by RootID differs (-want +got):\n%s", diff)
	}

	s.cfg.Package = release(t, "1")
	if _, err := register.Register(t.Context(), s.cfg); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("Register() of an older release = %v, want an error", err)
	}

	s.cfg.RootID = ""
	for range 2 { // the second time there is nothing left to remove
		if err := register.Unregister(t.Context(), s.cfg); err != nil {
			t.Errorf("Unregister() = %v", err)
		}
	}
	if _, ok := s.p.Resource(created.RootID); ok {
		t.Error("Resource(root) after Unregister() = _, true, want false")
	}
	s.cfg.Package = release(t, "2")
	if again := s.register(t); again.Imported || !again.Created {
		t.Errorf("Register() after Unregister() = %+v, want a new instance without an import", again)
	}
}

// A root that the platform shows as ready proves nothing about the way to the connector.
func TestRegister_ProvesThatCallsArrive(t *testing.T) {
	for name, tc := range map[string]struct{ health, want string }{
		"refused":          {"401", "No."},
		"failing":          {"500", "No."},
		"not served":       {"404", "health check"},
		"answered by else": {`{}`, "health check"},
		"no JSON":          {"<html>", "not the JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHarness(t)
			s.health.Store(tc.health)
			for range 2 { // the second time the instance is there already
				_, err := register.Register(t.Context(), s.cfg)
				if !failure.Is(err, failure.PlatformRefused) || !strings.Contains(err.Error(), "calling the connector") || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("Register() = %v, want platform_refused with %q", err, tc.want)
				}
			}
			s.health.Store(`{"status":"ok"}`)
			if got := s.register(t); got.Created || s.checks.Load() != 3 {
				t.Errorf("Register() = %+v after %d health checks, want the instance that was made before", got, s.checks.Load())
			}
		})
	}
}

func TestRegister_RotatesSecret(t *testing.T) {
	s := newHarness(t)
	s.cfg.Rotate = true
	created := s.register(t)
	if !created.Created || created.Rotated {
		t.Errorf("Register() = %+v, want a new instance, which has its secret already", created)
	}
	s.cfg.Secret = secret.New("canary-the-new-shared-secret")
	if got := s.register(t); !got.Rotated || got.Created || got.RootID != created.RootID {
		t.Errorf("Register() with a new secret = %+v, want it rotated", got)
	}
	if got := s.p.SecretOf(created.RootID); got.Reveal() != s.cfg.Secret.Reveal() {
		t.Error("SecretOf(root) is not the new secret")
	}
	s.cfg.Package, s.cfg.Secret = release(t, "2"), secret.New("canary-and-one-more-secret")
	if got := s.register(t); !got.Rotated || !got.Upgraded {
		t.Errorf("Register() of a newer release with a new secret = %+v, want both", got)
	}
}

func TestRegister_SecondInstance(t *testing.T) {
	s := newHarness(t)
	first := s.register(t)
	s.cfg.Key = "azp-2"
	second := s.register(t)
	if !second.Created || second.Imported || second.RootID == first.RootID || second.Application != first.Application {
		t.Errorf("Register() under another key = %+v, want a second instance of the application", second)
	}
}

func TestRegister_ByPackageURL(t *testing.T) {
	s := newHarness(t)
	archive, err := s.cfg.Package.Build()
	if err != nil {
		t.Fatal(err)
	}
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/p.app.zip" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(archive)
	}))
	defer files.Close()
	s.cfg.PackageURL = files.URL + "/other"
	_, err = register.Register(t.Context(), s.cfg)
	if !failure.Is(err, failure.PlatformRefused) || !strings.Contains(err.Error(), "cannot be fetched") {
		t.Errorf("Register() with a wrong address = %v, want the platform's message", err)
	}
	s.cfg.PackageURL = files.URL + "/p.app.zip"
	if got := s.register(t); !got.Imported || !got.Created {
		t.Errorf("Register() = %+v, want an import by address", got)
	}
}

func TestRegister_RepeatedAfterInterruption(t *testing.T) {
	s := newHarness(t)
	s.refuse.Store(true)
	_, err := register.Register(t.Context(), s.cfg)
	if !failure.Is(err, failure.PlatformRefused) || !strings.Contains(err.Error(), "creating the instance") || !strings.Contains(err.Error(), "The connector says [redacted] no to [redacted].") {
		t.Errorf("Register() = %v, want the step and the platform's message, without the secret", err)
	}
	s.refuse.Store(false)
	if got := s.register(t); got.Imported || !got.Created {
		t.Errorf("Register() again = %+v, want a new instance without another import", got)
	}
	s.cfg.Package = release(t, "2")
	s.refuse.Store(true)
	if _, err := register.Register(t.Context(), s.cfg); err == nil || !strings.Contains(err.Error(), "upgrading the instance") {
		t.Errorf("Register() of a newer release = %v, want an error about the upgrade", err)
	}
	s.refuse.Store(false)
	if got := s.register(t); got.Imported || !got.Upgraded {
		t.Errorf("Register() again = %+v, want an upgrade without another import", got)
	}
}

func TestUnregister_WithTenants(t *testing.T) {
	s := newHarness(t)
	s.register(t)
	account, err := s.p.AddAccount(platform.Account{Name: "North"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.p.CreateTenant(t.Context(), account.ID, nil); err != nil {
		t.Fatal(err)
	}
	if err := register.Unregister(t.Context(), s.cfg); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("Unregister() with a tenant = %v, want platform_refused", err)
	}
}

func TestRegister_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*register.Config)
		want   string
	}{
		"no operations":      {func(c *register.Config) { c.Operations = "" }, "operations address"},
		"controller no URL":  {func(c *register.Config) { c.Controller = "apsc:6308" }, "controller address"},
		"user in an address": {func(c *register.Config) { c.Operations = "https://a:b@platform.test:8440" }, "set user and password"},
		"no endpoint":        {func(c *register.Config) { c.Endpoint = "/aps" }, "endpoint"},
		"no client":          {func(c *register.Config) { c.HTTP = nil }, "HTTP client"},
		"no package":         {func(c *register.Config) { c.Package = nil }, "package"},
		"no password":        {func(c *register.Config) { c.Password = secret.Text{} }, "password"},
		"no secret":          {func(c *register.Config) { c.Secret = secret.Text{} }, "secret"},
		"wrong password":     {func(c *register.Config) { c.Password = secret.New("canary-wrong") }, "status 401"},
		"unknown network":    {func(c *register.Config) { c.Network = "moon" }, "no network type"},
		"unknown root":       {func(c *register.Config) { c.RootID = "00000000-0000-4000-8000-000000000000" }, "no instance with the root resource"},
		"unreachable":        {func(c *register.Config) { c.Operations = "http://127.0.0.1:1" }, "platform_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHarness(t)
			tc.change(&s.cfg)
			_, err := register.Register(t.Context(), s.cfg)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("Register() = %v, want an error with %q and no secret", err, tc.want)
			}
		})
	}
}

// The error quotes what an unusual platform answers.
func TestRegister_UnusualPlatforms(t *testing.T) {
	rpc := func(result string) string {
		return "<methodResponse><params><param><value><struct>" + result + "</struct></value></param></params></methodResponse>"
	}
	for name, tc := range map[string]struct {
		status int
		answer string
		want   string
	}{
		"no XML":       {200, "<html>", "XML-RPC"},
		"gateway":      {502, "", "status 502"},
		"no status":    {200, rpc(""), "without a status"},
		"refused":      {200, rpc("<member><name>status</name><value><int>-1</int></value></member><member><name>error_message</name><value>Out\nof order</value></member>"), "Out of order"},
		"silent":       {200, rpc("<member><name>status</name><value><int>-1</int></value></member>"), "gave no reason"},
		"fault":        {200, "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1</int></value></member><member><name>faultString</name><value>No method</value></member></struct></value></fault></methodResponse>", "No method"},
		"no token":     {200, rpc("<member><name>status</name><value><int>0</int></value></member>"), "no token"},
		"long message": {200, rpc("<member><name>status</name><value><int>1</int></value></member><member><name>error_message</name><value>" + strings.Repeat("x", 5000) + "</value></member>"), "x…"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHarness(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.answer)
			}))
			defer server.Close()
			s.cfg.Operations = server.URL
			_, err := register.Register(t.Context(), s.cfg)
			if !failure.Is(err, failure.PlatformRefused) || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 1000 {
				t.Errorf("Register() = %v, want platform_refused with %q", err, tc.want)
			}
		})
	}
}

// silentController removes the details from the list of instances, as a platform with another form of the list would.
type silentController struct{ next http.RoundTripper }

func (s silentController) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet && r.URL.Path == "/aps/2/applications/" {
		if err := resp.Body.Close(); err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(strings.NewReader(`[{"id":"x"}]`))
	}
	return resp, err
}

func TestRegister_InstancesWithoutDescription(t *testing.T) {
	s := newHarness(t)
	client, err := httpclient.New(httpclient.Config{Timeout: time.Minute, Transport: silentController{http.DefaultTransport}})
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.HTTP = client
	created := s.register(t)
	if _, err := register.Register(t.Context(), s.cfg); err == nil || !strings.Contains(err.Error(), "set the root resource") {
		t.Errorf("Register() again = %v, want an error that asks for RootID", err)
	}
	s.cfg.RootID = created.RootID
	if got := s.register(t); got.Created || got.Upgraded {
		t.Errorf("Register() of a known root = %+v, want nothing done", got)
	}
	s.cfg.Rotate = true
	if _, err := register.Register(t.Context(), s.cfg); err == nil || !strings.Contains(err.Error(), "in the panel") {
		t.Errorf("Register() with a new secret = %v, want an error that names the panel", err)
	}
	s.cfg.Rotate = false
	if err := register.Unregister(t.Context(), s.cfg); err == nil || !strings.Contains(err.Error(), "in the panel") {
		t.Errorf("Unregister() = %v, want an error that names the panel", err)
	}
}

func TestRegister_StopsWaiting(t *testing.T) {
	s := newHarness(t)
	stop := errors.New("stop")
	s.cfg.Wait = func(context.Context, time.Duration) error { return stop }
	client, err := httpclient.New(httpclient.Config{Timeout: time.Minute, Transport: neverReady{http.DefaultTransport}})
	if err != nil {
		t.Fatal(err)
	}
	s.cfg.HTTP = client
	if _, err := register.Register(t.Context(), s.cfg); !errors.Is(err, stop) {
		t.Errorf("Register() = %v, want the error of Wait", err)
	}
}

// neverReady shows every resource as being provisioned.
type neverReady struct{ next http.RoundTripper }

func (n neverReady) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := n.next.RoundTrip(r)
	if err == nil && strings.HasPrefix(r.URL.Path, "/aps/2/resources/") {
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(strings.NewReader(strings.Replace(string(text), "aps:ready", "aps:provisioning", 1)))
		resp.ContentLength = -1
	}
	return resp, err
}

// TestRegister_RefusesTheWrongOrder has connectors of other versions running: nothing is imported, created or upgraded.
func TestRegister_RefusesTheWrongOrder(t *testing.T) {
	s := newHarness(t)
	for _, tc := range []struct{ running, want string }{
		{"1-1", "start this version of the connector first"},
		{"2-0", "start this version of the connector first"},
		{"2-2", "register with the program that runs there"},
		{"3-1", "register with the program that runs there"},
	} {
		s.asked.Store(`{"status":"ok","version":"` + tc.running + `"}`)
		_, err := register.Register(t.Context(), s.cfg)
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), tc.running) || !strings.Contains(err.Error(), "2-1") {
			t.Errorf("Register() while %s runs = %v, want an error with both versions that says %q", tc.running, err, tc.want)
		}
	}
	if len(s.lines) > 0 {
		t.Errorf("progress = %q, want nothing begun", s.lines)
	}
	s.asked.Store(`{"status":"ok","version":"2-1"}`)
	if got := s.register(t); !got.Created || !strings.Contains(s.lines[0], "serves version 2-1") {
		t.Errorf("Register() while 2-1 runs = %+v, %q, want a new instance and the version", got, s.lines)
	}
	s.lines = nil
	s.asked.Store("")
	if s.register(t); !strings.Contains(s.lines[0], "could not be asked") {
		t.Errorf("progress = %q, want that the version is unknown", s.lines)
	}
}

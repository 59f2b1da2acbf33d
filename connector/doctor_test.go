package main_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// A deployment is a sandbox whose connector runs; the doctor reads the same configuration and database.
type deployment struct {
	*terminal
	world  *world.World
	config string
}

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{terminal: newTerminal(t)}
	var err error
	if d.world, err = world.Start(t.Context(), world.Config{Folder: d.folder}); err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() {
		if err := d.world.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	if err := d.world.Install(t.Context()); err != nil {
		t.Fatalf("Install() = %v", err)
	}
	d.config = filepath.Join(d.folder, "connector.yaml")
	d.secrets = append(d.secrets, d.world.Secret.Reveal())
	return d
}

func (d *deployment) tenant() string { return d.world.TenantOf(world.Rita).ID }

// consent gives Rita's tenant a token and records its secrets.
func (d *deployment) consent() {
	d.Helper()
	browser := world.NewBrowser()
	begun, err := d.world.Begin(d.Context(), world.Rita, browser)
	d.must(err)
	page, err := d.world.Visit(d.Context(), browser, begun.URL, microsoft.Visitor{
		UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true, Accept: true,
	})
	if err != nil || page.Status != http.StatusOK {
		d.Fatalf("Visit() = %d, %v", page.Status, err)
	}
	d.hideStored()
}

// services opens the services beside the running connector. The caller closes them.
func (d *deployment) services() *app.Services {
	d.Helper()
	cfg, err := config.Load(d.config, nil)
	d.must(err)
	services, err := app.Open(d.Context(), cfg, app.Options{})
	d.must(err)
	return services
}

// changeSettings changes the settings of the instance.
func (d *deployment) changeSettings(change func(*tenant.Settings)) {
	d.Helper()
	services := d.services()
	defer services.Close()
	in, err := services.Store.Instance(d.Context(), d.world.Key)
	d.must(err)
	change(&in.Settings)
	d.must(services.Store.SaveInstance(d.Context(), &in))
}

// hideStored records the stored secrets as ones that no output may show.
func (d *deployment) hideStored() {
	d.Helper()
	services := d.services()
	defer services.Close()
	for _, slot := range []token.Slot{token.Active, token.Predecessor} {
		if g, err := services.Store.Grant(d.Context(), d.tenant(), slot); err == nil {
			d.secrets = append(d.secrets, g.RefreshToken.Reveal())
		}
	}
	in, err := services.Store.Instance(d.Context(), d.world.Key)
	d.must(err)
	for _, credential := range in.Settings.Application.Credentials() {
		d.secrets = append(d.secrets, credential.Value.Reveal())
	}
}

func TestDoctor_HealthyDeployment(t *testing.T) {
	d := newDeployment(t)
	d.consent()
	got := d.run("doctor", "--config", d.config, "--tenant", d.tenant(), "--log")
	d.hideStored()
	d.checkSecrets(got.stdout + got.stderr)
	d.check("doctor", got, 0, "28 ok, 0 with a warning, 0 failed; reference ")
	for _, check := range []string{
		"configuration", "keys", "database", "seals", "clock", "cloud global", "instance " + d.world.Key, "tenant", "settings",
		"directory", "grant", "renewal", "mfa", "api partnercenter", "api graph", "api arm", "roles", "credentials",
	} {
		if !strings.Contains(got.stdout, "ok       "+check+": ") {
			t.Errorf("connector doctor = %v, want the check %s ok", got, check)
		}
	}
	_, reference, _ := strings.Cut(got.stdout, "failed; reference ")
	if reference = strings.TrimSpace(reference); !strings.Contains(got.stderr, `"reference":"`+reference+`"`) {
		t.Errorf("the log of connector doctor --log = %q, want records under the reference %s", got.stderr, reference)
	}
}

func TestDoctor_RevokedToken(t *testing.T) {
	d := newDeployment(t)
	d.consent()
	d.must(d.world.Microsoft.RevokeSessions(world.AlpineAdmin))
	got := d.run("doctor", "--config", d.config, "--tenant", d.tenant())
	d.check("doctor", got, 1, "failed   renewal: Microsoft no longer accepts the refresh token", "Use Update Refresh Token", "code=grant_revoked", "1 failed")
	if got.stderr != "connector: some checks failed\n" {
		t.Errorf("connector doctor wrote %q to standard error, want one line", got.stderr)
	}
}

func TestDoctor_JSON(t *testing.T) {
	d := newDeployment(t)
	got := d.run("doctor", "--config", d.config, "--tenant", d.tenant(), "--json")
	d.check("doctor --json", got, 1)
	var report doctor.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil {
		t.Fatalf("connector doctor --json = %v, want one JSON document: %v", got, err)
	}
	if report.Reference == "" || report.Count(doctor.Failed) != 1 {
		t.Errorf("connector doctor --json = %+v, want one failed check, under a reference", report)
	}
	for _, f := range report.Findings {
		if f.Result == doctor.Failed && (f.Check != "grant" || f.Fields["code"] != "grant_absent" || f.Advice == "") {
			t.Errorf("the failed check = %+v, want the absent grant with what to do", f)
		}
	}
}

// TestDoctor_ReadsTheStateThatServeStored runs the real program on a new database.
func TestDoctor_ReadsTheStateThatServeStored(t *testing.T) {
	c := newTerminal(t)
	sim, err := microsoft.Start(microsoft.Config{})
	c.must(err)
	t.Cleanup(func() { c.must(sim.Close()) })
	file := c.configured()
	c.environ = append(c.environ, "CONNECTOR_HOOKS__PUBLICURL=http://127.0.0.1:1/aps", "CONNECTOR_ONBOARDING__PUBLICURL=http://127.0.0.1:1") // nobody
	c.write(file, c.read(file)+"clouds: [{name: global, authority: \""+sim.LoginURL()+"\"}]\n")
	before := c.run("doctor", "--config", file)
	c.check("doctor before serve", before, 1, "failed   database: ")
	if _, err := os.Stat(filepath.Join(c.folder, "connector.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Stat(connector.db) after connector doctor = %v, want no file", err)
	}
	s := c.serve("--config", file)
	c.check("doctor while serving", c.run("doctor", "--config", file), 0, "warning  instance key-1: ")
	c.check("tenants list without tenants", c.run("tenants", "list", "--config", file), 0, "there are no tenants: no reseller has a subscription yet")
	c.check("notify test before the installation", c.run("notify", "test", "--config", file), 1, "panel: failed: the platform has not installed the instance key-1 yet")
	if code := s.end(syscall.SIGTERM); code != 0 {
		t.Errorf("connector serve ended with the exit code %d, want 0", code)
	}
	c.check("doctor after serving", c.run("doctor", "--config", file), 0, "0 failed")
}

// TestDoctor_ReachesMicrosoftThroughTheOutboundProxy runs the real program where HTTPS_PROXY names a proxy, which refuses.
func TestDoctor_ReachesMicrosoftThroughTheOutboundProxy(t *testing.T) {
	const host = "login.example.com:443"
	asked := make(chan string, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case asked <- r.Method + " " + r.Host:
		default: // enough are known
		}
		http.Error(w, "not for you", http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	c := newTerminal(t)
	file := c.configured()
	c.environ = append(c.environ, "CONNECTOR_HOOKS__PUBLICURL=http://127.0.0.1:1/aps", "CONNECTOR_ONBOARDING__PUBLICURL=http://127.0.0.1:1", "HTTPS_PROXY="+proxy.URL)
	c.write(file, c.read(file)+"clouds: [{name: global, authority: \"https://login.example.com\"}]\n")
	c.check("migrate", c.run("migrate", "--config", file), 0)
	c.check("doctor behind a proxy", c.run("doctor", "--config", file), 1, "failed   cloud global: Microsoft couldn't be reached", "the outbound proxy (HTTPS_PROXY)")
	select {
	case got := <-asked:
		if got != "CONNECT "+host {
			t.Errorf("the proxy was asked for %q first, want CONNECT %s", got, host)
		}
	default:
		t.Error("the proxy was not asked")
	}
}

package doctor_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// A clinic is a running sandbox, whose connector the doctor examines meanwhile, from the same configuration.
type clinic struct {
	*testing.T
	*world.World
	folder string
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	c := &clinic{T: t, folder: t.TempDir()}
	var err error
	if c.World, err = world.Start(t.Context(), world.Config{Folder: c.folder}); err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	if err := c.Install(t.Context()); err != nil {
		t.Fatalf("Install() = %v", err)
	}
	return c
}

func (c *clinic) load() (config.Config, error) {
	return config.Load(filepath.Join(c.folder, "connector.yaml"), nil)
}

func (c *clinic) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// patient is the tenant that most tests examine.
func (c *clinic) patient() string { return c.TenantOf(world.Rita).ID }

// consent lets Alpine Cloud's administrator consent to its tenant.
func (c *clinic) consent() {
	c.Helper()
	answer := c.As(c.Context(), world.Rita, http.MethodPost, c.patient(), "consents", nil)
	var begun struct{ URL string }
	c.must(json.Unmarshal(answer.Body, &begun))
	page, err := c.Visit(c.Context(), world.NewBrowser(), begun.URL, microsoft.Visitor{
		UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true, Accept: true,
	})
	if err != nil || page.Status != http.StatusOK {
		c.Fatalf("Visit() = %d, %v", page.Status, err)
	}
}

// rooms returns the connector's rooms, to change or look at what only they can.
func (c *clinic) rooms() *app.Services {
	c.Helper()
	cfg, err := c.load()
	c.must(err)
	rooms, err := app.Open(c.Context(), cfg, app.Options{})
	c.must(err)
	c.Cleanup(func() {
		if err := rooms.Close(); err != nil {
			c.Errorf("Close() = %v", err)
		}
	})
	return rooms
}

// settings changes the settings of the instance.
func (c *clinic) settings(change func(*tenant.Settings)) {
	c.Helper()
	rooms := c.rooms()
	in, err := rooms.Tenants.Instance(c.Context(), c.Key)
	c.must(err)
	change(&in.Settings)
	c.must(rooms.Store.SaveInstance(c.Context(), &in))
}

// examine examines a tenant, "" for the deployment alone, and asserts that no secret is told.
func (c *clinic) examine(patient string, settings ...func(*doctor.Config)) doctor.Report {
	c.Helper()
	cfg := doctor.Config{Load: c.load, Tenant: patient}
	for _, set := range settings {
		set(&cfg)
	}
	report := examine(c.T, cfg)
	for _, hidden := range c.secrets() {
		for _, f := range report.Findings {
			if text, _ := json.Marshal(f); strings.Contains(f.String()+string(text), hidden) {
				c.Errorf("the finding of %s holds a secret of %d characters", f.Check, len(hidden))
			}
		}
	}
	return report
}

// secrets are all that the connector keeps of Alpine Cloud, in the clear.
func (c *clinic) secrets() []string {
	c.Helper()
	rooms := c.rooms()
	hidden := []string{c.Secret.Reveal()}
	in, err := rooms.Store.Instance(context.WithoutCancel(c.Context()), c.Key)
	c.must(err)
	for _, credential := range in.Settings.Application.Credentials() {
		hidden = append(hidden, credential.Value.Reveal())
	}
	for _, slot := range []token.Slot{token.Active, token.Predecessor} {
		if g, err := rooms.Store.Grant(c.Context(), c.patient(), slot); err == nil {
			hidden = append(hidden, g.RefreshToken.Reveal())
		}
	}
	return hidden
}

// examine runs a doctor, and asserts that findings are told as they are made.
func examine(t *testing.T, cfg doctor.Config) doctor.Report {
	t.Helper()
	var told []doctor.Finding
	cfg.Tell = func(f doctor.Finding) { told = append(told, f) }
	d, err := doctor.New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	report := d.Examine(t.Context())
	if len(told) != len(report.Findings) {
		t.Errorf("%d findings were told and %d reported", len(told), len(report.Findings))
	}
	if report.Reference == "" {
		t.Error("Examine() gave no reference")
	}
	return report
}

// checkFindings asserts the checks and their results, one "result check" each.
func checkFindings(t *testing.T, report doctor.Report, want ...string) {
	t.Helper()
	var got []string
	for _, f := range report.Findings {
		got = append(got, string(f.Result)+" "+f.Check)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Examine() =\n%s\nwant\n%s", lines(report), strings.Join(want, "\n"))
	}
}

// checkFinding asserts that a check ended as result, and says all of parts in its line.
func checkFinding(t *testing.T, report doctor.Report, result doctor.Result, check string, parts ...string) {
	t.Helper()
	for _, f := range report.Findings {
		if f.Check != check || f.Result != result {
			continue
		}
		missing := false
		for _, part := range parts {
			missing = missing || !strings.Contains(f.String(), part)
		}
		if !missing {
			return
		}
	}
	t.Errorf("Examine() =\n%s\nwant %s %s with %q", lines(report), result, check, parts)
}

func lines(report doctor.Report) string {
	var all []string
	for _, f := range report.Findings {
		all = append(all, f.String())
	}
	return strings.Join(all, "\n")
}

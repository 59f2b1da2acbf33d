package doctor_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

func TestMain(m *testing.M) {
	code := storetest.Main(m)
	if err := closeShared(); err != nil {
		fmt.Fprintln(os.Stderr, "doctor:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// A shared is the sandbox of all tests of the package, because its start takes much longer than an examination. newHarness
// resets it to its state after the installation.
type shared struct {
	folder   string
	world    *world.World
	services *app.Services
	database *sql.DB // the attached database pristine is a copy after the installation
	tables   []string
	secret   microsoft.Secret // of the application
}

var sharedSandbox = sync.OnceValues(startShared)

// started is the shared sandbox for closeShared, also when its start failed; nil before the start.
var started *shared

func startShared() (*shared, error) {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "doctor")
	if err != nil {
		return nil, err
	}
	s := &shared{folder: folder}
	started = s
	// The scheduler must not renew anything during a test.
	if s.world, err = world.Start(ctx, world.Config{Folder: folder, Tick: time.Hour}); err != nil {
		return nil, err
	}
	if err := s.world.Install(ctx); err != nil {
		return nil, err
	}
	cfg, err := s.load()
	if err != nil {
		return nil, err
	}
	if s.services, err = app.Open(ctx, cfg, app.Options{}); err != nil {
		return nil, err
	}
	in, err := s.services.Tenants.Instance(ctx, s.world.Key)
	if err != nil {
		return nil, err
	}
	s.secret = microsoft.Secret{Value: in.Settings.Application.Secret.Value.Reveal(), Ends: in.Settings.Application.Secret.Ends}
	if err := s.keepPristine(ctx, cfg.Database.Path); err != nil {
		return nil, err
	}
	return s, nil
}

// keepPristine copies the database, for reset.
func (s *shared) keepPristine(ctx context.Context, path string) error {
	var err error
	if s.database, err = sql.Open("sqlite", path+"?_pragma=busy_timeout(30000)"); err != nil {
		return err
	}
	s.database.SetMaxOpenConns(1) // the copy is attached to one connection
	pristine := filepath.Join(s.folder, "pristine.db")
	for _, statement := range []string{"VACUUM INTO '" + pristine + "'", "ATTACH DATABASE '" + pristine + "' AS pristine"} {
		if _, err := s.database.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	rows, err := s.database.QueryContext(ctx, "SELECT name FROM pristine.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		s.tables = append(s.tables, name)
	}
	return rows.Err()
}

// reset restores the state of database and simulator after the installation.
func (s *shared) reset(ctx context.Context) error {
	tx, err := s.database.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, table := range s.tables {
		for _, statement := range []string{"DELETE FROM main." + table, "INSERT INTO main." + table + " SELECT * FROM pristine." + table} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
	}
	ms := s.world.Microsoft
	ms.ClearFaults()
	ms.SetOddities(microsoft.Oddities{})
	return errors.Join(tx.Commit(),
		ms.SetPolicy(world.AlpineDirectory, microsoft.Policy{}),
		ms.SetPartnerCenter(world.AlpineDirectory, microsoft.PartnerCenterMode{}),
		ms.SetRoles(world.AlpineAdmin, true, true),
		ms.Enable(world.AlpineAdmin),
		ms.SetSecrets(world.ApplicationID, s.secret),
	)
}

func (s *shared) load() (config.Config, error) {
	return config.Load(filepath.Join(s.folder, "connector.yaml"), nil)
}

func closeShared() error {
	if started == nil {
		return nil
	}
	var errs []error
	if started.database != nil {
		errs = append(errs, started.database.Close())
	}
	if started.services != nil {
		errs = append(errs, started.services.Close())
	}
	if started.world != nil {
		errs = append(errs, started.world.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(started.folder))...)
}

// A harness is the sandbox for one test: its connector runs, and the doctor examines it with the same configuration.
type harness struct {
	*testing.T
	*world.World
	*shared
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	s, err := sharedSandbox()
	if err != nil {
		t.Fatalf("starting the sandbox: %v", err)
	}
	if err := s.reset(t.Context()); err != nil {
		t.Fatalf("resetting the sandbox: %v", err)
	}
	return &harness{t, s.world, s}
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// tenantID returns the ID of the tenant that most tests examine.
func (h *harness) tenantID() string { return h.TenantOf(world.Rita).ID }

// consent gives the tenant a grant, by the automatic procedure.
func (h *harness) consent() {
	h.Helper()
	browser := world.NewBrowser()
	begun, err := h.Begin(h.Context(), world.Rita, browser)
	h.must(err)
	page, err := h.Visit(h.Context(), browser, begun.URL, microsoft.Visitor{
		UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true, Accept: true,
	})
	if err != nil || page.Status != http.StatusOK {
		h.Fatalf("Visit() = %d, %v", page.Status, err)
	}
}

// changeSettings changes the settings of the instance.
func (h *harness) changeSettings(change func(*tenant.Settings)) {
	h.Helper()
	in, err := h.services.Tenants.Instance(h.Context(), h.Key)
	h.must(err)
	change(&in.Settings)
	h.must(h.services.Store.SaveInstance(h.Context(), &in))
}

// examine examines the deployment and, unless tenantID is empty, a tenant, and asserts that no finding contains a secret.
func (h *harness) examine(tenantID string, settings ...func(*doctor.Config)) doctor.Report {
	h.Helper()
	cfg := doctor.Config{Load: h.load, Tenant: tenantID}
	for _, set := range settings {
		set(&cfg)
	}
	report := examine(h.T, cfg)
	for _, hidden := range h.secrets() {
		for _, f := range report.Findings {
			if text, _ := json.Marshal(f); strings.Contains(f.String()+string(text), hidden) {
				h.Errorf("the finding of %s contains a secret of %d characters", f.Check, len(hidden))
			}
		}
	}
	return report
}

// secrets returns all secrets that the connector stores for the tenant, unencrypted.
func (h *harness) secrets() []string {
	h.Helper()
	hidden := []string{h.Secret.Reveal()}
	in, err := h.services.Store.Instance(h.Context(), h.Key)
	h.must(err)
	for _, credential := range in.Settings.Application.Credentials() {
		hidden = append(hidden, credential.Value.Reveal())
	}
	for _, slot := range []token.Slot{token.Active, token.Predecessor} {
		if g, err := h.services.Store.Grant(h.Context(), h.tenantID(), slot); err == nil && !g.Unreadable {
			hidden = append(hidden, g.RefreshToken.Reveal())
		}
	}
	return hidden
}

// examine runs a doctor, and asserts that it calls OnFinding for every finding.
func examine(t *testing.T, cfg doctor.Config) doctor.Report {
	t.Helper()
	var reported []doctor.Finding
	cfg.OnFinding = func(f doctor.Finding) { reported = append(reported, f) }
	d, err := doctor.New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	report := d.Examine(t.Context())
	if len(reported) != len(report.Findings) {
		t.Errorf("OnFinding() was called with %d findings, and the report has %d", len(reported), len(report.Findings))
	}
	if report.Reference == "" {
		t.Error("Examine() returned no reference")
	}
	return report
}

// checkFindings asserts the checks and their results, one "result check" each, apart from those of single settings of the
// database: how many there are depends on the database.
func checkFindings(t *testing.T, report doctor.Report, want ...string) {
	t.Helper()
	var got []string
	for _, f := range report.Findings {
		// TestExamine_PublicAddresses looks at these: the other tests' connectors mostly do not run.
		public := strings.HasPrefix(f.Check, "hooks of ") || f.Check == "onboarding pages"
		// TestExamine_Replicas looks at these: whether the sandbox has recorded that it runs depends on the moment.
		// The mail server of the sandbox is no matter of these tests.
		mail := f.Check == "notices by mail" && f.Result == doctor.OK
		if public || mail || f.Check == "replicas" || strings.HasPrefix(f.Check, "database ") && f.Result != doctor.Failed {
			continue
		}
		got = append(got, string(f.Result)+" "+f.Check)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Examine() =\n%s\nwant\n%s", lines(report), strings.Join(want, "\n"))
	}
}

// checkFinding asserts that a check ended with result, and that its line contains all of parts.
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

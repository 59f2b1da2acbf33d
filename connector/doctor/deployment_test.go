package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
)

func TestNew_NeedsLoad(t *testing.T) {
	if d, err := doctor.New(doctor.Config{}); err == nil {
		t.Errorf("New() without a configuration = %v, want an error", d)
	}
}

func TestExamine_ReportsEveryConfigurationProblem(t *testing.T) {
	report := examine(t, doctor.Config{Load: func() (config.Config, error) {
		return config.Config{}, errors.Join(&config.Problem{Key: "keys.file", Text: "it is missing"}, &config.Problem{Key: "hooks.publicURL", Text: "it is missing"})
	}})
	checkFindings(t, report, "failed configuration", "failed configuration")
	checkFinding(t, report, doctor.Failed, "configuration", "keys.file: it is missing")
	checkFinding(t, report, doctor.Failed, "configuration", "hooks.publicURL: it is missing")
}

// deployment returns a configuration with a database, and with its keys in a file.
func deployment(t *testing.T, db *storetest.Database) config.Config {
	t.Helper()
	cfg := config.Config{
		Keys:       config.Keys{File: filepath.Join(t.TempDir(), "connector.keys")},
		Database:   config.Database{Driver: db.Driver, Path: db.DSN},
		Instances:  []config.Instance{{Key: "key-1", Secret: secret.New("0123456789abcdef")}},
		Platform:   config.Platform{Timeout: time.Second},
		Hooks:      config.Hooks{PublicURL: "http://127.0.0.1:1/aps"},
		Onboarding: config.Onboarding{PublicURL: "http://127.0.0.1:1"},
	}
	if db.Driver == config.MySQL {
		cfg.Database = config.Database{Driver: db.Driver, DSN: secret.New(db.DSN)}
	}
	f, err := os.OpenFile(cfg.Keys.File, os.O_WRONLY|os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(db.Keyring.Write(f), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func loaded(cfg config.Config) func() (config.Config, error) {
	return func() (config.Config, error) { return cfg, nil }
}

func TestExamine_KeysThatDoNotOpen(t *testing.T) {
	cfg := deployment(t, storetest.SQLite(t))
	if err := os.Chmod(cfg.Keys.File, 0o644); err != nil {
		t.Fatal(err)
	}
	open := examine(t, doctor.Config{Load: loaded(cfg)})
	checkFindings(t, open, "ok configuration", "failed keys")
	checkFinding(t, open, doctor.Failed, "keys", "chmod 600")

	cfg.Keys.File += ".elsewhere"
	checkFindings(t, examine(t, doctor.Config{Load: loaded(cfg)}), "ok configuration", "failed keys")
}

func TestExamine_LeavesTheDatabaseUnchanged(t *testing.T) {
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		cfg := deployment(t, db)
		if db.Driver == config.SQLite {
			report := examine(t, doctor.Config{Load: loaded(cfg)})
			checkFindings(t, report, "ok configuration", "ok keys", "failed database")
			if _, err := os.Stat(db.DSN); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("Stat(%s) = %v, want no file, because Examine() must not create one", db.DSN, err)
			}
			if err := os.WriteFile(db.DSN, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		empty := examine(t, doctor.Config{Load: loaded(cfg)})
		checkFindings(t, empty, "ok configuration", "ok keys", "failed database")
		checkFinding(t, empty, doctor.Failed, "database", "Start connector serve")
		if dump := db.Dump(t); dump != "" {
			t.Errorf("after Examine(), the empty database contains %q", dump)
		}

		db.Open(t) // creates the schema
		raw := db.Raw(t)
		for _, tc := range []struct{ change, says string }{
			{"DELETE FROM schema_versions WHERE version_id > 0", "schema version 0; this program needs"},
			{"INSERT INTO schema_versions (version_id, is_applied) VALUES (999, 1)", "schema version 999; this program knows"},
		} {
			if _, err := raw.ExecContext(t.Context(), tc.change); err != nil {
				t.Fatal(err)
			}
			before := db.Dump(t)
			report := examine(t, doctor.Config{Load: loaded(cfg)})
			checkFindings(t, report, "ok configuration", "ok keys", "failed database")
			checkFinding(t, report, doctor.Failed, "database", tc.says)
			if db.Dump(t) != before {
				t.Errorf("after %q, Examine() changed the database", tc.change)
			}
		}
	})
}

func TestExamine_UnreachableDatabase(t *testing.T) {
	cfg := deployment(t, storetest.SQLite(t))
	cfg.Database = config.Database{Driver: config.MySQL, DSN: secret.New("connector:canary-password@tcp(127.0.0.1:1)/connector")}
	report := examine(t, doctor.Config{Load: loaded(cfg)})
	checkFindings(t, report, "ok configuration", "ok keys", "failed database")
	checkFinding(t, report, doctor.Failed, "database", "refused")
}

// TestExamine_BeforeTheInstallation examines a deployment that the platform has not installed yet.
func TestExamine_BeforeTheInstallation(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		db.Open(t)
		sim := startMicrosoft(t)
		cfg := deployment(t, db)
		cfg.Clouds = append(cfg.Clouds, profile(sim))
		report := examine(t, doctor.Config{Load: loaded(cfg)})
		checkFindings(t, report, "ok configuration", "ok keys", "ok database", "ok seals", "warning instance key-1", "ok integrity", "ok clock", "ok cloud global")
		checkFinding(t, report, doctor.Warning, "instance key-1", "connector register")
	})
}

func TestExamine_KeysOfAnotherDatabase(t *testing.T) {
	h := newHarness(t)
	cfg, err := h.load()
	h.must(err)
	cfg.Keys.File = filepath.Join(t.TempDir(), "other.keys")
	if _, err := seal.CreateFile(cfg.Keys.File); err != nil {
		t.Fatal(err)
	}
	report := h.examine("", func(d *doctor.Config) { d.Load = loaded(cfg) })
	checkFindings(t, report, "ok configuration", "ok keys", "ok database", "failed seals")
	checkFinding(t, report, doctor.Failed, "seals", "do not belong", "other keys")
}

// TestExamine_UnreadableSecrets: the doctor names them and goes on with everything else.
func TestExamine_UnreadableSecrets(t *testing.T) {
	h := newHarness(t)
	h.consent()
	_, err := h.database.ExecContext(t.Context(), "UPDATE main.grants SET refresh_token = ? WHERE slot = 'active'", []byte("damaged"))
	h.must(err)
	report := h.examine("")
	checkFindings(t, report, "ok configuration", "ok keys", "ok database", "failed seals", "ok integrity", "ok clock", "ok cloud global", "ok instance "+h.Key)
	checkFinding(t, report, doctor.Failed, "seals", "1 secret of", "grants.refresh_token", h.tenantID()+"/active", "new consent")
}

func TestExamine_AlteredRow(t *testing.T) {
	h := newHarness(t)
	_, err := h.database.ExecContext(t.Context(), "UPDATE main.tenants SET account_id = 'mallory' WHERE id = ?", h.tenantID())
	h.must(err)
	report := h.examine("")
	checkFindings(t, report, "ok configuration", "ok keys", "ok database", "ok seals", "failed integrity", "ok clock", "ok cloud global", "ok instance "+h.Key)
	checkFinding(t, report, doctor.Failed, "integrity", "1 row", "connector integrity list")
}

func TestExamine_HealthyDeployment(t *testing.T) {
	h := newHarness(t)
	report := h.examine("")
	checkFindings(t, report, "ok configuration", "ok keys", "ok database", "ok seals", "ok integrity", "ok clock", "ok cloud global", "ok instance "+h.Key)
	checkFinding(t, report, doctor.OK, "seals", "1 instance and 3 tenants")
	checkFinding(t, report, doctor.OK, "instance "+h.Key, "package 2-1", h.Platform.URL())
}

func TestExamine_NamesPauses(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		if err := s.SavePause(t.Context(), token.Pause{Until: time.Now().Add(time.Hour), By: "olga", Reason: "maintenance"}); err != nil {
			t.Fatal(err)
		}
		sim := startMicrosoft(t)
		cfg := deployment(t, db)
		cfg.Clouds = append(cfg.Clouds, profile(sim))
		checkFinding(t, examine(t, doctor.Config{Load: loaded(cfg)}), doctor.Warning, "renewals", "all clouds", "olga", "maintenance", "connector renewals resume")
	})
}

func TestExamine_ReportsConfigurationWarnings(t *testing.T) {
	h := newHarness(t)
	cfg, err := h.load()
	h.must(err)
	cfg.Warnings = []string{"something needs attention."}
	report := h.examine("", func(d *doctor.Config) { d.Load = loaded(cfg) })
	checkFinding(t, report, doctor.Warning, "configuration", "something needs attention.")
	if n := report.Count(doctor.Failed); n != 0 {
		t.Errorf("Count(failed) = %d, want 0", n)
	}
}

// A dated replaces the Date header of responses.
type dated struct {
	next http.RoundTripper
	date *time.Time // nil: no header
}

// RoundTrip implements http.RoundTripper.
func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Header.Del("Date")
	if d.date != nil {
		answer.Header.Set("Date", d.date.UTC().Format(http.TimeFormat))
	}
	return answer, nil
}

func TestExamine_ComparesTheClockWithMicrosofts(t *testing.T) {
	h := newHarness(t)
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { date := now.Add(d); return &date }
	for name, tc := range map[string]struct {
		date *time.Time
		want doctor.Result
		says string
	}{
		"equal":          {at(0), doctor.OK, "agrees"},
		"just below":     {at(-2*time.Minute + time.Second), doctor.OK, "agrees"},
		"we are ahead":   {at(-2*time.Minute - time.Second), doctor.Warning, "2m1s ahead"},
		"we are behind":  {at(9 * time.Minute), doctor.Warning, "9m0s behind"},
		"we are wrong":   {at(time.Hour), doctor.Failed, "1h0m0s behind"},
		"we are far off": {at(-85 * 24 * time.Hour), doctor.Failed, "2040h0m0s ahead"},
		"no Date header": {nil, doctor.Warning, "could not be compared"},
	} {
		t.Run(name, func(t *testing.T) {
			report := h.examine("", func(d *doctor.Config) {
				d.HTTP = &http.Client{Transport: dated{http.DefaultTransport, tc.date}}
				d.Now = func() time.Time { return now }
			})
			checkFinding(t, report, tc.want, "clock", tc.says)
			checkFinding(t, report, doctor.OK, "cloud global")
		})
	}
}

func TestExamine_UnreachableCloud(t *testing.T) {
	for name, fault := range map[string]microsoft.Fault{
		"unavailable":      {Host: microsoft.Login, Status: http.StatusServiceUnavailable},
		"a web page":       {Host: microsoft.Login, Status: http.StatusOK, Body: "<html>Sign in to the network first</html>"},
		"another issuer":   {Host: microsoft.Login, Status: http.StatusOK, Body: `{"issuer":"https://login.example.com/{tenantid}/v2.0"}`},
		"reset connection": {Host: microsoft.Login, Reset: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.consent()
			h.Microsoft.AddFault(fault)
			report := h.examine(h.tenantID())
			checkFinding(t, report, doctor.Failed, "cloud global", "cloud=global")
			// The checks that need no answer of the cloud run, and the refresh token is not sent to it.
			checkFinding(t, report, doctor.OK, "grant")
			checkFinding(t, report, doctor.OK, "credentials")
			for _, f := range report.Findings {
				if f.Check == "renewal" || f.Check == "directory" {
					t.Errorf("Examine() checked %s, although the cloud does not answer", f.Check)
				}
			}
		})
	}
}

func TestExamine_CloudThatIsNoLongerConfigured(t *testing.T) {
	h := newHarness(t)
	h.changeSettings(func(s *tenant.Settings) { s.Cloud = "sovereign" })
	checkFinding(t, h.examine(""), doctor.Failed, "cloud sovereign", `There is no cloud named sovereign.`)
}

func TestExamine_UnreachableController(t *testing.T) {
	h := newHarness(t)
	in, err := h.services.Store.Instance(t.Context(), h.Key)
	h.must(err)
	_, err = h.services.Tenants.NoteController(t.Context(), in, "http://127.0.0.1:1/")
	h.must(err)
	report := h.examine("")
	checkFinding(t, report, doctor.OK, "instance "+h.Key, "controller "+in.ControllerURI+" (pinned at the installation) responds")
	checkFinding(t, report, doctor.Warning, "controller of "+h.Key, "http://127.0.0.1:1/, which is not used", "the one in use is "+in.ControllerURI)
	h.must(tenant.AcceptController(t.Context(), h.services.Store, in.UpdatedAt, h.Key, "http://127.0.0.1:1/", audit.Actor{Kind: audit.Operator}))
	report = h.examine("")
	checkFinding(t, report, doctor.Failed, "instance "+h.Key, "code=platform_unavailable", "controller=http://127.0.0.1:1/", "reference="+report.Reference)

	in, err = h.services.Store.Instance(t.Context(), h.Key)
	h.must(err)
	in.ControllerURI = ""
	h.must(h.services.Store.SaveInstance(t.Context(), &in))
	checkFinding(t, h.examine(""), doctor.Warning, "instance "+h.Key, "not sent the address")
}

// TestExamine_TenantsThatThePlatformLost has a tenant that the platform does not show.
func TestExamine_TenantsThatThePlatformLost(t *testing.T) {
	h := newHarness(t)
	lost := tenant.Tenant{ID: "lost", InstanceKey: h.Key, AccountID: "account", UnknownAt: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	h.must(h.services.Store.SaveTenant(t.Context(), &lost))
	checkFinding(t, h.examine(""), doctor.Warning, "tenants of "+h.Key, "does not show that it has 1 tenant.")
}

// TestExamine_CertificatesOfListeners has a certificate of 60 days, whose last 14 are a warning.
func TestExamine_CertificatesOfListeners(t *testing.T) {
	began := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	cfg := deployment(t, storetest.SQLite(t))
	cfg.Hooks.TLS = listenerCertificate(t, began, began.AddDate(0, 0, 60))
	cfg.Onboarding.TLS = config.TLS{CertFile: cfg.Hooks.TLS.KeyFile, KeyFile: cfg.Hooks.TLS.KeyFile}
	for after, want := range map[time.Duration]struct {
		result doctor.Result
		text   string
	}{
		0:                   {doctor.OK, "ends in 60 days, on 2027-01-22T09:00:00Z"},
		45 * 24 * time.Hour: {doctor.OK, "ends in 15 days, on 2027-01-22T09:00:00Z"},
		46 * 24 * time.Hour: {doctor.Warning, "It ends in 14 days, on 2027-01-22T09:00:00Z."},
		59 * 24 * time.Hour: {doctor.Warning, "It ends in 1 day, on 2027-01-22T09:00:00Z."},
		60 * 24 * time.Hour: {doctor.Failed, "It ended on 2027-01-22T09:00:00Z."},
	} {
		report := examine(t, doctor.Config{Load: loaded(cfg), Now: func() time.Time { return began.Add(after) }})
		checkFinding(t, report, want.result, "certificate hooks", want.text)
		checkFinding(t, report, doctor.Failed, "certificate onboarding", "Reading the certificate:")
	}
	cfg.Hooks.TLS, cfg.Onboarding.TLS = config.TLS{}, config.TLS{}
	for _, f := range examine(t, doctor.Config{Load: loaded(cfg)}).Findings {
		if strings.HasPrefix(f.Check, "certificate") {
			t.Errorf("without TLS, the report has %s", f)
		}
	}
}

// listenerCertificate writes a certificate and its key.
func listenerCertificate(t *testing.T, begins, ends time.Time) config.TLS {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "connector"}, NotBefore: begins, NotAfter: ends}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	files := config.TLS{CertFile: filepath.Join(t.TempDir(), "cert.pem"), KeyFile: filepath.Join(t.TempDir(), "key.pem")}
	err = errors.Join(
		os.WriteFile(files.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(files.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

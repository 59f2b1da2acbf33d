package doctor_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/tenant"
	simulated "azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

func startMicrosoft(t *testing.T) *simulated.Simulator {
	t.Helper()
	sim, err := simulated.Start(simulated.Config{})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return sim
}

func profile(sim *simulated.Simulator) microsoft.Profile {
	return microsoft.Profile{Name: "global", Authority: sim.LoginURL()}
}

const day = 24 * time.Hour

// TestExamine_TenantWithOneProblem causes one problem at a time for a tenant with a grant. checks are the expected checks of
// the tenant; all end ok except check.
func TestExamine_TenantWithOneProblem(t *testing.T) {
	const (
		partner = "api partnercenter"
		graph   = "api graph"
		arm     = "api arm"
	)
	all := []string{"tenant", "settings", "directory", "grant", "renewal", "mfa", partner, graph, arm, "roles", "credentials"}
	settings := []string{"tenant", "settings"}
	directory := []string{"tenant", "settings", "directory", "credentials"}
	renewal := []string{"tenant", "settings", "directory", "grant", "renewal", "credentials"}
	later := func(d time.Duration) func(*doctor.Config) {
		return func(cfg *doctor.Config) { cfg.Now = func() time.Time { return time.Now().Add(d) } }
	}
	for name, tc := range map[string]struct {
		breaks func(h *harness) error
		cfg    func(*doctor.Config)
		checks []string
		result doctor.Result
		check  string
		says   []string
	}{
		"application removed": {
			func(h *harness) error {
				h.changeSettings(func(s *tenant.Settings) { s.Application = tenant.Application{} })
				return nil
			}, nil, settings, doctor.Failed, "settings", []string{"No Microsoft application is set up", "code=application_missing"},
		},
		"directory unknown to Microsoft": {
			func(h *harness) error {
				h.Microsoft.AddFault(simulated.Fault{Host: simulated.Login, Directory: world.AlpineDirectory, Path: "openid-configuration", Status: http.StatusBadRequest})
				return nil
			}, nil, directory, doctor.Failed, "directory", []string{"Microsoft doesn't know a directory", "code=directory_unknown"},
		},
		"sessions revoked": {
			func(h *harness) error { return h.Microsoft.RevokeSessions(world.AlpineAdmin) },
			nil, renewal, doctor.Failed, "renewal",
			[]string{"code=grant_revoked", "kind=signin", "microsoft_code=50173", "trace_id=", "correlation_id=", "reference="},
		},
		"sign-in frequency policy": {
			func(h *harness) error {
				return h.Microsoft.SetPolicy(world.AlpineDirectory, simulated.Policy{SignInFrequency: time.Nanosecond})
			}, nil, renewal, doctor.Failed, "renewal", []string{"code=sign_in_frequency", "microsoft_code=70043"},
		},
		"client secret of another application": {
			func(h *harness) error {
				return h.Microsoft.SetSecrets(world.ApplicationID, simulated.Secret{Value: "another~secret"})
			},
			nil, renewal, doctor.Failed, "renewal",
			[]string{"code=client_secret_wrong", "kind=configuration"},
		},
		"Partner Center says no to MFA": {
			func(h *harness) error {
				return h.Microsoft.SetPartnerCenter(world.AlpineDirectory, simulated.PartnerCenterMode{MFAHeader: "false"})
			}, nil, all, doctor.Failed, "mfa", []string{"amr in the token says yes", "isMfaCompliant of Partner Center says no"},
		},
		"Partner Center does not say whether MFA was used": {
			func(h *harness) error {
				return h.Microsoft.SetPartnerCenter(world.AlpineDirectory, simulated.PartnerCenterMode{MFAHeader: "-"})
			}, nil, all, doctor.Warning, "mfa", []string{"amr in the token says yes", "isMfaCompliant of Partner Center says unknown"},
		},
		"opaque access tokens": {
			func(h *harness) error {
				h.Microsoft.SetOddities(simulated.Oddities{OpaqueAccessTokens: true})
				return nil
			}, nil, all, doctor.OK, "mfa", []string{"amr in the token says unknown", "isMfaCompliant of Partner Center says yes"},
		},
		"Partner Center refuses": {
			func(h *harness) error {
				h.Microsoft.AddFault(simulated.Fault{Host: simulated.PartnerCenter, Status: http.StatusForbidden, Header: map[string]string{"isMfaCompliant": "true"}})
				return nil
			}, nil, all, doctor.Failed, partner, []string{"code=not_a_partner", "api=partnercenter"},
		},
		"ARM refuses": {
			func(h *harness) error {
				h.Microsoft.AddFault(simulated.Fault{Host: simulated.ARM, Status: http.StatusForbidden, Body: `{"error":{"code":"AuthorizationFailed"}}`})
				return nil
			}, nil, all, doctor.Failed, arm, []string{"code=api_refused", "api=arm"},
		},
		"ARM answers nonsense": {
			func(h *harness) error {
				h.Microsoft.AddFault(simulated.Fault{Host: simulated.ARM, Status: http.StatusOK, Body: "<html>"})
				return nil
			}, nil, all, doctor.Warning, arm, []string{"code=microsoft_answer", "api=arm"},
		},
		"no longer an Admin agent": {
			func(h *harness) error { return h.Microsoft.SetRoles(world.AlpineAdmin, true, false) },
			nil, all, doctor.Failed, "roles",
			[]string{"Global admin yes, Admin agent no", "AdminAgents"},
		},
		"no longer a Global admin": {
			func(h *harness) error { return h.Microsoft.SetRoles(world.AlpineAdmin, false, true) },
			nil, all, doctor.Warning, "roles",
			[]string{"Global admin no, Admin agent yes", "the next consent does not"},
		},
		"expiry of the secret unknown": {
			func(h *harness) error {
				h.changeSettings(func(s *tenant.Settings) { s.Application.Secret.Ends = time.Time{} })
				return nil
			}, nil, all, doctor.Warning, "credentials", []string{"The expiry date of the client secret is not known"},
		},
		"secret expires soon": {
			func(h *harness) error {
				h.changeSettings(func(s *tenant.Settings) { s.Application.Secret.Ends = time.Now().Add(10*day + time.Hour) })
				return nil
			}, nil, all, doctor.Warning, "credentials", []string{"The client secret expires in 10 days"},
		},
		"secret expired": {
			func(h *harness) error {
				h.changeSettings(func(s *tenant.Settings) { s.Application.Secret.Ends = time.Now().Add(-day) })
				return nil
			}, nil, all, doctor.Failed, "credentials", []string{"The client secret expired on"},
		},
		"second secret expires soon": {
			func(h *harness) error {
				h.changeSettings(func(s *tenant.Settings) {
					s.Application.NextSecret = s.Application.Secret
					s.Application.NextSecret.Ends = time.Now().Add(day + time.Hour)
				})
				return nil
			}, nil, append(all, "credentials"), doctor.Warning, "credentials", []string{"The next client secret expires in 1 day,"},
		},
		"not renewed for 61 days": {
			func(*harness) error { return nil }, later(61 * day), all, doctor.Warning, "grant", []string{"Days left: 28", "code=grant_expiring"},
		},
		"not renewed for 90 days": {
			func(*harness) error { return nil }, later(90 * day),
			[]string{"tenant", "settings", "directory", "grant", "credentials"},
			doctor.Failed, "grant",
			[]string{"has expired", "code=grant_expired"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.consent()
			if err := tc.breaks(h); err != nil {
				t.Fatal(err)
			}
			if tc.cfg == nil {
				tc.cfg = func(*doctor.Config) {}
			}
			report := h.examine(h.tenantID(), tc.cfg)
			checkFinding(t, report, tc.result, tc.check, tc.says...)
			checkOrder(t, report, tc.checks)
			for _, f := range report.Findings {
				clocks := f.Check == "clock" || f.Check == "hooks of "+h.Key // compared with the doctor's, which some cases move
				if f.Result != doctor.OK && f.Check != tc.check && !clocks {
					t.Errorf("Examine() also reports:\n%s", f)
				}
			}
		})
	}
}

// checkOrder asserts which checks of the tenant ran, in their order.
func checkOrder(t *testing.T, report doctor.Report, want []string) {
	t.Helper()
	var got []string
	for _, f := range report.Findings {
		if f.Check == "tenant" || len(got) > 0 {
			got = append(got, f.Check)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the checks of the tenant differ (-want +got):\n%s", diff)
	}
}

func TestExamine_TenantWithoutToken(t *testing.T) {
	h := newHarness(t)
	report := h.examine(h.tenantID())
	checkFinding(t, report, doctor.Failed, "grant", "There is no refresh token for this tenant yet.", "code=grant_absent")
	checkOrder(t, report, []string{"tenant", "settings", "directory", "grant", "credentials"})
}

func TestExamine_UnknownTenant(t *testing.T) {
	h := newHarness(t)
	for _, wanted := range []string{"00000000-0000-4000-8000-000000000000", "Nobody", world.CoralDirectory} {
		report := h.examine(wanted)
		checkFinding(t, report, doctor.Failed, "tenant", wanted)
		checkOrder(t, report, []string{"tenant"})
	}
}

func TestExamine_FindsATenantByWhatScreensShow(t *testing.T) {
	h := newHarness(t)
	for _, wanted := range []string{h.tenantID(), "alpine cloud", "alpine.onmicrosoft.com", world.AlpineDirectory} {
		checkFinding(t, h.examine(wanted), doctor.OK, "tenant", "tenant="+h.tenantID())
	}
	other, err := h.services.Store.Tenant(t.Context(), h.TenantOf(world.Bjorn).ID)
	h.must(err)
	other.Name = "Alpine Cloud"
	h.must(h.services.Store.SaveTenant(t.Context(), &other))
	checkFinding(t, h.examine("Alpine Cloud"), doctor.Failed, "tenant", "Several tenants", h.tenantID(), other.ID)
	checkFinding(t, h.examine(other.ID), doctor.OK, "tenant", "tenant="+other.ID)
}

// TestExamine_RenewsOnce examines a tenant without problems: afterwards a newer token is stored, which Microsoft accepts, and
// the history has the event with the reference of the report.
func TestExamine_RenewsOnce(t *testing.T) {
	h := newHarness(t)
	h.consent()
	before, err := h.services.Store.Grant(t.Context(), h.tenantID(), "active")
	h.must(err)
	report := h.examine(h.tenantID())
	if n := report.Count(doctor.OK); n != len(report.Findings) {
		t.Errorf("Examine() =\n%s\nwant all ok", lines(report))
	}
	checkFinding(t, report, doctor.OK, "mfa", "amr in the token says yes, isMfaCompliant of Partner Center says yes", "reference="+report.Reference)
	checkFinding(t, report, doctor.OK, "roles", "Global admin yes, Admin agent yes")
	checkFinding(t, report, doctor.OK, "grant", "consented by "+world.AlpineAdmin, "automatic procedure")

	after, err := h.services.Store.Grant(t.Context(), h.tenantID(), "active")
	h.must(err)
	if after.RefreshToken == before.RefreshToken || after.IssuedAt.Before(before.IssuedAt) || !h.Microsoft.WouldAccept(after.RefreshToken.Reveal()) {
		t.Errorf("the stored token was issued at %s, before at %s; want a newer one that Microsoft accepts", after.IssuedAt, before.IssuedAt)
	}
	events, err := h.services.Tokens.History(t.Context(), h.tenantID(), time.Time{}, 1)
	h.must(err)
	if e := events[0]; e.Action != audit.GrantChecked || e.Reference != report.Reference || e.Actor.Kind != audit.Operator {
		t.Errorf("the last event = %s by %s, reference %s, want a check by the operator, reference %s", e.Action, e.Actor.Kind, e.Reference, report.Reference)
	}
}

// TestExamine_DuringARenewal examines a tenant that another replica is renewing.
func TestExamine_DuringARenewal(t *testing.T) {
	h := newHarness(t)
	h.consent()
	now := time.Now()
	if _, err := h.services.Store.Lease(t.Context(), h.tenantID(), "another replica", now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	report := h.examine(h.tenantID())
	checkFinding(t, report, doctor.Warning, "renewal", "code=renewal_running")
	checkOrder(t, report, []string{"tenant", "settings", "directory", "grant", "renewal", "credentials"})
}

// TestExamine_LastRefusalIsAWarning examines a tenant whose last renewal failed, for a reason that has ended since.
func TestExamine_LastRefusalIsAWarning(t *testing.T) {
	h := newHarness(t)
	h.consent()
	h.must(h.Microsoft.Disable(world.AlpineAdmin))
	checkFinding(t, h.examine(h.tenantID()), doctor.Failed, "renewal", "code=account_disabled")
	h.must(h.Microsoft.Enable(world.AlpineAdmin))

	report := h.examine(h.tenantID())
	checkFinding(t, report, doctor.Warning, "grant", "action_required, 0 days old", "is disabled", "code=account_disabled")
	checkFinding(t, report, doctor.OK, "renewal")
	checkFinding(t, h.examine(h.tenantID()), doctor.OK, "grant", "active")
}

// TestExamine_RepairedSettingsAreOK examines a tenant whose application was missing at the last renewal.
func TestExamine_RepairedSettingsAreOK(t *testing.T) {
	h := newHarness(t)
	h.consent()
	var kept tenant.Application
	h.changeSettings(func(s *tenant.Settings) { kept, s.Application = s.Application, tenant.Application{} })
	if _, err := h.services.Tokens.Renew(t.Context(), h.tenantID(), audit.Actor{Kind: audit.Operator}); err == nil {
		t.Fatal("Renew() without an application = nil, want a failure")
	}
	checkFinding(t, h.examine(h.tenantID()), doctor.Failed, "settings", "code=application_missing")
	h.changeSettings(func(s *tenant.Settings) { s.Application = kept })
	report := h.examine(h.tenantID())
	checkFinding(t, report, doctor.OK, "settings")
	checkFinding(t, report, doctor.Warning, "grant", "code=application_missing")
	checkFinding(t, report, doctor.OK, "renewal")
}

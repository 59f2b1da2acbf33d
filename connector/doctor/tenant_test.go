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

// TestATenantWithAFault spoils one thing at a time of a tenant that has consented. checks are the ones that are told
// after the deployment's, all ok but for the one that is named.
func TestATenantWithAFault(t *testing.T) {
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
		spoil  func(c *clinic) error
		cfg    func(*doctor.Config)
		checks []string
		result doctor.Result
		check  string
		says   []string
	}{
		"application taken away": {
			func(c *clinic) error {
				c.settings(func(s *tenant.Settings) { s.Application = tenant.Application{} })
				return nil
			}, nil, settings, doctor.Failed, "settings", []string{"No Microsoft application is set up", "code=application_missing"},
		},
		"directory unknown to Microsoft": {
			func(c *clinic) error {
				c.Microsoft.AddFault(simulated.Fault{Host: simulated.Login, Directory: world.AlpineDirectory, Path: "openid-configuration", Status: http.StatusBadRequest})
				return nil
			}, nil, directory, doctor.Failed, "directory", []string{"Microsoft knows no directory", "code=directory_unknown"},
		},
		"sessions revoked": {
			func(c *clinic) error { return c.Microsoft.RevokeSessions(world.AlpineAdmin) },
			nil, renewal, doctor.Failed, "renewal",
			[]string{"code=grant_revoked", "kind=signin", "microsoft_code=50173", "trace_id=", "correlation_id=", "reference="},
		},
		"policy on the age of sign-ins": {
			func(c *clinic) error {
				return c.Microsoft.SetPolicy(world.AlpineDirectory, simulated.Policy{SignInFrequency: time.Nanosecond})
			}, nil, renewal, doctor.Failed, "renewal", []string{"code=sign_in_frequency", "microsoft_code=70043"},
		},
		"client secret of another application": {
			func(c *clinic) error {
				return c.Microsoft.SetSecrets(world.ApplicationID, simulated.Secret{Value: "another~secret"})
			},
			nil, renewal, doctor.Failed, "renewal",
			[]string{"code=client_secret_wrong", "kind=configuration"},
		},
		"Partner Center says no to MFA": {
			func(c *clinic) error {
				return c.Microsoft.SetPartnerCenter(world.AlpineDirectory, simulated.PartnerCenterMode{MFAHeader: "false"})
			}, nil, all, doctor.Failed, "mfa", []string{"amr in the token says yes", "isMfaCompliant of Partner Center says no"},
		},
		"Partner Center does not tell of MFA": {
			func(c *clinic) error {
				return c.Microsoft.SetPartnerCenter(world.AlpineDirectory, simulated.PartnerCenterMode{MFAHeader: "-"})
			}, nil, all, doctor.Warning, "mfa", []string{"amr in the token says yes", "isMfaCompliant of Partner Center says unknown"},
		},
		"opaque access tokens": {
			func(c *clinic) error {
				c.Microsoft.SetOddities(simulated.Oddities{OpaqueAccessTokens: true})
				return nil
			}, nil, all, doctor.OK, "mfa", []string{"amr in the token says unknown", "isMfaCompliant of Partner Center says yes"},
		},
		"Partner Center refuses": {
			func(c *clinic) error {
				c.Microsoft.AddFault(simulated.Fault{Host: simulated.PartnerCenter, Status: http.StatusForbidden, Header: map[string]string{"isMfaCompliant": "true"}})
				return nil
			}, nil, all, doctor.Failed, partner, []string{"code=not_a_partner", "api=partnercenter"},
		},
		"ARM refuses": {
			func(c *clinic) error {
				c.Microsoft.AddFault(simulated.Fault{Host: simulated.ARM, Status: http.StatusForbidden, Body: `{"error":{"code":"AuthorizationFailed"}}`})
				return nil
			}, nil, all, doctor.Failed, arm, []string{"code=api_refused", "api=arm"},
		},
		"ARM answers nonsense": {
			func(c *clinic) error {
				c.Microsoft.AddFault(simulated.Fault{Host: simulated.ARM, Status: http.StatusOK, Body: "<html>"})
				return nil
			}, nil, all, doctor.Warning, arm, []string{"code=microsoft_answer", "api=arm"},
		},
		"no Admin agent any more": {
			func(c *clinic) error { return c.Microsoft.SetRoles(world.AlpineAdmin, true, false) },
			nil, all, doctor.Failed, "roles",
			[]string{"Global admin yes, Admin agent no", "AdminAgents"},
		},
		"no Global admin any more": {
			func(c *clinic) error { return c.Microsoft.SetRoles(world.AlpineAdmin, false, true) },
			nil, all, doctor.Warning, "roles",
			[]string{"Global admin no, Admin agent yes", "the next consent does not"},
		},
		"end of the secret not entered": {
			func(c *clinic) error {
				c.settings(func(s *tenant.Settings) { s.Application.Secret.Ends = time.Time{} })
				return nil
			}, nil, all, doctor.Warning, "credentials", []string{"When the client secret ends is not known"},
		},
		"secret ends soon": {
			func(c *clinic) error {
				c.settings(func(s *tenant.Settings) { s.Application.Secret.Ends = time.Now().Add(10*day + time.Hour) })
				return nil
			}, nil, all, doctor.Warning, "credentials", []string{"The client secret ends in 10 days"},
		},
		"secret has ended": {
			func(c *clinic) error {
				c.settings(func(s *tenant.Settings) { s.Application.Secret.Ends = time.Now().Add(-day) })
				return nil
			}, nil, all, doctor.Failed, "credentials", []string{"The client secret ended on"},
		},
		"a second secret ends soon": {
			func(c *clinic) error {
				c.settings(func(s *tenant.Settings) {
					s.Application.NextSecret = s.Application.Secret
					s.Application.NextSecret.Ends = time.Now().Add(day + time.Hour)
				})
				return nil
			}, nil, append(all, "credentials"), doctor.Warning, "credentials", []string{"The next client secret ends in 1 day,"},
		},
		"not renewed for long": {
			func(*clinic) error { return nil }, later(61 * day), all, doctor.Warning, "grant", []string{"expires in 28 days", "code=grant_expiring"},
		},
		"not renewed in time": {
			func(*clinic) error { return nil }, later(90 * day),
			[]string{"tenant", "settings", "directory", "grant", "credentials"},
			doctor.Failed, "grant",
			[]string{"has expired", "code=grant_expired"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClinic(t)
			c.consent()
			if err := tc.spoil(c); err != nil {
				t.Fatal(err)
			}
			if tc.cfg == nil {
				tc.cfg = func(*doctor.Config) {}
			}
			report := c.examine(c.patient(), tc.cfg)
			checkFinding(t, report, tc.result, tc.check, tc.says...)
			checkOrder(t, report, tc.checks)
			for _, f := range report.Findings {
				if f.Result != doctor.OK && f.Check != tc.check && f.Check != "clock" {
					t.Errorf("Examine() says of something else:\n%s", f)
				}
			}
		})
	}
}

// checkOrder asserts which checks were made of the tenant, in their order.
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

func TestATenantWithoutToken(t *testing.T) {
	c := newClinic(t)
	report := c.examine(c.patient())
	checkFinding(t, report, doctor.Failed, "grant", "There is no refresh token for this tenant yet.", "code=grant_absent")
	checkOrder(t, report, []string{"tenant", "settings", "directory", "grant", "credentials"})
}

func TestATenantThatNobodyKnows(t *testing.T) {
	c := newClinic(t)
	for _, wanted := range []string{"00000000-0000-4000-8000-000000000000", "Nobody", world.CoralDirectory} {
		report := c.examine(wanted)
		checkFinding(t, report, doctor.Failed, "tenant", wanted)
		checkOrder(t, report, []string{"tenant"})
	}
}

func TestATenantIsFoundByWhatScreensShow(t *testing.T) {
	c := newClinic(t)
	for _, wanted := range []string{c.patient(), "alpine cloud", "alpine.onmicrosoft.com", world.AlpineDirectory} {
		checkFinding(t, c.examine(wanted), doctor.OK, "tenant", "tenant="+c.patient())
	}
	rooms := c.rooms()
	other, err := rooms.Store.Tenant(t.Context(), c.TenantOf(world.Bjorn).ID)
	c.must(err)
	other.Name = "Alpine Cloud"
	c.must(rooms.Store.SaveTenant(t.Context(), &other))
	checkFinding(t, c.examine("Alpine Cloud"), doctor.Failed, "tenant", "Several tenants", c.patient(), other.ID)
	checkFinding(t, c.examine(other.ID), doctor.OK, "tenant", "tenant="+other.ID)
}

// TestAnExaminationRenewsOnce lets a healthy tenant be examined: the token that is stored afterwards is a newer one
// that Microsoft takes, and the history tells of it under the report's reference.
func TestAnExaminationRenewsOnce(t *testing.T) {
	c := newClinic(t)
	c.consent()
	rooms := c.rooms()
	before, err := rooms.Store.Grant(t.Context(), c.patient(), "active")
	c.must(err)
	report := c.examine(c.patient())
	if n := report.Count(doctor.OK); n != len(report.Findings) {
		t.Errorf("Examine() =\n%s\nwant all ok", lines(report))
	}
	checkFinding(t, report, doctor.OK, "mfa", "amr in the token says yes, isMfaCompliant of Partner Center says yes", "reference="+report.Reference)
	checkFinding(t, report, doctor.OK, "roles", "Global admin yes, Admin agent yes")
	checkFinding(t, report, doctor.OK, "grant", "consented by "+world.AlpineAdmin, "automatic procedure")

	after, err := rooms.Store.Grant(t.Context(), c.patient(), "active")
	c.must(err)
	if !after.IssuedAt.After(before.IssuedAt) || !c.Microsoft.WouldAccept(after.RefreshToken.Reveal()) {
		t.Errorf("the stored token was issued at %s, before at %s; want a newer one that Microsoft accepts", after.IssuedAt, before.IssuedAt)
	}
	events, err := rooms.Tokens.History(t.Context(), c.patient(), time.Time{}, 1)
	c.must(err)
	if e := events[0]; e.Action != audit.GrantChecked || e.Reference != report.Reference || e.Actor.Kind != audit.Operator {
		t.Errorf("the last event = %s by %s under %s, want a check by the operator under %s", e.Action, e.Actor.Kind, e.Reference, report.Reference)
	}
}

// TestWhileARenewalRuns examines a tenant that another replica is renewing at the moment.
func TestWhileARenewalRuns(t *testing.T) {
	c := newClinic(t)
	c.consent()
	now := time.Now()
	if _, err := c.rooms().Store.Lease(t.Context(), c.patient(), "another replica", now, now.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	report := c.examine(c.patient())
	checkFinding(t, report, doctor.Warning, "renewal", "code=renewal_running")
	checkOrder(t, report, []string{"tenant", "settings", "directory", "grant", "renewal", "credentials"})
}

// TestTheLastRefusalIsAWarning examines a tenant whose trouble is over, though nobody has tried since.
func TestTheLastRefusalIsAWarning(t *testing.T) {
	c := newClinic(t)
	c.consent()
	c.must(c.Microsoft.Disable(world.AlpineAdmin))
	checkFinding(t, c.examine(c.patient()), doctor.Failed, "renewal", "code=account_disabled")
	c.must(c.Microsoft.Enable(world.AlpineAdmin))

	report := c.examine(c.patient())
	checkFinding(t, report, doctor.Warning, "grant", "action_required, 0 days old", "is disabled", "code=account_disabled")
	checkFinding(t, report, doctor.OK, "renewal")
	checkFinding(t, c.examine(c.patient()), doctor.OK, "grant", "active")
}

// TestRepairedSettingsAreSound examines a tenant whose application was missing at the last renewal.
func TestRepairedSettingsAreSound(t *testing.T) {
	c := newClinic(t)
	c.consent()
	var kept tenant.Application
	c.settings(func(s *tenant.Settings) { kept, s.Application = s.Application, tenant.Application{} })
	if _, err := c.rooms().Tokens.Renew(t.Context(), c.patient(), audit.Actor{Kind: audit.Operator}); err == nil {
		t.Fatal("Renew() without an application = nil, want a failure")
	}
	checkFinding(t, c.examine(c.patient()), doctor.Failed, "settings", "code=application_missing")
	c.settings(func(s *tenant.Settings) { s.Application = kept })
	report := c.examine(c.patient())
	checkFinding(t, report, doctor.OK, "settings")
	checkFinding(t, report, doctor.Warning, "grant", "code=application_missing")
	checkFinding(t, report, doctor.OK, "renewal")
}

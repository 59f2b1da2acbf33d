package store_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// checkUpgraded fails unless everything that FillEarlier stored opens, is proven, and is covered.
func checkUpgraded(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	r, err := s.Resolve(ctx, storetest.EarlierTenant)
	if err == nil && !r.Tenant.Proven() {
		t.Error("Resolve() = a tenant with a grant whose directory is not proven")
	}
	if err != nil || r.Intact() != nil || r.Tenant.AccountID != storetest.EarlierAccount || r.Instance.Settings.Application.Secret.Value.Reveal() != "earlier-secret" {
		t.Errorf("Resolve() = another tenant, %v, intact: %v", err, r.Intact())
	}
	if in := r.Instance; in.ControllerURI != "https://controller.example/" || in.NamedController != "" {
		t.Errorf("the upgraded instance is at %q, named %q; want the stored address pinned", in.ControllerURI, in.NamedController)
	}
	for _, slot := range []token.Slot{token.Active, token.Pending} {
		g, err := s.Grant(ctx, storetest.EarlierTenant, slot)
		if err != nil || g.RefreshToken.Reveal() != "earlier-token" || g.AccountID != storetest.EarlierAccount || g.InstanceKey != storetest.EarlierInstance {
			t.Errorf("Grant(%s) = %s of %q at %q, %v, want the one of the owner", slot, g.TenantID, g.AccountID, g.InstanceKey, err)
		}
	}
	if c, err := s.Consent(ctx, "earlier-consent"); err != nil || c.Link.Reveal() != "earlier-link" {
		t.Errorf("Consent() = another one, %v", err)
	}
	if state, err := s.State(ctx, "earlier-state"); err != nil || state.Nonce.Reveal() != "earlier-nonce" || state.Verifier.Reveal() != "earlier-verifier" {
		t.Errorf("State() = another one, %v", err)
	}
	if form, err := store.Form(ctx, s); err != nil || form != store.CurrentForm {
		t.Errorf("Form() = %d, %v, want %d", form, err, store.CurrentForm)
	}
	checkEvents(t, s, storetest.EarlierEvents)
}

// checkEvents fails unless so many covered events verify.
func checkEvents(t *testing.T, s *store.Store, want int64) store.Verification {
	t.Helper()
	v, err := s.VerifyEvents(t.Context(), func(text string) { t.Error("VerifyEvents() found:", text) })
	if err != nil || v.Events != want {
		t.Errorf("VerifyEvents() = %d events, %v, want %d", v.Events, err, want)
	}
	return v
}

func TestMigrate_UpgradesAnEarlierDatabase(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		db.FillEarlier(t)
		before := db.Unmigrated(t)
		if progress, err := before.CheckSealed(t.Context(), nil); err != nil {
			t.Errorf("CheckSealed() before = %v, %v", progress, err)
		} else if total, _, failed, failure := sealed(progress); total != storetest.EarlierSecrets || failed != 0 {
			t.Errorf("CheckSealed() before = %d secrets, %d failed, %v, want %d that open", total, failed, failure, storetest.EarlierSecrets)
		}
		s := db.Open(t)
		checkUpgraded(t, s)
		progress, err := s.CheckSealed(t.Context(), nil)
		if total, _, failed, failure := sealed(progress); err != nil || total != storetest.EarlierSecrets || failed != 0 {
			t.Errorf("CheckSealed() = %d secrets, %d failed, %v, %v, want %d that open", total, failed, failure, err, storetest.EarlierSecrets)
		}
		// The events of the earlier program have no MAC of their own, and a checkpoint proves them from now on.
		var proven int
		if err := db.Raw(t).QueryRowContext(t.Context(), "SELECT COUNT(*) FROM events WHERE mac IS NOT NULL").Scan(&proven); err != nil || proven != 0 {
			t.Errorf("%d events have a MAC, %v, want none", proven, err)
		}
		execute(t, db, "UPDATE events SET actor_id = 'mallory' WHERE id = 'earlier-event-7'")
		if v, err := s.VerifyEvents(t.Context(), func(string) {}); err != nil || v.Problems != 1 {
			t.Errorf("VerifyEvents() of a changed event = %d problems, %v, want 1", v.Problems, err)
		}
	})
}

// TestMigrateNothing_MySQLFinishesTheUpgrade has an account that may change rows only. It refuses an earlier schema as it is, and
// finishes an upgrade that another account began.
func TestMigrateNothing_MySQLFinishesTheUpgrade(t *testing.T) {
	limited, administer := storetest.OwnServer(t, "SELECT, INSERT, UPDATE, DELETE")
	administer("CREATE USER 'migrator'@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT ALL ON connector.* TO 'migrator'@'127.0.0.1'")
	privileged := *limited
	privileged.DSN = strings.Replace(limited.DSN, "connector:x@", "migrator:x@", 1)
	privileged.FillEarlier(t)
	if err := limited.Unmigrated(t).MigrateNothing(t.Context()); !errors.Is(err, sqldb.ErrOlderSchema) {
		t.Errorf("MigrateNothing() of an earlier schema = %v, want %v", err, sqldb.ErrOlderSchema)
	}
	if progress, err := privileged.Unmigrated(t).CheckSealed(t.Context(), nil); err != nil {
		t.Errorf("CheckSealed() afterwards = %v", err)
	} else if total, _, failed, _ := sealed(progress); total != storetest.EarlierSecrets || failed != 0 {
		t.Errorf("CheckSealed() afterwards = %d secrets, %d failed, want all as they were", total, failed)
	}

	// The tables are up to date before anything is resealed.
	begun := privileged.Unmigrated(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	statements := 0
	for form := -1; form != store.FormBegun; statements++ {
		interrupted, stop := context.WithCancel(ctx)
		err := store.InterruptAfter(interrupted, begun, statements, stop, func() error { return begun.Migrate(interrupted) })
		stop()
		if err == nil {
			t.Fatal("Migrate() = nil before the upgrade was seen to have begun")
		}
		if form, err = store.Form(ctx, begun); err != nil {
			form = -1 // no table yet
		}
	}
	if err := limited.Unmigrated(t).MigrateNothing(ctx); err != nil {
		t.Fatalf("MigrateNothing() of an interrupted upgrade = %v", err)
	}
	checkUpgraded(t, limited.Unmigrated(t))
}

// TestMigrate_ContinuesAnInterruptedUpgrade ends an upgrade at each of its statements in turn, and lets the next start
// continue it.
func TestMigrate_ContinuesAnInterruptedUpgrade(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		db.FillEarlier(t)
		interrupted := 0
		for n := 0; ; n++ {
			s := db.Unmigrated(t)
			ctx, cancel := context.WithCancel(t.Context())
			err := store.InterruptAfter(ctx, s, n, cancel, func() error { return s.Migrate(ctx) })
			cancel()
			if err == nil {
				break
			}
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("Migrate() that ends at statement %d = %v", n, err)
			}
			interrupted++
		}
		if interrupted < 20 {
			t.Errorf("the upgrade was interrupted %d times, want at every statement", interrupted)
		}
		checkUpgraded(t, db.Open(t))
	})
}

// TestMigrate_OldFormsAreWrongAfterTheUpgrade puts back what the database held before.
func TestMigrate_OldFormsAreWrongAfterTheUpgrade(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		db.FillEarlier(t)
		var old []byte
		if err := db.Raw(t).QueryRowContext(t.Context(), "SELECT refresh_token FROM grants WHERE slot = 'active'").Scan(&old); err != nil {
			t.Fatal(err)
		}
		s := db.Open(t)
		execute(t, db, "UPDATE grants SET refresh_token = ? WHERE slot = 'active'", old)
		if g, err := s.Grant(t.Context(), storetest.EarlierTenant, token.Active); err == nil && !g.RefreshToken.Empty() {
			t.Error("Grant() opened a seal of the old form")
		}
		execute(t, db, "UPDATE tenants SET mac = NULL")
		execute(t, db, "UPDATE instances SET mac = NULL")
		execute(t, db, "INSERT INTO events (id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, actor_original_id, result, reference)"+
			" VALUES ('forged', '2026-11-02 08:00:00.000', '', '', 'token.lent', '', '', '', '', '', 'ok', '')")
		again := db.Open(t) // starting again must not accept them
		r, err := again.Resolve(t.Context(), storetest.EarlierTenant)
		if err != nil || !r.Tenant.Altered || !r.Instance.Altered || !failure.Is(r.Intact(), failure.Integrity) {
			t.Errorf("Resolve() without MACs = %v, altered: %t, %t, want both altered", err, r.Tenant.Altered, r.Instance.Altered)
		}
		v, err := again.VerifyEvents(t.Context(), func(string) {})
		if err != nil || v.Problems != 1 {
			t.Errorf("VerifyEvents() with a forged event = %d problems, %v, want 1", v.Problems, err)
		}
	})
}

// TestMigrate_ProvesDirectoriesOfTenantsWithAGrant upgrades a database whose MACs do not yet cover what is proven. A row that was
// altered before stays altered.
func TestMigrate_ProvesDirectoriesOfTenantsWithAGrant(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		granted, elsewhere, without, altered := newTenant(), newTenant(), newTenant(), newTenant()
		in := newInstance()
		if err := s.SaveInstance(ctx, &in); err != nil {
			t.Fatalf("SaveInstance() = %v", err)
		}
		for _, saved := range []*tenant.Tenant{&granted, &elsewhere, &without, &altered} {
			saved.ProvenDirectoryID = ""
			if err := s.SaveTenant(ctx, saved); err != nil {
				t.Fatalf("SaveTenant() = %v", err)
			}
			g := newGrant(saved.ID, token.Active, noon)
			g.DirectoryID = saved.DirectoryID
			switch saved {
			case &elsewhere:
				g.DirectoryID = newTenant().DirectoryID
			case &without:
				g.Slot = token.Pending // nobody has entered its claim code
			}
			if err := s.SaveGrant(ctx, &g); err != nil {
				t.Fatalf("SaveGrant() = %v", err)
			}
		}
		if err := store.SetEarlierForm(ctx, s); err != nil {
			t.Fatalf("SetEarlierForm() = %v", err)
		}
		execute(t, db, "UPDATE tenants SET account_id = 'mallory' WHERE id = ?", altered.ID)
		s = db.Open(t)
		for name, tc := range map[string]struct {
			id              string
			proven, altered bool
		}{
			"with a grant":        {granted.ID, true, false},
			"with one of another": {elsewhere.ID, false, false},
			"with a pending one":  {without.ID, false, false},
			"that was altered":    {altered.ID, true, true},
		} {
			got, err := s.Tenant(ctx, tc.id)
			if err != nil || got.Proven() != tc.proven || got.Altered != tc.altered {
				t.Errorf("Tenant() of one %s = proven: %t, altered: %t, %v, want %t, %t", name, got.Proven(), got.Altered, err, tc.proven, tc.altered)
			}
		}
		if got, err := s.Instance(ctx, in.Key); err != nil || got.Altered {
			t.Errorf("Instance() = altered: %t, %v", got.Altered, err)
		}
		if form, err := store.Form(ctx, s); err != nil || form != store.CurrentForm {
			t.Errorf("Form() = %d, %v, want %d", form, err, store.CurrentForm)
		}
	})
}

// TestMigrate_RefusesToUpgradeTwice deletes the record of the upgrade, as somebody would who wants a change to be accepted.
func TestMigrate_RefusesToUpgradeTwice(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		db.FillEarlier(t)
		db.Open(t)
		for _, statement := range []string{
			"DELETE FROM key_checks", "UPDATE tenants SET account_id = 'mallory', mac = NULL", "UPDATE instances SET mac = NULL",
		} {
			execute(t, db, statement)
		}
		if err := db.Unmigrated(t).Migrate(t.Context()); !errors.Is(err, store.ErrWrongKeys) && !errors.Is(err, store.ErrUpgradedBefore) {
			t.Errorf("Migrate() without the record = %v, want a refusal", err)
		}
		// One value of the old form, which somebody may have kept, changes nothing.
		old, err := db.Keyring.Seal([]byte("{}"), "tenants", storetest.EarlierTenant, "credentials")
		if err != nil {
			t.Fatalf("Seal() = _, %v", err)
		}
		execute(t, db, "UPDATE tenants SET credentials = ?", old)
		if err := db.Unmigrated(t).Migrate(t.Context()); !errors.Is(err, store.ErrUpgradedBefore) {
			t.Errorf("Migrate() with a value of the old form = %v, want %v", err, store.ErrUpgradedBefore)
		}
	})
}

// TestSave_KeepsWhatWasAltered changes guarded columns by SQL and sees that reading marks the rows, and saving does not make
// the change valid.
func TestSave_KeepsWhatWasAltered(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"account":    "UPDATE tenants SET account_id = 'mallory'",
		"no account": "UPDATE tenants SET account_id = ''",
		"proof":      "UPDATE tenants SET proven_directory_id = 'd1000000-0000-4000-8000-00000000000f'",
		"no proof":   "UPDATE tenants SET proven_directory_id = NULL",
		"directory":  "UPDATE tenants SET directory_id = 'd1000000-0000-4000-8000-00000000000f'",
		"instance":   "UPDATE tenants SET instance_key = 'other-key'",
		"mac":        "UPDATE tenants SET mac = NULL",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				s := db.Open(t)
				fill(t, s)
				other := newInstance()
				other.Key = "other-key"
				if err := s.SaveInstance(t.Context(), &other); err != nil {
					t.Fatalf("SaveInstance() = %v", err)
				}
				execute(t, db, statement)
				tenants, err := s.Tenants(t.Context(), instanceKey)
				if name == "instance" {
					tenants, err = s.Tenants(t.Context(), "other-key")
				}
				if err != nil || len(tenants) != 1 || !tenants[0].Altered {
					t.Fatalf("Tenants() = %v, %v, want an altered one", tenants, err)
				}
				r, err := s.Resolve(t.Context(), tenants[0].ID)
				if err != nil || !r.Tenant.Altered || r.Instance.Altered {
					t.Errorf("Resolve() = %v, altered: %t, instance altered: %t", err, r.Tenant.Altered, r.Instance.Altered)
				}
				read, err := s.Tenant(t.Context(), tenants[0].ID)
				if err != nil || !read.Altered {
					t.Errorf("Tenant() = %v, altered: %t", err, read.Altered)
				}
				if err := s.SaveTenant(t.Context(), &read); !failure.Is(err, failure.Integrity) {
					t.Errorf("SaveTenant() = %v, want %s", err, failure.Integrity)
				}
				if again, err := s.Tenant(t.Context(), read.ID); err != nil || !again.Altered {
					t.Errorf("Tenant() after SaveTenant() = %v, altered: %t, want still altered", err, again.Altered)
				}
			})
		})
	}
	t.Run("borrowers", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, db *storetest.Database) {
			s := db.Open(t)
			fill(t, s)
			var right string
			if err := db.Raw(t).QueryRowContext(t.Context(), "SELECT borrowers FROM instances").Scan(&right); err != nil {
				t.Fatal(err)
			}
			execute(t, db, `UPDATE instances SET borrowers = '["one","two","mallory"]'`)
			in, err := s.Instance(t.Context(), instanceKey)
			if err != nil || !in.Altered {
				t.Fatalf("Instance() = %v, altered: %t", err, in.Altered)
			}
			if err := s.SaveInstance(t.Context(), &in); !failure.Is(err, failure.Integrity) {
				t.Errorf("SaveInstance() = %v, want %s", err, failure.Integrity)
			}
			// The right list is right again.
			execute(t, db, "UPDATE instances SET borrowers = ?", right)
			if in, err = s.Instance(t.Context(), instanceKey); err != nil || in.Altered {
				t.Errorf("Instance() with its own borrowers = %v, altered: %t", err, in.Altered)
			}
		})
	})
}

// TestGrant_BoundToItsOwner moves a grant by SQL.
func TestGrant_BoundToItsOwner(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"account":   "UPDATE grants SET account_id = 'mallory'",
		"instance":  "UPDATE grants SET instance_key = 'other-key'",
		"directory": "UPDATE grants SET directory_id = 'other'",
		"state":     "UPDATE states SET tenant_id = 'other'",
		"consent":   "UPDATE consents SET tenant_id = 'other'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *storetest.Database) {
				s := db.Open(t)
				tenantID, hash := fill(t, s)
				moved := tenant.Tenant{ID: "other", InstanceKey: instanceKey}
				if err := s.SaveTenant(t.Context(), &moved); err != nil {
					t.Fatalf("SaveTenant() = %v", err)
				}
				execute(t, db, statement)
				g, err := s.Grant(t.Context(), tenantID, token.Active)
				grantOpens := err == nil && !g.RefreshToken.Empty()
				state, err := s.State(t.Context(), hash)
				stateOpens := err == nil && !state.Nonce.Empty()
				c, err := s.OpenConsent(t.Context(), tenantID, token.Manual)
				if err != nil {
					c, err = s.OpenConsent(t.Context(), "other", token.Manual)
				}
				consentOpens := err == nil && !c.Link.Empty()
				switch {
				case strings.Contains(statement, "grants") && grantOpens:
					t.Error("the grant opens for another owner")
				case name == "state" && stateOpens:
					t.Error("the state opens for another tenant")
				case name == "consent" && consentOpens:
					t.Error("the link opens for another tenant")
				}
			})
		})
	}
}

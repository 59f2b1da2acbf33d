package tenant_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const newOwner = "account-of-another-reseller"

// withGrant returns a harness whose tenant has proven its directory and has a grant in a slot.
func withGrant(t *testing.T, db *storetest.Database, slot token.Slot) *harness {
	h := newHarnessOn(t, db)
	h.install(instance(key, rootID))
	stored := h.provision(reseller(tenantID, alpine))
	stored.ProvenDirectoryID, stored.Notices = alpineID, tenant.Notices{Recipients: []string{"admin@alpine.example"}, Language: "de"}
	h.must(h.store.SaveTenant(t.Context(), &stored))
	h.must(h.store.SaveGrant(t.Context(), &token.Grant{
		TenantID: tenantID, Slot: slot, RefreshToken: secret.New("a-refresh-token"), IssuedAt: h.clock, DirectoryID: alpineID,
		InstanceKey: key, AccountID: stored.AccountID, ConsentID: otherID, ConsentedAt: h.clock,
	}))
	return h
}

func (h *harness) allowMoves() {
	h.Helper()
	var err error
	h.Service, err = tenant.New(tenant.Config{
		Store: h.store, Directories: h.directories, Clouds: []string{"global"}, Now: func() time.Time { return h.clock },
		AllowMoves: func(k string) bool { return k == key },
	})
	h.must(err)
}

// TestLink_MoveWithGrant: refused unless the operator allows it, and then nothing of the old owner is left that gives access.
func TestLink_MoveWithGrant(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := withGrant(t, db, token.Active)
		before := h.storedTenant(tenantID)
		_, err := h.Link(t.Context(), key, tenantID, before.AccountID, newOwner, platform())
		h.checkFailure("Link()", err, failure.MoveRefused)
		h.checkFailure("MayMove()", h.MayMove(t.Context(), before), failure.MoveRefused)
		h.checkSame("the tenant after a refused move", h.storedTenant(tenantID), before)
		h.checkActions(tenantID, audit.TenantProvisioned)

		h.allowMoves()
		h.clock = h.clock.Add(time.Hour)
		h.must(h.MayMove(t.Context(), before))
		got, err := h.Link(t.Context(), key, tenantID, before.AccountID, newOwner, platform())
		h.must(err)
		h.checkSame("the result of Link()", got, h.storedTenant(tenantID))
		want := before
		want.AccountID, want.MovedAt, want.UpdatedAt = newOwner, h.clock, h.clock
		want.ProvenDirectoryID, want.Application, want.Name, want.Notices = "", tenant.Application{}, "", tenant.Notices{}
		h.checkSame("the tenant after its move", got, want)
		if holds, err := h.store.HoldsGrant(t.Context(), tenantID); err != nil || holds {
			t.Errorf("HoldsGrant() = %t, %v, want the grant destroyed", holds, err)
		}
		h.checkActions(tenantID, audit.TenantProvisioned, audit.GrantForgotten, audit.TenantMoved)
		events, err := h.store.Events(t.Context(), tenantID, time.Time{}, 1)
		h.must(err)
		own, err := h.store.OwnEvents(t.Context(), tenantID, time.Time{}, 10)
		h.must(err)
		if len(own) != 1 || own[0].Action != audit.TenantMoved {
			t.Errorf("OwnEvents() = %+v, want the move alone", own)
		}
		if d := events[0].Details; d["before"] != before.AccountID || d["account"] != newOwner {
			t.Errorf("details of the move = %v, want both accounts", d)
		}
		// The old owner back is another move, and the same link again is none.
		h.must(h.linkTwice(before.AccountID))
		h.checkActions(tenantID, audit.TenantProvisioned, audit.GrantForgotten, audit.TenantMoved, audit.TenantMoved)
	})
}

func (h *harness) linkTwice(accountID string) error {
	before := h.storedTenant(tenantID).AccountID
	_, first := h.Link(h.Context(), key, tenantID, before, accountID, platform())
	_, second := h.Link(h.Context(), key, tenantID, before, accountID, platform())
	return errors.Join(first, second)
}

// TestLink_MoveWithWaitingGrant: a grant that waits for its claim code is one, too.
func TestLink_MoveWithWaitingGrant(t *testing.T) {
	for _, slot := range []token.Slot{token.Pending, token.Unconfirmed, token.Predecessor} {
		h := withGrant(t, storetest.SQLite(t), slot)
		_, err := h.Link(t.Context(), key, tenantID, h.storedTenant(tenantID).AccountID, newOwner, platform())
		h.checkFailure("Link() with a grant in "+string(slot), err, failure.MoveRefused)
	}
}

// TestLink_OfAnOwnerThatChangedSince: what was allowed for one owner is not done to another.
func TestLink_OfAnOwnerThatChangedSince(t *testing.T) {
	h := newHarness(t)
	h.allowMoves()
	h.install(instance(key, rootID))
	stored := h.provision(reseller(tenantID, alpine))
	for _, seen := range []string{"", newOwner} {
		_, err := h.Link(t.Context(), key, tenantID, seen, "a-third-account", platform())
		h.checkFailure("Link() after "+seen, err, failure.Conflict)
	}
	_, err := h.Link(t.Context(), key, tenantID, newOwner, stored.AccountID, platform()) // a simultaneous hook has done it
	h.must(err)
	h.checkActions(tenantID, audit.TenantProvisioned)
}

// TestConfigureTenant_AfterAMove: what the old owner configured meanwhile does not become the new owner's.
func TestConfigureTenant_AfterAMove(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		h.install(instance(key, rootID))
		stored := h.provision(reseller(tenantID, alpine))
		seen, err := h.Resolve(t.Context(), key, tenantID)
		h.must(err)
		_, err = h.Link(t.Context(), key, tenantID, stored.AccountID, newOwner, platform())
		h.must(err)
		moved := h.storedTenant(tenantID)
		changed := seen.Tenant
		changed.Application = application(appID, "the-old-owner's-secret")
		_, err = h.Service.ConfigureTenant(t.Context(), seen, changed, platform())
		h.checkFailure("ConfigureTenant()", err, failure.Conflict)
		repeated := reseller(tenantID, alpine)
		repeated.Application = changed.Application
		_, err = h.Provision(t.Context(), repeated, platform())
		h.checkFailure("Provision()", err, failure.Conflict)
		h.checkSame("the tenant", h.storedTenant(tenantID), moved)
	})
}

func TestLink_FirstAndAgain(t *testing.T) {
	h := newHarness(t)
	h.install(instance(key, rootID))
	without := reseller(tenantID, alpine)
	without.AccountID = ""
	h.provision(without)
	h.must(h.linkTwice("account-1"))
	h.checkActions(tenantID, audit.TenantProvisioned, audit.TenantLinked)

	for range 2 {
		_, err := h.Unlink(t.Context(), key, tenantID, "", platform())
		h.must(err)
	}
	unlinked := h.storedTenant(tenantID)
	h.checkFailure("InUse()", unlinked.InUse(), failure.Unlinked)
	if unlinked.AccountID != "account-1" {
		t.Errorf("the account of an unlinked tenant is %q, want it kept", unlinked.AccountID)
	}
	h.must(h.linkTwice("account-1"))
	linked := h.storedTenant(tenantID)
	h.must(linked.InUse())
	_, err := h.Unlink(t.Context(), key, tenantID, newOwner, platform()) // which is not linked
	h.must(err)
	h.checkActions(tenantID, audit.TenantProvisioned, audit.TenantLinked, audit.TenantUnlinked, audit.TenantLinked)

	// A creation that names another owner moves nothing.
	other := reseller(tenantID, alpine)
	other.AccountID = newOwner
	_, err = h.Provision(t.Context(), other, platform())
	h.checkFailure("Provision() for another owner", err, failure.Conflict)
	_, err = h.Link(t.Context(), key, otherID, "", newOwner, platform())
	h.checkFailure("Link() of an unknown tenant", err, failure.NotFound)
	_, err = h.Link(t.Context(), otherKey, tenantID, "account-1", newOwner, platform())
	h.checkFailure("Link() by another instance", err, failure.NotFound)
	_, err = h.Unlink(t.Context(), otherKey, tenantID, "", platform())
	h.checkFailure("Unlink() by another instance", err, failure.NotFound)
}

// resources is a platform that has some resources, or does not answer.
type resources struct {
	known map[string]bool
	asked []string // controllers
	err   error
}

func (r *resources) Exists(_ context.Context, in tenant.Instance, id string) (bool, error) {
	r.asked = append(r.asked, in.ControllerURI)
	return r.known[id], r.err
}

// TestInstall_InPlaceOfAForgottenRoot asks the platform whether it still has the old root, and has the new one.
func TestInstall_InPlaceOfAForgottenRoot(t *testing.T) {
	for name, tc := range map[string]struct {
		platform *resources
		want     failure.Code
	}{
		"nobody to ask":             {nil, failure.RootExists},
		"it has the old root":       {&resources{known: map[string]bool{rootID: true, otherRoot: true}}, failure.RootExists},
		"it has neither":            {&resources{}, failure.RootExists},
		"it does not answer":        {&resources{err: failure.New(failure.PlatformUnavailable)}, failure.PlatformUnavailable},
		"it has the new root alone": {&resources{known: map[string]bool{otherRoot: true}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.install(instance(key, rootID))
			watched := reseller(tenantID, alpine)
			watched.WatchedAccountID = watched.AccountID
			h.provision(watched)
			cfg := tenant.Config{Store: h.store, Directories: h.directories, Clouds: []string{"global"}, Now: func() time.Time { return h.clock }}
			if tc.platform != nil {
				cfg.Resources = tc.platform
			}
			var err error
			h.Service, err = tenant.New(cfg)
			h.must(err)
			before := h.stored(key)
			replacing := instance(key, otherRoot)
			replacing.ControllerURI = "https://elsewhere.example.com/" // which nothing signs
			replacing.Settings.Application = application(appID, "")
			_, err = h.Install(t.Context(), replacing, platform())
			if tc.want != "" {
				h.checkFailure("Install()", err, tc.want)
				h.checkSame("the instance", h.stored(key), before)
				h.checkActions(tenantID, audit.TenantProvisioned)
				return
			}
			h.must(err)
			got := h.stored(key)
			if got.RootID != otherRoot || got.ControllerURI != before.ControllerURI || secretOf(got.Settings.Application) != "first-secret" {
				t.Errorf("instance = %+v, want the new root, the address and the secret of before", got)
			}
			for _, asked := range tc.platform.asked {
				if asked != before.ControllerURI {
					t.Errorf("%s was asked, want the controller in use", asked)
				}
			}
			doubted := h.storedTenant(tenantID)
			if doubted.WatchedAccountID != "" {
				t.Error("the tenant's account counts as linked with the root that is gone, want it linked with the new one")
			}
			h.checkFailure("InUse()", doubted.InUse(), failure.TenantUnknown)
			for range 2 {
				_, err := h.Recognize(t.Context(), key, tenantID, platform())
				h.must(err)
			}
			recognized := h.storedTenant(tenantID)
			h.must(recognized.InUse())
			h.checkActions(tenantID, audit.TenantProvisioned, audit.TenantDoubted, audit.TenantRecognized)
			h.checkActions("", audit.InstanceInstalled, audit.InstanceInstalled)
			_, err = h.Install(t.Context(), replacing, platform()) // the platform repeats it
			h.must(err)
			after := h.storedTenant(tenantID)
			h.must(after.InUse())
		})
	}
}

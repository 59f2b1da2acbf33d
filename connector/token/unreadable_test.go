package token_test

import (
	"context"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// spoil damages a sealed column of the rows that a condition selects.
func spoil(t *testing.T, db *storetest.Database, table, column, condition string, args ...any) {
	t.Helper()
	statement := "UPDATE " + table + " SET " + column + " = ? WHERE " + condition
	if _, err := db.Raw(t).ExecContext(t.Context(), statement, append([]any{[]byte("damaged")}, args...)...); err != nil {
		t.Fatalf("%s = %v", statement, err)
	}
}

func TestStatus_UnreadableGrant(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	h.consent(tenantID)
	spoil(t, db, "grants", "refresh_token", "tenant_id = ?", tenantID)
	h.checkState(token.StateMisconfigured, failure.GrantUnreadable)
	_, err := h.tokens.Renew(t.Context(), tenantID, owner)
	h.checkFailure("Renew()", err, failure.GrantUnreadable)
	h.checkState(token.StateMisconfigured, failure.GrantUnreadable)
	if got := h.status(); got.LastRenewalFailure == nil || got.NextRenewalAt.Sub(h.now()) != day {
		t.Errorf("Status() = renewal failure %v, next in %s, want one, and another attempt in a day", got.LastRenewalFailure, got.NextRenewalAt.Sub(h.now()))
	}
	// A new consent replaces it.
	h.consent(tenantID)
	h.checkState(token.StateActive, "")
	if got := h.grant(token.Active); got.Unreadable || got.RefreshToken.Empty() {
		t.Error("the active grant after a consent cannot be read")
	}
	if _, err := h.tokens.Renew(t.Context(), tenantID, owner); err != nil {
		t.Errorf("Renew() after a consent = %v", err)
	}
}

func TestSweep_UnreadableGrantAffectsNoOtherTenant(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	const second = "66666666-ffff-4fff-8fff-666666666666"
	h.addTenant(second, otherID)
	h.consent(tenantID)
	g := h.grant(token.Active)
	g.TenantID, g.DirectoryID, g.Version = second, otherID, 0
	h.must(h.store.SaveGrant(t.Context(), &g))
	h.must(h.store.SaveSchedule(t.Context(), &token.Schedule{TenantID: second, DueAt: h.now()}))
	spoil(t, db, "grants", "refresh_token", "tenant_id = ?", tenantID)
	h.advance(11 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateMisconfigured, failure.GrantUnreadable)
	if renewed, err := h.store.Grant(t.Context(), second, token.Active); err != nil || !renewed.IssuedAt.Equal(h.now()) {
		t.Errorf("the other tenant's grant was issued at %s, %v, want it renewed now", renewed.IssuedAt, err)
	}
}

// TestRenew_UnreadableGrantHasAPredecessor: the value before the damaged one still works at Microsoft.
func TestRenew_UnreadableGrantHasAPredecessor(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	h.consent(tenantID)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	before := h.grant(token.Predecessor)
	spoil(t, db, "grants", "refresh_token", "tenant_id = ? AND slot = 'active'", tenantID)
	h.microsoft.renew = func(string, token.API) error { return transient() }
	_, err := h.tokens.Renew(t.Context(), tenantID, owner)
	h.checkFailure("Renew() while Microsoft is away", err, failure.MicrosoftUnavailable)
	h.microsoft.renew = nil
	asked := len(h.microsoft.presented())
	if _, err := h.tokens.Renew(t.Context(), tenantID, owner); err != nil {
		t.Fatalf("Renew() = %v", err)
	}
	if got := h.microsoft.presented()[asked]; got != before.RefreshToken.Reveal() {
		t.Errorf("Renew() presented %q, want the predecessor's value", got)
	}
	h.checkState(token.StateActive, "")
	if got := h.grant(token.Active); got.Unreadable || !got.IssuedAt.Equal(h.now()) {
		t.Errorf("the active grant was issued at %s, want a readable one of now", got.IssuedAt)
	}
	if got := h.grant(token.Predecessor); got.RefreshToken.Empty() {
		t.Error("the renewal replaced the predecessor by the value that cannot be read")
	}
}

func TestRenew_UnreadablePredecessorCountsAsAbsent(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	h.consent(tenantID)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	spoil(t, db, "grants", "refresh_token", "tenant_id = ? AND slot = 'predecessor'", tenantID)
	h.checkState(token.StateActive, "")
	h.microsoft.renew = func(string, token.API) error { return revoked() }
	_, err := h.tokens.Renew(t.Context(), tenantID, owner)
	h.checkFailure("Renew()", err, failure.GrantRevoked)
	h.microsoft.renew = nil
	h.consent(tenantID)
	h.checkState(token.StateActive, "")
}

func TestLend_UnreadableGrant(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	h.consent(tenantID)
	cached, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.must(err)
	spoil(t, db, "grants", "refresh_token", "tenant_id = ?", tenantID)
	again, err := h.lend(t.Context(), tenantID, token.Graph, borrower)
	if err != nil || again.AccessToken != cached.AccessToken {
		t.Errorf("Lend() from the cache = another token, %v, want the cached one", err)
	}
	for range 2 {
		_, err = h.lend(t.Context(), tenantID, token.ARM, borrower)
		h.checkFailure("Lend()", err, failure.GrantUnreadable)
	}
	// The renewal is due at once, so that people are notified, or the predecessor is used.
	if st := h.status(); st.NextRenewalAt.After(h.now()) {
		t.Errorf("the next renewal is at %s, want it due now", st.NextRenewalAt)
	}
}

func TestActivate_UnreadablePendingGrant(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	pend := func() {
		t.Helper()
		g, err := h.exchange()
		h.must(err)
		h.must(h.store.Transact(t.Context(), func(ctx context.Context) error { return h.tokens.StorePending(ctx, g) }))
	}
	activate := func() error {
		return h.store.Transact(t.Context(), func(ctx context.Context) error {
			_, _, err := h.tokens.Activate(ctx, tenantID, token.Pending, "consent-1")
			return err
		})
	}
	pend()
	h.checkState(token.StatePending, failure.ClaimWaiting)
	spoil(t, db, "grants", "refresh_token", "tenant_id = ? AND slot = 'pending'", tenantID)
	h.checkState(token.StateMisconfigured, failure.GrantUnreadable)
	h.checkFailure("Activate()", activate(), failure.GrantUnreadable)
	pend()
	h.checkState(token.StatePending, failure.ClaimWaiting)
	if err := activate(); err != nil {
		t.Errorf("Activate() after another consent = %v", err)
	}
	h.checkState(token.StateActive, "")
}

func TestForget_UnreadableGrants(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	h.consent(tenantID)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	spoil(t, db, "grants", "refresh_token", "tenant_id = ?", tenantID)
	if _, err := h.tokens.Forget(t.Context(), tenantID, owner); err != nil {
		t.Errorf("Forget() = %v", err)
	}
	h.checkNothingStored()
	h.checkState(token.StateAbsent, failure.GrantAbsent)
}

func TestStatus_UnreadableCredentials(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	spoil(t, db, "instances", "credentials", "1 = 1")
	h.checkState(token.StateMisconfigured, failure.CredentialsUnreadable)
	_, err := db.Raw(t).ExecContext(t.Context(), "UPDATE instances SET credentials = NULL")
	h.must(err)
	h.checkState(token.StateMisconfigured, failure.ApplicationMissing)
}

// TestSaveGrant_KeepsAnUnreadableToken: changing what else is known about a grant must not overwrite the value.
func TestSaveGrant_KeepsAnUnreadableToken(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	h.consent(tenantID)
	raw := db.Raw(t)
	var sealed, kept []byte
	read := func(into *[]byte) {
		t.Helper()
		h.must(raw.QueryRowContext(t.Context(), "SELECT refresh_token FROM grants WHERE tenant_id = ?", tenantID).Scan(into))
	}
	read(&sealed)
	spoil(t, db, "grants", "refresh_token", "tenant_id = ?", tenantID)
	g := h.grant(token.Active)
	g.AskedBy = "somebody else"
	h.must(h.store.SaveGrant(t.Context(), &g))
	if read(&kept); string(kept) != "damaged" {
		t.Errorf("SaveGrant() replaced the value that cannot be read by %q", kept)
	}
	_, err := raw.ExecContext(t.Context(), "UPDATE grants SET refresh_token = ? WHERE tenant_id = ?", sealed, tenantID)
	h.must(err)
	if got := h.grant(token.Active); got.Unreadable || got.AskedBy != "somebody else" {
		t.Errorf("the grant after its value was restored = unreadable %v, asked by %q", got.Unreadable, got.AskedBy)
	}
	h.advance(time.Second)
	if _, err := h.tokens.Renew(t.Context(), tenantID, owner); err != nil {
		t.Errorf("Renew() after the value was restored = %v", err)
	}
}

// TestRenewUnreadable_UsesThePredecessorOrNamesTheLoss: what a regular check finds is renewed from the predecessor, or named,
// without anybody asking.
func TestRenewUnreadable_UsesThePredecessorOrNamesTheLoss(t *testing.T) {
	db := storetest.SQLite(t)
	h := newHarness(t, db.Open(t))
	renew := func() {
		t.Helper()
		h.must(h.tokens.RenewUnreadable(t.Context(), tenantID))
		h.must(h.tokens.Sweep(t.Context()))
	}
	renew() // nothing is stored
	h.consent(tenantID)
	issued := h.grant(token.Active).IssuedAt
	h.advance(day)
	renew()
	if got := h.grant(token.Active).IssuedAt; !got.Equal(issued) {
		t.Errorf("a grant that can be read was renewed at %s, want it left alone", got)
	}
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.advance(day)
	spoil(t, db, "grants", "refresh_token", "slot = 'active'")
	renew()
	h.checkState(token.StateActive, "")
	if got := h.grant(token.Active); got.Unreadable || !got.IssuedAt.Equal(h.now()) {
		t.Errorf("the active grant was issued at %s, want it renewed now from its predecessor", got.IssuedAt)
	}
	spoil(t, db, "grants", "refresh_token", "1 = 1")
	renew()
	h.checkState(token.StateMisconfigured, failure.GrantUnreadable)
	due := h.status().NextRenewalAt
	renew()
	if got := h.status().NextRenewalAt; !got.Equal(due) {
		t.Errorf("the next renewal moved from %s to %s, want no loop", due, got)
	}
}

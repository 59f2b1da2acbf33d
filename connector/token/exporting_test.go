package token_test

import (
	"errors"
	"testing"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// TestExport_Refuses exports what nobody may use, and what nobody could.
func TestExport_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(h *harness, db *storetest.Database)
		want  failure.Code
	}{
		"nothing": {func(h *harness, _ *storetest.Database) {
			h.must(h.store.DeleteGrant(h.Context(), tenantID, token.Active))
		}, failure.GrantAbsent},
		"an expired token": {func(h *harness, _ *storetest.Database) { h.advance(91 * day) }, failure.GrantExpired},
		"a revoked token": {func(h *harness, _ *storetest.Database) {
			h.microsoft.renew = func(string, token.API) error { return revoked() }
			if _, err := h.tokens.Renew(h.Context(), tenantID, owner); err == nil {
				h.Error("Renew() of a revoked token = nil")
			}
		}, failure.GrantRevoked},
		"an unreadable token": {func(h *harness, db *storetest.Database) {
			spoil(h.T, db, "grants", "refresh_token", "tenant_id = ?", tenantID)
		}, failure.GrantUnreadable},
		"a token of an earlier directory": {func(h *harness, _ *storetest.Database) {
			tn := h.resolved().Tenant
			tn.Directory, tn.DirectoryID, tn.ProvenDirectoryID = otherID, otherID, otherID
			h.must(h.store.SaveTenant(h.Context(), &tn))
		}, failure.DirectoryChanged},
		"a tenant that was altered": {func(h *harness, db *storetest.Database) {
			spoil(h.T, db, "tenants", "mac", "id = ?", tenantID)
		}, failure.Integrity},
	} {
		t.Run(name, func(t *testing.T) {
			db := storetest.SQLite(t)
			h := newHarness(t, db.Open(t))
			h.consent(tenantID)
			tc.spoil(h, db)
			h.store = db.Open(t)
			h.tokens = h.service()
			h.checkFailure("Exportable()", h.tokens.Exportable(t.Context(), h.resolved()), tc.want)
			got, err := h.tokens.Export(t.Context(), tenantID, nil, owner)
			h.checkFailure("Export()", err, tc.want)
			if !got.RefreshToken.Empty() {
				t.Error("Export() returned a refresh token with its refusal")
			}
			if n, _ := h.newest(audit.GrantExported); n != 0 {
				t.Errorf("the history says %d times that a refresh token was exported, want never", n)
			}
		})
	}
	h := newHarness(t, openStore(t))
	_, err := h.tokens.Export(t.Context(), otherID, nil, owner)
	h.checkFailure("Export() of no tenant", err, failure.NotFound)
}

// TestExport_IsRecordedBefore exports a token; no refresh token leaves without its event.
func TestExport_IsRecordedBefore(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.must(h.tokens.Exportable(t.Context(), h.resolved()))
	if n, _ := h.newest(audit.GrantExported); n != 0 {
		t.Errorf("Exportable() stored %d events, want none", n)
	}
	got, err := h.tokens.Export(t.Context(), tenantID, map[string]string{"layout": "json"}, owner)
	h.must(err)
	if stored := h.grant(token.Active); got.RefreshToken.Reveal() != stored.RefreshToken.Reveal() || got.DirectoryID != directoryID || got.ApplicationID != applicationID {
		t.Errorf("Export() = %s, %s, want the stored refresh token of the directory and the application", got.DirectoryID, got.ApplicationID)
	}
	if n, e := h.newest(audit.GrantExported); n != 1 || e.Details["layout"] != "json" || e.Actor.Name != owner.Name || e.Result != audit.OK {
		t.Errorf("the history has %d events, the last one %+v, want one", n, e)
	}
	h.checkState(token.StateActive, "")

	h.microsoft.renew = func(string, token.API) error { return failure.New(failure.ClientSecretExpired) }
	if _, err := h.tokens.Renew(t.Context(), tenantID, owner); err == nil {
		t.Error("Renew() with an expired secret = nil")
	}
	if _, err := h.tokens.Export(t.Context(), tenantID, nil, owner); err != nil {
		t.Errorf("Export() while the secret of the application has expired = %v, want the refresh token, which still works", err)
	}

	h.must(h.tokens.RecordExport(t.Context(), map[string]int{instanceKey: 2}, "age1somebody", owner))
	events, err := h.store.InstanceEvents(t.Context(), instanceKey, []audit.Action{audit.TokensExported}, h.now().Add(-day), 10)
	h.must(err)
	if len(events) != 1 || events[0].Result != string(failure.TokensExported) || events[0].TenantID != "" ||
		events[0].Details["count"] != "2" || events[0].Details["operator"] != owner.Name || events[0].Details["recipients"] != "age1somebody" {
		t.Errorf("the instance has the events %+v, want one of two refresh tokens", events)
	}

	full, err := token.New(token.Config{Store: &failingTrail{Store: h.store}, Microsoft: h.microsoft, Now: h.now})
	h.must(err)
	if got, err := full.Export(t.Context(), tenantID, nil, owner); !errors.Is(err, errAudit) || !got.RefreshToken.Empty() {
		t.Errorf("Export() = a refresh token (%t), %v, want none and the audit's failure", !got.RefreshToken.Empty(), err)
	}
	if err := full.RecordExport(t.Context(), map[string]int{instanceKey: 2}, "age1somebody", owner); !errors.Is(err, errAudit) {
		t.Errorf("RecordExport() = %v, want the audit's failure", err)
	}
}

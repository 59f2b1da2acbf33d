package consent_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// TestProcedures_MySQLStoreWhoeverAsks runs both procedures for a panel user whose name and IDs are too long, and refuses one
// for a reason that is too long.
func TestProcedures_MySQLStoreWhoeverAsks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarnessOn(t, db)
		long := strings.Repeat("<界", 40_000)
		asker := audit.Actor{Kind: audit.User, ID: long, Name: long, AccountID: long, OriginalID: long}
		begun, err := h.consents.Begin(t.Context(), tenantID, consent.Request{Browser: h.panelBrowser(browser)}, asker)
		h.must(err)
		_, err = h.complete(h.open(begun), "code-1")
		h.must(err)
		h.checkConsent(begun.ID, consent.Succeeded, "")

		begun, err = h.consents.Begin(t.Context(), tenantID, consent.Request{Origin: "https://" + strings.Repeat("a", 247)}, asker)
		h.must(err)
		h.tokens.exchange = func(token.CodeExchange) error {
			return failure.New(failure.RoleMissing, "username", long, "role", long)
		}
		_, err = h.complete(h.open(begun), "code-2")
		h.checkFailure("Complete() by somebody without a role", err, failure.RoleMissing)
		h.checkConsent(begun.ID, consent.Failed, failure.RoleMissing)
		h.tokens.exchange = nil

		link, err := h.consents.Link(t.Context(), tenantID, asker)
		h.must(err)
		out, err := h.complete(h.open(link), "code-3")
		h.must(err)
		_, err = h.consents.Redeem(t.Context(), tenantID, out.ClaimCode, asker)
		h.must(err)
		h.checkGrants("code-3", false)
		db.CheckBounds(t)
	})
}

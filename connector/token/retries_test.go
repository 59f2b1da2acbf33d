package token_test

import (
	"testing"

	"azure-partner-connector/connector/token"

	"github.com/google/go-cmp/cmp"
)

// TestRetries_AreMadeByOneLayer asserts that a redemption that the schedule retries is sent once, and that the client may
// retry the other calls.
func TestRetries_AreMadeByOneLayer(t *testing.T) {
	checks := []call{
		{"Probe", token.PartnerCenter, true},
		{"Renew", token.Graph, true},
		{"Probe", token.Graph, true},
		{"Renew", token.ARM, true},
		{"Probe", token.ARM, true},
	}
	redeemed := append([]call{{"Renew", token.PartnerCenter, false}}, checks...)
	h := newHarness(t, openStore(t))
	for _, tc := range []struct {
		name string
		call func() error
		want []call
	}{
		{"consent", func() error { h.consent(tenantID); return nil }, checks},
		{"Sweep", func() error { h.advance(10 * day); return h.tokens.Sweep(t.Context()) }, redeemed},
		{"Renew", func() error { _, err := h.tokens.Renew(t.Context(), tenantID, owner); return err }, redeemed},
		{"Check", func() error { _, err := h.tokens.Check(t.Context(), tenantID, owner); return err }, redeemed},
		{"Lend", func() error { _, err := h.lend(t.Context(), tenantID, token.ARM, borrower); return err }, []call{{"Renew", token.ARM, true}}},
		{"failing Sweep", func() error {
			h.microsoft.renew = func(string, token.API) error { return transient() }
			h.advance(10 * day)
			return h.tokens.Sweep(t.Context())
		}, redeemed[:1]},
		{"failing Sweep of a refused value", func() error {
			h.microsoft.renew = func(value string, _ token.API) error {
				if value == h.grant(token.Active).RefreshToken.Reveal() {
					return revoked()
				}
				return transient()
			}
			h.advance(day)
			return h.tokens.Sweep(t.Context())
		}, []call{redeemed[0], redeemed[0]}}, // the active value, then its predecessor
	} {
		h.microsoft.calls = nil
		h.must(tc.call())
		if diff := cmp.Diff(tc.want, h.microsoft.calls); diff != "" {
			t.Errorf("calls of %s (-want +got):\n%s", tc.name, diff)
		}
	}
}

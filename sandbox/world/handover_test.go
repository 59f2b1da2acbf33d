package world_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// handover is what the status says about a consent that waits.
type handover struct {
	State       string
	ConsentedBy struct{ Username string }
	Failure     struct{ Code string }
	Waiting     *struct {
		ID, Procedure         string
		ConsentedBy, Replaces struct{ Username string }
	}
	Pending *struct {
		ConsentedBy struct{ Username string }
		Replaces    *struct{ Username string }
	}
}

func (s scenario) handover() handover {
	s.Helper()
	var h handover
	s.call(http.MethodGet, "tokenStatus", "", &h)
	return h
}

// TestConsent_OfAnotherPerson is the case: Ada consents, Bob consents, Bob's sessions are revoked. Ada's token must not be
// used under Bob's name.
func TestConsent_OfAnotherPerson(t *testing.T) {
	s := newScenario(t)
	browser := world.NewBrowser()
	s.visit(browser, s.signIn(browser, s.begin(browser), right()))
	s.Clock.Advance(24 * time.Hour)
	begun := s.begin(browser)
	page := s.visit(browser, s.signIn(browser, begun, signsInAs(world.AlpineSecond)))
	if !strings.Contains(page.Text, "Waiting for confirmation") || strings.Contains(page.Text, world.AlpineAdmin) {
		t.Errorf("the page is %q, want one that waits and does not name the person before", page.Text)
	}
	check(t, s.Restart(t.Context()))
	h := s.handover()
	if h.State != "active" || h.ConsentedBy.Username != world.AlpineAdmin || h.Waiting == nil || h.Waiting.ID != begun.ID ||
		h.Waiting.ConsentedBy.Username != world.AlpineSecond || h.Waiting.Replaces.Username != world.AlpineAdmin || h.Pending == nil {
		t.Fatalf("the status is %+v, want Ada's with Bob's consent beside it", h)
	}
	// A renewal meanwhile renews Ada's token.
	var renewed handover
	s.call(http.MethodPost, "renew", "", &renewed)
	if renewed.ConsentedBy.Username != world.AlpineAdmin || renewed.Waiting == nil {
		t.Errorf("after a renewal the status is %+v, want Ada's with Bob's consent beside it", renewed)
	}
	var confirmed struct {
		ConsentedBy struct{ Username string }
		Status      handover
	}
	for range 2 { // as in two windows
		s.call(http.MethodPost, "redeem", `{"code":"`+begun.ID+`"}`, &confirmed)
		if confirmed.ConsentedBy.Username != world.AlpineSecond || confirmed.Status.ConsentedBy.Username != world.AlpineSecond || confirmed.Status.Waiting != nil {
			t.Errorf("redeem = %+v, want Bob's consent in effect", confirmed)
		}
	}

	s.Clock.Advance(time.Minute)
	check(t, s.Microsoft.RevokeSessions(world.AlpineSecond))
	answer := s.As(t.Context(), world.Rita, http.MethodPost, s.tenant(), "renew", nil)
	if answer.Status != http.StatusConflict || !strings.Contains(string(answer.Body), "grant_revoked") {
		t.Errorf("renew = %d %s, want grant_revoked", answer.Status, answer.Body)
	}
	if h := s.handover(); h.State != "action_required" || h.ConsentedBy.Username != world.AlpineSecond || h.Failure.Code != "grant_revoked" {
		t.Errorf("the status is %+v, want Bob's, which needs a sign-in", h)
	}
}

// In the manual procedure the claim code is the confirmation.
func TestClaim_OfAnotherPerson(t *testing.T) {
	s := newScenario(t)
	browser := world.NewBrowser()
	s.visit(browser, s.signIn(browser, s.begin(browser), right()))
	var link attempt
	s.call(http.MethodPost, "consentLink", "", &link)
	page := s.visit(browser, s.signIn(browser, link, signsInAs(world.AlpineSecond)))
	h := s.handover()
	if h.State != "active" || h.ConsentedBy.Username != world.AlpineAdmin || h.Pending == nil || h.Pending.ConsentedBy.Username != world.AlpineSecond ||
		h.Pending.Replaces == nil || h.Pending.Replaces.Username != world.AlpineAdmin || h.Waiting == nil || h.Waiting.ID != "" {
		t.Fatalf("the status is %+v, want Ada's with Bob's consent, which waits for its code", h)
	}
	var confirmed struct{ Status handover }
	s.call(http.MethodPost, "redeem", `{"code":"`+regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`).FindString(page.Text)+`"}`, &confirmed)
	if got := confirmed.Status; got.ConsentedBy.Username != world.AlpineSecond || got.Pending != nil || got.Waiting != nil {
		t.Errorf("redeem = %+v, want Bob's consent in effect", confirmed)
	}
}

// A redemption for another account or directory than the one that consented is refused; what cannot be read is unknown.
func TestRenewal_ForAnotherAccount(t *testing.T) {
	const foreignID = "0b0b0000-0000-4000-8000-000000000b0b"
	claims := func(name string, value any) map[string]any { return map[string]any{name: value} }
	s := newScenario(t)
	browser := world.NewBrowser()
	for name, tc := range map[string]struct {
		odd     microsoft.Oddities
		refused bool
		account string
	}{
		"the same":                            {microsoft.Oddities{}, false, "yes"},
		"another oid in the id_token":         {microsoft.Oddities{IDTokenClaims: claims("oid", foreignID)}, true, ""},
		"another tid in the id_token":         {microsoft.Oddities{IDTokenClaims: claims("tid", world.CoralDirectory)}, true, ""},
		"another oid in the access token":     {microsoft.Oddities{IDTokenClaims: claims("oid", nil), AccessTokenClaims: claims("oid", foreignID)}, true, ""},
		"no oid and an opaque access token":   {microsoft.Oddities{IDTokenClaims: claims("oid", nil), OpaqueAccessTokens: true}, false, "unknown"},
		"an oid of the wrong type everywhere": {microsoft.Oddities{IDTokenClaims: claims("oid", 7), AccessTokenClaims: claims("oid", 7)}, false, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			s := scenario{t, s.World}
			s.visit(browser, s.signIn(browser, s.begin(browser), right()))
			s.Microsoft.SetOddities(tc.odd)
			defer s.reset()
			answer := s.As(t.Context(), world.Rita, http.MethodPost, s.tenant(), "renew", nil)
			if tc.refused {
				if answer.Status != http.StatusConflict || !strings.Contains(string(answer.Body), "account_mismatch") {
					t.Errorf("renew = %d %s, want account_mismatch", answer.Status, answer.Body)
				}
				s.checkState("action_required")
				return
			}
			var status struct{ State, Account string }
			s.call(http.MethodGet, "tokenStatus", "", &status)
			if answer.Status != http.StatusOK || status.State != "active" || status.Account != tc.account {
				t.Errorf("renew = %d, status %+v, want active with the account %s", answer.Status, status, tc.account)
			}
		})
	}
}

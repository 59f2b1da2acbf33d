package token_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// TestGrants_MySQLStoresWhateverMicrosoftSays lets Microsoft answer with names, scopes and evidence of any length.
func TestGrants_MySQLStoresWhateverMicrosoftSays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarness(t, db.Open(t))
		long := strings.Repeat("<界", 40_000) // 6 and 3 bytes in JSON
		h.microsoft.identity = func() (token.Identity, error) {
			return token.Identity{DirectoryID: directoryID, Person: token.Person{ObjectID: person.ObjectID, Username: long, Name: long}}, nil
		}
		scopes := []string{long}
		for i := range 2000 {
			scopes = append(scopes, fmt.Sprintf("https://api.example/scope/%04d", i))
		}
		h.microsoft.redeem = func() (token.Redemption, error) {
			redeemed := h.microsoft.successor(token.PartnerCenter)
			redeemed.Scopes = scopes
			return redeemed, nil
		}
		answer := failure.New(failure.MicrosoftUnavailable, "a", long, "b", long, "c", long, "d", long, "e", long, "f", long, "g", long, "h", long, "i", long)
		answer.Microsoft = &failure.Evidence{Error: long, SubError: long, Code: long, TraceID: long, CorrelationID: long}
		h.microsoft.renew = func(_ string, api token.API) error {
			if api == token.PartnerCenter {
				return nil
			}
			return answer
		}
		h.microsoft.probe = func(token.API) token.Probe {
			return token.Probe{Works: token.Yes, At: h.now(), MFA: token.Yes, Failure: failure.NewRecord(t.Context(), answer)}
		}
		g, err := h.tokens.Exchange(t.Context(), token.CodeExchange{TenantID: tenantID, ConsentID: "consent-1", Procedure: token.Automatic, AskedBy: long})
		h.must(err)
		h.must(h.store.Transact(t.Context(), func(ctx context.Context) error { return h.tokens.StoreActive(ctx, g) }))
		if n := utf8.RuneCountInString(h.grant(token.Active).ConsentedBy.Username); n != length.Name {
			t.Errorf("the username has %d characters, want %d", n, length.Name)
		}
		db.CheckBounds(t)

		h.microsoft.renew = func(string, token.API) error { return answer }
		_, err = h.tokens.Check(t.Context(), tenantID, audit.Actor{Kind: audit.User, ID: long, Name: long, AccountID: long, OriginalID: long})
		if err == nil {
			t.Error("Check() = nil, want the answer of Microsoft")
		}
		h.checkState(token.StateRenewalFailing, failure.MicrosoftUnavailable)
		db.CheckBounds(t)
	})
}

// TestGrants_MySQLKeepsTheTokenWhenItsSuccessorIsTooLong shows that nothing is lost by a refresh token that no column has room for.
func TestGrants_MySQLKeepsTheTokenWhenItsSuccessorIsTooLong(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarness(t, db.Open(t))
		longest := secret.New(strings.Repeat("r", length.Token))
		size := 0
		h.microsoft.answer = func(redeemed *token.Redemption) {
			if size > 0 {
				redeemed.RefreshToken = secret.New(strings.Repeat("r", size))
			}
		}
		size = length.Token + 1
		_, err := h.exchange()
		h.checkFailure("Exchange() with a refresh token that is too long", err, failure.MicrosoftAnswer)
		h.checkNothingStored()

		size = length.Token
		h.consent(tenantID)
		if g := h.grant(token.Active); g.RefreshToken.Reveal() != longest.Reveal() {
			t.Errorf("a refresh token of %d bytes was not stored", length.Token)
		}
		size = length.Token + 1
		_, err = h.tokens.Check(t.Context(), tenantID, owner)
		h.checkFailure("Check() with a successor that is too long", err, failure.MicrosoftAnswer)
		if g := h.grant(token.Active); g.RefreshToken.Reveal() != longest.Reveal() {
			t.Error("the stored refresh token was lost")
		}
		h.checkState(token.StateRenewalFailing, failure.MicrosoftAnswer)
		size = 0
		h.advance(token.LongestRetry)
		h.must(h.tokens.Sweep(t.Context()))
		h.checkState(token.StateActive, "")
		db.CheckBounds(t)
	})
}

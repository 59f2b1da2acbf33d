package consent_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

var importer = audit.Actor{Kind: audit.Operator, ID: "op", Name: "Olga Operator"}

func (h *harness) imports(refreshToken string) (consent.Imported, error) {
	return h.consents.Import(h.Context(), tenantID, consent.Import{RefreshToken: secret.New(refreshToken), Source: "chaperone-dir"}, importer)
}

// TestImport_MakesAGrantWithItsProvenance imports a token, and another person's, which waits for the reseller as their consent would.
func TestImport_MakesAGrantWithItsProvenance(t *testing.T) {
	h := newHarness(t)
	h.tokens.person = token.Person{ObjectID: "oid-1", Username: "ada@partner.example"}
	done, err := h.imports("c4n4ry-refresh")
	if err != nil || done.ConsentedBy.Username != "ada@partner.example" || done.Waiting {
		t.Fatalf("Import() = %+v, %v, want who consented", done, err)
	}
	if x := h.tokens.exchanges[0]; x.RefreshToken.Reveal() != "c4n4ry-refresh" || x.Procedure != token.Imported || !x.Code.Code.Empty() {
		t.Errorf("Exchange(%+v), want the refresh token", x)
	}
	g, err := h.store.Grant(t.Context(), tenantID, token.Active)
	h.must(err)
	if g.Procedure != token.Imported || g.AskedBy != importer.Name || g.ConsentID == "" {
		t.Errorf("the grant is %s, asked by %q, want imported by the operator", g.Procedure, g.AskedBy)
	}
	h.checkConsent(g.ConsentID, consent.Succeeded, "")
	events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.ConsentBegun, audit.ConsentGranted}, 5)
	h.must(err)
	if len(events) != 2 || events[0].Details["procedure"] != "imported" || events[1].Details["source"] != "chaperone-dir" || events[0].Actor.Kind != audit.Operator {
		t.Errorf("events = %+v, want one that says from where, and one who consented", events)
	}

	h.tokens.person = token.Person{ObjectID: "oid-2", Username: "bob@partner.example"}
	if done, err = h.imports("another"); err != nil || !done.Waiting {
		t.Errorf("Import() of another person = %+v, %v, want it waiting", done, err)
	}
	if kept, err := h.store.Grant(t.Context(), tenantID, token.Active); err != nil || kept.ConsentedBy.ObjectID != "oid-1" {
		t.Errorf("the active grant is of %+v, %v, want the one before", kept.ConsentedBy, err)
	}
}

// TestImport_RefusalChangesNothing refuses, and leaves only the event.
func TestImport_RefusalChangesNothing(t *testing.T) {
	h := newHarness(t)
	_, err := h.imports("")
	h.checkFailure("Import of nothing", err, failure.BadRequest)
	h.tokens.exchange = func(token.CodeExchange) error {
		return failure.New(failure.ImportRefused, "application", "app-1")
	}
	_, err = h.imports("refused")
	h.checkFailure("Import", err, failure.ImportRefused)
	h.checkGrants("", false)
	events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.ConsentBegun, audit.ConsentRefused, audit.ConsentGranted}, 5)
	h.must(err)
	if len(events) != 1 || events[0].Action != audit.ConsentRefused || events[0].Result != string(failure.ImportRefused) || events[0].Details["source"] != "chaperone-dir" {
		t.Errorf("events = %+v, want only the refusal", events)
	}
	h.settings(func(s *tenant.Settings) { s.Application = tenant.Application{} })
	_, err = h.imports("x")
	h.checkFailure("Import without an application", err, failure.ApplicationMissing)
	if n := len(h.tokens.exchanges); n != 1 {
		t.Errorf("%d redemptions, want one", n)
	}
}

// TestImport_AdviceIsForAnImport advises what helps with a refresh token that another program has: its account can't sign in again
// here, and nothing is retried.
func TestImport_AdviceIsForAnImport(t *testing.T) {
	for code, want := range map[failure.Code]string{
		failure.AccountOutside:       "an account of the tenant's partner directory",
		failure.WrongDirectory:       "an account of the tenant's partner directory",
		failure.PersonalAccount:      "an account of the tenant's partner directory",
		failure.GuestAccount:         "an account of the tenant's partner directory",
		failure.MFAMissing:           "in the program that the refresh token comes from",
		failure.RoleMissing:          "in the program that the refresh token comes from",
		failure.AccessBlocked:        "in the program that the refresh token comes from",
		failure.ConsentMissing:       "in the program that the refresh token comes from",
		failure.MicrosoftUnavailable: "Import the refresh token again",
		failure.MicrosoftThrottled:   "Import the refresh token again",
		failure.ClientSecretWrong:    failure.New(failure.ClientSecretWrong).Advice(),
		failure.ImportRefused:        "Import a refresh token that was issued to this application.",
	} {
		h := newHarness(t)
		h.tokens.exchange = func(token.CodeExchange) error { return failure.New(code) }
		_, err := h.imports("refused")
		h.checkFailure("Import", err, code)
		if f := failure.From(err); !strings.Contains(f.Advice(), want) || f.Sentence() != failure.New(code).Sentence() {
			t.Errorf("the advice for %s = %q, want %q in it", code, f.Advice(), want)
		}
		h.checkGrants("", false)
	}
}

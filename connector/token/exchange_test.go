package token_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

func TestExchange_RefusalStoresNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*fakeMicrosoft)
		want  failure.Code
	}{
		"code not accepted": {func(m *fakeMicrosoft) {
			m.redeem = func() (token.Redemption, error) { return token.Redemption{}, failure.New(failure.CodeUsed) }
		}, failure.CodeUsed},
		"no refresh token": {func(m *fakeMicrosoft) {
			m.redeem = func() (token.Redemption, error) {
				return token.Redemption{AccessToken: secret.New("a"), IDToken: secret.New("i")}, nil
			}
		}, failure.NoRefreshToken},
		"id_token does not verify": {func(m *fakeMicrosoft) {
			m.identity = func() (token.Identity, error) { return token.Identity{}, failure.New(failure.IDTokenInvalid) }
		}, failure.IDTokenInvalid},
		"personal account": {func(m *fakeMicrosoft) {
			m.identity = func() (token.Identity, error) {
				return token.Identity{DirectoryID: "9188040d-6c67-4c5b-b112-36a304b66dad"}, nil
			}
		}, failure.PersonalAccount},
		"wrong directory": {func(m *fakeMicrosoft) {
			m.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: otherID}, nil }
		}, failure.WrongDirectory},
		"guest": {func(m *fakeMicrosoft) {
			m.identity = func() (token.Identity, error) {
				return token.Identity{DirectoryID: directoryID, Person: person, Guest: true}, nil
			}
		}, failure.GuestAccount},
		"token of another application": {func(m *fakeMicrosoft) {
			m.claims = func() token.AccessTokenClaims {
				return token.AccessTokenClaims{Readable: true, DirectoryID: directoryID, ApplicationID: otherID, MFA: token.Yes}
			}
		}, failure.WrongApplication},
		"token of another directory": {func(m *fakeMicrosoft) {
			m.claims = func() token.AccessTokenClaims {
				return token.AccessTokenClaims{Readable: true, DirectoryID: otherID, ApplicationID: applicationID, MFA: token.Yes}
			}
		}, failure.WrongDirectory},
		"token without MFA, Partner Center says nothing": {func(m *fakeMicrosoft) {
			m.claims = claimsWithMFA(token.No)
			m.probe = func(token.API) token.Probe { return token.Probe{Works: token.Yes, MFA: token.Unknown} }
		}, failure.MFAMissing},
		"Partner Center says no MFA, the token says yes": {func(m *fakeMicrosoft) {
			m.probe = func(token.API) token.Probe { return token.Probe{Works: token.Yes, MFA: token.No} }
		}, failure.MFAMissing},
		"Partner Center refuses": {func(m *fakeMicrosoft) {
			m.probe = func(token.API) token.Probe {
				return token.Probe{Works: token.No, MFA: token.Unknown, Failure: &failure.Record{Code: failure.NotAPartner}}
			}
		}, failure.NotAPartner},
		"Partner Center's answer cannot be read": {func(m *fakeMicrosoft) {
			m.probe = func(token.API) token.Probe {
				return token.Probe{Works: token.Unknown, MFA: token.Yes, Failure: &failure.Record{Code: failure.MicrosoftAnswer}}
			}
		}, failure.MicrosoftAnswer},
		"neither says whether MFA was used": {func(m *fakeMicrosoft) {
			m.claims = func() token.AccessTokenClaims { return token.AccessTokenClaims{MFA: token.Unknown} }
			m.probe = func(token.API) token.Probe { return token.Probe{Works: token.Yes, MFA: token.Unknown} }
		}, failure.MFAUnknown},
		"not a Global admin": {func(m *fakeMicrosoft) {
			m.roles = func() (globalAdmin, adminAgent token.Answer) { return token.No, token.Yes }
		}, failure.RoleMissing},
		"not an Admin agent": {func(m *fakeMicrosoft) {
			m.roles = func() (globalAdmin, adminAgent token.Answer) { return token.Yes, token.No }
		}, failure.RoleMissing},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			tc.spoil(h.microsoft)
			_, err := h.exchange()
			h.checkFailure("Exchange", err, tc.want)
			h.checkNothingStored()
			h.checkState(token.StateAbsent, failure.GrantAbsent)
		})
	}
}

func claimsWithMFA(mfa token.Answer) func() token.AccessTokenClaims {
	return func() token.AccessTokenClaims {
		return token.AccessTokenClaims{Readable: true, DirectoryID: directoryID, ApplicationID: applicationID, MFA: mfa}
	}
}

// A passkey has other values in amr than mfa; Partner Center's own answer proves it.
func TestExchange_AcceptsMFAThatOnlyOneOfTwoProves(t *testing.T) {
	for name, tc := range map[string]struct{ amr, partnerCenter token.Answer }{
		"amr lacks mfa, Partner Center says yes":         {token.No, token.Yes},
		"amr is unreadable, Partner Center says yes":     {token.Unknown, token.Yes},
		"amr has mfa, Partner Center does not answer it": {token.Yes, token.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.microsoft.claims = claimsWithMFA(tc.amr)
			h.microsoft.probe = func(token.API) token.Probe { return token.Probe{Works: token.Yes, MFA: tc.partnerCenter} }
			g, err := h.exchange()
			h.must(err)
			if g.Checks.MFA != token.Yes {
				t.Errorf("Exchange found MFA %s, want yes", g.Checks.MFA)
			}
		})
	}
}

// An outage of Partner Center proves nothing; amr does.
func TestExchange_OutageOfPartnerCenterIsNoRefusal(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.microsoft.probe = func(token.API) token.Probe {
		return token.Probe{Works: token.Unknown, MFA: token.Unknown, Failure: &failure.Record{Code: failure.MicrosoftUnavailable}}
	}
	g, err := h.exchange()
	h.must(err)
	if g.Checks.MFA != token.Yes {
		t.Errorf("Exchange found MFA %s, want yes", g.Checks.MFA)
	}
}

// A refusal names both directories as people know them, where that is certain.
func TestExchange_NamesBothDirectories(t *testing.T) {
	for name, tc := range map[string]struct {
		entered        string
		identity       token.Identity
		seen, expected string
	}{
		"by domain":          {"partner.example", token.Identity{Person: token.Person{ObjectID: "1", Username: "ada@other.example"}}, "other.example (" + otherID + ")", "partner.example (" + directoryID + ")"},
		"entered as an ID":   {directoryID, token.Identity{Person: token.Person{ObjectID: "1", Username: "ada@other.example"}}, "other.example (" + otherID + ")", directoryID},
		"a guest there":      {directoryID, token.Identity{Person: token.Person{ObjectID: "1", Username: "ada@home.example"}, Guest: true}, otherID, directoryID},
		"an external user":   {directoryID, token.Identity{Person: token.Person{ObjectID: "1", Username: "ada_home.example#EXT#@other.example"}}, otherID, directoryID},
		"without a name":     {directoryID, token.Identity{Person: token.Person{ObjectID: "1", Name: "Ada"}}, otherID, directoryID},
		"an empty domain":    {directoryID, token.Identity{Person: token.Person{ObjectID: "1", Username: "ada@"}}, otherID, directoryID},
		"nothing is entered": {"", token.Identity{Person: token.Person{ObjectID: "1", Username: "ada@other.example"}}, "other.example (" + otherID + ")", directoryID},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			stored, err := h.store.Tenant(t.Context(), tenantID)
			h.must(err)
			stored.Directory = tc.entered
			h.must(h.store.SaveTenant(t.Context(), &stored))
			h.microsoft.identity = func() (token.Identity, error) {
				identity := tc.identity
				identity.DirectoryID = otherID
				return identity, nil
			}
			_, err = h.exchange()
			h.checkFailure("Exchange", err, failure.WrongDirectory)
			if p := failure.From(err).Params; p["seen"] != tc.seen || p["expected"] != tc.expected {
				t.Errorf("Exchange saw %q and expected %q, want %q and %q", p["seen"], p["expected"], tc.seen, tc.expected)
			}
		})
	}
}

func TestExchange_AlwaysNamesWhoConsented(t *testing.T) {
	for name, tc := range map[string]struct {
		inIDToken     token.Person
		inAccessToken string
		want          string
	}{
		"username of the id_token":     {token.Person{ObjectID: "oid-1", Username: "ada@contoso.example", Name: "Ada"}, "other@contoso.example", "ada@contoso.example"},
		"username of the access token": {token.Person{ObjectID: "oid-1", Name: "Ada"}, "ada@contoso.example", "ada@contoso.example"},
		"name":                         {token.Person{ObjectID: "oid-1", Name: "Ada"}, "", "Ada"},
		"object ID":                    {token.Person{ObjectID: "oid-1"}, "", "oid-1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.microsoft.identity = func() (token.Identity, error) {
				return token.Identity{DirectoryID: directoryID, Person: tc.inIDToken}, nil
			}
			h.microsoft.claims = func() token.AccessTokenClaims {
				c := claimsWithMFA(token.Yes)()
				c.Username = tc.inAccessToken
				return c
			}
			g, err := h.exchange()
			h.must(err)
			if g.ConsentedBy.Username != tc.want {
				t.Errorf("Exchange was consented by %q, want %q", g.ConsentedBy.Username, tc.want)
			}
		})
	}
}

// TestExchange_RefusalsNameWhoSignedIn: the id_tokens of guests and of personal accounts may lack a username.
func TestExchange_RefusalsNameWhoSignedIn(t *testing.T) {
	for code, identity := range map[failure.Code]token.Identity{
		failure.GuestAccount:    {DirectoryID: directoryID, Guest: true},
		failure.PersonalAccount: {DirectoryID: "9188040d-6c67-4c5b-b112-36a304b66dad"},
	} {
		for inAccessToken, want := range map[string]string{"": "oid-1", "ada@contoso.example": "ada@contoso.example", strings.Repeat("a", 10_000): strings.Repeat("a", length.Name-1) + "…"} {
			h := newHarness(t, openStore(t))
			identity.Person = token.Person{ObjectID: "oid-1"}
			h.microsoft.identity = func() (token.Identity, error) { return identity, nil }
			h.microsoft.claims = func() token.AccessTokenClaims {
				c := claimsWithMFA(token.Yes)()
				c.Username = inAccessToken
				return c
			}
			_, err := h.exchange()
			h.checkFailure("Exchange", err, code)
			if got := failure.From(err).Params["username"]; got != want {
				t.Errorf("the refusal names %.80q, want %.80q", got, want)
			}
		}
	}
}

// TestExchange_RefusalOfPartnerCenterNamesWhoSignedIn: the access token that it refused may tell no name.
func TestExchange_RefusalOfPartnerCenterNamesWhoSignedIn(t *testing.T) {
	for inToken, want := range map[string]string{"": person.Username, "ada@contoso.example": "ada@contoso.example"} {
		h := newHarness(t, openStore(t))
		h.microsoft.probe = func(token.API) token.Probe {
			f := failure.New(failure.NotAPartner, "username", inToken)
			return token.Probe{Works: token.No, At: h.now(), MFA: token.Yes, Failure: failure.NewRecord(t.Context(), f)}
		}
		_, err := h.exchange()
		h.checkFailure("Exchange", err, failure.NotAPartner)
		if got := failure.From(err).Params["username"]; got != want {
			t.Errorf("the refusal names %q, want %q", got, want)
		}
	}
}

func TestExchange_UnknownIsNeitherNoNorYes(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.microsoft.claims = func() token.AccessTokenClaims { return token.AccessTokenClaims{MFA: token.Unknown} } // an opaque token
	h.microsoft.roles = func() (globalAdmin, adminAgent token.Answer) { return token.Unknown, token.Unknown }
	g, err := h.exchange()
	h.must(err)
	if g.Checks.MFA != token.Yes || g.Checks.GlobalAdmin != token.Unknown || g.Checks.AdminAgent != token.Unknown {
		t.Errorf("Exchange checked %+v, want MFA proven by Partner Center and unknown roles", g.Checks)
	}
}

func TestExchange_FailingGraphOrARMIsAWarning(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.microsoft.renew = func(_ string, api token.API) error {
		if api == token.ARM {
			return failure.New(failure.ConsentMissing)
		}
		return nil
	}
	h.microsoft.probe = func(api token.API) token.Probe {
		if api == token.Graph {
			return token.Probe{Works: token.Unknown, Failure: &failure.Record{Code: failure.MicrosoftUnavailable}}
		}
		return token.Probe{Works: token.Yes, MFA: token.Yes}
	}
	h.consent(tenantID)
	h.checkState(token.StateActive, "")
	checks := h.status().Checks.APIs
	if checks[token.ARM].Works != token.No || checks[token.Graph].Works != token.Unknown || checks[token.PartnerCenter].Works != token.Yes {
		t.Errorf("Checks = %+v, want Partner Center yes, Graph unknown, ARM no", checks)
	}
}

func TestExchange_KeepsTheNewestValue(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	// One code redemption, then one redemption each for Graph and ARM.
	if got := h.grant(token.Active).RefreshToken.Reveal(); got != "refresh-3" {
		t.Errorf("the refresh token of the active grant = %s, want refresh-3", got)
	}
}

// TestExchange_OfARefreshToken redeems a refresh token that another program had, and checks everything as for a consent.
func TestExchange_OfARefreshToken(t *testing.T) {
	h := newHarness(t, openStore(t))
	exchange := func() (token.Grant, error) {
		return h.tokens.Exchange(t.Context(), token.CodeExchange{TenantID: tenantID, RefreshToken: secret.New("imported"), ConsentID: "consent-1", Procedure: token.Imported})
	}
	g, err := exchange()
	if err != nil || g.RefreshToken.Reveal() == "imported" || g.Procedure != token.Imported || g.ConsentedBy.ObjectID != person.ObjectID {
		t.Errorf("Exchange() = %+v, %v, want a grant with the successor", g, err)
	}
	if got := h.microsoft.presented(); got[0] != "imported" {
		t.Errorf("redeemed were %v, want the imported one first", got)
	}
	for name, tc := range map[string]struct {
		spoil func(*fakeMicrosoft)
		want  failure.Code
	}{
		"of another application": {func(m *fakeMicrosoft) {
			m.renew = func(string, token.API) error { return failure.New(failure.GrantRevoked) }
		}, failure.ImportRefused},
		"a wrong secret": {func(m *fakeMicrosoft) {
			m.renew = func(string, token.API) error { return failure.New(failure.ClientSecretWrong) }
		}, failure.ClientSecretWrong},
		"an outage": {func(m *fakeMicrosoft) {
			m.renew = func(string, token.API) error { return failure.New(failure.MicrosoftUnavailable) }
		}, failure.MicrosoftUnavailable},
		"no id_token that verifies": {func(m *fakeMicrosoft) {
			m.identity = func() (token.Identity, error) { return token.Identity{}, failure.New(failure.IDTokenInvalid) }
		}, failure.IDTokenInvalid},
		"another directory": {func(m *fakeMicrosoft) {
			m.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: otherID}, nil }
		}, failure.WrongDirectory},
		"no MFA": {func(m *fakeMicrosoft) {
			m.probe = func(token.API) token.Probe { return token.Probe{Works: token.Yes, MFA: token.No} }
		}, failure.MFAMissing},
	} {
		h.microsoft.renew, h.microsoft.identity, h.microsoft.probe = nil, nil, nil
		tc.spoil(h.microsoft)
		_, err := exchange()
		h.checkFailure("Exchange of a refresh token, "+name, err, tc.want)
		h.checkNothingStored()
	}
}

package microsoft_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
)

const nonce = "the-nonce"

func identify(h *harness, idToken secret.Text) (token.Identity, error) {
	return h.client.Identity(context.Background(), testClient(), idToken, nonce)
}

func issuerOf(h *harness, directory string) string {
	return h.server.URL + "/login/" + directory + "/v2.0"
}

// idClaims returns the claims of a valid id_token, changed by change; a nil value removes a claim.
func idClaims(h *harness, change map[string]any) map[string]any {
	now := h.clock()
	claims := map[string]any{
		"aud": application, "iss": issuerOf(h, directory), "tid": directory, "nonce": nonce, "oid": "the-object", "sub": "pairwise",
		"preferred_username": "int@contoso.example", "name": "Integration", "ver": "2.0",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func TestIdentity_Refuses(t *testing.T) {
	s := newSigner(t, "k1")
	foreignSigner := newSigner(t, "k1") // another key with a known ID
	at := func(h *harness, d time.Duration) int64 { return h.clock().Add(d).Unix() }
	for name, make := range map[string]func(h *harness) secret.Text{
		"empty":     func(*harness) secret.Text { return secret.Text{} },
		"not a JWT": func(*harness) secret.Text { return secret.New(canaryAccess) },
		"alg none":  func(h *harness) secret.Text { return unsigned(t, idClaims(h, nil)) },
		"alg HS256": func(h *harness) secret.Text {
			return signWith(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "k1", idClaims(h, nil))
		},
		"alg PS256":             func(h *harness) secret.Text { return signWith(t, jose.PS256, s.key, "k1", idClaims(h, nil)) },
		"key of another signer": func(h *harness) secret.Text { return foreignSigner.sign(t, idClaims(h, nil)) },
		"unknown kid":           func(h *harness) secret.Text { return signer{"k9", s.key}.sign(t, idClaims(h, nil)) },
		"no kid":                func(h *harness) secret.Text { return signer{"", s.key}.sign(t, idClaims(h, nil)) },
		"other issuer": func(h *harness) secret.Text {
			return s.sign(t, idClaims(h, map[string]any{"iss": "https://evil.example/" + directory + "/v2.0"}))
		},
		"issuer of v1": func(h *harness) secret.Text {
			return s.sign(t, idClaims(h, map[string]any{"iss": h.server.URL + "/sts/" + directory + "/"}))
		},
		"tid and iss differ": func(h *harness) secret.Text {
			return s.sign(t, idClaims(h, map[string]any{"iss": issuerOf(h, foreign)}))
		},
		"no tid":          func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"tid": nil})) },
		"tid is a path":   func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"tid": "../../evil"})) },
		"tid is a number": func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"tid": 7})) },
		"other audience":  func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"aud": foreign})) },
		"no audience":     func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"aud": nil})) },
		"other nonce":     func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"nonce": "other"})) },
		"no nonce":        func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"nonce": nil})) },
		"no object id":    func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"oid": nil})) },
		"expired": func(h *harness) secret.Text {
			return s.sign(t, idClaims(h, map[string]any{"exp": at(h, -6*time.Minute)}))
		},
		"no expiry": func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"exp": nil})) },
		"not yet valid": func(h *harness) secret.Text {
			return s.sign(t, idClaims(h, map[string]any{"nbf": at(h, 6*time.Minute)}))
		},
		"issued tomorrow": func(h *harness) secret.Text {
			return s.sign(t, idClaims(h, map[string]any{"iat": at(h, 24*time.Hour)}))
		},
		"no issue time": func(h *harness) secret.Text { return s.sign(t, idClaims(h, map[string]any{"iat": nil})) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(keysPath, keySet(t, s.jwk("")))
			got, err := identify(h, make(h))
			if codeOf(err) != failure.IDTokenInvalid {
				t.Errorf("Identity() = %+v, %v, want %s", got, err, failure.IDTokenInvalid)
			}
			h.checkRedacted(err)
		})
	}
}

func TestIdentity_RefusesAnEmptyNonce(t *testing.T) {
	h, s := newHarness(t), newSigner(t, "k1")
	h.route(keysPath, keySet(t, s.jwk("")))
	_, err := h.client.Identity(context.Background(), testClient(), s.sign(t, idClaims(h, map[string]any{"nonce": ""})), "")
	if codeOf(err) != failure.IDTokenInvalid {
		t.Errorf("Identity() with an empty nonce = %v, want %s", err, failure.IDTokenInvalid)
	}
}

func TestIdentity_TellsMembersFromGuests(t *testing.T) {
	s := newSigner(t, "k1")
	for name, tc := range map[string]struct {
		change func(h *harness) map[string]any
		guest  bool
	}{
		"member": {change: func(*harness) map[string]any { return nil }},
		"skew of the clocks": {change: func(h *harness) map[string]any {
			return map[string]any{"exp": h.clock().Add(-4 * time.Minute).Unix(), "iat": h.clock().Add(4 * time.Minute).Unix(), "nbf": h.clock().Add(4 * time.Minute).Unix()}
		}},
		"acct 0":            {change: func(*harness) map[string]any { return map[string]any{"acct": 0} }},
		"acct 1":            {change: func(*harness) map[string]any { return map[string]any{"acct": 1} }, guest: true},
		"acct 1 as text":    {change: func(*harness) map[string]any { return map[string]any{"acct": "1"} }, guest: true},
		"idp is the issuer": {change: func(h *harness) map[string]any { return map[string]any{"idp": issuerOf(h, directory)} }},
		"idp is the v1 issuer": {change: func(h *harness) map[string]any {
			return map[string]any{"idp": h.server.URL + "/sts/" + directory + "/"}
		}},
		"idp elsewhere":    {change: func(h *harness) map[string]any { return map[string]any{"idp": h.server.URL + "/sts/" + foreign + "/"} }, guest: true},
		"idp of consumers": {change: func(*harness) map[string]any { return map[string]any{"idp": "live.com"} }, guest: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.route(keysPath, keySet(t, s.jwk("")))
			got, err := identify(h, s.sign(t, idClaims(h, tc.change(h))))
			want := token.Identity{
				DirectoryID: directory, Guest: tc.guest,
				Person: token.Person{ObjectID: "the-object", Username: "int@contoso.example", Name: "Integration"},
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("Identity() error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// A consent in another directory is verified with the keys of that directory, so that the failure can name it.
func TestIdentity_OfAnotherDirectory(t *testing.T) {
	h, s := newHarness(t), newSigner(t, "k1")
	h.route("/login/"+foreign+"/discovery/v2.0/keys", keySet(t, s.jwk(issuerOf(h, "{tenantid}"))))
	got, err := identify(h, s.sign(t, idClaims(h, map[string]any{"tid": foreign, "iss": issuerOf(h, foreign)})))
	if err != nil || got.DirectoryID != foreign {
		t.Errorf("Identity() = %q, %v, want %q", got.DirectoryID, err, foreign)
	}
	if n := len(h.seen(keysPath)); n > 0 {
		t.Errorf("Identity() fetched the keys of the client's directory %d times, want only those of the consent's directory", n)
	}
}

// A key names the issuer of the tokens that it may sign; the common templates name no directory.
func TestIdentity_ChecksTheIssuerOfTheKey(t *testing.T) {
	s := newSigner(t, "k1")
	for name, tc := range map[string]struct {
		issuer func(h *harness) string
		want   failure.Code
	}{
		"none":      {func(*harness) string { return "" }, ""},
		"literal":   {func(h *harness) string { return issuerOf(h, directory) }, ""},
		"template":  {func(h *harness) string { return issuerOf(h, "{tenantid}") }, ""},
		"another":   {func(h *harness) string { return issuerOf(h, foreign) }, failure.IDTokenInvalid},
		"elsewhere": {func(*harness) string { return "https://login.example/{tenantid}/v2.0" }, failure.IDTokenInvalid},
	} {
		h := newHarness(t)
		h.route(keysPath, keySet(t, s.jwk(tc.issuer(h))))
		if _, err := identify(h, s.sign(t, idClaims(h, nil))); codeOf(err) != tc.want {
			t.Errorf("Identity() with the key issuer %s = %v, want %q", name, err, tc.want)
		}
	}
}

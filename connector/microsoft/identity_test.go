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

func identify(l *lab, idToken secret.Text) (token.Identity, error) {
	return l.client.Identity(context.Background(), labClient(), idToken, nonce)
}

func issuerOf(l *lab, directory string) string { return l.server.URL + "/login/" + directory + "/v2.0" }

// idClaims returns the claims of a good id_token, changed by change; a nil value removes a claim.
func idClaims(l *lab, change map[string]any) map[string]any {
	now := l.clock()
	claims := map[string]any{
		"aud": application, "iss": issuerOf(l, directory), "tid": directory, "nonce": nonce, "oid": "the-object", "sub": "pairwise",
		"preferred_username": "int@contoso.example", "name": "Integration", "ver": "2.0",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func TestIdentityRefuses(t *testing.T) {
	s := newSigner(t, "k1")
	stranger := newSigner(t, "k1") // another key under a known name
	at := func(l *lab, d time.Duration) int64 { return l.clock().Add(d).Unix() }
	for name, make := range map[string]func(l *lab) secret.Text{
		"empty":     func(*lab) secret.Text { return secret.Text{} },
		"not a JWT": func(*lab) secret.Text { return secret.New(canaryAccess) },
		"alg none":  func(l *lab) secret.Text { return unsigned(t, idClaims(l, nil)) },
		"alg HS256": func(l *lab) secret.Text {
			return signWith(t, jose.HS256, []byte("0123456789abcdef0123456789abcdef"), "k1", idClaims(l, nil))
		},
		"alg PS256":      func(l *lab) secret.Text { return signWith(t, jose.PS256, s.key, "k1", idClaims(l, nil)) },
		"stranger's key": func(l *lab) secret.Text { return stranger.sign(t, idClaims(l, nil)) },
		"unknown kid":    func(l *lab) secret.Text { return signer{"k9", s.key}.sign(t, idClaims(l, nil)) },
		"no kid":         func(l *lab) secret.Text { return signer{"", s.key}.sign(t, idClaims(l, nil)) },
		"other issuer": func(l *lab) secret.Text {
			return s.sign(t, idClaims(l, map[string]any{"iss": "https://evil.example/" + directory + "/v2.0"}))
		},
		"issuer of v1": func(l *lab) secret.Text {
			return s.sign(t, idClaims(l, map[string]any{"iss": l.server.URL + "/sts/" + directory + "/"}))
		},
		"tid and iss differ": func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"iss": issuerOf(l, foreign)})) },
		"no tid":             func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"tid": nil})) },
		"tid is a path":      func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"tid": "../../evil"})) },
		"tid is a number":    func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"tid": 7})) },
		"other audience":     func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"aud": foreign})) },
		"no audience":        func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"aud": nil})) },
		"other nonce":        func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"nonce": "other"})) },
		"no nonce":           func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"nonce": nil})) },
		"no object id":       func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"oid": nil})) },
		"expired":            func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"exp": at(l, -6*time.Minute)})) },
		"no expiry":          func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"exp": nil})) },
		"not yet valid":      func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"nbf": at(l, 6*time.Minute)})) },
		"issued tomorrow":    func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"iat": at(l, 24*time.Hour)})) },
		"no issue":           func(l *lab) secret.Text { return s.sign(t, idClaims(l, map[string]any{"iat": nil})) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.route(keysPath, keySet(t, s.jwk("")))
			got, err := identify(l, make(l))
			if codeOf(err) != failure.IDTokenInvalid {
				t.Errorf("Identity() = %+v, %v, want %s", got, err, failure.IDTokenInvalid)
			}
			l.checkRedacted(err)
		})
	}
}

func TestIdentityRefusesEmptyNonce(t *testing.T) {
	l, s := newLab(t), newSigner(t, "k1")
	l.route(keysPath, keySet(t, s.jwk("")))
	_, err := l.client.Identity(context.Background(), labClient(), s.sign(t, idClaims(l, map[string]any{"nonce": ""})), "")
	if codeOf(err) != failure.IDTokenInvalid {
		t.Errorf("Identity() with an empty nonce = %v, want %s", err, failure.IDTokenInvalid)
	}
}

func TestIdentity(t *testing.T) {
	s := newSigner(t, "k1")
	for name, tc := range map[string]struct {
		change func(l *lab) map[string]any
		guest  bool
	}{
		"member": {change: func(*lab) map[string]any { return nil }},
		"skew of the clocks": {change: func(l *lab) map[string]any {
			return map[string]any{"exp": l.clock().Add(-4 * time.Minute).Unix(), "iat": l.clock().Add(4 * time.Minute).Unix(), "nbf": l.clock().Add(4 * time.Minute).Unix()}
		}},
		"acct 0":               {change: func(*lab) map[string]any { return map[string]any{"acct": 0} }},
		"acct 1":               {change: func(*lab) map[string]any { return map[string]any{"acct": 1} }, guest: true},
		"acct 1 as text":       {change: func(*lab) map[string]any { return map[string]any{"acct": "1"} }, guest: true},
		"idp is the issuer":    {change: func(l *lab) map[string]any { return map[string]any{"idp": issuerOf(l, directory)} }},
		"idp is the v1 issuer": {change: func(l *lab) map[string]any { return map[string]any{"idp": l.server.URL + "/sts/" + directory + "/"} }},
		"idp elsewhere":        {change: func(l *lab) map[string]any { return map[string]any{"idp": l.server.URL + "/sts/" + foreign + "/"} }, guest: true},
		"idp of consumers":     {change: func(*lab) map[string]any { return map[string]any{"idp": "live.com"} }, guest: true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.route(keysPath, keySet(t, s.jwk("")))
			got, err := identify(l, s.sign(t, idClaims(l, tc.change(l))))
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

// A consent from another directory is verified against that directory, so that custody can say which one it was.
func TestIdentityOfAnotherDirectory(t *testing.T) {
	l, s := newLab(t), newSigner(t, "k1")
	l.route("/login/"+foreign+"/discovery/v2.0/keys", keySet(t, s.jwk(issuerOf(l, "{tenantid}"))))
	got, err := identify(l, s.sign(t, idClaims(l, map[string]any{"tid": foreign, "iss": issuerOf(l, foreign)})))
	if err != nil || got.DirectoryID != foreign {
		t.Errorf("Identity() = %q, %v, want %q", got.DirectoryID, err, foreign)
	}
	if n := len(l.seen(keysPath)); n > 0 {
		t.Errorf("Identity() fetched the own directory's keys %d times, want the foreign one's only", n)
	}
}

// A key says whose tokens it may sign; the common templates name no directory.
func TestIdentityKeyIssuer(t *testing.T) {
	s := newSigner(t, "k1")
	for name, tc := range map[string]struct {
		issuer func(l *lab) string
		want   failure.Code
	}{
		"none":      {func(*lab) string { return "" }, ""},
		"literal":   {func(l *lab) string { return issuerOf(l, directory) }, ""},
		"template":  {func(l *lab) string { return issuerOf(l, "{tenantid}") }, ""},
		"another":   {func(l *lab) string { return issuerOf(l, foreign) }, failure.IDTokenInvalid},
		"elsewhere": {func(*lab) string { return "https://login.example/{tenantid}/v2.0" }, failure.IDTokenInvalid},
	} {
		l := newLab(t)
		l.route(keysPath, keySet(t, s.jwk(tc.issuer(l))))
		if _, err := identify(l, s.sign(t, idClaims(l, nil))); codeOf(err) != tc.want {
			t.Errorf("Identity() with the key issuer %s = %v, want %q", name, err, tc.want)
		}
	}
}

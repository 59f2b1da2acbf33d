package client_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
)

const audience = "https://tokens.example/oauth2/token"

// must returns what a call returned that cannot fail here.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func pemOf(t *testing.T, key crypto.PublicKey) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must[[]byte](t)(x509.MarshalPKIXPublicKey(key))})
}

func jwkOf(t *testing.T, key jose.JSONWebKey) []byte { return must[[]byte](t)(key.MarshalJSON()) }

func newP256(t *testing.T) *ecdsa.PrivateKey {
	return must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

func newRSA(t *testing.T) *rsa.PrivateKey {
	return must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
}

func TestParsePublicKey_TakesStrongPublicKeysOnly(t *testing.T) {
	p256, rsa2048 := newP256(t), newRSA(t)
	p384 := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	edwards, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must[[]byte](t)(x509.MarshalPKCS8PrivateKey(p256))})
	short := *rsa2048.N
	short.Rsh(&short, 1024)
	long := *rsa2048.N
	long.Lsh(&long, 3*2048+1)
	long.SetBit(&long, 0, 1)
	for name, tc := range map[string]struct {
		text []byte
		want string // what the error says; "" for none
	}{
		"PEM of P-256":         {pemOf(t, p256.Public()), ""},
		"PEM of RSA":           {pemOf(t, rsa2048.Public()), ""},
		"JWK of P-256":         {jwkOf(t, jose.JSONWebKey{Key: p256.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}), ""},
		"JWK of RSA":           {jwkOf(t, jose.JSONWebKey{Key: rsa2048.Public()}), ""},
		"nothing":              {nil, "neither"},
		"a secret":             {[]byte(`{"kty":"oct","k":"AAAAAAAA"}`), "not a public one"},
		"a private JWK":        {jwkOf(t, jose.JSONWebKey{Key: p256}), "stays with the client"},
		"a private PEM":        {private, "stays with the client"},
		"a broken PEM":         {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}), "can be read"},
		"a JWK of encryption":  {jwkOf(t, jose.JSONWebKey{Key: p256.Public(), Use: "enc"}), "signatures"},
		"P-384":                {pemOf(t, p384.Public()), "P-256"},
		"Ed25519":              {pemOf(t, edwards), "neither an RSA"},
		"RSA that is short":    {pemOf(t, &rsa.PublicKey{N: &short, E: 65537}), "1024 bits"},
		"RSA that is too long": {pemOf(t, &rsa.PublicKey{N: &long, E: 65537}), "8193 bits"},
	} {
		_, err := client.ParsePublicKey(tc.text)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("ParsePublicKey() of %s = %v, want %q", name, err, tc.want)
		}
	}
}

// A signer makes assertions.
type signer struct {
	*testing.T
	key       any
	algorithm jose.SignatureAlgorithm
	header    map[jose.HeaderKey]any
}

func (s signer) sign(claims map[string]any) secret.Text {
	s.Helper()
	options := (&jose.SignerOptions{ExtraHeaders: s.header}).WithType("JWT")
	by := must[jose.Signer](s.T)(jose.NewSigner(jose.SigningKey{Algorithm: s.algorithm, Key: s.key}, options))
	return secret.New(must[string](s.T)(jwt.Signed(by).Claims(claims).Serialize()))
}

// claims returns the claims of a good assertion of billing, changed by change: nil removes.
func (h *harness) claims(change map[string]any) map[string]any {
	claims := map[string]any{"iss": "billing", "sub": "billing", "aud": audience, "exp": h.clock.Add(time.Minute).Unix(), "iat": h.clock.Unix(), "jti": "1"}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return claims
}

// addPublic adds a client with the public key to a private one.
func (h *harness) addPublic(name string, public crypto.PublicKey) {
	h.Helper()
	key := must[client.PublicKey](h.T)(client.ParsePublicKey(pemOf(h.T, public)))
	c := billing()
	c.Name = name
	if random, err := h.AddWith(h.Context(), c, client.Credential{PublicKey: &key}, operator); err != nil || !random.Empty() {
		h.Fatalf("AddWith(%s) = %v, %v, want no key", name, random, err)
	}
}

// TestAuthenticateAssertion_Refusals tells signatures of nobody, which leave no trace, from claims that are wrong.
func TestAuthenticateAssertion_Refusals(t *testing.T) {
	h := newHarness(t)
	key, rsaKey, other := newP256(t), newRSA(t), newP256(t)
	h.addPublic("billing", key.Public())
	h.addPublic("other", other.Public())
	good := signer{t, key, jose.ES256, nil}
	at := func(d time.Duration) int64 { return h.clock.Add(d).Unix() }
	claims := h.claims(nil)
	text := good.sign(claims).Reveal()
	part := strings.Split(text, ".")
	unsigned := "eyJhbGciOiJub25lIn0." + part[1] + "."
	public := must[[]byte](t)(x509.MarshalPKIXPublicKey(key.Public()))
	for name, assertion := range map[string]secret.Text{
		"nothing":                   {},
		"no JWT":                    secret.New("apck_x"),
		"too long":                  good.sign(h.claims(map[string]any{"more": strings.Repeat("x", 9000)})),
		"unsigned":                  secret.New(unsigned),
		"a cut signature":           secret.New(text[:len(text)-4]),
		"another header":            secret.New(strings.Split(signer{t, key, jose.ES256, map[jose.HeaderKey]any{"kid": "k"}}.sign(claims).Reveal(), ".")[0] + "." + part[1] + "." + part[2]),
		"HMAC with the public key":  signer{t, public, jose.HS256, nil}.sign(claims),
		"RS384":                     signer{t, rsaKey, jose.RS384, nil}.sign(claims),
		"an RSA key of nobody":      signer{t, rsaKey, jose.RS256, nil}.sign(claims),
		"another client's key":      signer{t, other, jose.ES256, nil}.sign(claims),
		"a key in its header":       signer{t, other, jose.ES256, map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: other.Public()}}}.sign(claims),
		"an unknown critical claim": signer{t, key, jose.ES256, map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}}.sign(claims),
		"an unknown client":         good.sign(h.claims(map[string]any{"iss": "nobody", "sub": "nobody"})),
		"no client":                 good.sign(h.claims(map[string]any{"sub": nil})),
	} {
		c, err := h.AuthenticateAssertion(t.Context(), assertion, []string{audience})
		h.refused("AuthenticateAssertion() with "+name, err, failure.KeyUnknown)
		if c.Name != "" {
			t.Errorf("AuthenticateAssertion() with %s = client %q, want none", name, c.Name)
		}
	}
	for name, change := range map[string]map[string]any{
		"another issuer":         {"iss": "other"},
		"no issuer":              {"iss": nil},
		"no audience":            {"aud": nil},
		"another audience":       {"aud": "https://login.microsoftonline.com/common/oauth2/v2.0/token"},
		"a second audience":      {"aud": []string{audience, "https://other.example"}},
		"a longer audience":      {"aud": audience + "/"},
		"no end":                 {"exp": nil},
		"an end that is over":    {"exp": at(-time.Minute)},
		"an end that is far":     {"exp": at(11*time.Minute + time.Second)},
		"a beginning to come":    {"nbf": at(time.Minute + time.Second)},
		"an issue to come":       {"iat": at(time.Minute + time.Second)},
		"no ID":                  {"jti": nil},
		"an ID that is too long": {"jti": strings.Repeat("j", 256)},
	} {
		c, err := h.AuthenticateAssertion(t.Context(), good.sign(h.claims(change)), []string{audience})
		h.refused("AuthenticateAssertion() with "+name, err, failure.BadRequest)
		if c.Name != "billing" {
			t.Errorf("AuthenticateAssertion() with %s = client %q, want it named", name, c.Name)
		}
	}
	if _, err := h.AuthenticateAssertion(t.Context(), good.sign(claims), []string{audience}); err != nil {
		t.Errorf("AuthenticateAssertion() of the same ID after its refusals = %v", err)
	}
	_, err := h.Authenticate(t.Context(), secret.New("apck_"+strings.Repeat("A", 43)))
	h.refused("Authenticate() of a client with a public key only", err, failure.KeyUnknown)
	duplicate := must[client.PublicKey](t)(client.ParsePublicKey(jwkOf(t, jose.JSONWebKey{Key: key.Public(), KeyID: "k"})))
	_, err = h.AddCredential(t.Context(), "other", client.Credential{PublicKey: &duplicate}, time.Time{}, operator)
	h.refused("AddCredential() of another's public key", err, failure.BadRequest)
}

// TestAuthenticateAssertion_AcceptsEachAssertionOnce signs with every algorithm, and uses every assertion twice, the second time in
// another process.
func TestAuthenticateAssertion_AcceptsEachAssertionOnce(t *testing.T) {
	h := newHarness(t)
	elliptic, rsaKey := newP256(t), newRSA(t)
	h.addPublic("billing", elliptic.Public())
	second := must[client.PublicKey](t)(client.ParsePublicKey(pemOf(t, rsaKey.Public())))
	if _, err := h.AddCredential(t.Context(), "billing", client.Credential{PublicKey: &second}, h.clock.Add(time.Hour), operator); err != nil {
		t.Fatal(err)
	}
	replica := h.service(h.store)
	begin := h.clock
	for jti, s := range map[string]signer{
		"1": {t, elliptic, jose.ES256, nil}, "2": {t, rsaKey, jose.RS256, nil}, "3": {t, rsaKey, jose.PS256, nil},
	} {
		h.clock = begin
		assertion := s.sign(h.claims(map[string]any{"jti": jti, "aud": []string{audience, "https://tokens.example"}, "exp": h.clock.Add(10 * time.Minute).Unix()}))
		ours := []string{"https://tokens.example", audience}
		if c, err := h.AuthenticateAssertion(t.Context(), assertion, ours); err != nil || c.Name != "billing" {
			t.Fatalf("AuthenticateAssertion() by %s = %q, %v, want billing", s.algorithm, c.Name, err)
		}
		for _, after := range []time.Duration{0, 11*time.Minute - time.Millisecond} { // it is good until its end and the leeway
			h.clock = begin.Add(after)
			if err := h.store.PurgeNonces(t.Context(), h.clock.Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			for _, s := range []*client.Service{h.Service, replica} {
				_, err := s.AuthenticateAssertion(t.Context(), assertion, ours)
				h.refused("AuthenticateAssertion() again", err, failure.BadRequest)
			}
		}
	}
	keys, err := h.store.Keys(t.Context(), "billing")
	if err != nil || len(keys) != 2 || keys[0].LastUsedAt.IsZero() || keys[1].LastUsedAt.IsZero() {
		t.Fatalf("Keys() = %+v, %v, want two that were used", keys, err)
	}
	h.clock = begin.Add(time.Hour)
	fresh := func(s signer) error {
		_, err := h.AuthenticateAssertion(t.Context(), s.sign(h.claims(map[string]any{"jti": "later"})), []string{audience})
		return err
	}
	h.refused("AuthenticateAssertion() with a key that expired", fresh(signer{t, rsaKey, jose.RS256, nil}), failure.KeyExpired)
	for _, key := range keys {
		if err := h.RemoveKey(t.Context(), "billing", key.ID, operator); err != nil {
			t.Fatal(err)
		}
	}
	h.refused("AuthenticateAssertion() with a key that was removed", fresh(signer{t, elliptic, jose.ES256, nil}), failure.KeyUnknown)
}

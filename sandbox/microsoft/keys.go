package microsoft

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// keyBits is the size of Microsoft's signing keys.
const keyBits = 2048

// firstKeys returns the first two keys of every simulator in a process: generating them takes longer than most tests.
// Their kid differs between simulators, so that no simulator accepts another's tokens.
var firstKeys = sync.OnceValues(func() ([]*rsa.PrivateKey, error) {
	keys := make([]*rsa.PrivateKey, 2)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return nil, fmt.Errorf("making signing keys: %w", err)
		}
		keys[i] = key
	}
	return keys, nil
})

// A keyring holds the published signing keys. Simulator.mu guards it.
type keyring struct {
	published []*signingKey
	signing   *signingKey
}

type signingKey struct {
	kid         string // SHA-1 of the certificate, as at Microsoft
	private     *rsa.PrivateKey
	certificate []byte // DER, for x5c
}

func newKeyring(now time.Time) (*keyring, error) {
	privates, err := firstKeys()
	if err != nil {
		return nil, err
	}
	ring := &keyring{}
	for _, private := range privates {
		key, err := newSigningKey(private, now)
		if err != nil {
			return nil, err
		}
		ring.published = append(ring.published, key)
	}
	// The second key signs, so that a client that always uses the first one fails.
	ring.signing = ring.published[1]
	return ring, nil
}

func newSigningKey(private *rsa.PrivateKey, now time.Time) (*signingKey, error) {
	template := certificateTemplate("accounts.accesscontrol.simulated", now)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return nil, fmt.Errorf("making a signing certificate: %w", err)
	}
	sum := sha1.Sum(der)
	return &signingKey{kid: base64.RawURLEncoding.EncodeToString(sum[:]), private: private, certificate: der}, nil
}

// PublishKey adds a key to the JWKS that does not sign yet: the first step of a regular rotation.
func (s *Simulator) PublishKey() (kid string, err error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return "", fmt.Errorf("making a signing key: %w", err)
	}
	key, err := newSigningKey(private, s.now())
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.keys.published = append(s.state.keys.published, key)
	return key.kid, nil
}

// SignWith makes a published key the signing key: the second step.
func (s *Simulator) SignWith(kid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.state.keys.find(kid)
	if key == nil {
		return fmt.Errorf("no published key %q", kid)
	}
	s.state.keys.signing = key
	return nil
}

// DropOldKeys removes every key except the signing key: the last step. Access tokens signed with them are refused.
func (s *Simulator) DropOldKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.keys.published = []*signingKey{s.state.keys.signing}
}

// RotateKeys is an emergency rotation: a new key signs at once, and the previous signing key is removed.
func (s *Simulator) RotateKeys() error {
	s.mu.Lock()
	old := s.state.keys.signing
	s.mu.Unlock()
	kid, err := s.PublishKey()
	if err != nil {
		return err
	}
	if err := s.SignWith(kid); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.keys.published = slices.DeleteFunc(s.state.keys.published, func(k *signingKey) bool { return k == old })
	return nil
}

func (k *keyring) find(kid string) *signingKey {
	for _, key := range k.published {
		if key.kid == kid {
			return key
		}
	}
	return nil
}

// jwks returns the published keys as a JWKS. Each entry names the issuer that it may sign for, as a template
// (docs/reference/microsoft-identity.md §4.2).
func (k *keyring) jwks(issuer string) map[string]any {
	entries := make([]map[string]any, 0, len(k.published))
	for _, key := range k.published {
		public := key.private.PublicKey
		entries = append(entries, map[string]any{
			"kty": "RSA", "use": "sig", "kid": key.kid, "x5t": key.kid,
			"n":      base64.RawURLEncoding.EncodeToString(public.N.Bytes()),
			"e":      base64.RawURLEncoding.EncodeToString(big.NewInt(int64(public.E)).Bytes()),
			"x5c":    []string{base64.StdEncoding.EncodeToString(key.certificate)},
			"issuer": issuer,
		})
	}
	return map[string]any{"keys": entries}
}

// sign returns a JWT of claims, signed with the signing key.
func (k *keyring) sign(claims map[string]any) (string, error) {
	return signWith(k.signing.kid, k.signing.private, claims)
}

func signWith(kid string, private *rsa.PrivateKey, claims map[string]any) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("x5t", kid)
	key := jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: kid}}
	signer, err := jose.NewSigner(key, options)
	if err != nil {
		return "", fmt.Errorf("preparing a signature: %w", err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return token, nil
}

// verify returns the claims of a JWT that is signed with a published key.
func (k *keyring) verify(token string) (map[string]any, error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, fmt.Errorf("reading a token: %w", err)
	}
	key := k.find(parsed.Headers[0].KeyID)
	if key == nil {
		return nil, fmt.Errorf("no key %q is published", parsed.Headers[0].KeyID)
	}
	claims := make(map[string]any)
	if err := parsed.Claims(&key.private.PublicKey, &claims); err != nil {
		return nil, fmt.Errorf("verifying a token: %w", err)
	}
	return claims, nil
}

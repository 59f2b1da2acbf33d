package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
)

const (
	// hashPublic is the purpose of the keyed hashes of public keys.
	hashPublic = "client public key"
	// usedAssertions is what the names begin with under which the IDs of assertions are remembered.
	usedAssertions = "client assertion "
)

// The bounds of assertions.
const (
	maxAssertion = 8 << 10          // bytes
	maxLife      = 10 * time.Minute // until an assertion expires
	leeway       = time.Minute      // how far the client's clock may differ from ours
	maxJTI       = 255              // bytes of the ID of an assertion
)

// The bounds of RSA keys, in bits. Verifying takes longer with larger ones.
const (
	minRSA = 2048
	maxRSA = 8192
)

// AssertionAlgorithms returns the algorithms by which clients may sign assertions, in the notation of RFC 7518.
func AssertionAlgorithms() []string {
	names := make([]string, len(algorithms))
	for i, algorithm := range algorithms {
		names[i] = string(algorithm)
	}
	return names
}

var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256}

// A PublicKey verifies the assertions of a client. ParsePublicKey makes one.
type PublicKey struct{ jwk string }

// ParsePublicKey reads a public key from a JSON Web Key or from PEM (PKIX). Its errors are for people and quote nothing.
func ParsePublicKey(text []byte) (PublicKey, error) {
	key, err := readPublicKey(text)
	if err != nil {
		return PublicKey{}, err
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSA || bits > maxRSA {
			return PublicKey{}, fmt.Errorf("the RSA key has %d bits, not %d to %d", bits, minRSA, maxRSA)
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() {
			return PublicKey{}, errors.New("the elliptic curve of the key is not P-256")
		}
	default:
		return PublicKey{}, errors.New("the key is neither an RSA nor an elliptic curve key")
	}
	jwk, err := (&jose.JSONWebKey{Key: key}).MarshalJSON()
	if err != nil {
		return PublicKey{}, errors.New("the key cannot be written as a JSON Web Key")
	}
	return PublicKey{string(jwk)}, nil
}

func readPublicKey(text []byte) (any, error) {
	if block, _ := pem.Decode(text); block != nil {
		if block.Type != "PUBLIC KEY" {
			return nil, errors.New("the PEM block is not a PUBLIC KEY; a private key stays with the client")
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errors.New("the PEM block holds no public key that can be read")
		}
		return key, nil
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(text); err != nil {
		return nil, errors.New("neither a JSON Web Key nor PEM")
	}
	if !jwk.IsPublic() {
		return nil, errors.New("the JSON Web Key is not a public one; a private key stays with the client")
	}
	if jwk.Use != "" && jwk.Use != "sig" {
		return nil, errors.New("the JSON Web Key is not for signatures")
	}
	return jwk.Key, nil
}

// newPublicKey returns what is stored about a public key. It belongs to one client only.
func (s *Service) newPublicKey(name string, key PublicKey, expires time.Time) (secret.Text, Key, error) {
	sum := sha256.Sum256([]byte(key.jwk))
	hash, err := s.cfg.Hasher.Hash(hashPublic, hex.EncodeToString(sum[:]))
	if err != nil {
		return secret.Text{}, Key{}, err
	}
	return secret.Text{}, Key{
		ID: publicID + random.Reference(), Client: name, Hash: hash, PublicKey: key.jwk, CreatedAt: s.cfg.Now(), ExpiresAt: expires,
	}, nil
}

// AuthenticateAssertion returns the client that has signed an assertion (RFC 7523 §3) for one of the audiences. An assertion is
// good for one request, on whatever replica. For one whose signature is no client's it returns the failure key_unknown, which
// nothing records; otherwise it returns the client, with the failure key_expired, integrity or bad_request if it is refused.
func (s *Service) AuthenticateAssertion(ctx context.Context, assertion secret.Text, audiences []string) (Client, error) {
	found, claims, err := s.signer(ctx, assertion.Reveal())
	if err != nil {
		return Client{}, err
	}
	now := s.cfg.Now()
	if err := found.refusal(now); err != nil {
		return found.client, err
	}
	if reason := refusedClaims(claims, audiences, now); reason != "" {
		return found.client, failure.New(failure.BadRequest, "reason", reason)
	}
	// Twice the leeway, because another replica's clock, by which it forgets, may be ahead of ours.
	fresh, err := s.cfg.Store.RememberNonce(ctx, usedAssertions+found.client.Name, claims.ID, now, claims.Expiry.Time().Add(2*leeway))
	if err != nil {
		return found.client, err
	}
	if !fresh {
		return found.client, failure.New(failure.BadRequest, "reason", "the assertion was used before: sign another one, with another jti")
	}
	s.touch(ctx, &found, now)
	return found.client, nil
}

// signer returns the client and the key that an assertion is signed with, and its claims.
func (s *Service) signer(ctx context.Context, assertion string) (known, jwt.Claims, error) {
	refuse := func(why string) (known, jwt.Claims, error) {
		return known{}, jwt.Claims{}, failure.Wrap(errors.New(why), failure.KeyUnknown)
	}
	if len(assertion) > maxAssertion {
		return refuse("the assertion is too long")
	}
	token, err := jwt.ParseSigned(assertion, algorithms)
	if err != nil { // the error quotes the assertion
		return refuse("the assertion is not a JWT that is signed by one of the algorithms")
	}
	var claims jwt.Claims
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil || !clientName.MatchString(claims.Subject) {
		return refuse("the assertion names no client")
	}
	c, err := s.Client(ctx, claims.Subject)
	if failure.Is(err, failure.NotFound) {
		return refuse("the assertion names an unknown client")
	}
	if err != nil {
		return known{}, jwt.Claims{}, fmt.Errorf("looking for a client: %w", err)
	}
	keys, err := s.cfg.Store.Keys(ctx, c.Name) // none if the client was removed meanwhile
	if err != nil {
		return known{}, jwt.Claims{}, err
	}
	for _, key := range keys {
		if signedBy(token, key) {
			return known{c, key}, claims, nil
		}
	}
	return refuse("no key of the client has signed the assertion")
}

func signedBy(token *jwt.JSONWebToken, key Key) bool {
	if key.PublicKey == "" {
		return false
	}
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON([]byte(key.PublicKey)); err != nil || !jwk.IsPublic() {
		return false
	}
	return token.Claims(jwk.Key) == nil
}

// refusedClaims returns why the claims of an assertion with a good signature are refused; "" if they are not (RFC 7523 §3).
func refusedClaims(claims jwt.Claims, audiences []string, now time.Time) string {
	foreign := func(audience string) bool { return !slices.Contains(audiences, audience) }
	switch {
	case claims.Issuer != claims.Subject:
		return "iss and sub of the assertion are not the same client"
	case len(claims.Audience) == 0 || slices.ContainsFunc(claims.Audience, foreign):
		return "aud of the assertion is neither the token endpoint nor the issuer, or it names somebody else, too"
	case claims.Expiry == nil:
		return "exp of the assertion is missing"
	case !now.Before(claims.Expiry.Time().Add(leeway)):
		return "the assertion has expired"
	case claims.Expiry.Time().After(now.Add(maxLife + leeway)):
		return fmt.Sprintf("exp of the assertion is more than %d minutes away", maxLife/time.Minute)
	case claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(leeway)):
		return "nbf of the assertion is in the future"
	case claims.IssuedAt != nil && claims.IssuedAt.Time().After(now.Add(leeway)):
		return "iat of the assertion is in the future"
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return fmt.Sprintf("jti of the assertion is missing or longer than %d bytes", maxJTI)
	}
	return ""
}

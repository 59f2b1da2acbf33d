package client

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
)

// The purposes of the keyed hashes of certificates, and what the IDs of such keys begin with.
const (
	hashCertificate = "client certificate"
	hashSubject     = "client subject"

	certificateID = "certificate-"
	subjectID     = "subject-"
	publicID      = "public-"
)

// A Credential is what a client shows instead of a random key. The zero Credential is a random key.
type Credential struct {
	// Certificate is the one certificate that is accepted, whoever has issued it, until it ends.
	Certificate *x509.Certificate
	// BySubject accepts every certificate with the subject of Certificate that an authority of the listener has issued.
	BySubject bool

	// PublicKey verifies the assertions that the client signs with the private key to it.
	PublicKey *PublicKey
}

// newCredential returns what is stored about a credential, and its key if it is a random one.
func (s *Service) newCredential(name string, credential Credential, expires time.Time) (secret.Text, Key, error) {
	if credential.PublicKey != nil {
		return s.newPublicKey(name, *credential.PublicKey, expires)
	}
	certificate := credential.Certificate
	if certificate == nil {
		return s.newKey(name, expires)
	}
	id, purpose, value := certificateID, hashCertificate, fingerprint(certificate)
	if credential.BySubject {
		id, purpose, value = subjectID, hashSubject, certificate.Subject.String()
	}
	if value == "" {
		return secret.Text{}, Key{}, failure.New(failure.BadRequest, "reason", "the certificate has no subject")
	}
	hash, err := s.cfg.Hasher.Hash(purpose, value)
	if err != nil {
		return secret.Text{}, Key{}, err
	}
	if !credential.BySubject && (expires.IsZero() || certificate.NotAfter.Before(expires)) {
		expires = certificate.NotAfter
	}
	if err := s.future(expires); err != nil {
		return secret.Text{}, Key{}, err
	}
	return secret.Text{}, Key{ID: id + random.Reference(), Client: name, Hash: hash, CreatedAt: s.cfg.Now(), ExpiresAt: expires}, nil
}

// AuthenticateCertificate returns the client of the first certificate of a chain, whose key the other side of a connection has
// proven to have: the client that it is pinned for, or if one of the authorities has issued it for clients, the one with its
// subject. Failures are those of Authenticate.
func (s *Service) AuthenticateCertificate(ctx context.Context, chain []*x509.Certificate, authorities *x509.CertPool) (Client, error) {
	if len(chain) == 0 {
		return Client{}, failure.New(failure.KeyUnknown)
	}
	leaf, now := chain[0], s.cfg.Now()
	c, err := s.byHash(ctx, hashCertificate, fingerprint(leaf))
	if failure.Is(err, failure.KeyUnknown) && authorities != nil && issued(chain, authorities, now) {
		c, err = s.byHash(ctx, hashSubject, leaf.Subject.String())
	}
	if err == nil && (now.Before(leaf.NotBefore) || now.After(leaf.NotAfter)) {
		err = failure.New(failure.KeyExpired)
	}
	return c, err
}

// issued reports whether one of the authorities has issued the first certificate of a chain for clients.
func issued(chain []*x509.Certificate, authorities *x509.CertPool, now time.Time) bool {
	between := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		between.AddCert(certificate)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err == nil && chain[0].Subject.String() != ""
}

func fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// AddKey is AddCredential of a random key.
func (s *Service) AddKey(ctx context.Context, name string, expires time.Time, by audit.Actor) (secret.Text, error) {
	return s.AddCredential(ctx, name, Credential{}, expires, by)
}

// Add is AddWith of a random key.
func (s *Service) Add(ctx context.Context, c Client, by audit.Actor) (secret.Text, error) {
	return s.AddWith(ctx, c, Credential{}, by)
}

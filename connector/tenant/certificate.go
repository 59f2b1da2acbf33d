package tenant

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"regexp"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
)

const (
	// maxCertificate limits a certificate with its key and chain, in bytes.
	maxCertificate = 32 << 10

	// minKeyBits is the shortest RSA key that is accepted.
	minKeyBits = 2048
)

// pemBlock matches the blocks of a PEM text, even without line breaks: one-line input fields remove them, and encoding/pem
// requires them.
var pemBlock = regexp.MustCompile(`-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END ([A-Z0-9 ]+)-----`)

// A Certificate is a certificate with its private key, with which an application authenticates.
type Certificate struct {
	Leaf *x509.Certificate
	key  *rsa.PrivateKey // unexported, so that nothing encodes it
}

// Key returns the private key.
func (c Certificate) Key() *rsa.PrivateKey { return c.key }

// ParseCertificate reads a certificate and its unencrypted RSA private key (PKCS#8 or PKCS#1) in PEM, in either order.
// It ignores other certificates, such as those of a chain, and does not check the validity period. Its errors are the failures
// certificate_unreadable, certificate_key and certificate_mismatch; none quotes the text.
func ParseCertificate(text secret.Text) (Certificate, error) {
	value := text.Reveal()
	if len(value) > maxCertificate {
		return Certificate{}, failure.New(failure.CertificateUnreadable)
	}
	var leaves []*x509.Certificate
	var key *rsa.PrivateKey
	for _, block := range pemBlock.FindAllStringSubmatch(value, -1) {
		kind := block[1]
		der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(block[2]), ""))
		if err != nil || kind != block[3] {
			return Certificate{}, failure.New(failure.CertificateUnreadable)
		}
		switch kind {
		case "CERTIFICATE":
			leaf, err := x509.ParseCertificate(der)
			if err != nil {
				return Certificate{}, failure.New(failure.CertificateUnreadable)
			}
			leaves = append(leaves, leaf)
		case "PRIVATE KEY", "RSA PRIVATE KEY":
			if key = rsaKey(der); key == nil {
				return Certificate{}, failure.New(failure.CertificateKey)
			}
		}
	}
	switch {
	case len(leaves) == 0:
		return Certificate{}, failure.New(failure.CertificateUnreadable)
	case key == nil || key.N.BitLen() < minKeyBits:
		return Certificate{}, failure.New(failure.CertificateKey)
	}
	for _, leaf := range leaves {
		if key.PublicKey.Equal(leaf.PublicKey) {
			return Certificate{leaf, key}, nil
		}
	}
	return Certificate{}, failure.New(failure.CertificateMismatch)
}

// rsaKey returns the private key in der; nil when it is not an RSA key.
func rsaKey(der []byte) *rsa.PrivateKey {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		rsaKey, _ := key.(*rsa.PrivateKey)
		return rsaKey
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil
	}
	return key
}

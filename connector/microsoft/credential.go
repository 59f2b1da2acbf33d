package microsoft

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"

	"github.com/go-jose/go-jose/v4"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// assertionLife is how long an assertion is good for; Microsoft suggests 5 to 10 minutes (microsoft-identity.md §3.2).
	assertionLife = 10 * time.Minute

	// settling is how long Microsoft may need to know a new certificate everywhere (microsoft-identity.md §3.6).
	settling = 10 * time.Minute

	// certificateUnknown is the AADSTS number for a certificate that Microsoft does not know, or not yet.
	certificateUnknown = "700027"
)

// A credential is one of an application's, with what it takes to present it.
type credential struct {
	tenant.Credential
	certificate *tenant.Certificate // nil: a client secret
	print       [sha256.Size]byte   // stands for it in memory
}

// credentials returns the credentials of p's application in the order in which a grant presents them. A certificate that
// cannot be read was refused when it was entered. Without any credential the failure is application_missing.
func (c *Client) credentials(p place, grant grantType) ([]credential, error) {
	var all []credential
	if certificate, err := tenant.ParseCertificate(p.Application.Certificate.Value); err == nil {
		all = append(all, p.credential(p.Application.Certificate, &certificate))
	}
	for _, stored := range []tenant.Credential{p.Application.Secret, p.Application.NextSecret} {
		if !stored.Value.Empty() {
			all = append(all, p.credential(stored, nil))
		}
	}
	if len(all) == 0 {
		return nil, failure.New(failure.ApplicationMissing)
	}
	c.ledger.order(all, grant, c.now())
	return all, nil
}

func (p place) credential(c tenant.Credential, certificate *tenant.Certificate) credential {
	return credential{c, certificate, sha256.Sum256([]byte(p.Cloud + "/" + p.Application.ID + "/" + c.Value.Reveal()))}
}

// parameters returns what proves p's client in one request for a token. An assertion is good for that request only.
func (one credential) parameters(p place, now time.Time) (url.Values, *failure.Error) {
	if one.certificate == nil {
		return url.Values{"client_secret": {one.Value.Reveal()}}, nil
	}
	assertion, err := one.assertion(p, now)
	if err != nil {
		return nil, failure.Wrap(fmt.Errorf("signing a client assertion: %w", err), failure.InternalError)
	}
	return url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}}, nil
}

func (one credential) assertion(p place, now time.Time) (string, error) {
	thumbprint := sha256.Sum256(one.certificate.Leaf.Raw)
	options := (&jose.SignerOptions{}).WithType("JWT").
		WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint[:]))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: one.certificate.Key}, options)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"aud": p.tokenURL(), "iss": p.Application.ID, "sub": p.Application.ID, "jti": random.ID(),
		"nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// credentialRefused reports whether Microsoft refused the credential itself, so that another one may do.
func credentialRefused(f *failure.Error) bool {
	switch f.Code {
	case failure.ClientSecretWrong, failure.ClientSecretExpired, failure.ClientCredential:
		return true
	}
	return false
}

// judged makes transient what only waiting repairs: a certificate entered minutes ago that Microsoft does not know yet.
func (one credential) judged(f *failure.Error, now time.Time) *failure.Error {
	if f == nil || f.Code != failure.ClientCredential || f.Microsoft == nil || f.Microsoft.Code != certificateUnknown ||
		one.Since.IsZero() || now.Sub(one.Since) >= settling {
		return f
	}
	soon := failure.New(failure.CertificateNew)
	soon.Microsoft = f.Microsoft
	return soon
}

// An outcome is how Microsoft received a credential last.
type outcome int

const (
	untried outcome = iota
	accepted
	refused
)

// A ledger remembers how credentials were received, as long as the process lives. It is safe for concurrent use.
type ledger struct {
	mu   sync.Mutex                    // guards seen
	seen map[[sha256.Size]byte]outcome // credential.print → outcome
}

func newLedger() *ledger { return &ledger{seen: make(map[[sha256.Size]byte]outcome)} }

// note remembers how one was received. A failure of another kind says nothing about the credential.
func (l *ledger) note(one credential, f *failure.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case f == nil:
		l.seen[one.print] = accepted
	case credentialRefused(f):
		l.seen[one.print] = refused
	}
}

// order sorts credentials into the order in which a grant presents them. A refresh token may be presented again, so it
// tries what is new first and thereby switches to it; a code has one try only and takes what is known to work. Among
// equals, what is past its end comes last and what was entered last comes first.
func (l *ledger) order(all []credential, grant grantType, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rank := func(one credential) int {
		switch l.seen[one.print] {
		case refused:
			return 3
		case accepted:
			return 1
		}
		if grant == codeGrant {
			return 2
		}
		return 0
	}
	over := func(one credential) int {
		if one.Ends.IsZero() || now.Before(one.Ends) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(all, func(a, b credential) int {
		return cmp.Or(rank(a)-rank(b), over(a)-over(b), b.Since.Compare(a.Since))
	})
}

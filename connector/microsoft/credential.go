package microsoft

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"

	"github.com/go-jose/go-jose/v4"
	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

	// assertionLifetime is how long an assertion is valid; Microsoft suggests 5 to 10 minutes
	// (docs/reference/microsoft-identity.md §3.2).
	assertionLifetime = 10 * time.Minute

	// propagationDelay is how long Microsoft may need until it accepts a new certificate everywhere
	// (docs/reference/microsoft-identity.md §3.6).
	propagationDelay = 10 * time.Minute

	// certificateUnknown is the AADSTS number for a certificate that Microsoft does not know, or not yet.
	certificateUnknown = "700027"

	maxCredentials = 1 << 16 // in the history; an application has up to 3
)

// A fingerprint identifies a credential without revealing it.
type fingerprint [sha256.Size]byte

// A credential is one credential of an application, ready for use.
type credential struct {
	tenant.Credential
	name        string              // tenant.SecretName and so on
	certificate *tenant.Certificate // nil: a client secret, or the federated token
	federated   bool
	fingerprint fingerprint
}

// credentials returns the credentials of r's application in the order in which a grant uses them. It skips an
// unreadable certificate; the settings refuse one when it is entered. Without any credential the failure is
// application_missing.
func (c *Client) credentials(r resolvedClient, grant grantType) ([]credential, error) {
	var all []credential
	for _, name := range []string{tenant.CertificateName, tenant.NextCertificateName} {
		stored := *r.Application.Slot(name)
		if certificate, err := tenant.ParseCertificate(stored.Value); err == nil {
			all = append(all, r.credential(name, stored, &certificate))
		}
	}
	for _, name := range []string{tenant.SecretName, tenant.NextSecretName} {
		if stored := *r.Application.Slot(name); !stored.Value.Empty() {
			all = append(all, r.credential(name, stored, nil))
		}
	}
	if r.Application.Federated {
		all = append(all, credential{Credential: tenant.Credential{Since: c.now()}, name: tenant.FederatedName, federated: true, fingerprint: sha256.Sum256([]byte(r.Cloud + "/" + r.Application.ID + "/federated"))})
	}
	if len(all) == 0 {
		return nil, failure.New(failure.ApplicationMissing)
	}
	c.history.order(all, grant, c.now())
	return all, nil
}

func (r resolvedClient) credential(name string, c tenant.Credential, certificate *tenant.Certificate) credential {
	return credential{c, name, certificate, false, sha256.Sum256([]byte(r.Cloud + "/" + r.Application.ID + "/" + c.Value.Reveal()))}
}

// parameters returns what authenticates r with a credential in one token request. Each request needs new ones: an assertion has an ID
// that is used once.
func (c *Client) parameters(r resolvedClient, with credential) (url.Values, *failure.Error) {
	switch {
	case with.federated:
		return c.federatedParameters()
	case with.certificate == nil:
		return url.Values{"client_secret": {with.Value.Reveal()}}, nil
	}
	assertion, err := with.assertion(r, c.now())
	if err != nil {
		return nil, failure.Wrap(fmt.Errorf("signing a client assertion: %w", err), failure.InternalError)
	}
	return url.Values{"client_assertion_type": {assertionType}, "client_assertion": {assertion}}, nil
}

func (c credential) assertion(r resolvedClient, now time.Time) (string, error) {
	thumbprint := sha256.Sum256(c.certificate.Leaf.Raw)
	options := (&jose.SignerOptions{}).WithType("JWT").
		WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(thumbprint[:]))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.PS256, Key: c.certificate.Key()}, options)
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"aud": r.tokenURL(), "iss": r.Application.ID, "sub": r.Application.ID, "jti": random.ID(),
		"nbf": now.Unix(), "iat": now.Unix(), "exp": now.Add(assertionLifetime).Unix(),
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

// credentialRefused reports whether Microsoft refused the credential itself, so that another one may work.
func credentialRefused(f *failure.Error) bool {
	switch f.Code {
	case failure.ClientSecretWrong, failure.ClientSecretExpired, failure.ClientCredential, failure.FederatedRefused, failure.FederatedTokenUnusable:
		return true
	}
	return false
}

// classify returns f, the failure of a request with c. It becomes transient if waiting repairs it: if Microsoft does
// not know a certificate that was entered a few minutes ago.
func (c credential) classify(f *failure.Error, now time.Time) *failure.Error {
	if f == nil || f.Code != failure.ClientCredential || f.Microsoft == nil || f.Microsoft.Code != certificateUnknown ||
		!within(2*propagationDelay, c.Since.Add(-propagationDelay), now) { // another replica's clock may be ahead
		return f
	}
	transient := failure.New(failure.CertificateNew)
	transient.Microsoft = f.Microsoft
	return transient
}

// translate returns f, the failure of a request with c. What Microsoft refuses of the federated token is the matter of its
// provider, and so is its time.
func (c credential) translate(f *failure.Error) *failure.Error {
	if f == nil || !c.federated || f.Code != failure.ClientCredential && f.Code != failure.ClockWrong {
		return f
	}
	refused := failure.New(failure.FederatedRefused)
	refused.Microsoft = f.Microsoft
	return refused
}

// An outcome is Microsoft's last answer to a credential.
type outcome int

const (
	untried outcome = iota
	accepted
	refused
)

// A credentialHistory keeps the last outcome of each credential in memory. An outcome decides only the order in which
// credentials are tried. It is safe for concurrent use.
type credentialHistory struct {
	outcomes *lru.Cache[fingerprint, outcome]
}

func newCredentialHistory() *credentialHistory {
	return &credentialHistory{bounded[fingerprint, outcome](maxCredentials)}
}

// record stores the outcome of a request with c. A failure of another kind says nothing about the credential.
func (h *credentialHistory) record(c credential, f *failure.Error) {
	switch {
	case f == nil:
		h.outcomes.Add(c.fingerprint, accepted)
	case credentialRefused(f):
		h.outcomes.Add(c.fingerprint, refused)
	}
}

// accepted reports whether Microsoft accepted c last.
func (h *credentialHistory) accepted(c credential) bool {
	last, _ := h.outcomes.Get(c.fingerprint)
	return last == accepted
}

// order sorts credentials into the order in which a grant uses them. A refresh token can be sent again, so it uses
// untried credentials first and thereby switches to new ones; an authorization code can be sent only once and uses a
// credential that is known to work. Among equals, the federated token comes first, unless it is untried and a code is redeemed;
// expired credentials come last, and the one entered last comes before the others.
func (h *credentialHistory) order(all []credential, grant grantType, now time.Time) {
	ranks := make(map[fingerprint]int, len(all))
	for _, c := range all {
		switch last, _ := h.outcomes.Get(c.fingerprint); {
		case last == refused:
			ranks[c.fingerprint] = 3
		case last == accepted:
			ranks[c.fingerprint] = 1
		case grant == codeGrant:
			ranks[c.fingerprint] = 2
		}
	}
	expired := func(c credential) int {
		if c.Ends.IsZero() || now.Before(c.Ends) {
			return 0
		}
		return 1
	}
	preference := func(c credential) int {
		switch {
		case !c.federated:
			return 1
		case ranks[c.fingerprint] == 2:
			return 2
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b credential) int {
		return cmp.Or(ranks[a.fingerprint]-ranks[b.fingerprint], preference(a)-preference(b), expired(a)-expired(b), b.Since.Compare(a.Since))
	})
}

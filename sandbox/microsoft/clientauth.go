package microsoft

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionSkew is the tolerated clock skew.
const assertionSkew = 5 * time.Minute

// authenticate checks the application's credential: a secret, or an assertion signed with a registered certificate or by an
// issuer that the application trusts.
func (f tokenForm) authenticate(app *application) (certified bool, refused *refusal) {
	switch {
	case f.assertion != "":
		if f.values.Get("client_assertion_type") != assertionType {
			return false, missing("client_assertion_type")
		}
		if issuer := assertionClaims(f.assertion).Issuer; strings.Contains(issuer, "://") {
			return true, f.checkFederated(app)
		}
		return true, f.checkAssertion(app)
	case f.secret == "":
		return false, refuse(7000218)
	}
	for _, known := range app.Secrets {
		if subtle.ConstantTimeCompare([]byte(known.Value), []byte(f.secret)) != 1 {
			continue
		}
		if !known.Ends.IsZero() && !f.now.Before(known.Ends) {
			return false, refuse(7000222)
		}
		return false, nil
	}
	return false, refuse(7000215)
}

// checkAssertion checks a client assertion (docs/reference/microsoft-identity.md §3.2).
func (f tokenForm) checkAssertion(app *application) *refusal {
	signed, err := jose.ParseSignedCompact(f.assertion, []jose.SignatureAlgorithm{jose.PS256, jose.RS256})
	if err != nil {
		return refuse(50012)
	}
	certificate := findCertificate(app.Certificates, signed.Signatures[0].Protected)
	if certificate == nil {
		return refuse(700027)
	}
	payload, err := signed.Verify(certificate.PublicKey)
	if err != nil {
		return refuse(700027)
	}
	var claims struct {
		Audience  string `json:"aud"`
		Issuer    string `json:"iss"`
		Subject   string `json:"sub"`
		ID        string `json:"jti"`
		NotBefore int64  `json:"nbf"`
		Expires   int64  `json:"exp"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil || claims.ID == "" ||
		!strings.EqualFold(claims.Issuer, app.ID) || claims.Subject != claims.Issuer {
		return refuse(50012)
	}
	if claims.Audience != f.endpoint {
		return refuse(700023)
	}
	if f.now.After(time.Unix(claims.Expires, 0)) || f.now.Add(assertionSkew).Before(time.Unix(claims.NotBefore, 0)) {
		return refuse(700024)
	}
	if f.now.After(certificate.NotAfter) {
		return refuse(700027)
	}
	return nil
}

// findCertificate finds the certificate with the thumbprint in the header, in either base64 alphabet: MSAL Go uses
// padding and the standard one.
func findCertificate(certificates []*x509.Certificate, header jose.Header) *x509.Certificate {
	for _, certificate := range certificates {
		sum256, sum1 := sha256.Sum256(certificate.Raw), sha1.Sum(certificate.Raw)
		if names(header.ExtraHeaders["x5t#S256"], sum256[:]) || header.Algorithm == string(jose.RS256) && names(header.ExtraHeaders["x5t"], sum1[:]) {
			return certificate
		}
	}
	return nil
}

func names(thumbprint any, sum []byte) bool {
	text, ok := thumbprint.(string)
	if !ok {
		return false
	}
	return text == base64.RawURLEncoding.EncodeToString(sum) || text == base64.StdEncoding.EncodeToString(sum)
}

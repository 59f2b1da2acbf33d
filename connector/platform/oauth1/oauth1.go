// Package oauth1 implements two-legged OAuth 1.0a as the platform uses it (docs/reference/aps-protocol.md §2.1): no token,
// parameters in the Authorization header, and RQL queries signed exactly as they are sent.
package oauth1

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
)

// Credentials are the key and the secret that an instance shares with its platform.
type Credentials struct {
	Key    string
	Secret secret.Text
}

// NewNonce returns a fresh nonce of 32 hexadecimal digits, which the platform's verifiers accept
// (docs/reference/aps-protocol.md §2.1).
func NewNonce() string { return strings.ReplaceAll(random.ID(), "-", "") }

// Sign sets the Authorization header of a client's request. It signs the bytes of the URL that net/http will send, so
// the URL and the Host of req must not change afterwards. It returns an error for a URL that can't be signed, and leaves
// req unchanged then.
func Sign(req *http.Request, c Credentials, now time.Time, nonce string) error {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	target := req.URL.Scheme + "://" + host + req.URL.RequestURI()

	var p Params
	p.add("oauth_consumer_key", c.Key) // first, because some verifiers expect it there (docs/reference/aps-protocol.md §2.1)
	p.add("oauth_nonce", nonce)
	p.add("oauth_signature_method", HMACSHA1)
	p.add("oauth_timestamp", strconv.FormatInt(now.Unix(), 10))
	p.add("oauth_version", "1.0")
	base, err := p.baseString(req.Method, target)
	if err != nil {
		return fmt.Errorf("signing a request to %s: %w", req.URL.Redacted(), err)
	}
	p.add("oauth_signature", string(signature(HMACSHA1, c.Secret, base)))

	header := make([]byte, 0, 384)
	header = append(header, "OAuth "...)
	for i, field := range p.fields[:p.count] {
		if i > 0 {
			header = append(header, ',')
		}
		header = append(header, field.name...)
		header = append(header, '=', '"')
		header = appendEncoded(header, field.value)
		header = append(header, '"')
	}
	req.Header.Set("Authorization", string(header))
	return nil
}

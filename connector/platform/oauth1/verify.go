package oauth1

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/secret"
)

// DefaultWindow is how far, either way, a request's timestamp may be from our clock (aps-protocol.md §2.1).
const DefaultWindow = 600 * time.Second

var (
	// ErrSignature is returned for a signature that none of the secrets makes, and for a key without a secret.
	ErrSignature = errors.New("the signature is wrong or the key is unknown")
	// ErrTimestamp is returned for a request that is signed well but too old or from the future.
	ErrTimestamp = errors.New("the timestamp is outside the window")
)

// Verify reports whether a request for absoluteURL, byte by byte what the caller signed, was signed with p by one of
// the secrets, not longer than window before or after now. An unknown key has no secrets; it is refused with the same
// error and after the same work as a wrong signature. An empty secret signs nothing. Whether the nonce is fresh is for
// the caller to find out, and only after Verify succeeded.
func Verify(p *Params, method, absoluteURL string, secrets []secret.Text, now time.Time, window time.Duration) error {
	base, err := p.baseString(method, absoluteURL)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	matched := 0
	for _, s := range secrets {
		equal := subtle.ConstantTimeCompare(signature(p.method, s, base), []byte(p.signature))
		if s.Empty() {
			equal = 0
		}
		matched |= equal
	}
	if len(secrets) == 0 {
		subtle.ConstantTimeCompare(signature(p.method, secret.Text{}, base), []byte(p.signature))
	}
	if matched == 0 {
		return ErrSignature
	}
	if age := now.Sub(p.timestamp); age > window || age < -window {
		return fmt.Errorf("%w: it is off by %s", ErrTimestamp, age.Round(time.Second))
	}
	return nil
}

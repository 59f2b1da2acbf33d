package oauth1

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/secret"
)

// DefaultWindow is how far a request's timestamp may be from our clock, in either direction
// (docs/reference/aps-protocol.md §2.1).
const DefaultWindow = 600 * time.Second

var (
	// ErrSignature is returned for a signature by none of the secrets, and for a key without secrets.
	ErrSignature = errors.New("the signature is wrong or the key is unknown")
	// ErrTimestamp is returned for a valid signature that is too old or from the future.
	ErrTimestamp = errors.New("the timestamp is outside the window")
)

// Verify checks that p is the signature of a request for absoluteURL, exactly as the caller signed it, by one of the
// secrets, and was made at most window before or after now. An unknown key has no secrets; it gets the same error after
// the same work as a wrong signature. An empty secret never matches. The caller must check that the nonce is unused,
// after Verify has succeeded.
func Verify(p *Params, method, absoluteURL string, secrets []secret.Text, now time.Time, window time.Duration) error {
	base, err := p.baseString(method, absoluteURL)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	matched, given := 0, []byte(p.signature.Reveal())
	for _, s := range secrets {
		equal := subtle.ConstantTimeCompare(signature(p.method, s, base), given)
		if s.Empty() {
			equal = 0
		}
		matched |= equal
	}
	if len(secrets) == 0 {
		subtle.ConstantTimeCompare(signature(p.method, secret.Text{}, base), given)
	}
	if matched == 0 {
		return ErrSignature
	}
	if age := now.Sub(p.timestamp); age > window || age < -window {
		return fmt.Errorf("%w: the clocks differ by %s", ErrTimestamp, age.Round(time.Second))
	}
	return nil
}

package seal

import (
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// A Derived seals values that others keep for us, for example browsers, with a key of its own. That key comes from the hashing
// key: a sealing key can be retired without anybody knowing what is kept elsewhere. It is safe for concurrent use.
type Derived struct{ aead tink.AEAD }

// Derive returns the Derived for a label. Different labels have different keys.
func (k *Keyring) Derive(label string) (*Derived, error) {
	const size = 32 // AES-256
	key, err := k.prf.ComputePrimaryPRF(Encode("derived sealing key", label), size)
	if err != nil {
		return nil, fmt.Errorf("deriving a key for %s: %w", label, errMaterial)
	}
	aead, err := subtle.NewAESGCM(key)
	if err != nil {
		return nil, fmt.Errorf("deriving a key for %s: %w", label, errMaterial)
	}
	return &Derived{aead}, nil
}

// Seal is like Keyring.Seal.
func (d *Derived) Seal(plaintext []byte, table, row, column string, bound ...string) ([]byte, error) {
	ciphertext, err := d.aead.Encrypt(plaintext, associated(table, row, column, bound))
	if err != nil {
		return nil, fmt.Errorf("sealing %s.%s: %w", table, column, errMaterial)
	}
	return ciphertext, nil
}

// Open is like Keyring.Open.
func (d *Derived) Open(ciphertext []byte, table, row, column string, bound ...string) ([]byte, error) {
	plaintext, err := d.aead.Decrypt(ciphertext, associated(table, row, column, bound))
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s of %q: %w", table, column, row, ErrNotOpened)
	}
	return plaintext, nil
}

// Format implements fmt.Formatter: no verb prints a key.
func (d *Derived) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler, which JSON and logs use too.
func (d *Derived) MarshalText() ([]byte, error) { return []byte(redacted), nil }

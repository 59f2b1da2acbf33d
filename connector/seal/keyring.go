// Package seal encrypts what is kept and makes keyed hashes of what is only compared.
package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/prf"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// ErrNotOpened is returned for a ciphertext that no key of the ring opens in that place: it was altered, belongs to
// another row or column, or was sealed under another ring.
var ErrNotOpened = errors.New("the sealed value does not open here")

// errMaterial stands for every failure to read or build keys, so that no cause can carry key material along.
var errMaterial = errors.New("the key material cannot be used")

// hashSize is the length of a keyed hash in bytes, before encoding.
const hashSize = 32

// maxFile bounds what is read as a ring; a ring of a hundred keys is a tenth of it.
const maxFile = 1 << 20

// A Keyring seals values with AES-256-GCM and hashes values with HMAC-SHA-256, under keys of its own for each. It never
// changes once made, is safe for concurrent use, and prints as "[redacted]".
type Keyring struct {
	sealing *keyset.Handle
	hashing *keyset.Handle
	aead    tink.AEAD
	prf     *prf.Set
}

// ring is the form in which a Keyring is written: two Tink keysets in Tink's own JSON.
type ring struct {
	Sealing json.RawMessage `json:"sealing"`
	Hashing json.RawMessage `json:"hashing"`
}

// Create returns a Keyring with new random keys.
func Create() (*Keyring, error) {
	sealing, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making a sealing key: %w", errMaterial)
	}
	hashing, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("making a hashing key: %w", errMaterial)
	}
	return assemble(sealing, hashing)
}

// Load reads a Keyring that Write wrote.
func Load(r io.Reader) (*Keyring, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("reading keys: more than %d bytes", maxFile)
	}
	var written ring
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&written) != nil || decoder.More() {
		return nil, errors.New("reading keys: this is not a key file of this program")
	}
	sealing, err := readKeyset(written.Sealing)
	if err != nil {
		return nil, fmt.Errorf("reading sealing keys: %w", err)
	}
	hashing, err := readKeyset(written.Hashing)
	if err != nil {
		return nil, fmt.Errorf("reading hashing keys: %w", err)
	}
	return assemble(sealing, hashing)
}

func readKeyset(text []byte) (*keyset.Handle, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, errMaterial
	}
	return handle, nil
}

func assemble(sealing, hashing *keyset.Handle) (*Keyring, error) {
	sealer, err := aead.New(sealing)
	if err != nil {
		return nil, fmt.Errorf("using sealing keys: %w", errMaterial)
	}
	hasher, err := prf.NewPRFSet(hashing)
	if err != nil {
		return nil, fmt.Errorf("using hashing keys: %w", errMaterial)
	}
	return &Keyring{sealing: sealing, hashing: hashing, aead: sealer, prf: hasher}, nil
}

// Write writes the keys in the clear: w must be as guarded as what they seal.
func (k *Keyring) Write(w io.Writer) error {
	sealing, err := writtenKeyset(k.sealing)
	if err != nil {
		return fmt.Errorf("writing sealing keys: %w", err)
	}
	hashing, err := writtenKeyset(k.hashing)
	if err != nil {
		return fmt.Errorf("writing hashing keys: %w", err)
	}
	text, err := json.Marshal(ring{Sealing: sealing, Hashing: hashing})
	if err != nil {
		return fmt.Errorf("writing keys: %w", errMaterial)
	}
	if _, err := w.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("writing keys: %w", err)
	}
	return nil
}

func writtenKeyset(handle *keyset.Handle) (json.RawMessage, error) {
	var text bytes.Buffer
	if insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&text)) != nil {
		return nil, errMaterial
	}
	return text.Bytes(), nil
}

// Announce returns a ring with one more sealing key, the newest, which opens and does not seal yet. Once all replicas
// have it, Promote may make it seal: nobody then meets a value that he cannot open. The hashing key stays, because links
// and codes that are out would no longer be found under another.
func (k *Keyring) Announce() (*Keyring, error) {
	manager := keyset.NewManagerFromHandle(k.sealing)
	if _, err := manager.Add(aead.AES256GCMKeyTemplate()); err != nil {
		return nil, fmt.Errorf("adding a sealing key: %w", errMaterial)
	}
	return k.with(manager)
}

// Promoted reports whether the newest key is the one that seals.
func (k *Keyring) Promoted() bool {
	info := k.sealing.KeysetInfo()
	return newest(info) == info.GetPrimaryKeyId()
}

// Promote returns a ring in which the newest key seals from then on; everything sealed before stays readable.
func (k *Keyring) Promote() (*Keyring, error) {
	manager := keyset.NewManagerFromHandle(k.sealing)
	if manager.SetPrimary(newest(k.sealing.KeysetInfo())) != nil {
		return nil, fmt.Errorf("sealing with the newest key: %w", errMaterial)
	}
	return k.with(manager)
}

// Add returns a ring with one more sealing key, which seals from then on; everything sealed before stays readable. It is
// for when nobody else has the database open; otherwise Announce and Promote take its two steps.
func (k *Keyring) Add() (*Keyring, error) {
	announced, err := k.Announce()
	if err != nil {
		return nil, err
	}
	return announced.Promote()
}

func (k *Keyring) with(manager *keyset.Manager) (*Keyring, error) {
	sealing, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("changing sealing keys: %w", errMaterial)
	}
	return assemble(sealing, k.hashing)
}

// newest returns the id of the key that was added last; Tink keeps keys in the order in which they were added.
func newest(info *tinkpb.KeysetInfo) uint32 {
	keys := info.GetKeyInfo()
	return keys[len(keys)-1].GetKeyId()
}

// Sealed reports whether ciphertext was sealed with the key that seals now; if not, it waits to be sealed again.
func (k *Keyring) Sealed(ciphertext []byte) bool {
	// Tink puts a version byte and the id of the key before what it encrypts.
	if len(ciphertext) < 5 || ciphertext[0] != 1 {
		return false
	}
	return binary.BigEndian.Uint32(ciphertext[1:]) == k.sealing.KeysetInfo().GetPrimaryKeyId()
}

// Seal encrypts plaintext for one place: a column of a row of a table. Only the same place opens it.
func (k *Keyring) Seal(plaintext []byte, table, row, column string) ([]byte, error) {
	ciphertext, err := k.aead.Encrypt(plaintext, joined(table, row, column))
	if err != nil {
		return nil, fmt.Errorf("sealing %s.%s: %w", table, column, errMaterial)
	}
	return ciphertext, nil
}

// Open decrypts what Seal returned for the same place, or returns ErrNotOpened.
func (k *Keyring) Open(ciphertext []byte, table, row, column string) ([]byte, error) {
	plaintext, err := k.aead.Decrypt(ciphertext, joined(table, row, column))
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s of %q: %w", table, column, row, ErrNotOpened)
	}
	return plaintext, nil
}

// Hash returns the keyed hash of value as 43 URL-safe characters, the same for the same ring, purpose and value. Equal
// values have different hashes for different purposes.
func (k *Keyring) Hash(purpose, value string) (string, error) {
	sum, err := k.prf.ComputePrimaryPRF(joined(purpose, value), hashSize)
	if err != nil {
		return "", fmt.Errorf("hashing a %s: %w", purpose, errMaterial)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// joined puts parts together so that no two different lists give the same bytes: each part follows its length.
func joined(parts ...string) []byte {
	size := 0
	for _, part := range parts {
		size += 4 + len(part)
	}
	b := make([]byte, 0, size)
	for _, part := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return b
}

const redacted = "[redacted]"

// String implements fmt.Stringer.
func (k *Keyring) String() string { return redacted }

// Format implements fmt.Formatter: no verb shows a key.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON and logs use too; only Write gives keys away.
func (k *Keyring) MarshalText() ([]byte, error) { return []byte(redacted), nil }

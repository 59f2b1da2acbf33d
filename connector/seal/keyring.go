// Package seal encrypts stored secrets, and computes keyed hashes of secrets that only need to be compared.
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

// ErrNotOpened is returned for a ciphertext that no key of the keyring opens for a column of a row: it was altered, belongs
// to another row or column, or was sealed with another keyring.
var ErrNotOpened = errors.New("the sealed value cannot be opened: it was altered, moved, or sealed with other keys")

// ErrNoKey is returned for an ID that belongs to no key.
var ErrNoKey = errors.New("there is no such key")

// errMaterial replaces every error of Tink, which could contain key material.
var errMaterial = errors.New("invalid key material")

// hashSize is the length of a keyed hash in bytes, before encoding.
const hashSize = 32

// maxFile limits the size of a key file in bytes. A keyring of a hundred keys has a tenth of it.
const maxFile = 1 << 20

// A Keyring seals values with AES-256-GCM and hashes values with HMAC-SHA-256, with separate keys. It is immutable and safe
// for concurrent use. All forms of printing it give "[redacted]".
type Keyring struct {
	sealing *keyset.Handle
	hashing *keyset.Handle
	aead    tink.AEAD
	prf     *prf.Set
	macs    macKeys
}

// A keyFile is a Keyring as Write writes it: two keysets in Tink's JSON.
type keyFile struct {
	Sealing json.RawMessage `json:"sealing"`
	Hashing json.RawMessage `json:"hashing"`
}

// Create returns a Keyring with new random keys.
func Create() (*Keyring, error) {
	sealing, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("creating a sealing key: %w", errMaterial)
	}
	hashing, err := keyset.NewHandle(prf.HMACSHA256PRFKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("creating a hashing key: %w", errMaterial)
	}
	return assemble(sealing, hashing)
}

// Load reads a Keyring that Write wrote. Its errors contain no key material.
func Load(r io.Reader) (*Keyring, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading keys: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("reading keys: more than %d bytes", maxFile)
	}
	var written keyFile
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
	macs, err := deriveMACKeys(sealing)
	if err != nil {
		return nil, fmt.Errorf("deriving keys: %w", errMaterial)
	}
	return &Keyring{sealing: sealing, hashing: hashing, aead: sealer, prf: hasher, macs: macs}, nil
}

// Write writes the keys unencrypted: w needs the same protection as the values that they seal.
func (k *Keyring) Write(w io.Writer) error {
	sealing, err := writtenKeyset(k.sealing)
	if err != nil {
		return fmt.Errorf("writing sealing keys: %w", err)
	}
	hashing, err := writtenKeyset(k.hashing)
	if err != nil {
		return fmt.Errorf("writing hashing keys: %w", err)
	}
	text, err := json.Marshal(keyFile{Sealing: sealing, Hashing: hashing})
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

// Announce returns a keyring with one more sealing key, the newest, which opens values but does not seal yet. Promote makes it
// seal: when all replicas have the announced keyring first, none reads a value that it cannot open. The hashing key stays the
// same, because links and claim codes that are stored as hashes would not be recognised with another one.
func (k *Keyring) Announce() (*Keyring, error) {
	manager := keyset.NewManagerFromHandle(k.sealing)
	if _, err := manager.Add(aead.AES256GCMKeyTemplate()); err != nil {
		return nil, fmt.Errorf("adding a sealing key: %w", errMaterial)
	}
	return k.with(manager)
}

// Promoted reports whether the newest key seals, that is, no announced key waits for Promote.
func (k *Keyring) Promoted() bool {
	info := k.sealing.KeysetInfo()
	return newest(info) == info.GetPrimaryKeyId()
}

// Promote returns a keyring in which the newest key seals. It still opens all values that k opens.
func (k *Keyring) Promote() (*Keyring, error) {
	manager := keyset.NewManagerFromHandle(k.sealing)
	if manager.SetPrimary(newest(k.sealing.KeysetInfo())) != nil {
		return nil, fmt.Errorf("sealing with the newest key: %w", errMaterial)
	}
	return k.with(manager)
}

// Add returns a keyring with one more sealing key, which seals at once. It still opens all values that k opens. Use it only
// while no other process has the database open; otherwise use Announce and then Promote.
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

// newest returns the ID of the key that was added last; Tink keeps keys in the order in which they were added.
func newest(info *tinkpb.KeysetInfo) uint32 {
	keys := info.GetKeyInfo()
	return keys[len(keys)-1].GetKeyId()
}

// With returns a keyring in which the key with this ID seals. It still opens all values that k opens.
func (k *Keyring) With(key uint32) (*Keyring, error) {
	manager := keyset.NewManagerFromHandle(k.sealing)
	if manager.SetPrimary(key) != nil {
		return nil, fmt.Errorf("sealing with key %d: %w", key, ErrNoKey)
	}
	return k.with(manager)
}

// Retire returns a keyring without the sealing key with this ID, which must not be the one that seals. Nothing that the key
// sealed can be opened with it.
func (k *Keyring) Retire(key uint32) (*Keyring, error) {
	if key == k.Primary() {
		return nil, fmt.Errorf("retiring key %d: it seals", key)
	}
	manager := keyset.NewManagerFromHandle(k.sealing)
	if manager.Delete(key) != nil {
		return nil, fmt.Errorf("retiring key %d: %w", key, ErrNoKey)
	}
	return k.with(manager)
}

// Primary returns the ID of the key that Seal uses.
func (k *Keyring) Primary() uint32 { return k.sealing.KeysetInfo().GetPrimaryKeyId() }

// Keys returns the IDs of the sealing keys in the order in which they were added.
func (k *Keyring) Keys() []uint32 {
	info := k.sealing.KeysetInfo().GetKeyInfo()
	ids := make([]uint32, len(info))
	for i, key := range info {
		ids[i] = key.GetKeyId()
	}
	return ids
}

// PrefixSize is how many bytes at the beginning of a sealed value name the key that sealed it.
const PrefixSize = 5

// KeyOf returns the ID of the key that sealed a value, of which PrefixSize bytes suffice; false when no key of this program
// sealed it.
func KeyOf(ciphertext []byte) (key uint32, ok bool) {
	// Tink puts a version byte and the key's ID before the ciphertext.
	if len(ciphertext) < PrefixSize || ciphertext[0] != 1 {
		return 0, false
	}
	return binary.BigEndian.Uint32(ciphertext[1:]), true
}

// PrefixOf returns how every value begins that the key with this ID sealed.
func PrefixOf(key uint32) []byte { return binary.BigEndian.AppendUint32([]byte{1}, key) }

// Sealed reports whether ciphertext was sealed with the primary key.
func (k *Keyring) Sealed(ciphertext []byte) bool {
	key, ok := KeyOf(ciphertext)
	return ok && key == k.Primary()
}

// Seal encrypts plaintext for a column of a row of a table. They are its associated data, together with bound: other values
// that must not change without the plaintext.
func (k *Keyring) Seal(plaintext []byte, table, row, column string, bound ...string) ([]byte, error) {
	ciphertext, err := k.aead.Encrypt(plaintext, associated(table, row, column, bound))
	if err != nil {
		return nil, fmt.Errorf("sealing %s.%s: %w", table, column, errMaterial)
	}
	return ciphertext, nil
}

// Open decrypts what Seal returned for the same column of the same row and the same bound values, or returns ErrNotOpened.
func (k *Keyring) Open(ciphertext []byte, table, row, column string, bound ...string) ([]byte, error) {
	plaintext, err := k.aead.Decrypt(ciphertext, associated(table, row, column, bound))
	if err != nil {
		return nil, fmt.Errorf("opening %s.%s of %q: %w", table, column, row, ErrNotOpened)
	}
	return plaintext, nil
}

// Hash returns the keyed hash of value as 43 URL-safe characters. It depends on the keyring, the purpose and the value.
func (k *Keyring) Hash(purpose, value string) (string, error) {
	sum, err := k.prf.ComputePrimaryPRF(Encode(purpose, value), hashSize)
	if err != nil {
		return "", fmt.Errorf("hashing a %s: %w", purpose, errMaterial)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

func associated(table, row, column string, bound []string) []byte {
	return Encode(append([]string{table, row, column}, bound...)...)
}

// Encode joins parts, each preceded by its length, so that different lists never give the same bytes.
func Encode(parts ...string) []byte {
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

// Format implements fmt.Formatter: no verb prints a key.
func (k *Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON and logs use too; only Write writes keys.
func (k *Keyring) MarshalText() ([]byte, error) { return []byte(redacted), nil }

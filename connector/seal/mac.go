package seal

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"

	"azure-partner-connector/connector/secret"
)

// A MAC is macVersion, the ID of its key in four bytes, and an HMAC-SHA-256.
const (
	macVersion = 1
	macHeader  = 5
	macSize    = macHeader + sha256.Size
)

// macLabel separates the derived keys from everything else that could be derived from a sealing key.
const macLabel = "azure-partner-connector/mac/1"

// A macKeys holds the keys of MACs: one for each sealing key, derived from it, under its ID. So rekey replaces both.
type macKeys struct {
	byID    map[uint32]secret.Text
	primary uint32
}

func deriveMACKeys(sealing *keyset.Handle) (macKeys, error) {
	keys := macKeys{byID: make(map[uint32]secret.Text, sealing.Len()), primary: sealing.KeysetInfo().GetPrimaryKeyId()}
	for i := range sealing.Len() {
		entry, err := sealing.Entry(i)
		if err != nil {
			return macKeys{}, errMaterial
		}
		key, ok := entry.Key().(*aesgcm.Key)
		if !ok {
			return macKeys{}, errMaterial
		}
		derived, err := hkdf.Key(sha256.New, key.KeyBytes().Data(insecuresecretdataaccess.Token{}), nil, macLabel, sha256.Size)
		if err != nil {
			return macKeys{}, errMaterial
		}
		keys.byID[entry.KeyID()] = secret.New(string(derived))
	}
	if keys.byID[keys.primary].Empty() {
		return macKeys{}, fmt.Errorf("the primary key is missing: %w", errMaterial)
	}
	return keys, nil
}

// MAC returns the message authentication code of parts for a purpose, made with the primary key and marked with its ID.
// Different purposes or lists of parts never have the same MAC.
func (k *Keyring) MAC(purpose string, parts ...string) []byte {
	mac := make([]byte, macHeader, macSize)
	mac[0] = macVersion
	binary.BigEndian.PutUint32(mac[1:], k.macs.primary)
	return sum(mac, k.macs.byID[k.macs.primary], purpose, parts)
}

// CheckMAC reports whether mac is what MAC returned for the same purpose and parts, with any key of the keyring.
func (k *Keyring) CheckMAC(mac []byte, purpose string, parts ...string) bool {
	if len(mac) != macSize || mac[0] != macVersion {
		return false
	}
	key := k.macs.byID[binary.BigEndian.Uint32(mac[1:])]
	return !key.Empty() && hmac.Equal(mac[macHeader:], sum(nil, key, purpose, parts))
}

// CurrentMAC reports whether mac names the primary key, the one that MAC uses. It does not check mac.
func (k *Keyring) CurrentMAC(mac []byte) bool {
	return len(mac) == macSize && mac[0] == macVersion && binary.BigEndian.Uint32(mac[1:]) == k.macs.primary
}

func sum(prefix []byte, key secret.Text, purpose string, parts []string) []byte {
	h := hmac.New(sha256.New, []byte(key.Reveal()))
	h.Write(Encode(purpose))
	h.Write(Encode(parts...))
	return h.Sum(prefix)
}

// Package random creates identifiers and unguessable values. It is the only place in the product that does.
package random

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"
)

// alphabet is Crockford's base 32: without I, L, O and U, which are misread or misheard.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// idLength is the length of a UUID in its usual form; others are no IDs.
const idLength = 36

// claimLength gives a claim code 60 bits. Fewer than 50 could be guessed within its lifetime.
const claimLength = 12

// ID returns a new random UUID (version 4) in lower case.
func ID() string { return uuid.NewString() }

// ParseID returns text in the form of ID, or ok false when it is no UUID.
func ParseID(text string) (id string, ok bool) {
	if len(text) != idLength || uuid.Validate(text) != nil {
		return "", false
	}
	return strings.ToLower(text), true
}

var references = base32.NewEncoding(alphabet).WithPadding(base32.NoPadding)

// Reference returns a correlation id that is short enough for a person to read to an operator.
func Reference() string {
	b := make([]byte, 5)
	rand.Read(b)
	return references.EncodeToString(b)
}

// Token returns an unguessable URL-safe value of 256 bits, 43 characters long.
func Token() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ClaimCode returns a new claim code in the form that people see: three groups of four, for example 7K3M-Q2ZD-9XAB.
func ClaimCode() string {
	b := make([]byte, claimLength)
	rand.Read(b)
	var code strings.Builder
	for i, v := range b {
		if i > 0 && i%4 == 0 {
			code.WriteByte('-')
		}
		code.WriteByte(alphabet[v%32])
	}
	return code.String()
}

// ParseClaimCode returns the canonical form of what a person typed: upper case, without separators, O read as 0 and I or
// L as 1. ok is false when text can't be a claim code.
func ParseClaimCode(text string) (code string, ok bool) {
	var canonical strings.Builder
	for _, r := range strings.ToUpper(text) {
		switch r {
		case ' ', '-', '\t', '\n', '\r', '\u00a0', '\u2010', '\u2011', '\u2013':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		if !strings.ContainsRune(alphabet, r) {
			return "", false
		}
		canonical.WriteRune(r)
	}
	if canonical.Len() != claimLength {
		return "", false
	}
	return canonical.String(), true
}

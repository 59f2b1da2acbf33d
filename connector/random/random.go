// Package random makes identifiers and unguessable values; nothing else in the product does.
package random

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"github.com/google/uuid"
)

// claimAlphabet is Crockford's base 32: no I, L, O or U, so that a code survives being read aloud.
const claimAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// claimLength gives a claim code 60 bits; design §8 asks for at least 50.
const claimLength = 12

// ID returns a new random UUID (version 4) in lower case.
func ID() string { return uuid.NewString() }

// Reference returns a short correlation id that a person can read out to an operator.
func Reference() string {
	b := make([]byte, 5)
	rand.Read(b)
	return base32Of(b)
}

// Token returns an unguessable URL-safe value of 256 bits, 43 characters long.
func Token() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// ClaimCode returns a new claim code in the form that people see: three groups of four, as in 7K3M-Q2ZD-9XAB.
func ClaimCode() string {
	b := make([]byte, claimLength)
	rand.Read(b)
	var code strings.Builder
	for i, v := range b {
		if i > 0 && i%4 == 0 {
			code.WriteByte('-')
		}
		code.WriteByte(claimAlphabet[v%32])
	}
	return code.String()
}

// ParseClaimCode returns the canonical form of what a person typed: upper case, no separators, O read as 0 and I or L
// as 1. ok is false when text cannot be a claim code.
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
		if !strings.ContainsRune(claimAlphabet, r) {
			return "", false
		}
		canonical.WriteRune(r)
	}
	if canonical.Len() != claimLength {
		return "", false
	}
	return canonical.String(), true
}

func base32Of(b []byte) string {
	var out strings.Builder
	var buffer, bits uint
	for _, v := range b {
		buffer = buffer<<8 | uint(v)
		for bits += 8; bits >= 5; bits -= 5 {
			out.WriteByte(claimAlphabet[buffer>>(bits-5)&31])
		}
	}
	return out.String()
}

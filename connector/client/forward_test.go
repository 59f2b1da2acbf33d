package client_test

import (
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"azure-partner-connector/connector/client"
)

// TestMisread_KnowsCompatibleForms goes through all characters: one whose compatible form (NFKC) has a / \ or %, or is dots alone,
// is one that may be misread, except the ellipsis, which is common in names and counts as a dot where a segment has nothing else.
func TestMisread_KnowsCompatibleForms(t *testing.T) {
	const ellipsis = '\u2026'
	for c := rune(0x80); c <= unicode.MaxRune; c++ {
		form := norm.NFKC.String(string(c))
		want := strings.ContainsAny(form, `/\%`) || strings.Trim(form, ".") == "" && c != ellipsis
		if want && !client.Misread(c) {
			t.Errorf("Misread(%U) = false, although its compatible form is %q", c, form)
		}
	}
}

package random_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"azure-partner-connector/connector/random"
)

func TestClaimCode_ReadableAndDistinct(t *testing.T) {
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}$`)
	seen := map[string]bool{}
	for range 1000 {
		code := random.ClaimCode()
		if !form.MatchString(code) {
			t.Fatalf("ClaimCode() = %q, want three groups of four", code)
		}
		if seen[code] {
			t.Fatalf("ClaimCode() = %q twice, want distinct codes", code)
		}
		seen[code] = true
	}
}

func TestParseClaimCode_AsPeopleType(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := random.ClaimCode()
		want, ok := random.ParseClaimCode(code)
		if !ok {
			t.Fatalf("ParseClaimCode(%q) = _, false, want true", code)
		}
		typed := code
		if rapid.Bool().Draw(t, "lower") {
			typed = strings.ToLower(typed)
		}
		if rapid.Bool().Draw(t, "spaces") {
			typed = " " + strings.ReplaceAll(typed, "-", "  ") + "\n"
		}
		if rapid.Bool().Draw(t, "letters for digits") {
			typed = strings.NewReplacer("0", "o", "1", "l").Replace(typed)
		}
		if got, ok := random.ParseClaimCode(typed); !ok || got != want {
			t.Fatalf("ParseClaimCode(%q) = %q, %v, want %q", typed, got, ok, want)
		}
	})
}

func TestParseClaimCode_Rejects(t *testing.T) {
	for _, text := range []string{"", "7K3M-Q2ZD-9XA", "7K3M-Q2ZD-9XABC", "7K3M-Q2ZD-9XA!", "https://host/callback?code=7K3MQ2ZD9XAB", "7K3MQ2ZD9XAU"} {
		if code, ok := random.ParseClaimCode(text); ok {
			t.Errorf("ParseClaimCode(%q) = %q, want a refusal", text, code)
		}
	}
}

func TestReference_ShortAndReadable(t *testing.T) {
	if got := random.Reference(); !regexp.MustCompile(`^[0-9A-Z]{8}$`).MatchString(got) {
		t.Errorf("Reference() = %q, want eight letters and digits", got)
	}
}

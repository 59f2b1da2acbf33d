package tenant

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"azure-partner-connector/connector/failure"
)

// Bounds of what an instance and a tenant store. Every database can store as much.
const (
	// MaxName is how many characters of the name of a company or a marketplace are kept.
	MaxName = 255
	// maxDirectory is how many characters a directory may have: a domain name has at most 253.
	maxDirectory = 255
	// maxText is how many bytes, encoded as JSON, one credential, the MFA request or all borrowers may have. The column of
	// the credentials in MySQL has room for three credentials, sealed.
	maxText = 20_000
)

// shortName returns a name of the platform as it is stored: valid UTF-8 of at most MaxName characters. A name is for people to
// read, so a long one is shortened instead of refused.
func shortName(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	if characters := []rune(name); len(characters) > MaxName {
		return string(characters[:MaxName-1]) + "…"
	}
	return name
}

// checkLength refuses a setting that no column has room for.
func checkLength(name string, value any) error {
	if text, err := json.Marshal(value); err != nil || len(text) > maxText {
		return failure.New(failure.BadRequest, "reason", name+" is too long")
	}
	return nil
}

func checkDirectory(directory string) error {
	if !utf8.ValidString(directory) || utf8.RuneCountInString(directory) > maxDirectory {
		return failure.New(failure.BadRequest, "reason", "directory is too long")
	}
	return nil
}

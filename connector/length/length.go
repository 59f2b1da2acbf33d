// Package length says how long the texts are that the product stores. Every database has room for them; what is longer is
// shortened, if it is for people to read, or else refused before it reaches the database, which would refuse it with an error
// that nobody can act on (MySQL), or keep it (SQLite).
package length

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// The longest texts, in characters.
const (
	Key       = 128 // the OAuth key of an instance
	ID        = 64  // an ID of a known form, such as that of a resource, directory or consent, and a keyed hash
	ForeignID = 255 // an ID that others choose, such as that of an account, subscription or periodic task
	Name      = 255 // a name for people to read, of a person, company or marketplace
	Origin    = 255 // the origin of a panel: scheme, host and port
	Directory = 255 // a directory as entered: a domain name has at most 253
	Word      = 16  // a word of our own, such as a slot, status or kind
	Code      = 64  // a longer one, such as an action or a failure code
	Detail    = 500 // one detail of an event
)

// The longest texts, in bytes.
const (
	Address = 2_000  // an address
	Setting = 20_000 // one setting, or a list of them, as JSON
	// Credentials are the three credentials of an application, as JSON and sealed.
	Credentials = 3*Setting + 1_000
	Scopes      = 60_000           // what a client may do, as JSON
	Token       = 40_000           // a refresh token. Microsoft's have about 2,000.
	Sealed      = 512              // a short secret that we made, sealed
	Person      = 5_000            // an account, as JSON
	Record      = 20_000           // why something failed, as JSON
	Checks      = 3*Record + 1_000 // the results of the checks of all apis, as JSON
	Details     = 60_000           // all details of an event, as JSON
	Notices     = 2_000_000        // what people and the platform were notified of about one tenant, as JSON
)

// Fits reports whether text is valid UTF-8 of at most so many characters.
func Fits(text string, characters int) bool {
	return utf8.ValidString(text) && (len(text) <= characters || utf8.RuneCountInString(text) <= characters)
}

// Shorten returns text as valid UTF-8 of at most so many characters, of which the last is an ellipsis if some are missing. It is
// for what people read; anything else has to be refused.
func Shorten(text string, characters int) string {
	if Fits(text, characters) {
		return text
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	if utf8.RuneCountInString(text) <= characters {
		return text
	}
	return string([]rune(text)[:characters-1]) + "…"
}

// ShortenAll returns texts with every value shortened, and at most so many of them, the first ones by name. It does not change
// texts.
func ShortenAll(texts map[string]string, most, characters int) map[string]string {
	fit := len(texts) <= most
	for _, text := range texts {
		fit = fit && Fits(text, characters)
	}
	if fit {
		return texts
	}
	names := slices.Sorted(maps.Keys(texts))
	short := make(map[string]string, most)
	for _, name := range names[:min(most, len(names))] {
		short[name] = Shorten(texts[name], characters)
	}
	return short
}

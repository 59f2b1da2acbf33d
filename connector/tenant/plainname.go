package tenant

import (
	"strings"
	"unicode"

	"azure-partner-connector/connector/length"
)

// maxShownName is how many characters of a name people are shown who decide by it, such as who asks for their consent.
const maxShownName = 100

// PlainName returns a name without the characters that are not seen but change what is: controls, bidirectional marks and
// overrides, zero-width characters, line breaks. So whoever chose the name cannot change the sentence around it.
func PlainName(name string) string {
	name = strings.ToValidUTF8(name, "\uFFFD")
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), unicode.Is(unicode.Variation_Selector, r), r == '\u115F', r == '\u1160', r == '\u3164', r == '\uFFA0', r == '\u2800':
			return -1 // the last five are blank though they count as letters or symbols
		}
		return r
	}, name)), " ")
}

// ShownName returns PlainName, shortened for a page on which it stands beside other facts.
func ShownName(name string) string { return length.Shorten(PlainName(name), maxShownName) }

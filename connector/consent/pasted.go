package consent

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
)

// Bounds of what a person pastes, in bytes.
const (
	// maxPasted allows for a code of maxCode whose every byte a mail program has encoded, and for a few sentences.
	maxPasted = 64 << 10
	// maxCode bounds an authorization code. Microsoft documents no length; there are codes of several kilobytes
	// (docs/reference/microsoft-identity.md §2.3).
	maxCode = 16 << 10
	// minBareCode is the least length of a text that is taken for an authorization code. Codes of Microsoft have several
	// hundred characters, and what is taken for one is sent to Microsoft.
	minBareCode = 64
	// minWrapped is the least length of a line that a mail program has broken.
	minWrapped = 40
	// maxWrappers is how many link scanners may have wrapped an address.
	maxWrappers = 4
)

// A pasted is what a person forwarded from the onboarding page: one of a claim code, the ID of a consent, and what came back
// from Microsoft, of which a bare authorization code has no State.
type pasted struct {
	claimCode secret.Text
	consentID string
	callback  Callback
}

// readPasted reads whatever a person copied from the onboarding page, from the address bar, or from a mail. Mail programs wrap
// lines, quote, encode and decorate, and link scanners wrap addresses (docs/reference/microsoft-identity.md §9). A refusal
// repeats nothing of text, because it may hold a code.
func readPasted(text string) (pasted, *failure.Error) {
	if len(text) > maxPasted {
		return pasted{}, failure.New(failure.ClaimMalformed)
	}
	text = strings.TrimSpace(plainText(text))
	if code, ok := random.ParseClaimCode(undecorated(text)); ok {
		return pasted{claimCode: secret.New(code)}, nil
	}
	if id, ok := random.ParseID(text); ok {
		return pasted{consentID: id}, nil
	}
	cb, seen := redirected(text, maxWrappers)
	switch {
	case cb.State != "":
		return pasted{callback: cb}, nil
	case !cb.Code.Empty():
		return pasted{callback: cb}, nil
	case seen:
		return pasted{}, failure.New(failure.AddressIncomplete)
	}
	if code, ok := bareCode(text); ok {
		return pasted{callback: Callback{Code: secret.New(code)}}, nil
	}
	if code, ok := codeInSentence(text); ok {
		return pasted{claimCode: secret.New(code)}, nil
	}
	return pasted{}, failure.New(failure.ClaimMalformed)
}

// plainText replaces what programs put in place of plain characters: dashes and spaces of other kinds, and removes characters
// that nobody sees.
func plainText(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r':
			return '\n'
		case r == '\u00ad' || unicode.In(r, unicode.Cf): // soft hyphen, zero-width characters, byte order mark, direction marks
			return -1
		case unicode.Is(unicode.Pd, r) || r == '\u2212':
			return '-'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// decoration is what people and programs put around a code or an address.
const decoration = " \n\"'`´<>()[]{}«»‹›“”„‟‘’‚‛*|,.;:：!?…·•"

func undecorated(text string) string { return strings.Trim(text, decoration) }

// redirected finds the parameters of an address to which Microsoft redirected. seen reports whether text has any of them: then
// it is no code of another kind.
func redirected(text string, wrappers int) (cb Callback, seen bool) {
	for _, form := range mailForms(text) {
		for word := range strings.FieldsSeq(form) {
			if parameter.MatchString(word) {
				seen = true
				if cb, ok := parameters(undecorated(word)); ok {
					return cb, true
				}
			}
			if wrappers == 0 {
				continue
			}
			for _, inner := range wrapped(word) {
				cb, within := redirected(inner, wrappers-1)
				if cb.State != "" || !cb.Code.Empty() {
					return cb, true
				}
				seen = seen || within
			}
		}
	}
	return Callback{}, seen
}

// mailForms returns the readings of a text that a mail program may have changed, the likeliest first.
func mailForms(text string) []string {
	text = unquoted(text)
	if quotedPrintable(text) {
		text = fromQuotedPrintable(text)
	}
	text = ampersand.ReplaceAllString(text, "&")
	return []string{unwrapped(text), text, strings.Join(strings.Fields(text), "")}
}

// ampersand matches an escaped & of HTML.
var ampersand = regexp.MustCompile(`&(amp|AMP|#38|#[xX]26);`)

// unquoted removes the marks at the beginning of lines that an answer quotes.
func unquoted(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimLeft(line, " "), ">") {
			lines[i] = strings.TrimLeft(line, " >")
		}
	}
	return strings.Join(lines, "\n")
}

// encodedByte matches what quoted-printable makes of an equals sign: an encoded byte or a broken line.
var encodedByte = regexp.MustCompile(`=(3[dD]|[0-9A-F]{2}|[ ]*\n)`)

// quotedPrintable reports whether text is encoded: then every equals sign in it is.
func quotedPrintable(text string) bool {
	return strings.Contains(strings.ToUpper(text), "=3D") &&
		len(encodedByte.FindAllStringIndex(text, -1)) == strings.Count(text, "=")
}

func fromQuotedPrintable(text string) string {
	return encodedByte.ReplaceAllStringFunc(text, func(m string) string {
		if strings.HasSuffix(m, "\n") {
			return ""
		}
		b, err := url.PathUnescape("%" + m[1:])
		if err != nil {
			return m
		}
		return b
	})
}

// unwrapped joins the lines that a mail program has broken: a long line without a space at the break goes on in the next one,
// if that is one word.
func unwrapped(text string) string {
	var b strings.Builder
	last := ""
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		joined := i > 0 && len(words) == 1 && len(lastWord(last)) >= minWrapped
		if i > 0 && !joined {
			b.WriteByte('\n')
		}
		b.WriteString(line)
		if joined {
			last += line
		} else {
			last = line
		}
	}
	return b.String()
}

func lastWord(line string) string { return line[strings.LastIndexByte(line, ' ')+1:] }

// parameter matches the beginning of a parameter that Microsoft sends back.
var parameter = regexp.MustCompile(`(?:^|[?#&"'<(])(code|state|error)=`)

// parameters reads the parameters in one word: a whole address, one without its scheme, or the query alone.
func parameters(word string) (Callback, bool) {
	for _, start := range []string{"?", "#", ""} {
		text := word
		if start != "" {
			_, after, found := strings.Cut(word, start)
			if !found {
				continue
			}
			text = after
		}
		text, _, _ = strings.Cut(text, "#")
		q, err := url.ParseQuery(text)
		if err != nil {
			continue
		}
		cb := Callback{
			State: q.Get("state"), Code: secret.New(q.Get("code")),
			Error: q.Get("error"), SubCode: q.Get("error_subcode"), Description: q.Get("error_description"),
		}
		switch {
		case isState(cb.State) && len(q.Get("code")) <= maxCode && (!cb.Code.Empty() || cb.Error != ""):
			return cb, true
		case cb.State == "" && cb.Error == "" && isBareCode(q.Get("code")):
			return Callback{Code: cb.Code}, true
		}
	}
	return Callback{}, false
}

// stateForm is the form of random.Token, which no broken or cut state has.
var stateForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func isState(state string) bool { return stateForm.MatchString(state) }

// wrapped returns the addresses in the parameters of another one: a link scanner puts itself in front of an address.
func wrapped(word string) []string {
	_, query, found := strings.Cut(undecorated(word), "?")
	if !found {
		return nil
	}
	query, _, _ = strings.Cut(query, "#")
	q, _ := url.ParseQuery(query) // what could be read counts
	var inner []string
	for _, name := range slices.Sorted(maps.Keys(q)) {
		for _, value := range q[name] {
			if strings.Contains(value, "://") {
				inner = append(inner, plainText(value))
			}
		}
	}
	return inner
}

// bareCode returns an authorization code without its address. It may be broken into lines, but has no other space.
func bareCode(text string) (string, bool) {
	code := strings.TrimSuffix(strings.Trim(unwrapped(text), "\"'<>“”"), "#")
	return code, isBareCode(code)
}

// bareForm matches one word of the characters of Microsoft's codes.
var bareForm = regexp.MustCompile(`^[A-Za-z0-9._~!*$-]+$`)

func isBareCode(code string) bool {
	return len(code) >= minBareCode && len(code) <= maxCode && bareForm.MatchString(code)
}

// groups matches a claim code in a sentence, in one group or three.
var groups = regexp.MustCompile(`[0-9A-Za-z]+(?:-[0-9A-Za-z]+)*`)

// codeInSentence returns the only claim code in a text. A word that merely has the length of a code is none: it has neither a
// digit nor the dashes and capitals of a code.
func codeInSentence(text string) (string, bool) {
	if strings.ContainsAny(text, "=/@") || strings.Contains(text, "://") {
		return "", false
	}
	if colon := strings.LastIndexAny(text, ":："); colon >= 0 { // behind a label
		if code, ok := random.ParseClaimCode(undecorated(text[colon:])); ok {
			return code, true
		}
	}
	codes := map[string]bool{}
	words := groups.FindAllString(text, -1)
	for i, word := range words {
		candidates := []string{word}
		if len(word) == 4 && i+2 < len(words) && len(words[i+1]) == 4 && len(words[i+2]) == 4 {
			candidates = append(candidates, word+" "+words[i+1]+" "+words[i+2])
		}
		for _, candidate := range candidates {
			looks := strings.ContainsAny(candidate, "0123456789") ||
				strings.Contains(candidate, "-") && candidate == strings.ToUpper(candidate)
			if code, ok := random.ParseClaimCode(candidate); ok && looks {
				codes[code] = true
			}
		}
	}
	for code := range codes {
		return code, len(codes) == 1
	}
	return "", false
}

package consent

import (
	"cmp"
	"iter"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

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
	Callback  Callback // exported: package fmt asks only such a field how to print itself
}

// readPasted reads whatever a person copied from the onboarding page, from the address bar, or from a mail. Mail programs wrap
// lines, quote, encode and decorate, and link scanners wrap addresses (docs/reference/microsoft-identity.md §9). A refusal
// repeats nothing of text, because it may hold a code.
func readPasted(text string) (pasted, *failure.Error) {
	if len(text) > maxPasted {
		return pasted{}, malformed(text)
	}
	text = strings.TrimSpace(plainText(text))
	if code, ok := random.ParseClaimCode(undecorated(text)); ok {
		return pasted{claimCode: secret.New(code)}, nil
	}
	if id, ok := random.ParseID(text); ok {
		return pasted{consentID: id}, nil
	}
	cb, seen := redirected(text)
	switch {
	case cb.State != "", !cb.Code.Empty():
		return pasted{Callback: cb}, nil
	case seen:
		return pasted{}, failure.New(failure.AddressIncomplete)
	}
	if code, ok := bareCode(text); ok {
		return pasted{Callback: Callback{Code: secret.New(code)}}, nil
	}
	if code, ok := codeInSentence(text); ok {
		return pasted{claimCode: secret.New(code)}, nil
	}
	return pasted{}, malformed(text)
}

// malformed returns the refusal of a text that is nothing that people forward. It tells how much that was.
func malformed(text string) *failure.Error {
	return failure.New(failure.ClaimMalformed, "characters", strconv.Itoa(utf8.RuneCountInString(strings.TrimSpace(text))),
		"words", strconv.Itoa(len(strings.Fields(text))))
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
		case '\uff01' <= r && r <= '\uff5e': // full width
			return r - '\uff01' + '!'
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// decoration is what people and programs put around a code or an address.
const decoration = " \n\"'`´<>()[]{}«»‹›“”„‟‘’‚‛*|,.;:!?…·•。、「」『』"

func undecorated(text string) string { return strings.Trim(text, decoration) }

// redirected finds the parameters of an address to which Microsoft redirected. seen reports whether text has any of them: then
// it is no code of another kind. A code counts without a state only where text has none, because a text with a broken state may
// have a broken code.
func redirected(text string) (cb Callback, seen bool) {
	stateless := Callback{}
	for word := range readings(text) {
		if !parameter.MatchString(word) {
			continue
		}
		seen = true
		found := parameters(word)
		if found.State != "" {
			return found, true
		}
		if stateless.Code.Empty() {
			stateless = found
		}
	}
	for word := range readings(text) {
		if stateParameter.MatchString(word) {
			return Callback{}, seen
		}
	}
	return stateless, seen
}

// readings returns the words of a text in all its readings, the likeliest first. A link scanner puts itself in front of an
// address, which it encodes as a parameter of its own.
func readings(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		forms := mailForms(text)
		for range maxWrappers + 1 {
			var decoded []string
			for _, form := range forms {
				for word := range strings.FieldsSeq(form) {
					if !yield(word) {
						return
					}
				}
				if next := unescaped(plainText(encodedText.ReplaceAllStringFunc(form, percentDecoded))); next != form {
					decoded = append(decoded, next)
				}
			}
			forms = decoded
		}
	}
}

// encodedText matches encoded bytes.
var encodedText = regexp.MustCompile(`(?:%[0-9A-Fa-f]{2})+`)

func percentDecoded(text string) string {
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return text
	}
	return decoded
}

// mailForms returns the readings of a text that a mail program may have changed, the likeliest first.
func mailForms(text string) []string {
	text = unescaped(unquoted(text))
	plain := text
	if quotedPrintable(text) {
		plain = unescaped(fromQuotedPrintable(text))
	}
	forms := []string{unwrapped(plain), plain, strings.Join(strings.Fields(plain), "")}
	if plain == text && strings.Contains(strings.ToUpper(text), "=3D") { // only a part of it is encoded
		forms = append(forms, unwrapped(unescaped(fromQuotedPrintable(text))))
	}
	return forms
}

// unescaped replaces the escapes of HTML, JSON and shells.
func unescaped(text string) string {
	text = ampersand.ReplaceAllString(text, "&")
	return strings.NewReplacer(`\u0026`, "&", `\u003d`, "=", `\u003D`, "=", `\`, "").Replace(text)
}

// ampersand matches an & of HTML that was escaped any number of times.
var ampersand = regexp.MustCompile(`&(?:(?:amp|AMP|#38|#[xX]26);)+`)

// unquoted removes the marks at the beginning of lines that an answer quotes.
func unquoted(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if mark := strings.TrimLeft(line, " "); strings.HasPrefix(mark, ">") || strings.HasPrefix(mark, "|") {
			lines[i] = strings.TrimLeft(line, " >|")
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
		last = line
	}
	return b.String()
}

func lastWord(line string) string { return line[strings.LastIndexByte(line, ' ')+1:] }

// parameter matches a parameter that Microsoft sends back, in any case: some keyboards begin a text with a capital.
var parameter = regexp.MustCompile(`(?i)(?:^|[^a-z0-9_])(code|state|error|error_subcode|error_description)=([^&#]*)`)

// stateParameter matches a state, whatever became of it.
var stateParameter = regexp.MustCompile(`(?i)(?:^|[^a-z0-9_])state=`)

// parameters reads the parameters in one word: a whole address, one without its scheme, or the query alone, with whatever
// stands around it or is appended to it. What is not whole is not read.
func parameters(word string) Callback {
	var cb Callback
	code, broken := "", false
	marks := ""
	if m := underlined.FindStringSubmatch(word); m != nil {
		marks = m[1]
	}
	for _, m := range parameter.FindAllStringSubmatch(undecorated(word), -1) {
		name, value := strings.ToLower(m[1]), m[2]
		if decoded, err := url.QueryUnescape(value); err == nil {
			value = decoded
		}
		switch name {
		case "state":
			if state := strings.TrimSuffix(whole(value, stateForm), marks); cb.State == "" && len(state) == stateLength {
				cb.State = state
			}
		case "code":
			read := strings.TrimSuffix(whole(value, codeForm), marks)
			broken = broken || !isBareCode(read)
			if code == "" && isBareCode(read) {
				code = read
			}
		case "error":
			cb.Error = cmp.Or(cb.Error, errorForm.FindString(value))
		case "error_subcode":
			cb.SubCode = cmp.Or(cb.SubCode, value)
		default:
			cb.Description = cmp.Or(cb.Description, value)
		}
	}
	if code != "" && cb.Error == "" {
		return Callback{State: cb.State, Code: secret.New(code)}
	}
	if cb.Error == "" || code != "" || broken || cb.State == "" {
		return Callback{}
	}
	return cb
}

// Forms of the beginning of a value. stateForm is that of random.Token.
var (
	stateForm = regexp.MustCompile(`^[A-Za-z0-9_-]+`)
	codeForm  = regexp.MustCompile(`^[A-Za-z0-9._~!*$-]+`)
	errorForm = regexp.MustCompile(`^[A-Za-z_]+`)
)

// underlined matches the marks of a scanner or of emphasis, which also stand behind the address.
var underlined = regexp.MustCompile(`(_+)(?i:https?):`)

// stateLength is the length of random.Token.
const stateLength = 43

// whole returns the beginning of a value that has a form, and "" unless it ends there: by what people and programs put behind an
// address, not by what a value may have in the middle.
func whole(value string, form *regexp.Regexp) string {
	read := form.FindString(value)
	rest := value[len(read):]
	next, _ := utf8.DecodeRuneInString(rest)
	if strings.Trim(rest, decoration) == "" || next >= utf8.RuneSelf || strings.ContainsRune("\"'`()[]{}<>|,;", next) {
		return read
	}
	return ""
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

// onPage matches a claim code with the dashes of its page.
var onPage = regexp.MustCompile(`^(?:[0-9A-Za-z]{4}-){2}[0-9A-Za-z]{4}$`)

// isNumber reports whether text is the number of a ticket or of a telephone rather than a claim code.
func isNumber(text string) bool { return strings.Trim(text, "0123456789- ") == "" }

// codeInSentence returns the only claim code in a text; where some have the dashes of a page, the only one of those. Neither a word
// that merely has the length of a code, without a digit and without the dashes and capitals of a code, nor a number is one.
func codeInSentence(text string) (string, bool) {
	if strings.ContainsAny(text, "=/@%\\") {
		return "", false
	}
	if colon := strings.LastIndexByte(text, ':'); colon >= 0 { // behind a label
		if code, ok := random.ParseClaimCode(undecorated(text[colon:])); ok && !isNumber(code) {
			return code, true
		}
	}
	codes, dashed := map[string]bool{}, map[string]bool{}
	words := groups.FindAllString(text, -1)
	for i, word := range words {
		candidates := []string{word}
		if len(word) == 4 && i+2 < len(words) && len(words[i+1]) == 4 && len(words[i+2]) == 4 {
			candidates = append(candidates, word+" "+words[i+1]+" "+words[i+2])
		}
		for _, candidate := range candidates {
			digit := strings.ContainsAny(candidate, "0123456789")
			code, ok := random.ParseClaimCode(candidate)
			switch {
			case !ok, isNumber(candidate):
			case onPage.MatchString(candidate) && (digit || candidate == strings.ToUpper(candidate)):
				dashed[code] = true
			case digit, strings.Contains(candidate, "-") && candidate == strings.ToUpper(candidate):
				codes[code] = true
			}
		}
	}
	if len(dashed) > 0 {
		codes = dashed
	}
	for code := range codes {
		return code, len(codes) == 1
	}
	return "", false
}

package consent_test

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
)

const (
	pastedState = "0123456789abcdefghijABCDEFGHIJ-_0123456789a"
	pastedClaim = "7K3MQ2ZD9XAB"
)

// pastedCode has the length and the characters of Microsoft's codes.
var pastedCode = "0.AXkA" + strings.Repeat("bC3_d-E.f", 80) + "~!*$"

// pastedQuery is what Microsoft appends to the redirect URI.
var pastedQuery = "code=" + pastedCode + "&state=" + pastedState + "&session_state=1b2c3d4e-0000-4000-8000-000000000001"

const pastedURI = "https://connector.example/onboarding/callback?"

func quotedPrintable(text string) string {
	encoded := strings.ReplaceAll(text, "=", "=3D")
	var lines []string
	for len(encoded) > 75 {
		cut := 75
		for strings.Contains(encoded[cut-2:cut], "=") { // never inside an encoded byte
			cut--
		}
		lines, encoded = append(lines, encoded[:cut]+"="), encoded[cut:]
	}
	return strings.Join(append(lines, encoded), "\r\n")
}

// broken breaks text into lines of width characters, as mail programs do.
func broken(text string, width int, newline string) string {
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + newline)
		text = text[width:]
	}
	return b.String() + text
}

func safeLink(address string) string {
	return "https://eur01.safelinks.protection.outlook.com/?url=" + url.QueryEscape(address) +
		"&data=05%7C02%7Cada%40contoso.example%7C0&sdata=abc%3D&reserved=0"
}

func TestReadPasted_FindsTheAddress(t *testing.T) {
	whole := pastedURI + pastedQuery
	for name, text := range map[string]string{
		"as it is":                      whole,
		"with spaces around":            " \t" + whole + " \r\n",
		"with a fragment":               whole + "#",
		"in the fragment":               "https://connector.example/onboarding/callback#" + pastedQuery,
		"in angle brackets":             "<" + whole + ">",
		"in quotes":                     `"` + whole + `"`,
		"in single quotes":              "'" + whole + "'",
		"in curly quotes":               "“" + whole + "”",
		"in guillemets":                 "« " + whole + " »",
		"in parentheses":                "(" + whole + ")",
		"in backquotes":                 "`" + whole + "`",
		"in bold":                       "**" + whole + "**",
		"as a Markdown link":            "[link](" + whole + ")",
		"quoted once":                   "> " + whole,
		"quoted twice":                  ">> " + whole,
		"quoted and broken":             "> " + broken(whole, 70, "\n> "),
		"quoted, with text":             "> Hello,\n>\n> " + whole + "\n>\n> Ada",
		"broken by line feeds":          broken(whole, 76, "\n"),
		"broken by CR LF":               broken(whole, 76, "\r\n"),
		"broken and indented":           broken(whole, 76, "\n    "),
		"broken, with text":             "Hello,\nhere it is:\n" + broken(whole, 72, "\n") + "\n\nKind regards\nAda Admin",
		"quoted-printable":              quotedPrintable(whole),
		"quoted-printable, line feeds":  strings.ReplaceAll(quotedPrintable(whole), "\r\n", "\n"),
		"quoted-printable, lower case":  strings.ReplaceAll(quotedPrintable(whole), "=3D", "=3d"),
		"HTML entities":                 strings.ReplaceAll(whole, "&", "&amp;"),
		"HTML entities, twice":          strings.ReplaceAll(whole, "&", "&#38;"),
		"HTML link":                     `<a href="` + strings.ReplaceAll(whole, "&", "&amp;") + `">` + "here</a>",
		"quoted-printable HTML":         quotedPrintable(strings.ReplaceAll(whole, "&", "&amp;")),
		"without a scheme":              strings.TrimPrefix(whole, "https://"),
		"query only":                    "?" + pastedQuery,
		"parameters only":               pastedQuery,
		"parameters, state first":       "state=" + pastedState + "&code=" + pastedCode,
		"fragment only":                 "#" + pastedQuery,
		"a sentence before":             "This is the address: " + whole,
		"a sentence after":              whole + " Please tell me when it works.",
		"a sentence before and after":   "I copied " + whole + ", is that right?",
		"a full stop after":             "It says " + whole + ".",
		"another address before":        "I opened https://connector.example/onboarding/consent/x?lang=de and got " + whole,
		"Safe Links":                    safeLink(whole),
		"Safe Links in angle brackets":  "<" + safeLink(whole) + ">",
		"Safe Links, twice":             safeLink(safeLink(whole)),
		"Safe Links, entities":          strings.ReplaceAll(safeLink(whole), "&", "&amp;"),
		"Safe Links, broken":            broken(safeLink(whole), 76, "\r\n"),
		"Safe Links, quoted-printable":  quotedPrintable(safeLink(whole)),
		"Safe Links with text":          "Here: " + safeLink(whole) + " Ada",
		"another scanner":               "https://scan.example/redirect?u=" + url.QueryEscape(whole) + "&k=1",
		"zero-width spaces":             strings.ReplaceAll(whole, "&", "\u200b&"),
		"byte order mark":               "\ufeff" + whole,
		"soft hyphens":                  broken(whole, 60, "\u00ad"),
		"no-break space after":          whole + "\u00a0",
		"direction marks":               "\u200e" + whole + "\u200f",
		"upper-case scheme and host":    "HTTPS://CONNECTOR.EXAMPLE/onboarding/callback?" + pastedQuery,
		"custom port":                   "https://connector.example:8443/callback?" + pastedQuery,
		"localhost":                     "http://localhost:8080/callback?" + pastedQuery,
		"form encoding of the code":     pastedURI + url.Values{"code": {pastedCode}, "state": {pastedState}}.Encode(),
		"a word in front":               "URL=" + whole,
		"broken inside words by spaces": broken(whole, 76, " "),
	} {
		t.Run(name, func(t *testing.T) {
			claim, id, cb, f := consent.ReadPasted(text)
			if f != nil || claim != "" || id != "" || cb.Code.Reveal() != pastedCode || cb.State != pastedState {
				t.Errorf("ReadPasted() = claim %q, consent %q, code of %d bytes, state %q, %v; want the code of %d bytes and the state",
					claim, id, len(cb.Code.Reveal()), cb.State, f, len(pastedCode))
			}
		})
	}
}

// Whatever stands around an address, and wherever its parameters are: a code that is not exactly Microsoft's uses up the state.
func TestReadPasted_FindsTheParametersInAnyOrder(t *testing.T) {
	const session = "session_state=1b2c3d4e-0000-4000-8000-000000000001"
	for order, query := range map[string]string{
		"state last": "code=" + pastedCode + "&" + session + "&state=" + pastedState,
		"code last":  session + "&state=" + pastedState + "&code=" + pastedCode,
		"only two":   "code=" + pastedCode + "&state=" + pastedState,
	} {
		address := pastedURI + query
		asHTML, double := html.EscapeString(address), html.EscapeString(html.EscapeString(address))
		inJSON, err := json.Marshal(map[string]string{"url": address})
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"Markdown":                    "[" + address + "](" + address + ")",
			"Outlook's plain text":        "here<" + address + ">",
			"Outlook's plain text, twice": address + "<" + address + ">",
			"HTML":                        `<a href="` + asHTML + `">` + asHTML + `</a>`,
			"HTML, other quotes":          `<a href='` + asHTML + `'>here</a>`,
			"HTML without quotes":         `<a target=_blank href=` + asHTML + `>here</a>`,
			"entities of entities":        double,
			"a chat's link":               "<" + address + "|" + address + ">",
			"JSON":                        string(inJSON),
			"JSON, slashes":               strings.ReplaceAll(string(inJSON), "/", `\/`),
			"a shell's escapes":           strings.NewReplacer("&", `\&`, "?", `\?`, "=", `\=`).Replace(address),
			"a line of a log":             "GET /onboarding/callback?" + query + " HTTP/1.1",
			"twice":                       address + "\n" + address,
			"twice in a row":              address + address,
			"a name on the next line":     broken(address, 72, "\n") + "\nThanks\nAda",
			"quoted with bars":            "| " + broken(address, 76, "\n| "),
			"broken at an ampersand":      strings.ReplaceAll(address, "&", "\n&"),
			"blank lines":                 broken(address, 76, "\n\n"),
			"partly quoted-printable":     "a = b\r\n" + quotedPrintable(address),
			"ideographic full stop":       address + "。",
			"corner brackets":             "「" + address + "」",
			"full width":                  strings.NewReplacer("=", "＝", "&", "＆", "?", "？").Replace(address),
			"encoded":                     url.QueryEscape(address),
			"encoded twice":               "https://scan.example/?domain=connector.example&u=" + url.QueryEscape(url.QueryEscape(address)),
			"a path in a parameter":       "https://connector.example/login?next=" + url.QueryEscape("/callback?"+query),
			"wrapped, not encoded":        "https://scan.example/url?q=" + address,
			"wrapped by underscores":      "https://scan.example/v3/__" + address + "__;!!Abc123!xyz$",
			"emphasis":                    "_" + address + "_",
			"Safe Links, full stop":       safeLink(address) + ".",
			"capital":                     strings.Replace(address, "code=", "Code=", 1),
		} {
			t.Run(order+", "+name, func(t *testing.T) {
				_, _, cb, f := consent.ReadPasted(text)
				if f != nil || cb.Code.Reveal() != pastedCode || cb.State != pastedState {
					t.Errorf("ReadPasted() = code of %d bytes, state %q, %v; want the code of %d bytes and the state",
						len(cb.Code.Reveal()), cb.State, f, len(pastedCode))
				}
			})
		}
	}
}

func TestReadPasted_FindsTheError(t *testing.T) {
	query := "error=access_denied&error_subcode=cancel&error_description=AADSTS65004%3a+User+declined.%0d%0aTrace&state=" + pastedState
	for name, text := range map[string]string{
		"as it is": pastedURI + query, "Safe Links": safeLink(pastedURI + query), "query only": "?" + query,
	} {
		t.Run(name, func(t *testing.T) {
			_, _, cb, f := consent.ReadPasted(text)
			if f != nil || cb.Error != "access_denied" || cb.SubCode != "cancel" || cb.State != pastedState || !strings.HasPrefix(cb.Description, "AADSTS65004: ") {
				t.Errorf("ReadPasted() = %+v, %v, want Microsoft's error", cb, f)
			}
		})
	}
}

func TestReadPasted_FindsTheClaimCode(t *testing.T) {
	for name, text := range map[string]string{
		"as it is":              "7K3M-Q2ZD-9XAB",
		"without dashes":        "7K3MQ2ZD9XAB",
		"lower case":            "7k3m-q2zd-9xab",
		"with spaces":           " 7K3M Q2ZD 9XAB ",
		"letters for digits":    "7K3M-Q2ZD-9XAB",
		"curly quotes":          "“7K3M-Q2ZD-9XAB”",
		"low quotes":            "„7K3M-Q2ZD-9XAB“",
		"single curly quotes":   "‘7K3M-Q2ZD-9XAB’",
		"guillemets":            "« 7K3M-Q2ZD-9XAB »",
		"angle brackets":        "<7K3M-Q2ZD-9XAB>",
		"em dashes":             "7K3M—Q2ZD—9XAB",
		"en dashes":             "7K3M–Q2ZD–9XAB",
		"minus signs":           "7K3M−Q2ZD−9XAB",
		"full-width dashes":     "7K3M－Q2ZD－9XAB",
		"no-break hyphens":      "7K3M\u2011Q2ZD\u20119XAB",
		"zero-width spaces":     "7K3M\u200b-Q2ZD\u200b-9XAB",
		"zero-width joiner":     "7K3M-\u200dQ2ZD-9XAB",
		"byte order mark":       "\ufeff7K3M-Q2ZD-9XAB",
		"soft hyphen":           "7K3M-\u00adQ2ZD-9XAB",
		"no-break spaces":       "7K3M\u00a0Q2ZD\u00a09XAB",
		"full stop":             "7K3M-Q2ZD-9XAB.",
		"comma":                 "7K3M-Q2ZD-9XAB,",
		"label":                 "Code: 7K3M-Q2ZD-9XAB",
		"label, without dashes": "Code: 7K3MQ2ZD9XAB",
		"label, with spaces":    "Code: 7K3M Q2ZD 9XAB",
		"label, lower case":     "code: 7k3m-q2zd-9xab",
		"label of its language": "Authentifizierungscode: 7K3M-Q2ZD-9XAB",
		"a sentence":            "The code on the page is 7K3M-Q2ZD-9XAB, please enter it.",
		"a sentence, quotes":    "Hi, it says “7K3M—Q2ZD—9XAB”.",
		"twice":                 "7K3M-Q2ZD-9XAB\n7K3M-Q2ZD-9XAB",
		"quoted":                "> 7K3M-Q2ZD-9XAB",
		"on lines":              "7K3M\nQ2ZD\n9XAB",
		"bold":                  "**7K3M-Q2ZD-9XAB**",
		"signature":             "7K3M-Q2ZD-9XAB\n\nKind regards\nAda Admin",
		"beside a telephone":    "7K3M-Q2ZD-9XAB\n\nAda Admin\nTel. 030-123456789, 0123-4567-8901",
		"beside a ticket":       "Ticket 202611300001: the code is 7K3M-Q2ZD-9XAB",
		"beside another word":   "Re: INC012345678\n7K3M-Q2ZD-9XAB",
		"full width":            "７Ｋ３Ｍ－Ｑ２ＺＤ－９ＸＡＢ",
		"ideographic full stop": "コードは「7K3M-Q2ZD-9XAB」です。",
	} {
		t.Run(name, func(t *testing.T) {
			claim, _, cb, f := consent.ReadPasted(text)
			if f != nil || claim != pastedClaim || !cb.Code.Empty() {
				t.Errorf("ReadPasted(%q) = %q, %v, want %s", text, claim, f, pastedClaim)
			}
		})
	}
}

// Without a digit, the dashes tell a code from words.
func TestReadPasted_FindsAClaimCodeOfLetters(t *testing.T) {
	claim, _, _, f := consent.ReadPasted("It is ABCD-EFGH-JKMN.")
	if f != nil || claim != "ABCDEFGHJKMN" {
		t.Errorf("ReadPasted() = %q, %v, want the code", claim, f)
	}
}

func TestReadPasted_FindsABareCode(t *testing.T) {
	for name, text := range map[string]string{
		"as it is": pastedCode, "with spaces around": " " + pastedCode + "\n", "with a fragment": pastedCode + "#",
		"named": "code=" + pastedCode, "in quotes": `"` + pastedCode + `"`, "broken": broken(pastedCode, 76, "\r\n"),
		"in an address without a state": pastedURI + "code=" + pastedCode,
	} {
		t.Run(name, func(t *testing.T) {
			claim, _, cb, f := consent.ReadPasted(text)
			if f != nil || claim != "" || cb.Code.Reveal() != pastedCode || cb.State != "" {
				t.Errorf("ReadPasted() = claim %q, code of %d bytes, state %q, %v; want the code alone", claim, len(cb.Code.Reveal()), cb.State, f)
			}
		})
	}
}

// A refusal says how much was entered, and nothing of it.
func TestReadPasted_SaysWhatWasSeen(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "characters: 0, words: 0",
		" confirmed ":                 "characters: 9, words: 1",
		"Hier ist er, schöne Grüße":   "characters: 25, words: 5",
		strings.Repeat("xä ", 30_000): "characters: 89999, words: 30000",
	} {
		_, _, _, f := consent.ReadPasted(text)
		if f == nil || f.Code != failure.ClaimMalformed || !strings.Contains(f.Sentence(), want) {
			t.Errorf("ReadPasted() of %d bytes = %v, want %q", len(text), f, want)
		}
	}
}

// Nothing of this may be sent to Microsoft, or count as a wrong claim code.
func TestReadPasted_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want failure.Code
	}{
		"nothing":                      {"", failure.ClaimMalformed},
		"white space":                  {" \n\t ", failure.ClaimMalformed},
		"a word":                       {"confirmed", failure.ClaimMalformed},
		"a word of twelve letters":     {"Bestätigung: confirmation received", failure.ClaimMalformed},
		"words of four letters":        {"Here your code, with best", failure.ClaimMalformed},
		"a code that is short":         {"7K3M-Q2ZD-9XA", failure.ClaimMalformed},
		"two codes":                    {"7K3M-Q2ZD-9XAB or 7K3M-Q2ZD-9XAC", failure.ClaimMalformed},
		"curly quotes around a word":   {"“not-a-code-but-quite-long”", failure.ClaimMalformed},
		"20 bytes":                     {"0.AXcode-that-is-lon", failure.ClaimMalformed},
		"63 characters":                {strings.Repeat("x", 63), failure.ClaimMalformed},
		"64 characters in two words":   {strings.Repeat("x", 40) + " " + strings.Repeat("y", 40), failure.ClaimMalformed},
		"characters that no code has":  {strings.Repeat("x", 64) + "/", failure.ClaimMalformed},
		"letters of another script":    {strings.Repeat("ä", 64), failure.ClaimMalformed},
		"too much":                     {strings.Repeat("x", 64<<10+1), failure.ClaimMalformed},
		"a code of many kilobytes":     {strings.Repeat("x", 16<<10+1), failure.ClaimMalformed},
		"an address without anything":  {"https://connector.example/onboarding/callback", failure.ClaimMalformed},
		"an address without code":      {pastedURI + "state=" + pastedState, failure.AddressIncomplete},
		"an address with a short code": {pastedURI + "code=0.AXshort", failure.AddressIncomplete},
		"an address with a cut state":  {pastedURI + "code=" + pastedCode + "&state=" + pastedState[:20], failure.AddressIncomplete},
		"an error without state":       {pastedURI + "error=access_denied", failure.AddressIncomplete},
		"a wrapped one without code":   {safeLink(pastedURI + "state=" + pastedState), failure.AddressIncomplete},
		"a code that a program broke":  {pastedURI + "code=" + pastedCode[:80] + "=" + pastedCode[80:] + "&state=" + pastedState, failure.AddressIncomplete},
		"a code with a space":          {pastedURI + "code=" + pastedCode[:80] + "+" + pastedCode[80:] + "&state=" + pastedState, failure.AddressIncomplete},
		"a short code with a state":    {pastedURI + "code=0.AXshort&state=" + pastedState, failure.AddressIncomplete},
		"a whole code, a cut state":    {"code=" + pastedCode + "\n&state=" + pastedState[:40], failure.AddressIncomplete},
		"an encoded address":           {url.QueryEscape("https://connector.example/onboarding/callback"), failure.ClaimMalformed},
		"the number of a ticket":       {"Ticket 202611300001", failure.ClaimMalformed},
		"the number behind a label":    {"Ticket: 202611300001", failure.ClaimMalformed},
		"the number of a telephone":    {"Tel. 0123 4567 8901", failure.ClaimMalformed},
		"a mail address":               {"ada@contoso.example", failure.ClaimMalformed},
		"control characters":           {strings.Repeat("x", 64) + "\x00", failure.ClaimMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			claim, id, cb, f := consent.ReadPasted(tc.text)
			if f == nil || f.Code != tc.want || claim != "" || id != "" || cb.State != "" || !cb.Code.Empty() {
				t.Errorf("ReadPasted() = claim %q, consent %q, state %q, %v, want %s", claim, id, cb.State, f, tc.want)
			}
		})
	}
}

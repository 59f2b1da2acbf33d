package consent_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode"

	"azure-partner-connector/connector/consent"
)

const longEnough = "0.AXcode-that-is-long-enough"

// FuzzParseRedirected asserts that any input is refused, or is an address with a state, or a bare code without one.
func FuzzParseRedirected(f *testing.F) {
	const address = "https://connector.example/callback"
	for _, seed := range []string{
		"", " ", "#", "?", "0.AXshort", longEnough, longEnough + "#", " 0.AXcode-that\r\n-is-long-enough# ", "code=" + longEnough,
		address, address + "?code=" + longEnough + "&state=s&session_state=x#", address + "#code=" + longEnough + "&state=s", address + "?code=" + longEnough,
		address + "?error=access_denied&error_subcode=cancel&error_description=AADSTS65004%3A+x&state=s", address + "?state=s", address + "#%zz", address + "?code=%zz&state=s",
		"  " + address + "?code=a b&state=s", "mailto:a@b", "//connector.example/callback?state=s&code=" + longEnough, "7K3M-Q2ZD-9XAB", "ä" + longEnough, "\x00" + longEnough,
		strings.Repeat("x", 16<<10), strings.Repeat("x", 16<<10+1), `<a href="` + address + `">`,
		"00000000000000000\xe2\x80 \x82", // without its space it ends in U+2002, which is a space as well
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		cb, ok := consent.ParseRedirected(input)
		code := cb.Code.Reveal()
		switch {
		case !ok:
		case len(input) > 16<<10:
			t.Errorf("ParseRedirected() accepted %d bytes, want at most %d", len(input), 16<<10)
		case cb.Browser != "":
			t.Errorf("ParseRedirected(%q) = browser %q, want none", input, cb.Browser)
		case cb.State != "" && code == "" && cb.Error == "":
			t.Errorf("ParseRedirected(%q) = state %q only, want a code or an error, too", input, cb.State)
		case cb.State == "" && (len(code) < 20 || cb.Error != "" || strings.ContainsAny(code, "/?&=<>\"'") || strings.ContainsFunc(code, notPrinted)):
			t.Errorf("ParseRedirected(%q) = the bare code %q, want 20 printable ASCII characters or more without parts of an address", input, code)
		}
	})
}

// notPrinted reports whether r is not a printable ASCII character.
func notPrinted(r rune) bool { return r <= ' ' || r > unicode.MaxASCII-1 }

// FuzzParseRedirectedAddress asserts that code and state are read unchanged from the query and from the fragment of an address.
func FuzzParseRedirectedAddress(f *testing.F) {
	f.Add("0.AX+/=&?# ü", "state", "session")
	f.Add(longEnough, "a b", "#")
	f.Add("%", "%2", "")
	f.Fuzz(func(t *testing.T, code, state, session string) {
		if code == "" || state == "" {
			return
		}
		query := url.Values{"code": {code}, "state": {state}, "session_state": {session}}.Encode()
		for _, input := range []string{"https://connector.example/callback?" + query, "https://connector.example/callback?" + query + "#", "http://localhost:8443/#" + query} {
			cb, ok := consent.ParseRedirected(input)
			if want := len(input) <= 16<<10; ok != want || ok && (cb.Code.Reveal() != code || cb.State != state || cb.Error != "") {
				t.Errorf("ParseRedirected(%q) = code %q, state %q, %v, want %q, %q, %v", input, cb.Code.Reveal(), cb.State, ok, code, state, want)
			}
		}
	})
}

package consent_test

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
)

// FuzzReadPasted asserts that any input is refused, or is one of a claim code, an ID, an answer with a state, and a bare code; and
// that a refusal repeats nothing.
func FuzzReadPasted(f *testing.F) {
	for _, seed := range []string{
		"", " ", "#", "?", pastedCode, pastedCode + "#", "code=" + pastedCode, pastedURI + pastedQuery, safeLink(pastedURI + pastedQuery),
		quotedPrintable(pastedURI + pastedQuery), broken(pastedURI+pastedQuery, 76, "\r\n"), "> " + pastedURI + pastedQuery,
		pastedURI + "error=access_denied&error_subcode=cancel&error_description=AADSTS65004%3A+x&state=" + pastedState,
		pastedURI + "#%zz", pastedURI + "code=%zz&state=" + pastedState, "mailto:a@b", "7K3M-Q2ZD-9XAB", "Code: “7K3M—Q2ZD—9XAB”.",
		"11111111-2222-4333-8444-555555555555", "ä" + pastedCode, "\x00" + pastedCode, "?url=%3Furl%3D%253Furl%253D://?code=",
		"00000000000000000\xe2\x80 \x82", // without its space it ends in U+2002, which is a space as well
		"=3D=\n=3D", "a=3D\xff=\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, input string) {
		claim, id, cb, refused := consent.ReadPasted(input)
		code := cb.Code.Reveal()
		kinds := 0
		for _, is := range []bool{claim != "", id != "", cb.State != "" || code != ""} {
			if is {
				kinds++
			}
		}
		switch {
		case refused != nil && (kinds != 0 || !onlyCounts(refused.Params) || refused.Cause != nil):
			t.Errorf("ReadPasted(%q) = %v and a result, want a refusal that repeats nothing", input, refused)
		case refused == nil && kinds != 1:
			t.Errorf("ReadPasted(%q) = %q, %q, %+v, want exactly one of them", input, claim, id, cb)
		case cb.Browser != "":
			t.Errorf("ReadPasted(%q) = browser %q, want none", input, cb.Browser)
		case cb.State != "" && (len(cb.State) != 43 || (code == "") == (cb.Error == "")):
			t.Errorf("ReadPasted(%q) = state %q, want a whole one with a code or an error", input, cb.State)
		case code != "" && (len(code) < 64 || cb.Error != "" || strings.ContainsFunc(code, notInBareCode)):
			t.Errorf("ReadPasted(%q) = the code %q, want 64 characters of a code or more", input, code)
		}
	})
}

func notInBareCode(r rune) bool {
	return !('A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("._-~!*$", r))
}

// onlyCounts reports whether the parameters of a refusal are numbers.
func onlyCounts(params map[string]string) bool {
	for _, value := range params {
		if _, err := strconv.Atoi(value); err != nil {
			return false
		}
	}
	return true
}

// FuzzReadPasted_Address asserts that a code is read unchanged from the query and from the fragment of an address, or not at all.
func FuzzReadPasted_Address(f *testing.F) {
	f.Add("0.AX+/=&?# ü", "session")
	f.Add(pastedCode, "#")
	f.Add("%", "")
	f.Fuzz(func(t *testing.T, code, session string) {
		if code == "" || len(code) > 16<<10 {
			return
		}
		query := url.Values{"code": {code}, "state": {pastedState}, "session_state": {session}}.Encode()
		if len(query) > 60<<10 {
			return
		}
		for _, input := range []string{pastedURI + query, pastedURI + query + "#", "http://localhost:8443/#" + query} {
			_, _, cb, refused := consent.ReadPasted(input)
			if len(code) < 64 || strings.ContainsFunc(code, notInBareCode) {
				if refused == nil {
					t.Errorf("ReadPasted(%q) = code %q, want a refusal of %q", input, cb.Code.Reveal(), code)
				}
				continue
			}
			if refused != nil || cb.Code.Reveal() != code || cb.State != pastedState || cb.Error != "" {
				t.Errorf("ReadPasted(%q) = code %q, state %q, %v, want %q and the state", input, cb.Code.Reveal(), cb.State, refused, code)
			}
		}
	})
}

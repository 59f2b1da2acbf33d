package length_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/length"
)

func TestShorten_CountsCharacters(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"Alpine":                    "Alpine",
		"Alpine Cloud":              "Alpine …",
		"äöüßéèôñ":                  "äöüßéèôñ",
		"äöüßéèôñ!":                 "äöüßéèô…",
		"a\xffb":                    "a\uFFFDb",
		strings.Repeat("\xff", 20):  "\uFFFD", // one for a row of bytes
		strings.Repeat("a\xff", 20): "a\uFFFDa\uFFFDa\uFFFDa…",
	} {
		got := length.Shorten(text, 8)
		if got != want || !length.Fits(got, 8) {
			t.Errorf("Shorten(%q, 8) = %q, want %q", text, got, want)
		}
	}
}

func TestFits_RefusesWhatIsNotUTF8(t *testing.T) {
	for text, want := range map[string]bool{"": true, "12345678": true, "123456789": false, "ßßßßßßßß": true, "\xff": false} {
		if got := length.Fits(text, 8); got != want {
			t.Errorf("Fits(%q, 8) = %t, want %t", text, got, want)
		}
	}
}

func TestShortenAll_LeavesItsArgumentAlone(t *testing.T) {
	long := map[string]string{"a": strings.Repeat("x", 9), "b": "short", "c": "third"}
	got := length.ShortenAll(long, 2, 8)
	if diff := cmp.Diff(map[string]string{"a": "xxxxxxx…", "b": "short"}, got); diff != "" {
		t.Errorf("ShortenAll() differs (-want +got):\n%s", diff)
	}
	if len(long) != 3 || utf8.RuneCountInString(long["a"]) != 9 {
		t.Errorf("ShortenAll() changed its argument: %v", long)
	}
	if got := length.ShortenAll(nil, 2, 8); got != nil {
		t.Errorf("ShortenAll(nil) = %v, want nil", got)
	}
}

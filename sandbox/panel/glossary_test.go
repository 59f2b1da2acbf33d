package panel_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// A glossaryEntry is a term with Microsoft's own translations. A pattern matches the inflected forms of its term.
type glossaryEntry map[string]json.RawMessage

type glossaryTerm struct{ Term, Pattern string }

func (e glossaryEntry) english(t *testing.T) string {
	t.Helper()
	var term string
	if err := json.Unmarshal(e["en"], &term); err != nil {
		t.Fatal(err)
	}
	return term
}

// pattern returns what matches the term in a language.
func (e glossaryEntry) pattern(t *testing.T, language string) *regexp.Regexp {
	t.Helper()
	var term glossaryTerm
	if err := json.Unmarshal(e[language], &term); err != nil {
		t.Fatalf("the glossary's %s in %s: %v", e["en"], language, err)
	}
	pattern, err := regexp.Compile("(?i)" + term.Pattern)
	if err != nil {
		t.Fatal(err)
	}
	if term.Term == "" || !pattern.MatchString(term.Term) {
		t.Errorf("glossary: the pattern of %q in %s does not match the term itself, %q", e["en"], language, term.Term)
	}
	return pattern
}

// TestCatalogues_UseTheGlossary: a translation of screens, pages or notices has the glossary's term where the English text has it.
func TestCatalogues_UseTheGlossary(t *testing.T) {
	raw, err := os.ReadFile("testdata/glossary.json")
	if err != nil {
		t.Fatal(err)
	}
	var glossary []glossaryEntry
	if err := json.Unmarshal(raw, &glossary); err != nil {
		t.Fatal(err)
	}
	for locale, catalogue := range catalogues(t) {
		if locale == "en_US" {
			continue
		}
		language := locale[:2]
		all := []map[string]string{
			catalogue, readCatalogue(t, "../../connector/onboarding/catalogue/"+language+".json"),
			readCatalogue(t, "../../connector/notify/message/catalogue/"+language+".json"),
		}
		for _, entry := range glossary {
			english := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(entry.english(t)) + `s?\b`)
			pattern := entry.pattern(t, language)
			for _, texts := range all {
				for text, translation := range texts {
					if english.MatchString(text) && !pattern.MatchString(translation) {
						t.Errorf("%s: %q does not translate %q as the glossary does (%s): %q", language, text, entry.english(t), pattern, translation)
					}
				}
			}
		}
	}
}

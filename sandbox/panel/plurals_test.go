package panel_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pluralRules returns the plural categories of each language, and the category of some numbers, as browsers know them.
const pluralRules = `
const result = {};
for (const locale of process.argv.slice(1)) {
	const rules = new Intl.PluralRules(locale.replace("_", "-"));
	const numbers = Object.fromEntries([1, 2, 5, 21].map((n) => [n, rules.select(n)]));
	result[locale] = { categories: rules.resolvedOptions().pluralCategories, numbers };
}
console.log(JSON.stringify(result));`

// TestCatalogues_HavePluralForms checks that each catalogue has a counted text for exactly the categories of its language, and
// that 1, 2, 5 and 21 differ where the language says so.
func TestCatalogues_HavePluralForms(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "node", append([]string{"-e", pluralRules}, languages()...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var rules map[string]struct {
		Categories []string
		Numbers    map[string]string
	}
	if err := json.Unmarshal(output, &rules); err != nil {
		t.Fatal(err)
	}
	for locale, catalogue := range catalogues(t) {
		want := rules[locale].Categories
		slices.Sort(want)
		for _, text := range plurals(t) {
			var got []string
			for key := range catalogue {
				if category, ok := strings.CutPrefix(key, text+"_"); ok {
					got = append(got, category)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("i18n/%s.json has %q for the categories %v, want %v", locale, text, got, want)
			}
			if strings.Contains(text, "days") {
				checkForms(t, locale, catalogue, text, rules[locale].Numbers)
			}
		}
	}
}

// checkForms: numbers of the same category have the same form, and those of others another one.
func checkForms(t *testing.T, locale string, catalogue map[string]string, text string, categories map[string]string) {
	t.Helper()
	for a, one := range categories {
		for b, other := range categories {
			if (catalogue[text+"_"+one] == catalogue[text+"_"+other]) != (one == other) {
				t.Errorf("i18n/%s.json: %q is the same for %s (%s) and %s (%s): %q", locale, text, a, one, b, other, catalogue[text+"_"+one])
			}
		}
	}
}

// countedNoun matches a number that is followed by a word that changes with it.
var countedNoun = regexp.MustCompile(`__(days|hours|minutes|left|count|times|characters|words|more)__ (days?|hours?|minutes?|attempts?|times|tries|tokens?|customers?|characters|words)\b`)

// TestCatalogues_CountOnlyInPluralForms: a number stands before a noun only in a text that has plural forms.
func TestCatalogues_CountOnlyInPluralForms(t *testing.T) {
	for text := range readCatalogue(t, extension+"i18n/en_US.json") {
		if found := countedNoun.FindString(text); found != "" && !isPlural(t, text) {
			t.Errorf("%q counts with %q and has no plural forms", text, found)
		}
	}
}

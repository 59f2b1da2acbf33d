package message

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"

	"azure-partner-connector/connector/catalogue"
	"azure-partner-connector/connector/notify"
)

// catalogueFiles are the texts of notices: one file per language other than English, with the English text as the key. A further
// language is a further file; it must be one of the screens' languages, whose catalogues have the texts of failures.
//
//go:embed catalogue/*.json
var catalogueFiles embed.FS

// English is the language of notices when none is configured.
const English = "en"

// Languages returns the languages that notices may have, sorted.
func Languages() []string {
	names := []string{English}
	files, err := catalogueFiles.ReadDir("catalogue")
	if err != nil {
		return names // embedded files can be read
	}
	for _, file := range files {
		names = append(names, strings.TrimSuffix(file.Name(), ".json"))
	}
	slices.Sort(names)
	return names
}

// WordsOf returns a function that returns what translates texts into a language, or into a default for an empty one.
func WordsOf(standard string) notify.Words {
	return func(language string) (func(text string) string, error) {
		return words(cmp.Or(language, standard, English))
	}
}

// words returns a function that translates texts into a language.
func words(language string) (func(text string) string, error) {
	if language == English {
		return func(text string) string { return text }, nil
	}
	if !slices.Contains(Languages(), language) {
		return nil, fmt.Errorf("notify: there is no language %q, only %s", language, strings.Join(Languages(), ", "))
	}
	texts, err := catalogue.Load(catalogueFiles, language)
	if err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	return func(text string) string {
		if translated, ok := texts[text]; ok {
			return translated
		}
		return text
	}, nil
}

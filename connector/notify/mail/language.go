package mail

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"azure-partner-connector/connector/failure"
	uiextension "azure-partner-connector/ui-extension"
)

// catalogueFiles are the texts of mails: one file per language other than English, with the English text as the key. A further
// language is a further file; it must be one of the screens' languages, whose catalogues have the texts of failures.
//
//go:embed catalogue/*.json
var catalogueFiles embed.FS

// English is the language of mails when none is configured.
const English = "en"

// Languages returns the languages that mails may have, sorted.
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

// words returns a function that translates texts into a language.
func words(language string) (func(text string) string, error) {
	if language == English {
		return func(text string) string { return text }, nil
	}
	if !slices.Contains(Languages(), language) {
		return nil, fmt.Errorf("mail: there is no language %q, only %s", language, strings.Join(Languages(), ", "))
	}
	texts, err := readTexts(catalogueFiles, "catalogue/"+language+".json")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(uiextension.Files(), "i18n/"+language+"_*.json")
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("mail: the screens have %d catalogues of the language %s, want one", len(files), language)
	}
	screens, err := readTexts(uiextension.Files(), files[0])
	if err != nil {
		return nil, err
	}
	for _, code := range failure.Codes() {
		sentence, advice := code.Template()
		for _, text := range []string{sentence, advice} {
			if translated, ok := screens[text]; ok {
				texts[text] = translated
			}
		}
	}
	return func(text string) string {
		if translated, ok := texts[text]; ok {
			return translated
		}
		return text
	}, nil
}

func readTexts(files fs.FS, path string) (map[string]string, error) {
	raw, err := fs.ReadFile(files, path)
	if err != nil {
		return nil, fmt.Errorf("mail: reading texts: %w", err)
	}
	var texts map[string]string
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, fmt.Errorf("mail: reading %s: %w", path, err)
	}
	return texts, nil
}

// Package catalogue reads the translations of texts outside the screens: a package's own catalogue, and the texts of failures, which
// are in the catalogues of the screens.
package catalogue

import (
	"encoding/json"
	"fmt"
	"io/fs"

	"azure-partner-connector/connector/failure"
	uiextension "azure-partner-connector/ui-extension"
)

// Load returns the texts of catalogue/{language}.json in own, and the texts of failures in that language, which must be one of
// the screens'. The keys are the English texts.
func Load(own fs.FS, language string) (map[string]string, error) {
	texts, err := read(own, "catalogue/"+language+".json")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(uiextension.Files(), "i18n/"+language+"_*.json")
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("the screens have %d catalogues of the language %s, want one", len(files), language)
	}
	screens, err := read(uiextension.Files(), files[0])
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
	return texts, nil
}

func read(files fs.FS, path string) (map[string]string, error) {
	raw, err := fs.ReadFile(files, path)
	if err != nil {
		return nil, fmt.Errorf("reading texts: %w", err)
	}
	texts := map[string]string{}
	if err := json.Unmarshal(raw, &texts); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return texts, nil
}

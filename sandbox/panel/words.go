package panel

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// Words returns the panel's own texts and those of the drawer: language → English text → translation.
func Words() (map[string]map[string]string, error) {
	files, err := assets.ReadDir("page/words")
	if err != nil {
		return nil, fmt.Errorf("listing the panel's texts: %w", err)
	}
	all := make(map[string]map[string]string)
	for _, file := range files {
		content, err := assets.ReadFile(path.Join("page/words", file.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the panel's texts: %w", err)
		}
		var words map[string]string
		if err := json.Unmarshal(content, &words); err != nil {
			return nil, fmt.Errorf("reading the panel's texts in %s: %w", file.Name(), err)
		}
		all[strings.TrimSuffix(file.Name(), ".json")] = words
	}
	return all, nil
}

// pageScript returns the script of the panel's page, which begins with its texts.
func pageScript() ([]byte, error) {
	words, err := Words()
	if err != nil {
		return nil, err
	}
	table, err := json.Marshal(words)
	if err != nil {
		return nil, fmt.Errorf("writing the panel's texts: %w", err)
	}
	script, err := joined("page/inbox.js", "page/drawer.js", "page/pages.js", "page/panel.js")
	if err != nil {
		return nil, err
	}
	return append(append([]byte("window.panelWords = "), append(table, ';', '\n')...), script...), nil
}

package pack

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

var (
	localePattern = regexp.MustCompile(`^[a-z]{2}(_[A-Z]{2})?$`)
	namePattern   = regexp.MustCompile(`__[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*__`) // a placeholder in a text
)

// isEnglish reports whether a file is an English catalogue.
func isEnglish(name string) bool { return strings.HasPrefix(name, "i18n/en") }

// trimEnglish removes from English catalogues what they say like their keys, which a panel shows for a text that its catalogue
// lacks: half of what an English screen would load. The texts must be in another catalogue, so that checkTexts knows them.
func trimEnglish(files map[string][]byte) error {
	others := make(map[string]bool)
	for name, content := range files {
		if path.Dir(name) != "i18n" || path.Ext(name) != ".json" || isEnglish(name) {
			continue
		}
		var catalogue map[string]string
		if err := json.Unmarshal(content, &catalogue); err != nil {
			continue // the check of the package tells
		}
		for text := range catalogue {
			others[text] = true
		}
	}
	for name, content := range files {
		if path.Dir(name) != "i18n" || path.Ext(name) != ".json" || !isEnglish(name) {
			continue
		}
		var catalogue map[string]string
		if err := json.Unmarshal(content, &catalogue); err != nil {
			continue
		}
		maps.DeleteFunc(catalogue, func(text, translation string) bool { return text == translation && others[text] })
		trimmed, err := json.MarshalIndent(catalogue, "", "  ")
		if err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		files[name] = append(trimmed, '\n')
	}
	return nil
}

// checkCatalogues checks the translations (docs/reference/aps-ui.md §2.7): every language has every text, including
// those of the metadata and of the types, every translation has the placeholders of its text, and the texts of scripts
// are in a catalogue. Gaps are advice, because a panel shows the English text.
func checkCatalogues(meta *element, types map[string]typeDefinition, scripts []scriptText, files map[string][]byte, out *findings) {
	catalogues := make(map[string]map[string]string) // file → text → translation
	texts := titles(meta, types)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		folder, file := path.Split(name)
		if folder != "i18n/" || path.Ext(file) != ".json" {
			continue
		}
		if !localePattern.MatchString(strings.TrimSuffix(file, ".json")) {
			out.advise(name, "is not named after a locale")
		}
		var catalogue map[string]string
		if err := strictJSON(files[name], &catalogue); err != nil {
			if json.Unmarshal(files[name], &catalogue) != nil {
				out.refuse(name, "cannot be read: %v", err)
				continue
			}
			out.advise(name, "%v", err) // browsers read it
		}
		catalogues[name] = catalogue
		for text := range catalogue {
			texts[text] = true
		}
	}
	if len(catalogues) == 0 {
		return
	}
	checkTexts(scripts, texts, out)
	for name, catalogue := range catalogues {
		for text := range texts {
			translation, ok := catalogue[text]
			switch {
			case !ok && isEnglish(name): // the text is its own translation
			case !ok && ofOtherLanguages(text, catalogue):
			case !ok:
				out.advise(name, "lacks %q", text)
			case translation == "":
				out.advise(name, "has no translation of %q", text)
			case !slices.Equal(placeholders(text), placeholders(translation)):
				out.advise(name, "the translation of %q has other placeholders", text)
			}
		}
	}
}

// ofOtherLanguages reports whether a text is a plural form that the language of the catalogue need not have. All languages have
// the form _other.
func ofOtherLanguages(text string, catalogue map[string]string) bool {
	at := strings.LastIndexByte(text, '_')
	if at < 0 || !slices.Contains([]string{"_zero", "_one", "_two", "_few", "_many"}, text[at:]) {
		return false
	}
	_, ok := catalogue[text[:at]+"_other"]
	return ok
}

// checkTexts checks that the texts of scripts are known. t is a name that scripts may use for anything, so it counts as a
// translation only in a script that has known texts in it.
func checkTexts(scripts []scriptText, known map[string]bool, out *findings) {
	translates := make(map[string]bool)
	for _, s := range scripts {
		if s.wrapped && known[s.text] {
			translates[s.script] = true
		}
	}
	for _, s := range scripts {
		if s.text != "" && !known[s.text] && (!s.wrapped || translates[s.script]) {
			out.advise(s.script, "the text %q is in no catalogue", s.text)
		}
	}
}

// placeholders returns the set of placeholders of a text, in order.
func placeholders(text string) []string {
	names := namePattern.FindAllString(text, -1)
	slices.Sort(names)
	return slices.Compact(names)
}

// titles returns the texts of the metadata and the types that the panels show.
func titles(meta *element, types map[string]typeDefinition) map[string]bool {
	texts := make(map[string]bool)
	add := func(text string) {
		if text != "" {
			texts[text] = true
		}
	}
	for _, tree := range meta.child("presentation").all("navigation") {
		tree.walk(func(e *element) { add(e.attrs["label"]) })
	}
	for _, p := range meta.child("privileges").all("privilege") {
		add(p.attrs["title"])
	}
	for _, t := range types {
		for _, p := range t.Properties {
			add(p.Title)
			add(p.Description)
			for _, title := range p.EnumTitles {
				add(title)
			}
		}
		for _, r := range t.Relations {
			add(r.Title)
		}
	}
	return texts
}

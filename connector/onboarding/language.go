package onboarding

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/language"

	"azure-partner-connector/connector/failure"
	uiextension "azure-partner-connector/ui-extension"
)

// The catalogues of our pages: one file per language, the English text as the key. Another language is another file; it
// must be one of the panel's, whose catalogues hold what is said of failures.
//
//go:embed catalogue/*.json
var catalogueFiles embed.FS

const (
	defaultLanguage = "en"
	languageLife    = 24 * time.Hour
	maxLocales      = 100 // bytes of a ui_locales parameter that are looked at
)

// languages translates texts. It never changes once loaded.
type languages struct {
	names   []string                     // the default first
	texts   map[string]map[string]string // language → English text → text
	matcher language.Matcher
}

func loadLanguages() (*languages, error) {
	files, err := catalogueFiles.ReadDir("catalogue")
	if err != nil {
		return nil, fmt.Errorf("reading catalogues: %w", err)
	}
	l := &languages{names: []string{defaultLanguage}, texts: map[string]map[string]string{}}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".json")
		if l.texts[name], err = loadTexts(name); err != nil {
			return nil, fmt.Errorf("reading catalogue %s: %w", name, err)
		}
		if name != defaultLanguage {
			l.names = append(l.names, name)
		}
	}
	tags := make([]language.Tag, len(l.names))
	for i, name := range l.names {
		if tags[i], err = language.Parse(name); err != nil {
			return nil, fmt.Errorf("naming catalogue %s: %w", name, err)
		}
	}
	l.matcher = language.NewMatcher(tags)
	return l, nil
}

// loadTexts returns the texts of our pages in a language, and those of the failures from the panel's catalogue.
func loadTexts(name string) (map[string]string, error) {
	texts, err := readTexts(catalogueFiles, "catalogue/"+name+".json")
	if err != nil {
		return nil, err
	}
	panel, err := fs.Glob(uiextension.Files(), "i18n/"+name+"_*.json")
	if err != nil || len(panel) != 1 {
		return nil, fmt.Errorf("the panel has %d catalogues of this language, not one", len(panel))
	}
	said, err := readTexts(uiextension.Files(), panel[0])
	if err != nil {
		return nil, err
	}
	for _, code := range failure.Codes() {
		sentence, advice := code.Template()
		for _, text := range []string{sentence, advice} {
			if translated, ok := said[text]; ok {
				texts[text] = translated
			}
		}
	}
	return texts, nil
}

func readTexts(files fs.FS, path string) (map[string]string, error) {
	raw, err := fs.ReadFile(files, path)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	err = json.Unmarshal(raw, &texts)
	return texts, err
}

// match returns the language that suits the wishes best, the most important first; each is a list as in
// Accept-Language.
func (l *languages) match(wishes ...string) string {
	_, i := language.MatchStrings(l.matcher, wishes...)
	return l.names[i]
}

// text returns text in lang with its __named__ places filled from pairs; text itself where there is no translation.
func (l *languages) text(lang, text string, pairs ...string) string {
	if translated, ok := l.texts[lang][text]; ok {
		text = translated
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		text = failure.Fill(text, map[string]string{pairs[i]: pairs[i+1]})
	}
	return text
}

// asked returns the languages that the address asks for, as OpenID Connect's ui_locales, in the form of
// Accept-Language.
func asked(c echo.Context) string {
	locales := c.QueryParam("ui_locales")
	if len(locales) > maxLocales {
		return ""
	}
	return strings.Join(strings.Fields(locales), ",")
}

// language returns the language of the answer: what the address asks for, what it asked for before, what the browser
// prefers.
func (h *Handler) language(c echo.Context) string {
	return h.languages.match(asked(c), h.cookie(c, languageCookie), c.Request().Header.Get("Accept-Language"))
}

// keepLanguage remembers a language that the address asks for until the visitor is back from Microsoft, whose answer
// does not name it.
func (h *Handler) keepLanguage(c echo.Context) {
	if asked(c) != "" {
		h.setCookie(c, languageCookie, h.language(c), languageLife)
	}
}

// locale returns the language for Microsoft's pages, which come in more languages than ours; "" leaves the choice to
// Microsoft.
func (h *Handler) locale(c echo.Context) string {
	for wish := range strings.SplitSeq(asked(c), ",") {
		if tag, err := language.Parse(wish); err == nil && tag != language.Und {
			return tag.String()
		}
	}
	if lang := h.cookie(c, languageCookie); slices.Contains(h.languages.names, lang) {
		return lang
	}
	return ""
}

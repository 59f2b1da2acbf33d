package onboarding

import (
	"embed"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/text/language"

	"azure-partner-connector/connector/catalogue"
	"azure-partner-connector/connector/failure"
)

// catalogueFiles are the catalogues of our pages: one file per language, with the English text as the key. A further
// language is a further file; it must be one of the screens' languages, whose catalogues hold the texts of failures.
//
//go:embed catalogue/*.json
var catalogueFiles embed.FS

const (
	defaultLanguage = "en"
	languageTTL     = 24 * time.Hour
	maxLocales      = 100 // bytes of a ui_locales parameter; a longer one is ignored
)

// languages translates texts. A catalogue is read when its language is first asked for.
type languages struct {
	names   []string              // the default first
	texts   map[string]catalogued // by language
	matcher language.Matcher
}

// catalogued returns the texts of one language by the English texts.
type catalogued func() (map[string]string, error)

func loadLanguages() (*languages, error) {
	files, err := catalogueFiles.ReadDir("catalogue")
	if err != nil {
		return nil, fmt.Errorf("reading catalogues: %w", err)
	}
	l := &languages{names: []string{defaultLanguage}, texts: map[string]catalogued{}}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".json")
		l.texts[name] = sync.OnceValues(func() (map[string]string, error) { return catalogue.Load(catalogueFiles, name) })
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

// match returns the best language for preferences in the form of Accept-Language, the most important one first.
func (l *languages) match(preferences ...string) string {
	_, i := language.MatchStrings(l.matcher, preferences...)
	return l.names[i]
}

// text returns text in lang, or in English if it has no translation, with its __named__ placeholders filled from pairs.
func (l *languages) text(lang, text string, pairs ...string) string {
	if translated, ok := l.catalogue(lang)[text]; ok {
		text = translated
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		text = failure.Fill(text, map[string]string{pairs[i]: pairs[i+1]})
	}
	return text
}

// catalogue returns the texts of lang; none when it has no catalogue. The catalogues are part of the program, and a test reads all.
func (l *languages) catalogue(lang string) map[string]string {
	load, ok := l.texts[lang]
	if !ok {
		return nil
	}
	texts, err := load()
	if err != nil {
		return nil
	}
	return texts
}

// uiLocales returns the languages in the ui_locales parameter of OpenID Connect, in the form of Accept-Language.
func uiLocales(c echo.Context) string {
	locales := c.QueryParam("ui_locales")
	if len(locales) > maxLocales {
		return ""
	}
	return strings.Join(strings.Fields(locales), ",")
}

// language returns the language of the answer: by ui_locales, by ui_locales of an earlier request, or by the browser's
// preferences, in this order.
func (h *Handler) language(c echo.Context) string {
	return h.languages.match(uiLocales(c), h.cookie(c, languageCookie), c.Request().Header.Get("Accept-Language"))
}

// keepsLanguage stores the language of ui_locales in the browser, because Microsoft's answer doesn't contain it.
func (h *Handler) keepsLanguage(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if uiLocales(c) != "" {
			h.setCookie(c, languageCookie, h.language(c), languageTTL)
		}
		return next(c)
	}
}

// A choice is a language that visitors can choose.
type choice struct{ Tag, Name string }

// choices returns all languages, by their names.
func (l *languages) choices() []choice {
	all := make([]choice, len(l.names))
	for i, code := range l.names {
		all[i] = choice{code, nameOf(code)}
	}
	slices.SortFunc(all, func(a, b choice) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// nameOf returns the name of a language in that language.
func nameOf(code string) string {
	switch code {
	case "de":
		return "Deutsch"
	case "en":
		return "English"
	case "es":
		return "Español"
	case "fr":
		return "Français"
	case "it":
		return "Italiano"
	case "ja":
		return "日本語"
	case "nl":
		return "Nederlands"
	case "pt":
		return "Português (Brasil)"
	case "ru":
		return "Русский"
	}
	return code
}

// locale returns the language for Microsoft's pages, which have more languages than ours; "" leaves the choice to
// Microsoft.
func (h *Handler) locale(c echo.Context) string {
	for name := range strings.SplitSeq(uiLocales(c), ",") {
		if tag, err := language.Parse(name); err == nil && tag != language.Und {
			return tag.String()
		}
	}
	if lang := h.cookie(c, languageCookie); slices.Contains(h.languages.names, lang) {
		return lang
	}
	return ""
}

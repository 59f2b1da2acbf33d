package panel_test

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

const extension = "../../ui-extension/"

// sources returns the screens' files by name below ui-extension/.
func sources(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"ui/*.js", "ui/*.html", "ui/*/*.js", "ui/*/*.html"} {
		files, err := filepath.Glob(extension + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			content, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			found[strings.TrimPrefix(name, extension)] = string(content)
		}
	}
	if len(found) < 8 {
		t.Fatalf("sources() = %d files, want the screens", len(found))
	}
	return found
}

// catalogues returns the texts of every language.
func catalogues(t testing.TB) map[string]map[string]string {
	t.Helper()
	files, err := filepath.Glob(extension + "i18n/*.json")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for _, name := range files {
		found[strings.TrimSuffix(filepath.Base(name), ".json")] = readCatalogue(t, name)
	}
	return found
}

func readCatalogue(t testing.TB, name string) map[string]string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]string
	if err := json.Unmarshal(content, &texts); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return texts
}

// translated matches the texts that screens pass to t or _.
var translated = regexp.MustCompile(`\b(?:t|_)\(\s*("(?:[^"\\]|\\.)*")`)

// counted matches the texts that screens pass to words.plural.
var counted = regexp.MustCompile(`\bplural\(t, ("(?:[^"\\]|\\.)*")`)

// plurals returns the texts that have a form for each plural category of a language.
func plurals(t *testing.T) []string {
	t.Helper()
	var found []string
	for name, source := range sources(t) {
		for _, match := range counted.FindAllStringSubmatch(source, -1) {
			text, err := strconv.Unquote(match[1])
			if err != nil {
				t.Fatalf("%s: %s: %v", name, match[1], err)
			}
			if !slices.Contains(found, text) {
				found = append(found, text)
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("no screen counts anything")
	}
	return found
}

// pluralForm matches the ending of a key that has a plural form.
var pluralForm = regexp.MustCompile(`_(zero|one|two|few|many|other)$`)

// isPlural reports whether a key is one of the plural forms of a text that screens count with.
func isPlural(t *testing.T, key string) bool {
	return pluralForm.MatchString(key) && slices.Contains(plurals(t), pluralForm.ReplaceAllString(key, ""))
}

// texts returns every text that a person may read, with its origin.
func texts(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name, source := range sources(t) {
		for _, match := range translated.FindAllStringSubmatch(source, -1) {
			text, err := strconv.Unquote(match[1])
			if err != nil {
				t.Fatalf("%s: %s: %v", name, match[1], err)
			}
			found[text] = name
		}
	}
	for _, code := range failure.Codes() {
		sentence, advice := code.Template()
		found[sentence], found[advice] = string(code), string(code)
	}
	for _, text := range manifestTexts(t) {
		found[text] = "app.yaml"
	}
	for _, text := range schemaTexts(t) {
		found[text] = "schemas"
	}
	return found
}

// manifestTexts returns the labels of app.yaml that panels show.
func manifestTexts(t *testing.T) []string {
	t.Helper()
	var manifest any
	if err := yaml.Unmarshal(azurepartner.Manifest(), &manifest); err != nil {
		t.Fatal(err)
	}
	return leaves(manifest, "label", "title", "area")
}

func schemaTexts(t *testing.T) []string {
	t.Helper()
	var found []string
	files, err := filepath.Glob("../../schemas/*.schema")
	if err != nil || len(files) == 0 {
		t.Fatalf("no schemas: %v", err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var schema any
		if err := json.Unmarshal(content, &schema); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found = append(found, leaves(schema, "title", "description")...)
	}
	return found
}

// leaves returns the texts under the given keys, at any depth.
func leaves(value any, keys ...string) []string {
	var found []string
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if text, ok := inner.(string); ok && slices.Contains(keys, key) {
				found = append(found, text)
			}
			found = append(found, leaves(inner, keys...)...)
		}
	case []any:
		for _, inner := range v {
			found = append(found, leaves(inner, keys...)...)
		}
	}
	return found
}

// languages returns the languages of the screens.
func languages() []string {
	return []string{"en_US", "de_DE", "es_ES", "fr_FR", "it_IT", "ja_JP", "nl_NL", "pt_BR", "ru_RU"}
}

func TestCatalogues_HaveEveryText(t *testing.T) {
	all := catalogues(t)
	for _, locale := range languages() {
		if all[locale] == nil {
			t.Errorf("i18n/%s.json is missing", locale)
		}
	}
	for locale, catalogue := range all {
		for text, source := range texts(t) {
			if catalogue[text] == "" {
				t.Errorf("i18n/%s.json has no %q of %s", locale, text, source)
			}
		}
	}
}

// placeholder matches the placeholders of a text.
var placeholder = regexp.MustCompile(`__[a-z]+__`)

// TestCatalogues_NameButtonsAsTheyAre: an advice that names a button names it as the screen does, in every language.
func TestCatalogues_NameButtonsAsTheyAre(t *testing.T) {
	for locale, catalogue := range catalogues(t) {
		for text, translation := range catalogue {
			for _, button := range []string{"Renew Now", "Update Refresh Token", "Manual Update"} {
				if strings.Contains(text, button) && !strings.Contains(translation, catalogue[button]) {
					t.Errorf("%s: %q does not name %q as %q: %q", locale, text, button, catalogue[button], translation)
				}
			}
		}
	}
}

// TestCatalogues_NameRolesAsMicrosoft: screens and onboarding pages name a role the same way, in no other language as in
// English, so that a person finds it on Microsoft's pages.
func TestCatalogues_NameRolesAsMicrosoft(t *testing.T) {
	for locale, catalogue := range catalogues(t) {
		all := []map[string]string{catalogue}
		if locale != "en_US" {
			all = append(all, readCatalogue(t, "../../connector/onboarding/catalogue/"+locale[:2]+".json"))
		}
		for _, role := range []string{"Global admin", "Admin agent"} {
			name := catalogue[role]
			if (name == role) != (locale == "en_US") {
				t.Errorf("%s names the role %q as %q", locale, role, name)
			}
			for _, one := range all {
				for text, translation := range one {
					if strings.Contains(text, role) && !strings.Contains(strings.ToLower(translation), strings.ToLower(name)) {
						t.Errorf("%s: %q does not name the role %q as %q: %q", locale, text, role, name, translation)
					}
				}
			}
		}
	}
}

func TestCatalogues_KeepPlaceholders(t *testing.T) {
	for locale, catalogue := range catalogues(t) {
		for text, translation := range catalogue {
			got, want := placeholder.FindAllString(translation, -1), placeholder.FindAllString(text, -1)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("i18n/%s.json: %q has the placeholders %v, want %v", locale, translation, got, want)
			}
			if locale == "en_US" && translation != text && !pluralForm.MatchString(text) {
				t.Errorf("i18n/en_US.json: %q is %q, want the text itself", text, translation)
			}
		}
	}
}

func TestCatalogues_HaveNothingElse(t *testing.T) {
	shown := texts(t)
	for locale, catalogue := range catalogues(t) {
		for text := range catalogue {
			if _, ok := shown[text]; !ok && !slices.Contains(panelTexts(t), text) && !isPlural(t, text) {
				t.Errorf("i18n/%s.json has %q, which nothing shows", locale, text)
			}
		}
	}
}

// panelTexts returns the texts of the library's own widgets, which are like the real ones, and the names and summaries in
// app.yaml.
func panelTexts(t *testing.T) []string {
	t.Helper()
	var manifest any
	if err := yaml.Unmarshal(azurepartner.Manifest(), &manifest); err != nil {
		t.Fatal(err)
	}
	return append(leaves(manifest, "name", "summary"), "Close")
}

func TestWords_CoverEveryStateAndAction(t *testing.T) {
	words := sources(t)["ui/lib/connector.js"]
	for _, state := range token.States() {
		if !strings.Contains(words, "\n                "+string(state)+": {") {
			t.Errorf("connector.js has no word for the state %s", state)
		}
	}
	for _, action := range []audit.Action{
		audit.TenantProvisioned, audit.TenantConfigured, audit.DirectoryResolved, audit.TenantRemoved, audit.ConsentBegun, audit.ConsentLinked, audit.ConsentGranted,
		audit.ConsentRefused, audit.ConsentConfirmed, audit.ConsentExpired, audit.ConsentClosed, audit.ConsentDisowned, audit.ClaimAccepted, audit.ClaimRefused, audit.GrantRenewed, audit.GrantRotated,
		audit.RenewalFailed, audit.PredecessorUsed, audit.GrantChecked,
		audit.GrantForgotten, audit.GrantExported, audit.TokenLent, audit.LendingRefused, audit.CallRefused, audit.LimitReached,
	} {
		if !strings.Contains(words, strconv.Quote(string(action))) {
			t.Errorf("connector.js has no word for the action %s", action)
		}
	}
	for _, api := range token.APIs() {
		if !strings.Contains(words, strconv.Quote(string(api))) {
			t.Errorf("connector.js has no word for the api %s", api)
		}
	}
}

// knownModules are the platform's modules that real packages use (docs/reference/aps-ui.md §2.3, §2.4); others may not exist.
var knownModules = []string{
	"aps/load", "aps/ready!", "aps/View", "aps/PageContainer", "aps/Message", "aps/Panel", "aps/FieldSet", "aps/Output", "aps/TextBox",
	"aps/TextArea", "aps/Button", "aps/Status", "aps/Tiles", "aps/Tile", "aps/Container", "aps/Grid", "aps/Memory", "aps/confirm", "aps/xhr",
	"aps/nav/ViewPlugin", "dojo/_base/declare", "dijit/registry",
}

var module = regexp.MustCompile(`"((?:aps|dojo|dojox|dijit|app|pacs)/[^"]*|\.\.?/[^"]*)"`)

func TestSources_UseOnlyKnownModules(t *testing.T) {
	all := sources(t)
	for name, source := range all {
		for _, match := range module.FindAllStringSubmatch(source, -1) {
			id := match[1]
			own, isOwn := strings.CutPrefix(id, "app/")
			own = "ui/" + own
			if strings.HasPrefix(id, ".") {
				own, isOwn = path.Join(path.Dir(name), id), true
			}
			switch {
			case isOwn && all[own+".js"] == "":
				t.Errorf("%s requires %s, which is not in the package", name, id)
			case !isOwn && !slices.Contains(knownModules, id):
				t.Errorf("%s requires %s, which no known package uses", name, id)
			}
		}
	}
}

// TestSources_TilesUseRelativeModules checks that neither tiles nor their modules use "app/": they run in the page of another
// package, where it is not ours.
func TestSources_TilesUseRelativeModules(t *testing.T) {
	all := sources(t)
	var visit func(name string)
	visit = func(name string) {
		for _, match := range module.FindAllStringSubmatch(all[name], -1) {
			switch id := match[1]; {
			case strings.HasPrefix(id, "app/"):
				t.Errorf("%s requires %s, which a tile's page does not find", name, id)
			case strings.HasPrefix(id, "."):
				visit(path.Join(path.Dir(name), id) + ".js")
			}
		}
	}
	tiles := 0
	for name := range all {
		if strings.HasPrefix(name, "ui/plugins/") {
			tiles++
			visit(name)
		}
	}
	if tiles == 0 {
		t.Error("there is no tile in ui/plugins/")
	}
}

// forbidden are constructs that break a rule of the platform or of this repository, with the reason.
var forbidden = map[string]string{
	`\bfetch\s*\(`:          "calls go through aps/xhr, which adds the token of the session",
	`XMLHttpRequest`:        "calls go through aps/xhr, which adds the token of the session",
	`\b(inner|outer)HTML\b`: "data from a server must not become markup",
	`insertAdjacentHTML`:    "data from a server must not become markup",
	`document\.write`:       "data from a server must not become markup",
	`escapeHTML`:            "data from a server must not become markup",
	`\beval\s*\(`:           "data from a server must not become code",
	`console\.`:             "codes and addresses must not appear in a console",
	`\bt\([^)"]*"[^"]*" \+`: "sentences are not built from parts",
	`\bdojox/`:              "dojox is not needed",
}

// TestSources_StoreOnlyTheIDOfAConsent: a browser may be shared, so it keeps nothing but which consent was told of. A tab keeps,
// as long as it is open, the place in the provider's list.
func TestSources_StoreOnlyTheIDOfAConsent(t *testing.T) {
	for name, source := range sources(t) {
		used := regexp.MustCompile(`(localStorage|sessionStorage|indexedDB|document\.cookie)[^;)]*`).FindAllString(source, -1)
		known := map[string][]string{
			"ui/lib/consent.js": {"localStorage.getItem(key", "localStorage.setItem(key, id"},
			"ui/lib/tenants.js": {"sessionStorage.getItem(placeKey", "sessionStorage.setItem(placeKey, JSON.stringify(place"},
		}[name]
		used = slices.DeleteFunc(used, func(use string) bool { return slices.Contains(known, use) })
		if len(used) > 0 {
			t.Errorf("%s stores in the browser: %q", name, used)
		}
	}
}

func TestSources_AvoidForbiddenConstructs(t *testing.T) {
	for name, source := range sources(t) {
		for pattern, reason := range forbidden {
			if found := regexp.MustCompile(pattern).FindString(source); found != "" {
				t.Errorf("%s has %q: %s", name, found, reason)
			}
		}
	}
}

package world_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/world"
)

// shownWords returns the English texts that the panel and the drawer translate.
func shownWords(t *testing.T) map[string]bool {
	t.Helper()
	shown := map[string]bool{"Services": true, "Applications": true} // folders of the menu
	scripts, err := filepath.Glob("../panel/page/*.js")
	if err != nil || len(scripts) < 3 {
		t.Fatalf("the panel's scripts are %q, %v", scripts, err)
	}
	for _, name := range scripts {
		source, err := os.ReadFile(name)
		check(t, err)
		for _, match := range regexp.MustCompile(`\bword\(\s*("(?:[^"\\]|\\.)*")`).FindAllSubmatch(source, -1) {
			text, err := strconv.Unquote(string(match[1]))
			check(t, err)
			shown[text] = true
		}
	}
	for _, one := range world.Switches() {
		shown[one.Label], shown[one.About] = true, true
	}
	for _, step := range world.Tour() {
		shown[step.Title], shown[step.Text] = true, true
		if step.Label != "" {
			shown[step.Label] = true
		}
	}
	for _, account := range world.MicrosoftAccounts() {
		shown[account.About] = true
	}
	return shown
}

// TestWords_InEveryLanguage compares what the panel and the drawer show with their translations.
func TestWords_InEveryLanguage(t *testing.T) {
	all, err := panel.Words()
	check(t, err)
	shown := shownWords(t)
	placeholder := regexp.MustCompile(`__[a-z]+__`)
	for _, locale := range []string{"de_DE", "es_ES", "fr_FR", "it_IT", "ja_JP", "nl_NL", "pt_BR", "ru_RU"} {
		for text := range shown {
			if all[locale][text] == "" {
				t.Errorf("%s has no %q", locale, text)
			}
		}
		for text, translation := range all[locale] {
			if !shown[text] {
				t.Errorf("%s has %q, which nothing shows", locale, text)
			}
			if got, want := placeholder.FindAllString(translation, -1), placeholder.FindAllString(text, -1); !slices.Equal(got, want) {
				t.Errorf("%s: %q has the placeholders %v, want %v", locale, translation, got, want)
			}
		}
	}
	if len(all) != 8 {
		t.Errorf("there are %d languages besides English, want 8", len(all))
	}
}

// TestWords_NameButtonsAsTheScreensDo: what the tour and the drawer tell people to select has the same name on the screens.
func TestWords_NameButtonsAsTheScreensDo(t *testing.T) {
	all, err := panel.Words()
	check(t, err)
	for locale, words := range all {
		content, err := os.ReadFile("../../ui-extension/i18n/" + locale + ".json")
		check(t, err)
		var screens map[string]string
		check(t, json.Unmarshal(content, &screens))
		for text, translation := range words {
			for _, name := range []string{"Manage Refresh Token", "Update Refresh Token", "Check Now", "Renew Now", "Manual Update", "Refresh Tokens", "Global admin", "Admin agent"} {
				if strings.Contains(text, name) && !strings.Contains(translation, screens[name]) {
					t.Errorf("%s: %q does not name %q as %q: %q", locale, text, name, screens[name], translation)
				}
			}
		}
	}
}

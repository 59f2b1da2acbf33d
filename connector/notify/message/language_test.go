package message_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/tenant"
	uiextension "azure-partner-connector/ui-extension"
)

// facts are the words before the facts below the text of a message.
func facts() []string {
	return []string{"Marketplace", "Instance", "Tenant", "State", "Reason", "Reference"}
}

var placeholder = regexp.MustCompile(`__[a-z]+__`)

// TestCatalogues_HaveEveryText compares the translations with the texts: each is there, with its placeholders, and nothing else.
func TestCatalogues_HaveEveryText(t *testing.T) {
	all := append(notify.Texts(), facts()...)
	for _, language := range message.Languages() {
		if language == message.English {
			continue
		}
		raw, err := os.ReadFile("catalogue/" + language + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var texts map[string]string
		if err := json.Unmarshal(raw, &texts); err != nil {
			t.Fatal(err)
		}
		for _, text := range all {
			got, want := placeholder.FindAllString(texts[text], -1), placeholder.FindAllString(text, -1)
			slices.Sort(got)
			slices.Sort(want)
			if texts[text] == "" || !slices.Equal(got, want) {
				t.Errorf("catalogue/%s.json has %q for %q, want a text with the placeholders %v", language, texts[text], text, want)
			}
		}
		for text := range texts {
			if !slices.Contains(all, text) {
				t.Errorf("catalogue/%s.json has %q, which no mail says", language, text)
			}
		}
	}
}

// TestLanguages_AreThoseOfTheScreens checks that mails have every language of the screens.
func TestLanguages_AreThoseOfTheScreens(t *testing.T) {
	files, err := fs.Glob(uiextension.Files(), "i18n/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, file := range files {
		language, _, _ := strings.Cut(filepath.Base(file), "_")
		want = append(want, language)
	}
	slices.Sort(want)
	if got := message.Languages(); !slices.Equal(got, want) || len(got) != 9 {
		t.Errorf("Languages() = %v, want %v", got, want)
	}
}

// TestLanguages_AreThoseOfTenants checks that a reseller can choose every language.
func TestLanguages_AreThoseOfTenants(t *testing.T) {
	if got, want := tenant.Languages(), message.Languages(); !slices.Equal(got, want) {
		t.Errorf("tenant.Languages() = %v, want %v", got, want)
	}
}

package mail_test

import (
	"encoding/json"
	"io"
	"io/fs"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/mail"
	uiextension "azure-partner-connector/ui-extension"
)

// facts are the words before the facts below the text of a mail.
func facts() []string {
	return []string{"Marketplace", "Instance", "Tenant", "State", "Reason", "Reference"}
}

var placeholder = regexp.MustCompile(`__[a-z]+__`)

// TestCatalogues_HaveEveryText compares the translations with the texts: each is there, with its placeholders, and nothing else.
func TestCatalogues_HaveEveryText(t *testing.T) {
	all := append(notify.Texts(), facts()...)
	for _, language := range mail.Languages() {
		if language == mail.English {
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
	if got := mail.Languages(); !slices.Equal(got, want) || len(got) != 9 {
		t.Errorf("Languages() = %v, want %v", got, want)
	}
}

// TestSend_InALanguage sends an alarm and a warning in German, with the sentences of failures from the screens' catalogue.
func TestSend_InALanguage(t *testing.T) {
	warning := alarm
	warning.Kind, warning.Reason, warning.Count = notify.RelationshipWarning, nil, 1
	warning.Customers = []notify.CustomerEnd{{Directory: "d-1", Name: "Fjord Foods", Ends: alarm.At}}
	for name, tc := range map[string]struct {
		notice  notify.Notice
		subject string
		body    []string
	}{
		"alarm": {alarm, "Das Refresh-Token von Größe & Söhne Bcc: everybody@example.com braucht einen Menschen: Jemand muss sich erneut anmelden.", []string{
			"Microsoft nimmt das Refresh-Token nicht mehr an", "Marktplatz: Larkfield", "Grund: grant_revoked",
		}},
		"relationships": {warning, "Beziehungen (GDAP) von Größe & Söhne Bcc: everybody@example.com zu Kunden enden bald: 1.", []string{
			"Fjord Foods: bis 2026-11-23 08:00 UTC.", "Verlängern Sie diese Beziehungen im Partner Center",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, func(*server) {})
			cfg := config(s)
			cfg.Encryption, cfg.Language = mail.Off, "de"
			c, err := mail.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Send(t.Context(), tc.notice); err != nil {
				t.Fatal(err)
			}
			mails, _, _ := s.received()
			m, err := netmail.ReadMessage(strings.NewReader(mails[0]))
			if err != nil {
				t.Fatal(err)
			}
			subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if err != nil || subject != tc.subject {
				t.Errorf("Subject = %q, %v, want %q", subject, err, tc.subject)
			}
			raw, err := io.ReadAll(quotedprintable.NewReader(m.Body))
			if err != nil {
				t.Fatal(err)
			}
			body := string(raw)
			for _, want := range tc.body {
				if !strings.Contains(body, want) {
					t.Errorf("the mail says %q, want %q in it", body, want)
				}
			}
			if strings.Contains(body, "__") {
				t.Errorf("the mail says %q, want no placeholder", body)
			}
		})
	}
}

package mail_test

import (
	"html"
	"strings"
	"testing"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/mail"
)

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
		"alarm": {alarm, "Das Aktualisierungstoken von Größe & Söhne Bcc: everybody@example.com erfordert eine neue Anmeldung.", []string{
			"Microsoft akzeptiert das Aktualisierungstoken nicht mehr", "Marktplatz: Larkfield", "Grund: grant_revoked",
		}},
		"relationships": {warning, "Beziehungen (GDAP) von Größe & Söhne Bcc: everybody@example.com zu Kunden enden bald: 1.", []string{
			"Fjord Foods: bis 2026-11-23 08:00 UTC.", "Erneuern Sie diese Beziehungen in Partner Center",
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
			m := parse(t, mails[0])
			if m.subject != tc.subject {
				t.Errorf("Subject = %q, want %q", m.subject, tc.subject)
			}
			for _, body := range []string{m.plain, html.UnescapeString(m.html)} {
				for _, want := range tc.body {
					if !strings.Contains(strings.ReplaceAll(body, "</th><td style=\"padding:2px 0;word-break:break-word\">", ": "), want) {
						t.Errorf("the mail says %q, want %q in it", body, want)
					}
				}
				if strings.Contains(body, "__") {
					t.Errorf("the mail says %q, want no placeholder", body)
				}
			}
		})
	}
}

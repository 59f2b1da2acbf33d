package mail_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/mail"
)

// TestSendTo_SeveralNoticesInOneMail sends two notices to one mailbox in German: in order, with the texts of both, and with the same
// Message-ID when it is sent again.
func TestSendTo_SeveralNoticesInOneMail(t *testing.T) {
	s := startServer(t, func(*server) {})
	cfg := config(s)
	cfg.Encryption = mail.Off
	c, err := mail.New(cfg)
	check(t, err)
	recovery := alarm
	recovery.ID, recovery.Kind, recovery.Reason = "n-2", notify.Recovery, nil
	to := notify.Recipient{Address: "boss@alpine.example", Language: "de"}
	for range 2 {
		check(t, c.SendTo(t.Context(), to, []notify.Notice{alarm, recovery}))
	}
	check(t, c.SendTo(t.Context(), to, []notify.Notice{recovery}))
	mails, _, _ := s.received()
	if len(mails) != 3 {
		t.Fatalf("%d mails were sent, want three", len(mails))
	}
	first, again, single := parse(t, mails[0]), parse(t, mails[1]), parse(t, mails[2])
	if want := "Benachrichtigungen von Azure Partner connector: 2."; first.subject != want || first.header.Get("To") != "<boss@alpine.example>" {
		t.Errorf("the mail to %q has the subject %q, want %q", first.header.Get("To"), first.subject, want)
	}
	for _, body := range []string{first.plain, first.html} {
		one, two := strings.Index(body, "erfordert eine neue Anmeldung"), strings.Index(body, "funktioniert wieder")
		if one < 0 || two < one || strings.Contains(body, "__") {
			t.Errorf("the mail says %q, want the alarm and then the recovery", body)
		}
	}
	if id := first.header.Get("Message-Id"); id != again.header.Get("Message-Id") || id == single.header.Get("Message-Id") {
		t.Errorf("the mails have the IDs %s, %s and %s, want the first two alike", id, again.header.Get("Message-Id"), single.header.Get("Message-Id"))
	}
	if single.header.Get("Message-Id") != "<n-2@larkfield.example>" || !strings.Contains(single.subject, "funktioniert wieder") {
		t.Errorf("the mail with one notice is %s, %q, want that notice", single.header.Get("Message-Id"), single.subject)
	}
}

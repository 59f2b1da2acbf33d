package mail_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"azure-partner-connector/connector/notify/mail"
	"azure-partner-connector/connector/tenant"
)

// tenants implements mail.Tenants.
type tenants struct {
	notices tenant.Notices
	err     error
}

func (s *tenants) Tenant(_ context.Context, id string) (tenant.Tenant, error) {
	return tenant.Tenant{ID: id, Notices: s.notices}, s.err
}

// TestResellers_SendsToThePresentRecipients sends in the reseller's language, or in that of the provider.
func TestResellers_SendsToThePresentRecipients(t *testing.T) {
	s := startServer(t, func(*server) {})
	cfg := config(s)
	cfg.Encryption, cfg.Language = mail.Off, "fr"
	provider, err := mail.New(cfg)
	check(t, err)
	stored := &tenants{}
	resellers := mail.NewResellers(provider, stored)

	check(t, resellers.Send(t.Context(), alarm)) // nobody
	about := alarm
	about.TenantID = ""
	stored.notices = tenant.Notices{Recipients: []string{"admin@alpine.example", "boss@alpine.example"}}
	check(t, resellers.Send(t.Context(), about)) // the instance is the provider's
	if mails, _, _ := s.received(); len(mails) > 0 {
		t.Fatalf("%d mails were sent, want none", len(mails))
	}
	check(t, resellers.Send(t.Context(), alarm))
	stored.notices.Language = "de"
	check(t, resellers.Send(t.Context(), alarm))
	mails, _, _ := s.received()
	if len(mails) != 4 {
		t.Fatalf("%d mails were sent, want two to each", len(mails))
	}
	for i, want := range []struct{ to, subject string }{
		{"<admin@alpine.example>", "Le jeton"}, {"<boss@alpine.example>", "Le jeton"}, {"<admin@alpine.example>", "Das Aktualisierungstoken"}, {"<boss@alpine.example>", "Das Aktualisierungstoken"},
	} {
		m := parse(t, mails[i])
		if to := m.header.Get("To"); !strings.HasPrefix(m.subject, want.subject) || to != want.to {
			t.Errorf("a mail to %q says %q, want one to %q that begins with %q", to, m.subject, want.to, want.subject)
		}
	}
	stored.err = errors.New("the database does not answer")
	if err := resellers.Send(t.Context(), alarm); err == nil {
		t.Error("Send() = nil, want the error of the database, so that the mail is sent later")
	}
}

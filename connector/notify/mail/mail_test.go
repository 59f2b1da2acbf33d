package mail_test

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/mail"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

const canary = "canary-mail-password"

var alarm = notify.Notice{
	ID: "n-1", At: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), Kind: notify.Alarm, InstanceKey: "key-1", TenantID: "t-1",
	Name: "Größe & Söhne\r\nBcc: everybody@example.com", Marketplace: "Larkfield",
	State: token.StateActionRequired, Reason: &failure.Record{Code: failure.GrantRevoked, Reference: "ABCD"}, Days: 80,
}

func config(s *server) mail.Config {
	return mail.Config{
		Server: s.address, RootCAs: s.roots, From: "Connector <connector@larkfield.example>",
		To: []string{"ops@larkfield.example", "Olga Office <olga@larkfield.example>"}, Timeout: 10 * time.Second,
	}
}

func send(t *testing.T, cfg mail.Config) error {
	t.Helper()
	c, err := mail.New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return c.Send(t.Context(), alarm)
}

func TestNew_Refuses(t *testing.T) {
	good := mail.Config{Server: "mail.example.com:587", From: "a@example.com", To: []string{"b@example.com"}}
	if _, err := mail.New(good); err != nil {
		t.Fatalf("New() = %v", err)
	}
	for name, spoil := range map[string]func(*mail.Config){
		"no port":            func(c *mail.Config) { c.Server = "mail.example.com" },
		"no host":            func(c *mail.Config) { c.Server = ":25" },
		"no sender":          func(c *mail.Config) { c.From = "connector" },
		"no recipient":       func(c *mail.Config) { c.To = nil },
		"unknown encryption": func(c *mail.Config) { c.Encryption = "ssl" },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := mail.New(cfg); err == nil {
			t.Errorf("New(%s) = nil, want an error", name)
		}
	}
}

func TestSend_RequiresEncryption(t *testing.T) {
	for name, tc := range map[string]struct {
		server func(*server)
		change func(*mail.Config)
	}{
		"server without STARTTLS": {func(*server) {}, func(*mail.Config) {}},
		"unknown certificate":     {func(s *server) { s.startTLS = true }, func(c *mail.Config) { c.RootCAs = nil }},
		"server without TLS":      {func(*server) {}, func(c *mail.Config) { c.Encryption, c.Timeout = mail.TLS, time.Second }},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, tc.server)
			cfg := config(s)
			cfg.Username, cfg.Password = "connector", secret.New(canary)
			tc.change(&cfg)
			err := send(t, cfg)
			if err == nil || strings.Contains(err.Error(), canary) {
				t.Errorf("Send() = %v, want an error without the password", err)
			}
			mails, logins, _ := s.received()
			if len(mails) > 0 || len(logins) > 0 {
				t.Errorf("the server received %d mails and %d logins, want none", len(mails), len(logins))
			}
		})
	}
}

func TestSend_RefusedRecipient(t *testing.T) {
	s := startServer(t, func(s *server) { s.startTLS, s.refuse = true, true })
	if err := send(t, config(s)); err == nil || !strings.Contains(err.Error(), "550") {
		t.Errorf("Send() = %v, want the server's refusal", err)
	}
}

func TestSend_SignsInEncryptedOnly(t *testing.T) {
	for encryption, tc := range map[string]struct {
		server      func(*server)
		unencrypted string // commands
	}{
		"":            {func(s *server) { s.startTLS = true }, "EHLO STARTTLS"},
		mail.StartTLS: {func(s *server) { s.startTLS = true }, "EHLO STARTTLS"},
		mail.TLS:      {func(s *server) { s.implicit = true }, ""},
	} {
		t.Run("encryption "+encryption, func(t *testing.T) {
			s := startServer(t, tc.server)
			cfg := config(s)
			cfg.Encryption, cfg.Username, cfg.Password = encryption, "connector", secret.New(canary)
			if err := send(t, cfg); err != nil {
				t.Fatalf("Send() = %v", err)
			}
			mails, logins, unencrypted := s.received()
			if len(logins) != 1 || logins[0] != "|connector|"+canary || unencrypted != tc.unencrypted {
				t.Errorf("Send() signed in %d times, after sending %q unencrypted, want once, after %q", len(logins), unencrypted, tc.unencrypted)
			}
			checkMail(t, mails)
		})
	}
	t.Run("encryption off", func(t *testing.T) {
		s := startServer(t, func(*server) {})
		cfg := config(s)
		cfg.Encryption = mail.Off
		if err := send(t, cfg); err != nil {
			t.Fatalf("Send() = %v", err)
		}
		mails, _, _ := s.received()
		checkMail(t, mails)
	})
}

func checkMail(t *testing.T, mails []string) {
	t.Helper()
	if len(mails) != 1 {
		t.Fatalf("Send() sent %d mails, want one", len(mails))
	}
	m := parse(t, mails[0])
	if want := "The refresh token of Größe & Söhne Bcc: everybody@example.com needs a new sign-in."; m.subject != want {
		t.Errorf("Subject = %q, want %q", m.subject, want)
	}
	for name, want := range map[string]string{
		"From": `"Connector" <connector@larkfield.example>`, "Bcc": "", "Message-Id": "<n-1@larkfield.example>",
		"Auto-Submitted": "auto-generated", "Date": "Mon, 23 Nov 2026 08:00:00 +0000",
	} {
		if got := m.header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if to, err := m.header.AddressList("To"); err != nil || len(to) != 2 {
		t.Errorf("To = %v, %v, want both", to, err)
	}
	for _, want := range []string{
		"it was revoked, or the password was changed.", "Use Update Refresh Token, or send the link from Manual Update.",
		"Marketplace: Larkfield", "Tenant: t-1", "Reason: grant_revoked", "Reference: ABCD",
	} {
		if !strings.Contains(m.plain, want) {
			t.Errorf("the mail does not contain %q:\n%s", want, m.plain)
		}
	}
	if !strings.Contains(m.html, "Größe &amp; Söhne") {
		t.Errorf("the mail in HTML is %q, want the name in it, escaped", m.html)
	}
}

// A received is a mail as a mail program shows it.
type received struct {
	header               netmail.Header
	subject, plain, html string
}

func parse(t *testing.T, raw string) received {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	check(t, err)
	r := received{header: m.Header}
	r.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	check(t, err)
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	check(t, err)
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return r
		}
		check(t, err)
		text, err := io.ReadAll(part) // NextPart decodes quoted-printable
		check(t, err)
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			r.html = string(text)
		} else {
			r.plain = string(text)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestReach_SignsInAndSendsNothing asks a server that works, one that does not encrypt, and one that has gone.
func TestReach_SignsInAndSendsNothing(t *testing.T) {
	reach := func(cfg mail.Config) error {
		cfg.Username, cfg.Password = "connector", secret.New(canary)
		c, err := mail.New(cfg)
		if err != nil {
			t.Fatalf("New() = %v", err)
		}
		return c.Reach(t.Context())
	}
	s := startServer(t, func(s *server) { s.startTLS = true })
	if err := reach(config(s)); err != nil {
		t.Errorf("Reach() = %v", err)
	}
	s.mu.Lock()
	if len(s.mails) > 0 || len(s.logins) != 1 {
		t.Errorf("the server got %d mails and %d logins, want only a login", len(s.mails), len(s.logins))
	}
	s.mu.Unlock()
	gone := config(s)
	gone.Server = "127.0.0.1:1"
	for name, cfg := range map[string]mail.Config{"a server without encryption": config(startServer(t, func(*server) {})), "nobody": gone} {
		if err := reach(cfg); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("Reach() of %s = %v, want an error without the password", name, err)
		}
	}
}

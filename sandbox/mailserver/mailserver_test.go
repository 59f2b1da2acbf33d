package mailserver_test

import (
	"errors"
	"fmt"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/mailserver"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func start(t *testing.T) *mailserver.Server {
	t.Helper()
	s, err := mailserver.Start(t.Context(), mailserver.Config{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

func send(s *mailserver.Server, content string, to ...string) error {
	return smtp.SendMail(s.Address(), nil, "connector@example.com", to, []byte(strings.ReplaceAll(content, "\n", "\r\n")))
}

func TestServer_TakesMails(t *testing.T) {
	s := start(t)
	for content, want := range map[string]struct{ subject, text string }{
		"Subject: plain\n\none\n.two\n": {"plain", "one\n.two\n"},
		"Subject: =?utf-8?q?Stra=C3=9Fe?=\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nStra=C3=\n=9Fe":                                                        {"Straße", "Straße\n"},
		"Subject: parts\nContent-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<b>no</b>\n--b\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\neWVz\n--b--\n": {"parts", "yes"},
		"Subject: markup\nContent-Type: text/html\n\n<b>no</b>\n": {"markup", ""},
	} {
		if err := send(s, content, "one@example.com", "two@example.com"); err != nil {
			t.Fatalf("sending %q = %v", content, err)
		}
		mails := s.Mails()
		got := mails[len(mails)-1]
		if got.Subject != want.subject || got.Text != want.text || got.From != "connector@example.com" || !got.At.Equal(noon) ||
			!slices.Equal(got.To, []string{"one@example.com", "two@example.com"}) {
			t.Errorf("the mail %q is kept as %+v, want %+v", content, got, want)
		}
	}
}

func TestServer_KeepsTheLastMails(t *testing.T) {
	s := start(t)
	client, err := smtp.Dial(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range 203 {
		if err := errors.Join(client.Mail("a@example.com"), client.Rcpt("b@example.com")); err != nil {
			t.Fatal(err)
		}
		data, err := client.Data()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(data, "Subject: %d\r\n\r\n", i+1)
		if err := data.Close(); err != nil {
			t.Fatal(err)
		}
	}
	mails := s.Mails()
	if len(mails) != 200 || mails[0].ID != "4" || mails[199].Subject != "203" {
		t.Errorf("of 203 mails, %d are kept, from %s to %s, want 200 from 4 to 203", len(mails), mails[0].ID, mails[len(mails)-1].Subject)
	}
}

func TestServer_Refuses(t *testing.T) {
	s := start(t)
	for name, tc := range map[string]struct {
		lines []string
		want  int
	}{
		"no sender":     {[]string{"RCPT TO:<a@example.com>"}, 503},
		"no recipient":  {[]string{"MAIL FROM:<a@example.com>", "DATA"}, 503},
		"no mailbox":    {[]string{"MAIL FROM:<a@example.com>", "RCPT TO:somebody"}, 501},
		"a reset":       {[]string{"MAIL FROM:<a@example.com>", "RSET", "RCPT TO:<a@example.com>"}, 503},
		"encryption":    {[]string{"STARTTLS"}, 502},
		"no mail":       {[]string{"MAIL FROM:<a@example.com>", "RCPT TO:<a@example.com>", "DATA", "nothing\r\n."}, 554},
		"a broken type": {[]string{"MAIL FROM:<a@example.com>", "RCPT TO:<a@example.com>", "DATA", "Content-Type: ;\r\n\r\n."}, 554},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := textproto.Dial("tcp", s.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			code, message, err := conn.ReadResponse(220)
			for _, line := range tc.lines {
				if err == nil {
					err = conn.PrintfLine("%s", line)
				}
				if err == nil {
					code, message, err = conn.ReadResponse(0)
				}
			}
			if code != tc.want {
				t.Errorf("the answer is %d %s, %v, want %d", code, message, err, tc.want)
			}
		})
	}
	if mails := s.Mails(); len(mails) != 0 {
		t.Errorf("%d mails are kept after refusals, want none", len(mails))
	}
}

// TestServer_CloseEndsConnections: a client that says nothing does not keep the server.
func TestServer_CloseEndsConnections(t *testing.T) {
	s := start(t)
	conn, err := textproto.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := conn.ReadResponse(220); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	if line, err := conn.ReadLine(); err == nil {
		t.Errorf("after Close() the client reads %q, want the end", line)
	}
}
